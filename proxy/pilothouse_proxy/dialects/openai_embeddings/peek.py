"""The read-only view of a client's body: what routing and quotas must know, in one pass over the bytes."""

import msgspec

from pilothouse_api.names import ModelName
from pilothouse_proxy.errors import GatewayError, Kind
from pilothouse_proxy.exchange import members as members_
from pilothouse_proxy.ports import Peek

_text = msgspec.json.Decoder(str)


def read(body: bytes) -> Peek:
    """The view. Values that routing does not need are left to the provider.

    Raises:
        GatewayError: INVALID_REQUEST that names the parameter.
    """
    members = members_.read(body)
    if "model" not in members:
        raise GatewayError(Kind.INVALID_REQUEST, "you must provide a model parameter", param="model")
    model = members_.value(members, "model", _text)
    if not model:
        raise GatewayError(Kind.INVALID_REQUEST, "`model` must not be empty", param="model")
    if "input" not in members or bytes(members["input"]) == b"null":
        raise GatewayError(Kind.INVALID_REQUEST, "missing required parameter: `input`", param="input")
    return Peek(model=ModelName(model), members=members)
