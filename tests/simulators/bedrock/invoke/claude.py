"""Claude 3 and later: the body of Messages without `model` and `stream`, its events in frames.

What Anthropic's API refuses is refused in its words, what Bedrock looks at itself in Bedrock's. Sources: Bedrock user
guide, "Anthropic Claude Messages API"; the messages are those of boto/boto3#4218 and of AWS re:Post, "How do I resolve
validation exceptions in Amazon Bedrock?".
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import msgspec

from tests.simulators import answers
from tests.simulators.answers import Answer, Whole
from tests.simulators.anthropic import answering, messages
from tests.simulators.anthropic.caching import PromptCache
from tests.simulators.anthropic.checks import VERSIONS
from tests.simulators.anthropic.errors import BadRequest
from tests.simulators.anthropic.messages import Said, Speaker
from tests.simulators.bedrock import claude, errors
from tests.simulators.bedrock.invoke import generation, native
from tests.simulators.bedrock.invoke.native import Refused
from tests.simulators.models import BedrockModel, Claude

_OLDER, _NEWER = VERSIONS
_BETAS: Final = frozenset(
    {
        "computer-use-2024-10-22",
        "computer-use-2025-01-24",
        "computer-use-2025-11-24",
        "token-efficient-tools-2025-02-19",
        "interleaved-thinking-2025-05-14",
        "output-128k-2025-02-19",
        "dev-full-thinking-2025-05-14",
        "fine-grained-tool-streaming-2025-05-14",
        "context-1m-2025-08-07",
        "context-management-2025-06-27",
        "effort-2025-11-24",
        "tool-search-tool-2025-10-19",
        "tool-examples-2025-10-29",
    }
)
_MEMBERS: Final = {
    "anthropic_version": native.text(required=True),
    "anthropic_beta": native.LIST,
    "max_tokens": native.Member(types=(int,), required=True),
    "messages": native.Member(types=(list,), required=True),
    **dict.fromkeys(
        (
            "metadata",
            "output_config",
            "stop_sequences",
            "system",
            "temperature",
            "thinking",
            "tool_choice",
            "tools",
            "top_k",
            "top_p",
        ),
        native.ANY,
    ),
}


class Bodies:
    """What answers them, with what it has cached of them."""

    def __init__(self) -> None:
        self._cache = PromptCache()

    def prepared(
        self, raw: bytes, *, row: BedrockModel, about: Claude, model_id: str, operation: str, now: float
    ) -> tuple[Answer, int, int] | Whole:
        """The answer with the tokens that admission reserves and settlement charges, or a refusal."""
        try:
            body, version = _body(raw, row)
            asked = answering.asked(body, model=claude.model(row, about), version=version)
        except (Refused, BadRequest) as problem:
            return errors.answer("ValidationException", str(problem))
        speaker = Speaker(provider="bedrock", model=model_id, mark=claude.MARK)
        said = answering.said(asked, cache=self._cache, speaker=speaker, now=now)
        usage = messages.cumulative(said)
        make = _stream if operation == generation.STREAMED else _whole
        used = asked.tokens - said.caching.read + usage["output_tokens"] * row.burndown
        return make(said, usage), asked.tokens + body["max_tokens"], used


def _body(raw: bytes, row: BedrockModel) -> tuple[dict[str, Any], str]:
    """As Anthropic's API would have it, and the version of that API. Raises Refused."""
    try:
        body = msgspec.json.decode(raw)
    except msgspec.DecodeError:
        raise Refused("Malformed input request, please reformat your input and try again.") from None
    native.check(body, _MEMBERS)
    version = body["anthropic_version"]
    if version != claude.VERSION and (version != _NEWER or claude.own_version(row)):
        raise Refused(f"Invalid API version: {version}")
    if any(beta not in _BETAS for beta in body.get("anthropic_beta") or ()):
        raise Refused("invalid beta flag")
    passed = {name: value for name, value in body.items() if not name.startswith("anthropic_")}
    return {**passed, "model": claude.named(row)}, _NEWER if version == _NEWER else _OLDER


def _whole(said: Said, usage: Mapping[str, Any]) -> Answer:
    headers = [
        *generation.headers("application/json"),
        ("x-amzn-bedrock-invocation-latency", str(generation.LATENCY_MS)),
        ("x-amzn-bedrock-input-token-count", str(usage["input_tokens"])),
        ("x-amzn-bedrock-output-token-count", str(usage["output_tokens"])),
        ("x-amzn-bedrock-cache-read-input-token-count", str(usage["cache_read_input_tokens"])),
        ("x-amzn-bedrock-cache-write-input-token-count", str(usage["cache_creation_input_tokens"])),
    ]
    return answers.whole(200, headers, msgspec.json.encode(messages.message(said)))


def _stream(said: Said, usage: Mapping[str, Any]) -> Answer:
    # Frames carry their text in base64, where the slot of an answer's number cannot be found.
    number = answers.next_number()
    told = [event for event in messages.events(said) if event["type"] != "ping"]
    told[-1]["amazon-bedrock-invocationMetrics"] = {
        "inputTokenCount": usage["input_tokens"],
        "outputTokenCount": usage["output_tokens"],
        "invocationLatency": generation.LATENCY_MS,
        "firstByteLatency": generation.LATENCY_MS // 2,
        "cacheReadInputTokenCount": usage["cache_read_input_tokens"],
        "cacheWriteInputTokenCount": usage["cache_creation_input_tokens"],
    }
    frames = [
        (event["type"], generation.frame(msgspec.json.encode(event).replace(answers.SLOT.encode(), number)))
        for event in told
    ]
    return generation.streamed(frames)
