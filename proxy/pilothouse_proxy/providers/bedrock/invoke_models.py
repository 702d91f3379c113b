"""Which models are spoken to through InvokeModel, in which dialect, and when: rows by the longest part of the name.

Sources: the Amazon Bedrock user guide, "Supported models and model features" (what Converse covers) and "Inference
request parameters" (the bodies). A row that turns out wrong is to be corrected here, nowhere else.
"""

import enum
import functools
from collections.abc import Mapping

import msgspec

from pilothouse_api.snapshot.providers import Model
from pilothouse_proxy.operations import DialectName

_D = DialectName


class Reach(enum.Enum):
    """What InvokeModel is to a family."""

    ALONE = "alone"
    """The only way: Converse does not hold a conversation with it."""
    MORE = "more"
    """The second way, for what its own body can say and Converse cannot."""
    COVERED = "covered"
    """Converse says all that its body can: this is the way of imported models alone."""


class Row(msgspec.Struct, frozen=True):
    """One family."""

    dialect: DialectName
    reach: Reach


ROWS: Mapping[str, Row] = {
    "titan-text": Row(_D.BEDROCK_INVOKE_TITAN_TEXT, Reach.MORE),  # instructions
    "claude-v2": Row(_D.BEDROCK_INVOKE_CLAUDE_TEXT, Reach.COVERED),
    "claude-instant": Row(_D.BEDROCK_INVOKE_CLAUDE_TEXT, Reach.COVERED),
    "ai21.j2": Row(_D.BEDROCK_INVOKE_JURASSIC, Reach.ALONE),
    "jurassic": Row(_D.BEDROCK_INVOKE_JURASSIC, Reach.ALONE),
    "jamba": Row(_D.BEDROCK_INVOKE_JAMBA, Reach.COVERED),
    "cohere.command": Row(_D.BEDROCK_INVOKE_COMMAND, Reach.ALONE),
    "command-text": Row(_D.BEDROCK_INVOKE_COMMAND, Reach.ALONE),
    "command-light": Row(_D.BEDROCK_INVOKE_COMMAND, Reach.ALONE),
    "cohere.command-r": Row(_D.BEDROCK_INVOKE_COMMAND_R, Reach.COVERED),
    "command-r": Row(_D.BEDROCK_INVOKE_COMMAND_R, Reach.COVERED),
    "llama": Row(_D.BEDROCK_INVOKE_LLAMA, Reach.COVERED),
    "mistral-7b": Row(_D.BEDROCK_INVOKE_MISTRAL, Reach.MORE),  # instructions
    "mixtral": Row(_D.BEDROCK_INVOKE_MISTRAL, Reach.MORE),
    "mistral-large-2402": Row(_D.BEDROCK_INVOKE_MISTRAL, Reach.COVERED),
    "mistral-large": Row(_D.BEDROCK_INVOKE_MISTRAL_CHAT, Reach.COVERED),
    "pixtral": Row(_D.BEDROCK_INVOKE_MISTRAL_CHAT, Reach.COVERED),
    "deepseek.r1": Row(_D.BEDROCK_INVOKE_DEEPSEEK, Reach.COVERED),
    "deepseek-r1": Row(_D.BEDROCK_INVOKE_DEEPSEEK, Reach.COVERED),
    "amazon.nova": Row(_D.BEDROCK_INVOKE_NOVA, Reach.COVERED),
    "gpt-oss": Row(_D.BEDROCK_INVOKE_OPENAI, Reach.MORE),  # seed, penalties
    "qwen3": Row(_D.BEDROCK_INVOKE_OPENAI, Reach.MORE),
    "deepseek.v3": Row(_D.BEDROCK_INVOKE_OPENAI, Reach.MORE),
    "kimi": Row(_D.BEDROCK_INVOKE_OPENAI, Reach.MORE),
    "glm": Row(_D.BEDROCK_INVOKE_OPENAI, Reach.MORE),
    "minimax": Row(_D.BEDROCK_INVOKE_OPENAI, Reach.MORE),
    "gemma": Row(_D.BEDROCK_INVOKE_OPENAI, Reach.MORE),
    "nemotron": Row(_D.BEDROCK_INVOKE_OPENAI, Reach.MORE),
}

_IMPORTED = ":imported-model/"
"""Part of the ARN of a model that the account has imported: its `family` says what it is made of."""


class Preference(enum.Enum):
    """Which of the two ways is to be tried first, where there are two."""

    CONVERSE = "converse"
    INVOKE = "invoke"


def dialects(model: Model, preference: Preference) -> tuple[DialectName, ...]:
    """What a chat is put to the model in, the best first."""
    return _found(model.family, model.upstream, preference)


@functools.lru_cache(maxsize=1024)
def _found(family: str | None, upstream: str, preference: Preference) -> tuple[DialectName, ...]:
    for name in (family, upstream):
        row = None if name is None else _row(name.lower())
        if row is None:
            continue
        if row.reach is Reach.ALONE or _IMPORTED in upstream:
            return (row.dialect,)
        if preference is Preference.INVOKE:
            return (row.dialect, _D.BEDROCK_CONVERSE)
        return (_D.BEDROCK_CONVERSE, row.dialect) if row.reach is Reach.MORE else (_D.BEDROCK_CONVERSE,)
    return (_D.BEDROCK_CONVERSE,)


def _row(name: str) -> Row | None:
    fitting = [part for part in ROWS if part in name]
    return ROWS[max(fitting, key=len)] if fitting else None
