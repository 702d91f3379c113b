"""A client's `input` to turns of the exchange.

What the assistant has said in one go (its reasoning, its messages, its calls) is several items here and one turn there;
each answer of a tool is a turn of its own.
"""

import re
from collections.abc import Callable, Iterable, Mapping

import msgspec

from pilothouse_proxy.dialects.openai_responses import pack, wire
from pilothouse_proxy.errors import GatewayError, Kind
from pilothouse_proxy.exchange import data_urls, reading
from pilothouse_proxy.exchange.parts import (
    Audio,
    CacheMark,
    Document,
    Image,
    Part,
    RemoteImage,
    Text,
    Thinking,
    ToolCall,
    ToolResult,
)
from pilothouse_proxy.exchange.request import Role, Turn

INSTRUCTIONS = -1
"""`Turn.at` of the turn that is no item but the parameter `instructions`."""

_TTL = re.compile(r"([0-9]{1,4})([mh])")
_ROLES = {"user": Role.USER, "assistant": Role.ASSISTANT, "system": Role.SYSTEM, "developer": Role.SYSTEM}
_STATELESS = "send the item itself, answers are not stored here"

_view = msgspec.json.Decoder(wire.ItemView)
_message = msgspec.json.Decoder(wire.Message)
_call = msgspec.json.Decoder(wire.FunctionCall)
_output = msgspec.json.Decoder(wire.FunctionCallOutput)
_reasoning = msgspec.json.Decoder(wire.ReasoningItem)


class Reader:
    """Items of one request, in order. `ttl` is that of cache breakpoints without one of their own."""

    def __init__(self, ttl: str | None) -> None:
        self._ttl = ttl
        self._turns: list[Turn] = []
        self._said: list[Part] = []
        """What the assistant has said since another one spoke."""
        self._said_at = 0

    def read(self, items: Iterable[msgspec.Raw]) -> list[Turn]:
        """The turns.

        Raises:
            GatewayError: INVALID_REQUEST or UNSUPPORTED that names the item and its part.
        """
        for at, raw in enumerate(items):
            path = f"input[{at}]"
            kind = reading.value(raw, path, _view, opaque=wire.OPAQUE).type or "message"
            read = _READERS.get(kind)
            if read is None:
                hint = _STATELESS if kind == "item_reference" else "messages, function calls and reasoning are"
                raise GatewayError(
                    Kind.UNSUPPORTED,
                    f"items of type `{kind[:64]}` are not supported with this model: {hint}",
                    param=f"{path}.type",
                )
            read(self, raw, at, path)
        self._close()
        return self._turns

    def _say(self, at: int, parts: Iterable[Part]) -> None:
        if not self._said:
            self._said_at = at
        self._said += parts

    def _close(self) -> None:
        if self._said:
            self._turns.append(Turn(role=Role.ASSISTANT, parts=tuple(self._said), at=self._said_at))
            self._said = []

    def _add(self, role: Role, parts: tuple[Part, ...], at: int) -> None:
        self._close()
        self._turns.append(Turn(role=role, parts=parts, at=at))

    def _read_message(self, raw: msgspec.Raw, at: int, path: str) -> None:
        message = reading.value(raw, path, _message, opaque=wire.OPAQUE)
        role = _ROLES[message.role]
        parts = self._content(message.content, f"{path}.content")
        if role is Role.ASSISTANT:
            self._say(at, parts)
            return
        if role is Role.SYSTEM and not all(isinstance(part, Text) for part in parts):
            param = f"{path}.content"
            raise GatewayError(Kind.INVALID_REQUEST, f"{message.role} messages hold text only", param=param)
        self._add(role, parts, at)

    def _read_call(self, raw: msgspec.Raw, at: int, path: str) -> None:
        call = reading.value(raw, path, _call, opaque=wire.OPAQUE)
        if call.namespace is not None:
            raise GatewayError(
                Kind.UNSUPPORTED, f"`{path}.namespace` is not supported with this model", param=f"{path}.namespace"
            )
        self._say(at, [ToolCall(id=call.call_id, name=call.name, arguments=call.arguments)])

    def _read_output(self, raw: msgspec.Raw, at: int, path: str) -> None:
        result = reading.value(raw, path, _output, opaque=wire.OPAQUE)
        content: list[Text | Image | RemoteImage | Document] = []
        if isinstance(result.output, str):
            content.append(Text(text=result.output))
        else:
            for index, part in enumerate(result.output):
                read = self._part(part, f"{path}.output[{index}]")
                if isinstance(read, Text | Image | RemoteImage | Document):
                    content.append(read)
        self._add(Role.TOOL, (ToolResult(call_id=result.call_id, content=tuple(content)),), at)

    def _read_reasoning(self, raw: msgspec.Raw, at: int, path: str) -> None:
        item = reading.value(raw, path, _reasoning, opaque=wire.OPAQUE)
        try:
            blocks = None if item.encrypted_content is None else pack.unpacked(item.encrypted_content)
        except ValueError as error:
            param = f"{path}.encrypted_content"
            message = f"`{param}` was changed since it was sent ({error}): send reasoning items back as they came"
            raise GatewayError(Kind.INVALID_REQUEST, message, param=param) from None
        if blocks is None:
            # What another provider has encrypted no other model can read; what is legible may serve one that takes it.
            text = "".join(piece.text for piece in item.content or item.summary or ())
            blocks = [Thinking(text=text)] if text else []
        self._say(at, blocks)

    def _content(self, content: wire.Content, path: str) -> tuple[Part, ...]:
        if isinstance(content, str):
            return (Text(text=content),)
        return tuple(self._part(part, f"{path}[{index}]") for index, part in enumerate(content))

    def _part(self, part: wire.ContentPart, path: str) -> Part:
        if isinstance(part, wire.OutputText):
            return Text(text=part.text)
        if isinstance(part, wire.Refusal):
            return Text(text=part.refusal)
        if isinstance(part, wire.InputAudio):
            return Audio(format=part.input_audio.format, base64=part.input_audio.data)
        cache = self._mark(part.prompt_cache_breakpoint, path) if part.prompt_cache_breakpoint else None
        if isinstance(part, wire.InputText):
            return Text(text=part.text, cache=cache)
        if part.file_id is not None:
            raise _not_here(f"{path}.file_id", "uploaded files are not known to this model; send the content itself")
        if isinstance(part, wire.InputImage):
            if part.image_url is None:
                raise _missing(f"{path}.image_url")
            return data_urls.image_or_address(part.image_url, f"{path}.image_url", detail=part.detail, cache=cache)
        if part.file_url is not None:
            raise _not_here(f"{path}.file_url", "files are not fetched for this model; send `file_data`")
        if not part.file_data:
            raise _missing(f"{path}.file_data")
        return data_urls.document(part.file_data, part.filename, path, cache=cache)

    def _mark(self, breakpoint_: wire.CacheBreakpoint, path: str) -> CacheMark:
        asked = breakpoint_.ttl or self._ttl
        if asked is None:
            return CacheMark()
        found = _TTL.fullmatch(asked)
        if found is None:
            param = f"{path}.prompt_cache_breakpoint.ttl"
            raise GatewayError(
                Kind.INVALID_REQUEST, f"invalid `{param}`: {asked!r} is no time such as 30m", param=param
            )
        return CacheMark(ttl_minutes=int(found[1]) * (60 if found[2] == "h" else 1))


_READERS: Mapping[str, Callable[[Reader, msgspec.Raw, int, str], None]] = {
    "message": Reader._read_message,
    "function_call": Reader._read_call,
    "function_call_output": Reader._read_output,
    "reasoning": Reader._read_reasoning,
}


def _not_here(param: str, message: str) -> GatewayError:
    return GatewayError(Kind.UNSUPPORTED, message, param=param)


def _missing(param: str) -> GatewayError:
    return GatewayError(Kind.INVALID_REQUEST, f"missing required parameter: `{param}`", param=param)
