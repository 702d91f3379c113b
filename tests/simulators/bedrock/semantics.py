"""What Bedrock refuses although the shape is right.

Wording follows the service where it is known from public reports. Each rule is a function of the whole case that
returns the refusal's message, or None; they run in the order of `_RULES`, the first refusal wins.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final

from tests.simulators.models import BedrockModel, Reasoning, Sampling

_MAX_IMAGES: Final = 20
_MAX_IMAGE_BYTES: Final = 3_932_160
_MAX_DOCUMENTS: Final = 5
_MAX_DOCUMENT_BYTES: Final = 4_718_592
_MAX_CACHE_POINTS: Final = 4
_MIN_THINKING: Final = 1024
_MODEL_SAYS: Final = "The model returned the following errors: "
_SIGNATURES: Final[Mapping[str, Callable[[bytes], bool]]] = {
    "png": lambda raw: raw.startswith(b"\x89PNG\r\n\x1a\n"),
    "jpeg": lambda raw: raw.startswith(b"\xff\xd8\xff"),
    "gif": lambda raw: raw.startswith((b"GIF87a", b"GIF89a")),
    "webp": lambda raw: raw.startswith(b"RIFF") and raw[8:12] == b"WEBP",
}


@dataclass(frozen=True)
class Case:
    """A request with a right shape, and the model it asks."""

    body: Mapping[str, Any]
    model: BedrockModel
    streamed: bool

    @property
    def messages(self) -> list[dict[str, Any]]:
        found = self.body.get("messages")
        return found if isinstance(found, list) else []

    @property
    def inference(self) -> Mapping[str, Any]:
        return self.body.get("inferenceConfig") or {}

    @property
    def extra(self) -> Mapping[str, Any]:
        found = self.body.get("additionalModelRequestFields")
        return found if isinstance(found, dict) else {}

    @property
    def tool_config(self) -> Mapping[str, Any] | None:
        return self.body.get("toolConfig")

    @property
    def max_tokens(self) -> int:
        return int(self.inference.get("maxTokens") or self.model.max_output_tokens)

    @property
    def thinking(self) -> bool:
        """Whether the request asks a Claude model to think."""
        asked = self.extra.get("thinking")
        return isinstance(asked, dict) and asked.get("type") in ("enabled", "adaptive")

    @cached_property
    def blocks(self) -> list[tuple[str, str, dict[str, Any]]]:
        """(path, role, block) for each block of each message."""
        return [
            (f"messages.{turn}.content.{position}", message["role"], block)
            for turn, message in enumerate(self.messages)
            for position, block in enumerate(message["content"])
        ]

    def of(self, kind: str) -> Iterator[tuple[str, str, Any]]:
        """The blocks of one kind, inside tool results too."""
        for path, role, block in self.blocks:
            if kind in block:
                yield path, role, block[kind]
            for position, inner in enumerate(block.get("toolResult", {}).get("content", ())):
                if kind in inner:
                    yield f"{path}.toolResult.content.{position}", role, inner[kind]


def refusal(body: Mapping[str, Any], *, model: BedrockModel, streamed: bool) -> str | None:
    """The message of the ValidationException that this request earns, or None."""
    case = Case(body, model, streamed)
    for rule in _RULES:
        message = rule(case)
        if message is not None:
            return message
    return None


def signature(text: str) -> str:
    """What the simulator signs its reasoning with, and checks when the reasoning comes back."""
    return base64.b64encode(hashlib.sha256(b"simulated reasoning " + text.encode()).digest()).decode()


def _turns(case: Case) -> str | None:
    messages = case.messages
    if not messages:
        return "A conversation must have at least one message. Add a message and try again."
    if messages[0]["role"] != "user":
        return (
            "A conversation must start with a user message. "
            "Try again with a conversation that starts with a user message."
        )
    before = None
    for turn, message in enumerate(messages):
        role = message["role"]
        if role == "system":
            if not case.model.mid_system:
                return f"{_MODEL_SAYS}messages.{turn}.role: this model takes no system turn in messages."
            continue
        if role == before:
            return (
                "A conversation must alternate between user and assistant roles. Make sure the conversation alternates "
                "between user and assistant roles and try again."
            )
        before = role
    if messages[-1]["role"] == "assistant" and not case.model.prefill:
        return (
            f"{_MODEL_SAYS}This model does not support assistant message prefill. "
            "The conversation must end with a user message."
        )
    return None


def _blank(case: Case) -> str | None:
    for turn, message in enumerate(case.messages):
        if not message["content"]:
            return (
                f"The content field in the Message object at messages.{turn} is empty. "
                "Add a ContentBlock object to the content field and try again."
            )
    for path, _, text in case.of("text"):
        if not text.strip() and ".toolResult." not in path:
            return (
                f"The text field in the ContentBlock object at {path} is blank. "
                "Add text to the text field, and try again."
            )
    for position, block in enumerate(case.body.get("system") or ()):
        if "text" in block and not block["text"].strip():
            return (
                f"The text field in the SystemContentBlock object at system.{position} is blank. "
                "Add text to the text field, and try again."
            )
    last = case.messages[-1]
    if last["role"] == "assistant" and "text" in last["content"][-1]:
        text = last["content"][-1]["text"]
        if text != text.rstrip():
            return f"{_MODEL_SAYS}messages: final assistant content cannot end with trailing whitespace"
    return None


def _abilities(case: Case) -> str | None:
    model = case.model
    latency = (case.body.get("performanceConfig") or {}).get("latency")
    if latency == "optimized" and not model.optimized:
        return "Latency performance configuration is not supported for this model."
    if case.body.get("system") and not model.system:
        return "This model doesn't support the system field. Remove it, and try again."
    if case.tool_config is not None and not model.tools:
        return "This model doesn't support tool use."
    if case.tool_config is not None and case.streamed and not model.stream_tools:
        return "This model doesn't support tool use in streaming mode."
    if not model.vision and any(True for _ in case.of("image")):
        return "This model doesn't support the image field. Remove the image field and try again."
    if not model.documents and any(True for _ in case.of("document")):
        return "This model doesn't support the document field. Remove the document field and try again."
    if case.body.get("outputConfig", {}).get("textFormat") is not None and not model.text_format:
        return "This model doesn't support the outputConfig.textFormat field. Remove it, and try again."
    return None


def _tool_config(case: Case) -> str | None:
    uses_tools = any("toolUse" in block or "toolResult" in block for _, _, block in case.blocks)
    config = case.tool_config
    if config is None:
        return (
            "The toolConfig field must be defined when using toolUse and toolResult content blocks."
            if uses_tools
            else None
        )
    names = [tool["toolSpec"]["name"] for tool in config["tools"] if "toolSpec" in tool]
    for name in names:
        if names.count(name) > 1:
            return f"{_MODEL_SAYS}tools: Tool names must be unique."
    for position, tool in enumerate(config["tools"]):
        schema = tool.get("toolSpec", {}).get("inputSchema", {}).get("json")
        if schema is not None and (not isinstance(schema, dict) or schema.get("type") != "object"):
            return (
                f"The value at toolConfig.tools.{position}.toolSpec.inputSchema.json.type must be one of the "
                "following: object."
            )
    return _tool_choice(case, names)


def _tool_choice(case: Case, names: list[str]) -> str | None:
    assert case.tool_config is not None
    choice = case.tool_config.get("toolChoice")
    if not choice:
        return None
    (kind,) = choice
    if kind not in case.model.tool_choices:
        return f"This model doesn't support the toolConfig.toolChoice.{kind} field. Remove it, and try again."
    if kind == "tool" and choice["tool"]["name"] not in names:
        return f"The tool '{choice['tool']['name']}' at toolConfig.toolChoice.tool is not among toolConfig.tools."
    if kind != "auto" and not case.model.forced_tools:
        return f"{_MODEL_SAYS}tool_choice: this model does not support forced tool use."
    if kind != "auto" and case.thinking:
        return f"{_MODEL_SAYS}Thinking may not be enabled when tool_choice forces tool use."
    return None


def _tool_turns(case: Case) -> str | None:
    messages = case.messages
    expected: list[str] = []
    for turn, message in enumerate(messages):
        uses = [block["toolUse"]["toolUseId"] for block in message["content"] if "toolUse" in block]
        results = [block["toolResult"]["toolUseId"] for block in message["content"] if "toolResult" in block]
        if uses and message["role"] != "assistant":
            return f"messages.{turn}.content: toolUse blocks are allowed in assistant messages only."
        if results and message["role"] != "user":
            return f"messages.{turn}.content: toolResult blocks are allowed in user messages only."
        missing = [use for use in expected if use not in results]
        if missing:
            return f"Expected toolResult blocks at messages.{turn}.content for the following Ids: {', '.join(missing)}"
        if len(results) > len(expected):
            return (
                f"The number of toolResult blocks at messages.{turn}.content exceeds the number of toolUse blocks of "
                "previous turn."
            )
        if len(set(uses)) != len(uses):
            return f"{_MODEL_SAYS}messages.{turn}.content: `tool_use` ids must be unique"
        expected = uses
    for path, _, result in case.of("toolResult"):
        if result.get("status") is not None and not case.model.tool_status:
            return f"This model doesn't support the status field at {path}.toolResult. Remove it, and try again."
    return None


def _media(case: Case) -> str | None:
    images = list(case.of("image"))
    if len(images) > _MAX_IMAGES:
        return f"{_MODEL_SAYS}too many images: {len(images)} > {_MAX_IMAGES}"
    for path, role, image in images:
        if role != "user":
            return f"{path}: image blocks are allowed in user messages only."
        encoded = image["source"].get("bytes")
        if encoded is None:
            continue
        raw = base64.b64decode(encoded)
        if len(raw) > _MAX_IMAGE_BYTES:
            return f"{_MODEL_SAYS}{path}.image.source: image exceeds 3.75 MB maximum: {len(raw)} bytes"
        if not _SIGNATURES[image["format"]](raw):
            return f"{_MODEL_SAYS}{path}.image: Image does not match the provided media type image/{image['format']}"
    return _documents(case)


def _documents(case: Case) -> str | None:
    documents = list(case.of("document"))
    if len(documents) > _MAX_DOCUMENTS:
        return f"{_MODEL_SAYS}too many documents: {len(documents)} > {_MAX_DOCUMENTS}"
    names: set[str] = set()
    for path, _, document in documents:
        if document["name"] in names:
            name = document["name"]
            return f"The document name '{name}' at {path} is used more than once. Document names must be unique."
        names.add(document["name"])
        encoded = document["source"].get("bytes")
        if encoded is not None and len(encoded) * 3 // 4 > _MAX_DOCUMENT_BYTES:
            return f"{_MODEL_SAYS}{path}.document: the document exceeds the maximum of 4.5 MB"
    for turn, message in enumerate(case.messages):
        has_document = any("document" in block for block in message["content"])
        if has_document and not any("text" in block for block in message["content"]):
            return f"Text field is required in messages.{turn}.content when it includes a document."
    return None


def _inference(case: Case) -> str | None:
    model, inference = case.model, case.inference
    asked = inference.get("maxTokens")
    if asked is not None and asked > model.max_output_tokens:
        return (
            f"The maximum tokens you requested exceeds the model limit of {model.max_output_tokens}. "
            f"Try again with a maximum tokens value that is lower than {model.max_output_tokens}."
        )
    if asked is not None and asked < model.min_tokens:
        return f"{_MODEL_SAYS}max_tokens: must be at least {model.min_tokens} for this model"
    for stop in inference.get("stopSequences") or ():
        if not stop.strip():
            return f"{_MODEL_SAYS}stop_sequences: each stop sequence must contain non-whitespace"
    given = [name for name in ("temperature", "topP") if inference.get(name) is not None]
    if given and model.sampling is Sampling.NONE:
        wire = {"temperature": "temperature", "topP": "top_p"}[given[0]]
        return f"{_MODEL_SAYS}`{wire}` is not supported by this model."
    if len(given) == 2 and model.sampling is Sampling.ONE:
        return f"{_MODEL_SAYS}`temperature` and `top_p` cannot both be specified for this model. Please use only one."
    if case.thinking and inference.get("temperature", 1) != 1:
        return f"{_MODEL_SAYS}`temperature` may only be set to 1 when thinking is enabled."
    return None


def _reasoning(case: Case) -> str | None:
    asked = case.extra.get("thinking")
    if asked is not None and case.model.vendor != "anthropic":
        return f"{_MODEL_SAYS}thinking: Extra inputs are not permitted"
    if isinstance(asked, dict) and asked.get("type") == "enabled":
        budget = asked.get("budget_tokens")
        if case.model.reasoning is not Reasoning.BUDGET:
            return f"{_MODEL_SAYS}thinking: this model does not support thinking with a budget."
        if not isinstance(budget, int) or budget < _MIN_THINKING:
            return f"{_MODEL_SAYS}thinking.enabled.budget_tokens: Input should be greater than or equal to 1024"
        if budget >= case.max_tokens:
            return f"{_MODEL_SAYS}`max_tokens` must be greater than `thinking.budget_tokens`."
    for path, _, content in case.of("reasoningContent"):
        text = content.get("reasoningText")
        if text is not None and case.model.vendor == "anthropic" and text.get("signature") != signature(text["text"]):
            return f"{_MODEL_SAYS}{path}: Invalid `signature` in `thinking` block"
    if not case.thinking:
        return None
    for turn, message in enumerate(case.messages):
        if message["role"] != "assistant" or not any("toolUse" in block for block in message["content"]):
            continue
        if "reasoningContent" not in message["content"][0]:
            return (
                f"{_MODEL_SAYS}messages.{turn}.content.0.type: Expected `thinking` or `redacted_thinking`, but found "
                f"`{next(iter(message['content'][0]))}`. When `thinking` is enabled, a final `assistant` message must "
                "start with a thinking block."
            )
    return None


def _extra(case: Case) -> str | None:
    """Fields of the model behind: an unknown one is refused there."""
    for name in case.extra:
        if name not in _EXTRA.get(case.model.vendor, frozenset()):
            return f"{_MODEL_SAYS}{name}: Extra inputs are not permitted"
    return None


_EXTRA: Final[Mapping[str, frozenset[str]]] = {
    "anthropic": frozenset(
        {"top_k", "anthropic_beta", "thinking", "output_config", "context_management", "tool_choice"}
    ),
    "amazon": frozenset({"inferenceConfig", "reasoningConfig"}),
    "mistral": frozenset({"top_k", "random_seed"}),
    "deepseek": frozenset({"reasoning_effort"}),
    "openai": frozenset({"reasoning_effort", "reasoning"}),
}


def _cache_points(case: Case) -> str | None:
    points = list(cache_points(case.body))
    if not points:
        return None
    if case.model.cache_min_tokens is None:
        return (
            "You invoked an unsupported model or your request did not allow prompt caching. "
            "See the documentation for more information."
        )
    if len(points) > _MAX_CACHE_POINTS:
        return f"{_MODEL_SAYS}A maximum of 4 blocks with cache_control may be provided. Found {len(points)}."
    ttls = [point.get("ttl", "5m") for point in points]
    if "5m" in ttls and "1h" in ttls[ttls.index("5m") :]:
        return f"{_MODEL_SAYS}a ttl='1h' cache_control block must not come after a ttl='5m' cache_control block."
    return None


def cache_points(body: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """In the order in which the prompt is put together: tools, system, messages."""
    for tool in (body.get("toolConfig") or {}).get("tools", ()):
        if "cachePoint" in tool:
            yield tool["cachePoint"]
    for block in body.get("system") or ():
        if "cachePoint" in block:
            yield block["cachePoint"]
    for message in body.get("messages") or ():
        for block in message["content"]:
            if "cachePoint" in block:
                yield block["cachePoint"]


_RULES: Final[tuple[Callable[[Case], str | None], ...]] = (
    _turns,
    _blank,
    _abilities,
    _tool_config,
    _tool_turns,
    _media,
    _inference,
    _extra,
    _reasoning,
    _cache_points,
)
