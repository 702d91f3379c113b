"""Turns to the `system` and `messages` of Messages.

It wants what OpenAI does not ask for: a conversation that begins with the user's turn, no blank text, all results of a
turn's calls at the head of the next one, instructions apart. Turns of one side are merged, so that what is marked for
the cache is the same however a client cuts its messages.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field

from pilothouse_proxy.anthropic import blocks, marks, refusal
from pilothouse_proxy.anthropic.blocks import Block
from pilothouse_proxy.anthropic.tools import Rendering
from pilothouse_proxy.exchange.capabilities import Capabilities, SystemTurns
from pilothouse_proxy.exchange.pairing import Pairing
from pilothouse_proxy.exchange.parts import CacheMark, Part, RedactedThinking, Text, Thinking, ToolResult
from pilothouse_proxy.exchange.request import Role, Turn

_UNMARKABLE = frozenset({"thinking", "redacted_thinking"})


@dataclass
class _Message:
    """One message in the making. `at` is the place of the client's message that began it."""

    role: str
    at: int
    results: list[Block] = field(default_factory=list)
    """Of a user turn; they come first."""
    others: list[Block] = field(default_factory=list)


def encode(
    turns: Iterable[Turn], caps: Capabilities, rendering: Rendering, tools: Iterable[Block]
) -> tuple[list[Block], list[dict[str, object]]]:
    """`system` and `messages`. `tools`, as they are sent, count among what is marked for the cache.

    Raises:
        GatewayError: INVALID_REQUEST or UNSUPPORTED that names the message.
    """
    system: list[Block] = []
    gathered: list[_Message] = []
    pairing = Pairing()
    for turn in turns:
        if turn.name:
            raise refusal.unsupported(caps, f"messages[{turn.at}].name")
        if turn.role is Role.SYSTEM:
            _add_system(turn, caps, system, gathered)
            continue
        pairing.see(turn)
        message = _Message(role="assistant" if turn.role is Role.ASSISTANT else "user", at=turn.at)
        encoder = blocks.Encoder(caps=caps, rendering=rendering, turn=turn)
        for index, part in enumerate(turn.parts):
            _add_part(message, part, encoder, index)
        if message.results or message.others:
            _append(gathered, message, system)
        elif turn.role is Role.USER:
            param = f"messages[{turn.at}].content"
            raise refusal.invalid(param, f"`{param}` is blank; Claude models need some text")
    pairing.close()
    _check_ends(gathered, caps)
    messages: list[dict[str, object]] = [
        {"role": message.role, "content": message.results + message.others} for message in gathered
    ]
    told = (block for message in gathered for block in (*message.results, *message.others))
    marks.limit((*tools, *system, *told))
    return system, messages


def _add_system(turn: Turn, caps: Capabilities, system: list[Block], gathered: list[_Message]) -> None:
    texts: list[Block] = []
    for index, part in enumerate(turn.parts):
        if isinstance(part, Text):
            texts += blocks.text(part)
            _mark_last(texts, part.cache, caps, f"messages[{turn.at}].content[{index}]")
    if gathered and texts and caps.system_turns is SystemTurns.ANYWHERE:
        gathered.append(_Message(role="system", at=turn.at, others=texts))
    else:
        system += texts


def _add_part(message: _Message, part: Part, encoder: blocks.Encoder, index: int) -> None:
    for block in encoder.encode(part, index):
        (message.results if block["type"] == "tool_result" else message.others).append(block)
    if not isinstance(part, Thinking | RedactedThinking | ToolResult):
        _mark_last(message.others, part.cache, encoder.caps, encoder.path(index))


def _mark_last(told: list[Block], cache: CacheMark | None, caps: Capabilities, path: str) -> None:
    """A mark ends a prefix: on blank text, which is not sent, it moves to what was said before."""
    if cache is None:
        return
    value = marks.value(cache, caps, path)
    if told and told[-1]["type"] not in _UNMARKABLE:
        told[-1][marks.NAME] = value


def _append(gathered: list[_Message], message: _Message, system: list[Block]) -> None:
    """Joins it to the turn before if that is of the same side: instructions between the two go to `system`."""
    at = len(gathered) - 1
    while at >= 0 and gathered[at].role == "system":
        at -= 1
    if at < 0 or gathered[at].role != message.role:
        gathered.append(message)
        return
    for instructions in gathered[at + 1 :]:
        system += instructions.others
    del gathered[at + 1 :]
    last = gathered[at]
    last.results += message.results
    last.others += message.others


def _check_ends(gathered: list[_Message], caps: Capabilities) -> None:
    spoken = [message for message in gathered if message.role != "system"]
    if not spoken:
        raise refusal.invalid("messages", "`messages` must hold at least one user message")
    if spoken[0].role != "user":
        at = f"messages[{spoken[0].at}]"
        raise refusal.invalid(at, f"`{at}`: a conversation with a Claude model must begin with a user message")
    last = spoken[-1]
    if last.role == "assistant":
        if not caps.prefill:
            at = f"messages[{last.at}]"
            raise refusal.unsupported(caps, at, "the last message must not be the assistant's")
        if last.others[-1]["type"] == "text":
            # The model goes on where the text ends; blanks there are refused.
            last.others[-1]["text"] = str(last.others[-1]["text"]).rstrip()
