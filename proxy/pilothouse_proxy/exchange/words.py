"""Refusals in the client's own words: targets name parameters as chat completions does, not all clients do."""

import re
from collections.abc import Sequence

from pilothouse_proxy.errors import GatewayError

Words = Sequence[tuple[re.Pattern[str], str]]
"""(the beginning of a name as chat completions has it, what stands in its place); the first that fits."""

_QUOTED = re.compile(r"`([^`]+)`")


def told(error: GatewayError, words: Words) -> GatewayError:
    """The same refusal, its parameter and the names that its message quotes as the client knows them."""
    message = _QUOTED.sub(lambda found: f"`{_named(found[1], words)}`", error.message)
    param = None if error.param is None else _named(error.param, words)
    return GatewayError(error.kind, message, param=param, retry_after_s=error.retry_after_s)


def _named(name: str, words: Words) -> str:
    for beginning, replacement in words:
        found = beginning.match(name)
        if found is not None:
            return found.expand(replacement) + name[found.end() :]
    return name
