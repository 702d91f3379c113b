"""The conversation in order: instructions apart, turns that alternate and begin with the user's, nothing blank."""

import enum

from pilothouse_proxy.dialects.bedrock_invoke import refusal
from pilothouse_proxy.dialects.bedrock_invoke.rows import Row
from pilothouse_proxy.exchange.pairing import Pairing
from pilothouse_proxy.exchange.parts import (
    Audio,
    Document,
    Image,
    Part,
    RedactedThinking,
    RemoteImage,
    Text,
    Thinking,
    ToolCall,
    ToolResult,
)
from pilothouse_proxy.exchange.request import Request, Role, Turn

NO_OUTPUT = "(no output)"
"""A result must say something."""


class Rendering(enum.Enum):
    """How calls and results of the history are told: in the body's own members, or as text."""

    MEMBERS = "members"
    TEXT = "text"


class Spoken:
    """One turn of the user or of the assistant, of one or more messages. `at` is the place of the first of them."""

    def __init__(self, role: Role, at: int) -> None:
        self.role = role
        self.at = at
        self.texts: list[str] = []
        self.media: list[Image | Document] = []
        self.calls: list[ToolCall] = []
        self.results: list[ToolResult] = []

    @property
    def text(self) -> str:
        """All that is said in words."""
        return "\n".join(self.texts)

    @property
    def blank(self) -> bool:
        """Whether it says nothing at all."""
        return not (self.texts or self.media or self.calls or self.results)


class Conversation:
    """`system` is empty where there are no instructions. There is at least one turn, and the first is the user's."""

    def __init__(self, system: str, spoken: list[Spoken]) -> None:
        self.system = system
        self.spoken = spoken


def gather(request: Request, row: Row, rendering: Rendering) -> Conversation:
    """The turns of a request. Reasoning of earlier answers is left out: it is no part of what was said.

    Raises:
        GatewayError: INVALID_REQUEST or UNSUPPORTED that names the message.
    """
    system: list[str] = []
    spoken: list[Spoken] = []
    pairing = Pairing()
    for turn in request.turns:
        if turn.name:
            raise refusal.unsupported(row, f"messages[{turn.at}].name")
        if turn.role is Role.SYSTEM:
            system += _instructions(turn, row)
            continue
        pairing.see(turn)
        role = Role.ASSISTANT if turn.role is Role.ASSISTANT else Role.USER
        joins = bool(spoken) and spoken[-1].role is role
        into = spoken[-1] if joins else Spoken(role, turn.at)
        said = Spoken(role, turn.at)
        for index, part in enumerate(turn.parts):
            _add(said, part, row, rendering, f"messages[{turn.at}].content[{index}]")
        if said.blank:
            if turn.role is Role.USER:
                param = f"messages[{turn.at}].content"
                raise refusal.invalid(param, f"`{param}` is blank; models on Amazon Bedrock need some text")
            continue
        _join(into, said)
        if not joins:
            spoken.append(into)
    pairing.close()
    _check_ends(spoken, row)
    return Conversation("\n\n".join(system), spoken)


def told_call(call: ToolCall) -> str:
    """A call in words."""
    return f"[Called the tool {call.name} ({call.id}) with {call.arguments.strip() or '{}'}]"


def told_result(result: ToolResult) -> str:
    """A result in words."""
    return f"[The tool answered ({result.call_id}): {output(result)}]"


def output(result: ToolResult) -> str:
    """What a tool has answered."""
    return "\n".join(part.text for part in result.content if isinstance(part, Text)).strip() or NO_OUTPUT


def _instructions(turn: Turn, row: Row) -> list[str]:
    texts = []
    for index, part in enumerate(turn.parts):
        if isinstance(part, Text):
            _check_mark(part, row, f"messages[{turn.at}].content[{index}]")
            if part.text.strip():
                texts.append(part.text)
    return texts


def _add(said: Spoken, part: Part, row: Row, rendering: Rendering, path: str) -> None:
    if isinstance(part, ToolCall):
        if rendering is Rendering.TEXT:
            said.texts.append(told_call(part))
        else:
            said.calls.append(part)
    elif isinstance(part, ToolResult):
        _check_result(part, row, said.at)
        if rendering is Rendering.TEXT:
            said.texts.append(told_result(part))
        else:
            said.results.append(part)
    elif not isinstance(part, Thinking | RedactedThinking):
        _add_content(said, part, row, path)


def _check_result(result: ToolResult, row: Row, at: int) -> None:
    for index, part in enumerate(result.content):
        path = f"messages[{at}].content[{index}]"
        if not isinstance(part, Text):
            raise refusal.unsupported(row, path, "results of tools hold text")
        _check_mark(part, row, path)


def _add_content(said: Spoken, part: Text | Image | RemoteImage | Document | Audio, row: Row, path: str) -> None:
    _check_mark(part, row, path)
    if isinstance(part, Text):
        if part.text.strip():
            said.texts.append(part.text)
    elif said.role is Role.ASSISTANT:
        raise refusal.invalid(path, f"`{path}`: only user messages hold images, files and audio")
    else:
        said.media.append(_medium(part, row, path))


def _medium(part: Image | RemoteImage | Document | Audio, row: Row, path: str) -> Image | Document:
    if isinstance(part, Audio):
        raise refusal.unsupported(row, f"{path}.input_audio")
    if isinstance(part, Document):
        if not row.documents:
            raise refusal.unsupported(row, f"{path}.file")
        return part
    if not row.images:
        raise refusal.unsupported(row, f"{path}.image_url")
    if part.detail == "low":
        raise refusal.unsupported(row, f"{path}.image_url.detail", "images are always seen as they are")
    if isinstance(part, Image):
        return part
    raise refusal.unsupported(row, f"{path}.image_url.url", "images are not fetched for the model; send a data URL")


def _check_mark(part: Text | Image | RemoteImage | Document | Audio, row: Row, path: str) -> None:
    if part.cache is not None:
        raise refusal.unsupported(row, f"{path}.prompt_cache_breakpoint")


def _join(into: Spoken, said: Spoken) -> None:
    into.texts += said.texts
    into.media += said.media
    into.calls += said.calls
    into.results += said.results


def _check_ends(spoken: list[Spoken], row: Row) -> None:
    if not spoken:
        raise refusal.invalid("messages", "`messages` must hold at least one user message")
    first, last = spoken[0], spoken[-1]
    if first.role is not Role.USER:
        at = f"messages[{first.at}]"
        raise refusal.invalid(
            at, f"`{at}`: a conversation with a model on Amazon Bedrock must begin with a user message"
        )
    if last.role is Role.ASSISTANT and not row.prefill:
        raise refusal.unsupported(row, f"messages[{last.at}]", "the last message must not be the assistant's")
