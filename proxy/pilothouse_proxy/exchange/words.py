"""Refusals in the client's own words: targets name parameters as chat completions does, not all clients do."""

from collections.abc import Callable

from pilothouse_proxy.errors import GatewayError


def told(error: GatewayError, own: Callable[[str], str]) -> GatewayError:
    """The same refusal, its parameter and the names that its message quotes as the client knows them: `own` says how
    it calls what chat completions calls so.
    """
    pieces = error.message.split("`")
    # What stands between two of them is a name.
    message = "`".join([own(piece) if at % 2 else piece for at, piece in enumerate(pieces)])
    param = None if error.param is None else own(error.param)
    return GatewayError(error.kind, message, param=param, retry_after_s=error.retry_after_s)
