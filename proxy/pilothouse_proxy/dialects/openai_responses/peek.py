"""The read-only view of a client's body: what routing and quotas must know, in one pass over the bytes."""

import msgspec

from pilothouse_proxy.call import Peek
from pilothouse_proxy.errors import GatewayError, Kind
from pilothouse_proxy.exchange import members as members_

_switch: msgspec.json.Decoder[bool | None] = msgspec.json.Decoder(bool | None)
_count: msgspec.json.Decoder[int | None] = msgspec.json.Decoder(int | None)


def read(body: bytes) -> Peek:
    """The view. Values that routing does not need, `input` too, are left to whoever decodes them.

    Raises:
        GatewayError: INVALID_REQUEST that names the parameter.
    """
    members = members_.read(body)
    model = members_.model(members)
    limit = members_.value(members, "max_output_tokens", _count) if "max_output_tokens" in members else None
    if limit is not None and limit < 1:
        raise GatewayError(Kind.INVALID_REQUEST, "`max_output_tokens` must be at least 1", param="max_output_tokens")
    return Peek(
        model=model,
        stream=bool("stream" in members and members_.value(members, "stream", _switch)),
        # Every answer has it, a streamed one in its last event.
        include_usage=True,
        max_output_tokens=limit,
        members=members,
    )
