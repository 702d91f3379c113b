"""The members of answers that tell of tokens, as the APIs name them: all else is skipped.

OpenAI's chat, completions and embeddings say `prompt_tokens`, its Responses and Anthropic's Messages `input_tokens`,
Bedrock's Converse `inputTokens`; the chunks of InvokeModel carry metrics of their own.
"""

import msgspec


class Details(msgspec.Struct):
    cached_tokens: int | None = None
    cache_write_tokens: int | None = None
    reasoning_tokens: int | None = None
    thinking_tokens: int | None = None


class Usage(msgspec.Struct):
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    prompt_tokens_details: Details | None = None
    completion_tokens_details: Details | None = None
    input_tokens: int | None = None
    output_tokens: int | None = None
    input_tokens_details: Details | None = None
    output_tokens_details: Details | None = None
    cache_read_input_tokens: int | None = None
    cache_creation_input_tokens: int | None = None
    inputTokens: int | None = None
    outputTokens: int | None = None
    cacheReadInputTokens: int | None = None
    cacheWriteInputTokens: int | None = None


class Metrics(msgspec.Struct):
    """Of the last chunk of InvokeModelWithResponseStream."""

    inputTokenCount: int | None = None
    outputTokenCount: int | None = None
    cacheReadInputTokenCount: int | None = None
    cacheWriteInputTokenCount: int | None = None


class Holder(msgspec.Struct):
    """What wraps a usage in events: Anthropic's `message_start`, the last event of Responses."""

    usage: Usage | None = None


class Document(msgspec.Struct):
    """An answer, or an event of one."""

    usage: Usage | None = None
    message: Holder | None = None
    response: Holder | None = None
    metrics: Metrics | None = msgspec.field(default=None, name="amazon-bedrock-invocationMetrics")


class Chunk(msgspec.Struct):
    """A frame of InvokeModelWithResponseStream: JSON in base64."""

    bytes: bytes
