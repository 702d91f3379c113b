"""The read-only view of a client's body: what routing and quotas must know, in one pass over the bytes."""

import msgspec

from pilothouse_proxy.call import Peek
from pilothouse_proxy.dialects.openai_chat import views
from pilothouse_proxy.errors import GatewayError, Kind
from pilothouse_proxy.exchange import members as members_

DEFAULT_TOKENS = 16
"""What the API writes at the most where the client names no limit."""

_switch: msgspec.json.Decoder[bool | None] = msgspec.json.Decoder(bool | None)
_count: msgspec.json.Decoder[int | None] = msgspec.json.Decoder(int | None)
_stream_options: msgspec.json.Decoder[views.StreamOptions | None] = msgspec.json.Decoder(views.StreamOptions | None)
_prompts = msgspec.json.Decoder(list[msgspec.Raw])


def read(body: bytes) -> Peek:
    """The view. Values that routing does not need are left to whoever decodes them.

    Raises:
        GatewayError: INVALID_REQUEST that names the parameter.
    """
    members = members_.read(body)
    model = members_.model(members)
    if "prompt" not in members:
        raise GatewayError(Kind.INVALID_REQUEST, "missing required parameter: `prompt`", param="prompt")
    options = members_.value(members, "stream_options", _stream_options) if "stream_options" in members else None
    limit = _number(members, "max_tokens", least=0)
    choices = max(_number(members, "n", least=1) or 1, _number(members, "best_of", least=1) or 1)
    return Peek(
        model=model,
        stream=bool("stream" in members and members_.value(members, "stream", _switch)),
        include_usage=options is not None and bool(options.include_usage),
        max_output_tokens=DEFAULT_TOKENS if limit is None else limit,
        choices=choices * prompts(members),
        members=members,
    )


def prompts(members: members_.Members) -> int:
    """How many there are: of a list of texts or of lists of token ids each is one; a list of token ids is one."""
    raw = bytes(members["prompt"])
    if not raw.startswith(b"["):
        return 1
    several = members_.value(members, "prompt", _prompts)
    return len(several) if several and bytes(several[0])[:1] in {b'"', b"["} else 1


def _number(members: members_.Members, name: str, *, least: int) -> int | None:
    if name not in members:
        return None
    value = members_.value(members, name, _count)
    if value is not None and value < least:
        raise GatewayError(Kind.INVALID_REQUEST, f"`{name}` must be at least {least}", param=name)
    return value
