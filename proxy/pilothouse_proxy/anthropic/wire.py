"""The members of Messages' answers that are read. Unknown ones are passed over: Anthropic adds some.

Source: the API reference of Messages, as the types of Anthropic's SDK have it.
"""

import msgspec

from pilothouse_proxy.exchange.reply import Finish
from pilothouse_proxy.exchange.usage import Usage

# fmt: off
FINISHES = {
    # `stop_reason`
    "end_turn":                      Finish.STOP,
    "stop_sequence":                 Finish.STOP,
    "tool_use":                      Finish.TOOL_CALLS,
    "max_tokens":                    Finish.LENGTH,
    "model_context_window_exceeded": Finish.LENGTH,
    "refusal":                       Finish.CONTENT_FILTER,
}

TIERS = {
    # `usage.service_tier` by OpenAI's names
    "standard": "default",
    "priority": "priority",
}
# fmt: on


class OutputDetails(msgspec.Struct):
    thinking_tokens: int | None = None


class TokenUsage(msgspec.Struct):
    """`usage` of an answer, of message_start or of message_delta, where it is cumulative and some of it is absent."""

    input_tokens: int | None = None
    output_tokens: int | None = None
    cache_read_input_tokens: int | None = None
    cache_creation_input_tokens: int | None = None
    output_tokens_details: OutputDetails | None = None
    service_tier: str | None = None


class Tokens:
    """What has been told of the usage; of each figure the last counts, for they are sums already."""

    def __init__(self) -> None:
        self.told = False
        self.tier: str | None = None
        self._input = self._output = self._read = self._written = self._reasoning = 0

    def take(self, usage: TokenUsage) -> None:
        """The next report."""
        self.told = True
        if usage.input_tokens is not None:
            self._input = usage.input_tokens
        if usage.output_tokens is not None:
            self._output = usage.output_tokens
        if usage.cache_read_input_tokens is not None:
            self._read = usage.cache_read_input_tokens
        if usage.cache_creation_input_tokens is not None:
            self._written = usage.cache_creation_input_tokens
        if usage.output_tokens_details is not None:
            self._reasoning = usage.output_tokens_details.thinking_tokens or 0
        if usage.service_tier is not None:
            self.tier = TIERS.get(usage.service_tier)

    def usage(self) -> Usage:
        """Anthropic counts what was read from and written to the cache beside the input, the exchange within it."""
        return Usage(
            input_tokens=self._input + self._read + self._written,
            output_tokens=self._output,
            cached_tokens=self._read,
            cache_write_tokens=self._written,
            reasoning_tokens=self._reasoning,
        )

    def so_far(self, output_tokens: int) -> Usage:
        """Of an answer that is not whole: its input is known, its output estimated."""
        return Usage(
            input_tokens=self._input + self._read + self._written,
            output_tokens=max(self._output, output_tokens),
            cached_tokens=self._read,
            cache_write_tokens=self._written,
            estimated=True,
        )


class StopDetails(msgspec.Struct):
    explanation: str | None = None


class Message(msgspec.Struct):
    """A whole answer."""

    content: list[msgspec.Raw]
    usage: TokenUsage
    stop_reason: str | None = None
    stop_sequence: str | None = None
    stop_details: StopDetails | None = None


class Tag(msgspec.Struct):
    type: str


class Citation(msgspec.Struct):
    type: str = ""
    url: str | None = None
    title: str | None = None


class TextBlock(msgspec.Struct):
    text: str = ""
    citations: list[Citation] | None = None


class ThinkingBlock(msgspec.Struct):
    thinking: str = ""
    signature: str | None = None


class RedactedBlock(msgspec.Struct):
    data: str


class ToolUseBlock(msgspec.Struct):
    id: str
    name: str
    input: msgspec.Raw = msgspec.Raw(b"{}")


class StartedMessage(msgspec.Struct):
    usage: TokenUsage | None = None


class Delta(msgspec.Struct):
    """Of content_block_delta, where `type` says which member counts, or of message_delta."""

    type: str = ""
    text: str = ""
    partial_json: str = ""
    thinking: str = ""
    signature: str = ""
    stop_reason: str | None = None
    stop_sequence: str | None = None
    stop_details: StopDetails | None = None


class Metrics(msgspec.Struct):
    """What Bedrock adds to the last event."""

    inputTokenCount: int = 0
    outputTokenCount: int = 0
    cacheReadInputTokenCount: int | None = None
    cacheWriteInputTokenCount: int | None = None


class Event(msgspec.Struct, rename={"metrics": "amazon-bedrock-invocationMetrics"}):
    """Any event of a stream."""

    type: str
    index: int = 0
    message: StartedMessage | None = None
    content_block: msgspec.Raw = msgspec.Raw(b"{}")
    delta: Delta | None = None
    usage: TokenUsage | None = None
    metrics: Metrics | None = None


def metered(metrics: Metrics) -> TokenUsage:
    """Bedrock's counts by Anthropic's names."""
    return TokenUsage(
        input_tokens=metrics.inputTokenCount,
        output_tokens=metrics.outputTokenCount,
        cache_read_input_tokens=metrics.cacheReadInputTokenCount,
        cache_creation_input_tokens=metrics.cacheWriteInputTokenCount,
    )


class SchemaView(msgspec.Struct):
    """What is read of a tool's own schema."""

    type: msgspec.Raw = msgspec.Raw()
