"""The read-only view of a client's body: what routing and quotas must know, in one pass over the bytes."""

import msgspec

from pilothouse_proxy.call import Peek
from pilothouse_proxy.errors import GatewayError, Kind
from pilothouse_proxy.exchange import members as members_

_LIST = ord("[")

_switch: msgspec.json.Decoder[bool | None] = msgspec.json.Decoder(bool | None)
_count: msgspec.json.Decoder[int] = msgspec.json.Decoder(int)
_some = msgspec.json.Decoder(list[msgspec.Raw])


def read(body: bytes) -> Peek:
    """The view of a request for a message. Values that routing does not need are left to whoever decodes them.

    Raises:
        GatewayError: INVALID_REQUEST that names the parameter.
    """
    members = _members(body)
    _require(members, "max_tokens")
    limit = members_.value(members, "max_tokens", _count)
    if limit < 0:
        raise GatewayError(Kind.INVALID_REQUEST, "`max_tokens` must not be negative", param="max_tokens")
    return Peek(
        model=members_.model(members),
        stream=bool("stream" in members and members_.value(members, "stream", _switch)),
        max_output_tokens=limit,
        members=members,
    )


def read_count(body: bytes) -> Peek:
    """The view of a request to count tokens.

    Raises:
        GatewayError: INVALID_REQUEST that names the parameter.
    """
    members = _members(body)
    return Peek(model=members_.model(members), max_output_tokens=0, members=members)


def _members(body: bytes) -> members_.Members:
    members = members_.read(body)
    _require(members, "messages")
    if not _is_filled(members["messages"]):
        raise GatewayError(Kind.INVALID_REQUEST, "`messages` must be a list that is not empty", param="messages")
    return members


def _require(members: members_.Members, name: str) -> None:
    if name not in members or bytes(members[name]) == b"null":
        raise GatewayError(Kind.INVALID_REQUEST, f"missing required parameter: `{name}`", param=name)


def _is_filled(raw: msgspec.Raw) -> bool:
    """Whether it is a JSON list with an element; a longer one need not be looked through for that."""
    view = memoryview(raw)
    return view[0] == _LIST and (len(view) > 64 or bool(_some.decode(raw)))
