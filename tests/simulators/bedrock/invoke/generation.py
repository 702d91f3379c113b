"""Which module writes for which family: a table; and the frames around what it writes."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from typing import Any, Final, cast

import msgspec

from tests.simulators import answers, speech
from tests.simulators.answers import Answer, Whole
from tests.simulators.bedrock import errors, eventstream
from tests.simulators.bedrock.invoke import (
    chat,
    claude_text,
    command,
    command_r,
    deepseek,
    jurassic,
    llama,
    mistral,
    nova,
    titan_text,
)
from tests.simulators.bedrock.invoke.native import Counts, Family, Refused
from tests.simulators.models import BedrockModel
from tests.simulators.speech import Prompt, Speech

FAMILIES: Final[Mapping[str, Family]] = {
    "titan-text": cast(Family, titan_text),
    "claude-text": cast(Family, claude_text),
    "jurassic": cast(Family, jurassic),
    "jamba": chat.JAMBA,
    "command": cast(Family, command),
    "command-r": cast(Family, command_r),
    "llama": cast(Family, llama),
    "mistral": cast(Family, mistral),
    "mistral-chat": chat.MISTRAL,
    "deepseek": cast(Family, deepseek),
    "nova": cast(Family, nova),
    "gpt-oss": chat.GPT_OSS,
}
"""By a model's `invoke`."""

STREAMED: Final = "InvokeModelWithResponseStream"
OPERATIONS: Final = ("InvokeModel", STREAMED)
LATENCY_MS: Final = 42


def prepared(raw: bytes, *, model: BedrockModel, model_id: str, operation: str) -> tuple[Answer, int, int] | Whole:
    """The answer with the tokens that admission reserves and settlement charges, or a refusal."""
    family = FAMILIES.get(model.invoke)
    if family is None:
        return errors.answer("ValidationException", "The simulator knows no native body of this model.")
    streams = operation == STREAMED
    try:
        body = msgspec.json.decode(raw)
        asked = family.asked(body, model, streamed=streams)
    except msgspec.DecodeError:
        return errors.answer(
            "ValidationException", "Malformed input request, please reformat your input and try again."
        )
    except Refused as refused:
        return errors.answer("ValidationException", str(refused))
    read = speech.count_tokens(raw) + speech.media_tokens(images=asked.images, documents=asked.documents)
    if read > model.context_window:
        return errors.answer("ValidationException", "Input is too long for requested model.")
    room = asked.max_tokens if asked.max_tokens is not None else model.max_output_tokens
    spoken = speech.speak(
        Prompt(
            provider="bedrock",
            model=model_id,
            text=asked.said,
            turns=asked.turns,
            system=asked.system,
            results=asked.results,
            images=asked.images,
            documents=asked.documents,
            tools=asked.tools,
            choice=asked.choice,
            named_tool=asked.named_tool,
            schema=asked.schema,
            reasoning=asked.reasoning,
            facts=asked.facts,
            max_tokens=room,
            stops=asked.stops,
        )
    )
    counts = Counts(read=read, written=spoken.output_tokens)
    make = _stream if streams else _whole
    return make(family, body, spoken, counts), read + room, read + counts.written * model.burndown


def headers(content_type: str) -> list[tuple[str, str]]:
    return [("content-type", content_type), ("x-amzn-requestid", answers.REQUEST_ID)]


def frame(document: bytes) -> bytes:
    """One document of a stream."""
    return eventstream.event("chunk", {"bytes": base64.b64encode(document).decode()})


def streamed(frames: Sequence[tuple[str, bytes]]) -> Answer:
    """Frames, by the names that faults refer to."""
    said = [*headers(eventstream.CONTENT_TYPE), ("x-amzn-bedrock-content-type", "application/json")]
    return answers.stream(200, said, frames)


def _whole(family: Family, body: Any, spoken: Speech, counts: Counts) -> Answer:
    said = [
        *headers("application/json"),
        ("x-amzn-bedrock-invocation-latency", str(LATENCY_MS)),
        ("x-amzn-bedrock-input-token-count", str(counts.read)),
        ("x-amzn-bedrock-output-token-count", str(counts.written)),
    ]
    return answers.whole(200, said, msgspec.json.encode(family.whole(body, spoken, counts)))


def _stream(family: Family, body: Any, spoken: Speech, counts: Counts) -> Answer:
    documents = family.documents(body, spoken, counts)
    documents[-1]["amazon-bedrock-invocationMetrics"] = {
        "inputTokenCount": counts.read,
        "outputTokenCount": counts.written,
        "invocationLatency": LATENCY_MS,
        "firstByteLatency": LATENCY_MS // 2,
    }
    return streamed([("chunk", frame(msgspec.json.encode(document))) for document in documents])
