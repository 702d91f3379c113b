"""The members of Converse's answers that are read. Unknown ones are passed over: AWS adds some, and pads events."""

import msgspec

from pilothouse_proxy.exchange.capabilities import Capabilities, InputCount
from pilothouse_proxy.exchange.reply import Finish
from pilothouse_proxy.exchange.usage import Usage

# fmt: off
FINISHES = {
    # `stopReason` of the service model bedrock-runtime
    "end_turn":                      Finish.STOP,
    "stop_sequence":                 Finish.STOP,
    "tool_use":                      Finish.TOOL_CALLS,
    "max_tokens":                    Finish.LENGTH,
    "model_context_window_exceeded": Finish.LENGTH,
    "guardrail_intervened":          Finish.CONTENT_FILTER,
    "content_filtered":              Finish.CONTENT_FILTER,
}
# fmt: on
MALFORMED = frozenset({"malformed_model_output", "malformed_tool_use"})
"""Reasons that are no answer at all."""

STOP_SEQUENCE = "stop_sequence"
SERVER_TOOL = "server_tool_use"
"""A call that Bedrock runs itself: none of the client's."""


class TokenUsage(msgspec.Struct):
    inputTokens: int = 0
    outputTokens: int = 0
    cacheReadInputTokens: int | None = None
    cacheWriteInputTokens: int | None = None


class ServiceTier(msgspec.Struct):
    type: str | None = None


class _OutputDetails(msgspec.Struct):
    thinking_tokens: int = 0


class _ModelUsage(msgspec.Struct):
    output_tokens_details: _OutputDetails | None = None


class ModelFields(msgspec.Struct):
    """additionalModelResponseFields, as far as it was asked for."""

    usage: _ModelUsage | None = None
    stop_sequence: str | None = None

    @property
    def reasoning_tokens(self) -> int:
        if self.usage is None or self.usage.output_tokens_details is None:
            return 0
        return self.usage.output_tokens_details.thinking_tokens


class ToolUse(msgspec.Struct):
    toolUseId: str
    name: str
    input: msgspec.Raw = msgspec.Raw(b"{}")
    type: str | None = None


class ReasoningText(msgspec.Struct):
    text: str = ""
    signature: str | None = None


class ReasoningContent(msgspec.Struct):
    reasoningText: ReasoningText | None = None
    redactedContent: str | None = None


class Generated(msgspec.Struct):
    text: str = ""


class WebLocation(msgspec.Struct):
    url: str | None = None


class Location(msgspec.Struct):
    web: WebLocation | None = None


class Citation(msgspec.Struct):
    title: str | None = None
    location: Location | None = None


class CitationsContent(msgspec.Struct):
    content: list[Generated] = []
    citations: list[Citation] = []


class Message(msgspec.Struct):
    content: list[dict[str, msgspec.Raw]]


class Output(msgspec.Struct):
    message: Message


class PromptRouter(msgspec.Struct):
    invokedModelId: str = ""


class Trace(msgspec.Struct):
    """`guardrail` is looked at apart: nothing in it may break an answer."""

    guardrail: msgspec.Raw = msgspec.Raw()
    promptRouter: PromptRouter | None = None


class Judgement(msgspec.Struct):
    """One entry of any policy. What it matched is not read."""

    action: str = ""
    type: str = ""
    confidence: str = ""
    detected: bool | None = None


class _Filters(msgspec.Struct):
    filters: list[Judgement] = []


class _Topics(msgspec.Struct):
    topics: list[Judgement] = []


class _Words(msgspec.Struct):
    customWords: list[Judgement] = []
    managedWordLists: list[Judgement] = []


class _SensitiveInformation(msgspec.Struct):
    piiEntities: list[Judgement] = []
    regexes: list[Judgement] = []


class Assessment(msgspec.Struct):
    contentPolicy: _Filters = msgspec.field(default_factory=_Filters)
    contextualGroundingPolicy: _Filters = msgspec.field(default_factory=_Filters)
    topicPolicy: _Topics = msgspec.field(default_factory=_Topics)
    wordPolicy: _Words = msgspec.field(default_factory=_Words)
    sensitiveInformationPolicy: _SensitiveInformation = msgspec.field(default_factory=_SensitiveInformation)


class GuardrailTrace(msgspec.Struct):
    """`trace.guardrail`: by guardrail, of the prompt and of the answer."""

    inputAssessment: dict[str, Assessment] = {}
    outputAssessments: dict[str, list[Assessment]] = {}


class Reply(msgspec.Struct):
    """The answer of Converse."""

    output: Output
    stopReason: str
    usage: TokenUsage
    serviceTier: ServiceTier | None = None
    additionalModelResponseFields: ModelFields | None = None
    trace: Trace | None = None


class ToolUseStart(msgspec.Struct):
    toolUseId: str
    name: str
    type: str | None = None


class BlockStart(msgspec.Struct):
    toolUse: ToolUseStart | None = None


class ContentBlockStart(msgspec.Struct):
    start: BlockStart
    contentBlockIndex: int = 0


class ToolUseDelta(msgspec.Struct):
    input: str = ""


class ReasoningDelta(msgspec.Struct):
    text: str | None = None
    signature: str | None = None
    redactedContent: str | None = None


class BlockDelta(msgspec.Struct):
    text: str | None = None
    toolUse: ToolUseDelta | None = None
    reasoningContent: ReasoningDelta | None = None


class ContentBlockDelta(msgspec.Struct):
    delta: BlockDelta
    contentBlockIndex: int = 0


class ContentBlockStop(msgspec.Struct):
    contentBlockIndex: int = 0


class MessageStop(msgspec.Struct):
    stopReason: str
    additionalModelResponseFields: ModelFields | None = None


class Metadata(msgspec.Struct):
    usage: TokenUsage
    serviceTier: ServiceTier | None = None
    trace: Trace | None = None


def invoked(trace: Trace | None) -> str:
    """Which model a prompt router has chosen; empty where none was asked."""
    return "" if trace is None or trace.promptRouter is None else trace.promptRouter.invokedModelId


def tokens(wire: TokenUsage, caps: Capabilities, reasoning_tokens: int) -> Usage:
    """Bedrock counts what was read from and written to the cache beside the input, the exchange within it."""
    read, written = wire.cacheReadInputTokens or 0, wire.cacheWriteInputTokens or 0
    apart = caps.input_count is InputCount.WITHOUT_CACHE
    return Usage(
        input_tokens=wire.inputTokens + (read + written if apart else 0),
        output_tokens=wire.outputTokens,
        cached_tokens=read,
        cache_write_tokens=written,
        reasoning_tokens=reasoning_tokens,
    )


class SchemaView(msgspec.Struct):
    """What is read of a tool's own schema."""

    type: msgspec.Raw = msgspec.Raw()
    properties: msgspec.Raw = msgspec.Raw()
