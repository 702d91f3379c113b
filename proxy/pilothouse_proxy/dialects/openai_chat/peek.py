"""The read-only view of a client's body: what routing and quotas must know, in one pass over the bytes."""

from typing import Final

import msgspec

from pilothouse_proxy.call import Peek
from pilothouse_proxy.dialects.openai_chat import views
from pilothouse_proxy.errors import GatewayError, Kind
from pilothouse_proxy.exchange import members as members_

_LIST: Final = ord("[")

_switch: Final[msgspec.json.Decoder[bool | None]] = msgspec.json.Decoder(bool | None)
_count: Final[msgspec.json.Decoder[int | None]] = msgspec.json.Decoder(int | None)
_stream_options: Final[msgspec.json.Decoder[views.StreamOptions | None]] = msgspec.json.Decoder(
    views.StreamOptions | None
)
_some: Final = msgspec.json.Decoder(list[msgspec.Raw])


def read(body: bytes) -> Peek:
    """The view. Values that routing does not need are left to whoever decodes them.

    Raises:
        GatewayError: INVALID_REQUEST that names the parameter.
    """
    members = members_.read(body)
    model = members_.model(members)
    if "messages" not in members:
        raise GatewayError(Kind.INVALID_REQUEST, "missing required parameter: `messages`", param="messages")
    if not _is_filled(members["messages"]):
        raise GatewayError(Kind.INVALID_REQUEST, "`messages` must be a list that is not empty", param="messages")
    options = members_.value(members, "stream_options", _stream_options) if "stream_options" in members else None
    limit = _positive(members, "max_completion_tokens")
    if limit is None:
        limit = _positive(members, "max_tokens")
    return Peek(
        model=model,
        stream=bool("stream" in members and members_.value(members, "stream", _switch)),
        include_usage=options is not None and bool(options.include_usage),
        max_output_tokens=limit,
        choices=_positive(members, "n") or 1,
        members=members,
    )


def _positive(members: members_.Members, name: str) -> int | None:
    if name not in members:
        return None
    value = members_.value(members, name, _count)
    if value is not None and value < 1:
        raise GatewayError(Kind.INVALID_REQUEST, f"`{name}` must be at least 1", param=name)
    return value


def _is_filled(raw: msgspec.Raw) -> bool:
    """Whether it is a JSON list with an element; a longer one need not be looked through for that."""
    view = memoryview(raw)
    return view[0] == _LIST and (len(view) > 64 or bool(_some.decode(raw)))
