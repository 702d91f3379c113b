"""What clients can ask for, and the formats in which they and providers speak."""

import enum
from collections.abc import Mapping

from pilothouse_proxy.errors import Shape


class Operation(enum.StrEnum):
    """What a client calls: one path, one dialect of clients."""

    CHAT = "chat"
    COMPLETIONS = "completions"
    EMBEDDINGS = "embeddings"
    RESPONSES = "responses"
    MESSAGES = "messages"
    COUNT_TOKENS = "count_tokens"
    RERANK = "rerank"


WRITING = frozenset({Operation.CHAT, Operation.COMPLETIONS, Operation.RESPONSES, Operation.MESSAGES})
"""Operations whose answer is written by a model, token by token."""

FREE = frozenset({Operation.COUNT_TOKENS})
"""Operations that no model works on: they cost no tokens, and count as requests."""

SHAPES: Mapping[Operation, Shape] = {
    **dict.fromkeys(Operation, Shape.OPENAI),
    Operation.MESSAGES: Shape.ANTHROPIC,
    Operation.COUNT_TOKENS: Shape.ANTHROPIC,
}
"""How the clients of an operation want to be told of errors."""


class DialectName(enum.StrEnum):
    """A wire format."""

    OPENAI_CHAT = "openai.chat"
    OPENAI_COMPLETIONS = "openai.completions"
    OPENAI_EMBEDDINGS = "openai.embeddings"
    OPENAI_RESPONSES = "openai.responses"
    ANTHROPIC_MESSAGES = "anthropic.messages"
    ANTHROPIC_COUNT_TOKENS = "anthropic.count_tokens"
    BEDROCK_CONVERSE = "bedrock.converse"
    BEDROCK_COUNT_TOKENS = "bedrock.count_tokens"
    BEDROCK_INVOKE_ANTHROPIC = "bedrock.invoke.anthropic"
    BEDROCK_INVOKE_TITAN_TEXT = "bedrock.invoke.titan_text"
    BEDROCK_INVOKE_CLAUDE_TEXT = "bedrock.invoke.claude_text"
    BEDROCK_INVOKE_JURASSIC = "bedrock.invoke.jurassic"
    BEDROCK_INVOKE_JAMBA = "bedrock.invoke.jamba"
    BEDROCK_INVOKE_COMMAND = "bedrock.invoke.command"
    BEDROCK_INVOKE_COMMAND_R = "bedrock.invoke.command_r"
    BEDROCK_INVOKE_LLAMA = "bedrock.invoke.llama"
    BEDROCK_INVOKE_MISTRAL = "bedrock.invoke.mistral"
    BEDROCK_INVOKE_MISTRAL_CHAT = "bedrock.invoke.mistral_chat"
    BEDROCK_INVOKE_DEEPSEEK = "bedrock.invoke.deepseek"
    BEDROCK_INVOKE_NOVA = "bedrock.invoke.nova"
    BEDROCK_INVOKE_OPENAI = "bedrock.invoke.openai"
    RERANK = "rerank"
    """As Cohere's API and Jina's share it."""
    BEDROCK_TITAN_EMBED = "bedrock.invoke.titan_embed"
    BEDROCK_TITAN_MULTIMODAL = "bedrock.invoke.titan_multimodal"
    BEDROCK_NOVA_EMBED = "bedrock.invoke.nova_embed"
    BEDROCK_COHERE_EMBED = "bedrock.invoke.cohere_embed"
    BEDROCK_MARENGO = "bedrock.invoke.marengo"
    BEDROCK_RERANK = "bedrock.invoke.rerank"
