"""The members of native answers that are read. Unknown ones are passed over: families add some, AWS pads frames."""

import msgspec

METRICS = b"amazon-bedrock-invocationMetrics"
"""The member of a stream's last document in which Bedrock tells its own count."""


class Chunk(msgspec.Struct):
    """A frame's payload."""

    bytes: str


class Metrics(msgspec.Struct):
    inputTokenCount: int | None = None
    outputTokenCount: int | None = None
    cacheReadInputTokenCount: int | None = None
    cacheWriteInputTokenCount: int | None = None


class Measured(msgspec.Struct, rename={"metrics": METRICS.decode()}):
    """Any document with Bedrock's count in it."""

    metrics: Metrics | None = None


class TitanResult(msgspec.Struct):
    outputText: str
    tokenCount: int | None = None
    completionReason: str | None = None


class TitanAnswer(msgspec.Struct):
    results: list[TitanResult]
    inputTextTokenCount: int | None = None


class TitanChunk(msgspec.Struct):
    outputText: str = ""
    inputTextTokenCount: int | None = None
    totalOutputTextTokenCount: int | None = None
    completionReason: str | None = None


class ClaudeCompletion(msgspec.Struct):
    """Of both, the answer and the stream's documents."""

    completion: str
    stop_reason: str | None = None
    stop: str | None = None


class JurassicText(msgspec.Struct):
    text: str = ""
    tokens: list[msgspec.Raw] = []


class JurassicReason(msgspec.Struct):
    reason: str


class JurassicCompletion(msgspec.Struct):
    data: JurassicText
    finishReason: JurassicReason


class JurassicAnswer(msgspec.Struct):
    completions: list[JurassicCompletion]
    prompt: JurassicText | None = None


class Generation(msgspec.Struct):
    text: str = ""
    finish_reason: str | None = None


class CommandAnswer(msgspec.Struct):
    generations: list[Generation]


class CommandChunk(msgspec.Struct):
    text: str = ""
    finish_reason: str | None = None


class CommandCall(msgspec.Struct):
    name: str
    parameters: msgspec.Raw = msgspec.Raw(b"{}")


class CommandRAnswer(msgspec.Struct):
    text: str
    finish_reason: str
    tool_calls: list[CommandCall] | None = None
    citations: list[msgspec.Raw] | None = None


class CommandREvent(msgspec.Struct):
    event_type: str
    text: str | None = None
    tool_calls: list[CommandCall] | None = None
    finish_reason: str | None = None


class LlamaAnswer(msgspec.Struct):
    """Of both, the answer and the stream's documents; the prompt is counted in the first of these alone."""

    generation: str
    prompt_token_count: int | None = None
    generation_token_count: int | None = None
    stop_reason: str | None = None


class TextOutput(msgspec.Struct):
    text: str = ""
    stop_reason: str | None = None


class MistralAnswer(msgspec.Struct):
    """Of both, the answer and the stream's documents."""

    outputs: list[TextOutput]


class DeepSeekAnswer(msgspec.Struct):
    """Of both, the answer and the stream's documents."""

    choices: list[TextOutput]


class Function(msgspec.Struct):
    name: str | None = None
    arguments: str | dict[str, msgspec.Raw] | None = None


class ToolCall(msgspec.Struct):
    function: Function
    id: str | None = None
    index: int | None = None


class Message(msgspec.Struct):
    content: str | None = None
    reasoning_content: str | None = None
    reasoning: str | None = None
    tool_calls: list[ToolCall] | None = None
    refusal: str | None = None


class Choice(msgspec.Struct):
    """OpenAI's `finish_reason`, Mistral's `stop_reason`; a stream has `delta` where an answer has `message`."""

    message: Message | None = None
    delta: Message | None = None
    finish_reason: str | None = None
    stop_reason: str | None = None


class OutputDetails(msgspec.Struct):
    reasoning_tokens: int | None = None


class InputDetails(msgspec.Struct):
    cached_tokens: int | None = None


class ChatUsage(msgspec.Struct):
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    prompt_tokens_details: InputDetails | None = None
    completion_tokens_details: OutputDetails | None = None


class ChatAnswer(msgspec.Struct):
    choices: list[Choice]
    usage: ChatUsage | None = None


class NovaUsage(msgspec.Struct):
    inputTokens: int | None = None
    outputTokens: int | None = None
    cacheReadInputTokenCount: int | None = None
    cacheWriteInputTokenCount: int | None = None
    cacheReadInputTokens: int | None = None
    cacheWriteInputTokens: int | None = None


class NovaToolUse(msgspec.Struct):
    name: str
    toolUseId: str = ""
    input: msgspec.Raw = msgspec.Raw(b"{}")


class NovaMessage(msgspec.Struct):
    content: list[dict[str, msgspec.Raw]]


class NovaOutput(msgspec.Struct):
    message: NovaMessage


class NovaAnswer(msgspec.Struct):
    output: NovaOutput
    stopReason: str
    usage: NovaUsage | None = None


class NovaStart(msgspec.Struct):
    toolUse: NovaToolUse | None = None


class NovaBlockStart(msgspec.Struct):
    start: NovaStart
    contentBlockIndex: int = 0


class NovaInput(msgspec.Struct):
    input: str = ""


class NovaDelta(msgspec.Struct):
    text: str | None = None
    toolUse: NovaInput | None = None


class NovaBlockDelta(msgspec.Struct):
    delta: NovaDelta
    contentBlockIndex: int = 0


class NovaStop(msgspec.Struct):
    stopReason: str


class NovaMetadata(msgspec.Struct):
    usage: NovaUsage | None = None


class NovaEvent(msgspec.Struct):
    """One member is there."""

    contentBlockStart: NovaBlockStart | None = None
    contentBlockDelta: NovaBlockDelta | None = None
    messageStop: NovaStop | None = None
    metadata: NovaMetadata | None = None


class SchemaView(msgspec.Struct):
    """What is read of a tool's own schema."""

    type: msgspec.Raw = msgspec.Raw()
    properties: dict[str, msgspec.Raw] = {}
    required: list[str] = []


class PropertyView(msgspec.Struct):
    """What Command R has words for in the schema of one argument."""

    type: str | None = None
    description: str | None = None
