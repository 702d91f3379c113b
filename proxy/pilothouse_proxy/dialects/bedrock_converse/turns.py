"""Turns to Converse's `system` and `messages`.

Converse wants what OpenAI does not ask for: turns that alternate and begin with the user's, no blank text, all results
of a turn's calls at the head of the next one, instructions apart.
"""

from collections.abc import Iterable
from typing import Final

from pilothouse_proxy.dialects.bedrock_converse import blocks, refusal
from pilothouse_proxy.dialects.bedrock_converse.blocks import Block
from pilothouse_proxy.dialects.bedrock_converse.tools import Rendering
from pilothouse_proxy.exchange.capabilities import Capabilities, SystemTurns
from pilothouse_proxy.exchange.pairing import Pairing
from pilothouse_proxy.exchange.parts import Document, Part, Text
from pilothouse_proxy.exchange.request import Role, Turn

_CACHE_POINTS: Final = 4
"""Bedrock takes as many; of more, OpenAI writes the latest, and so do we."""

# Families that refuse text beside calls or results get two turns, and between them a word of the other side.
_GO_ON: Final[Block] = {"text": "Continue."}
_NOTED: Final[Block] = {"text": "Noted."}

# A member of an enum is looked up anew at each use.
_SYSTEM: Final = Role.SYSTEM
_USER: Final = Role.USER
_ASSISTANT: Final = Role.ASSISTANT


class _Message:
    """One Converse message in the making. `at` is the place of the client's message that began it."""

    def __init__(self, role: str, at: int) -> None:
        self.role = role
        self.at = at
        self.tools: list[Block] = []
        """Results (of a user turn), with their cache points; they come first."""
        self.others: list[Block] = []
        self.documents = False


def encode(
    turns: Iterable[Turn], caps: Capabilities, rendering: Rendering
) -> tuple[list[Block], list[dict[str, object]]]:
    """`system` and `messages`.

    Raises:
        GatewayError: INVALID_REQUEST or UNSUPPORTED that names the message.
    """
    system: list[Block] = []
    gathered: list[_Message] = []
    pairing = Pairing()
    documents = blocks.DocumentNames()
    for turn in turns:
        if turn.name:
            raise refusal.unsupported(caps, f"messages[{turn.at}].name")
        if turn.role is _SYSTEM:
            _add_system(turn, caps, system, gathered)
            continue
        pairing.see(turn)
        message = _Message("assistant" if turn.role is _ASSISTANT else "user", turn.at)
        encoder = blocks.Encoder(caps=caps, rendering=rendering, turn=turn, documents=documents)
        for index, part in enumerate(turn.parts):
            _add_part(message, part, encoder.encode(part, index))
        if not message.tools and not message.others:
            if turn.role is _USER:
                param = f"messages[{turn.at}].content"
                raise refusal.invalid(param, f"`{param}` is blank; models on Amazon Bedrock need some text")
            continue
        _append(gathered, message, system)
    pairing.close()
    _check_ends(gathered, caps)
    messages = [converse for message in gathered for converse in _finished(message, caps)]
    return system, messages


def _add_system(turn: Turn, caps: Capabilities, system: list[Block], gathered: list[_Message]) -> None:
    if not caps.system:
        raise refusal.unsupported(caps, f"messages[{turn.at}].role", "it takes no system or developer messages")
    texts: list[Block] = []
    for index, part in enumerate(turn.parts):
        if isinstance(part, Text):
            texts += blocks.text(part, caps, turn, index)
    if gathered and texts and caps.system_turns is SystemTurns.ANYWHERE:
        message = _Message("system", turn.at)
        message.others = texts
        gathered.append(message)
    else:
        system += texts


def _add_part(message: _Message, part: Part, encoded: list[Block]) -> None:
    """Into the head of the turn go results (and the cache points after them), nothing that was hoisted out of them."""
    in_head = False
    for block in encoded:
        in_head = "toolResult" in block or (in_head and "cachePoint" in block)
        (message.tools if in_head else message.others).append(block)
    if type(part) is not Text:
        message.documents = message.documents or isinstance(part, Document)


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
    last.tools += message.tools
    last.others += message.others
    last.documents = last.documents or message.documents


def _check_ends(gathered: list[_Message], caps: Capabilities) -> None:
    spoken = [message for message in gathered if message.role != "system"]
    if not spoken:
        raise refusal.invalid("messages", "`messages` must hold at least one user message")
    if spoken[0].role != "user":
        at = f"messages[{spoken[0].at}]"
        raise refusal.invalid(
            at, f"`{at}`: a conversation with a model on Amazon Bedrock must begin with a user message"
        )
    last = spoken[-1]
    if last.role == "assistant":
        if not caps.prefill:
            at = f"messages[{last.at}]"
            raise refusal.unsupported(caps, at, "the last message must not be the assistant's")
        if "text" in last.others[-1]:
            # The model goes on where the text ends; Bedrock refuses blanks there.
            last.others[-1] = {"text": str(last.others[-1]["text"]).rstrip()}


def _finished(message: _Message, caps: Capabilities) -> list[dict[str, object]]:
    role = message.role
    if message.documents and not any("text" in block for block in message.others):
        param = f"messages[{message.at}].content"
        raise refusal.invalid(param, f"`{param}`: a file needs a text part beside it")
    head, rest = message.tools, message.others
    if not caps.mixed_turns and role == "assistant":
        head = [block for block in rest if "toolUse" not in block]
        rest = [block for block in rest if "toolUse" in block]
    if caps.mixed_turns or not head or not rest:
        return [{"role": role, "content": head + rest}]
    other_role, word = ("user", _GO_ON) if role == "assistant" else ("assistant", _NOTED)
    return [
        {"role": role, "content": head},
        {"role": other_role, "content": [word]},
        {"role": role, "content": rest},
    ]


def limit_cache_points(specs: list[Block], system: list[Block], messages: list[dict[str, object]]) -> None:
    """Of tools, instructions and messages: keep the latest four, and see that no longer lifetime follows a shorter one.

    Raises:
        GatewayError: INVALID_REQUEST, one does.
    """
    places: list[tuple[list[Block], Block]] = []
    contents = [specs, system, *(content for message in messages if isinstance(content := message["content"], list))]
    for content in contents:
        places += [(content, block) for block in content if "cachePoint" in block]
    if not places:
        return
    for content, block in places[:-_CACHE_POINTS]:
        content[:] = [kept for kept in content if kept is not block]
    longs = ["1h" in str(block["cachePoint"]) for _, block in places[-_CACHE_POINTS:]]
    if longs != sorted(longs, reverse=True):
        raise refusal.invalid(
            "messages", "prompt cache breakpoints with a longer `ttl` must come before those with a shorter one"
        )
