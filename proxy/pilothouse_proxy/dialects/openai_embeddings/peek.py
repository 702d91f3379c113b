"""The read-only view of a client's body: what routing and quotas must know, in one pass over the bytes."""

from pilothouse_proxy.call import Peek
from pilothouse_proxy.errors import GatewayError, Kind
from pilothouse_proxy.exchange import members as members_


def read(body: bytes) -> Peek:
    """The view. Values that routing does not need are left to the provider.

    Raises:
        GatewayError: INVALID_REQUEST that names the parameter.
    """
    members = members_.read(body)
    model = members_.model(members)
    if "input" not in members or bytes(members["input"]) == b"null":
        raise GatewayError(Kind.INVALID_REQUEST, "missing required parameter: `input`", param="input")
    return Peek(model=model, max_output_tokens=0, members=members)
