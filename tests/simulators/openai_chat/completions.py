"""Legacy completions: a prompt continued, as a `text_completion` or as chunks.

https://platform.openai.com/docs/api-reference/completions.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any, Final

from tests.simulators import answers, speech
from tests.simulators.answers import SLOT
from tests.simulators.models import OpenAIModel
from tests.simulators.openai_chat.chat import Chunk
from tests.simulators.speech import Ended, Prompt, Speech

COMPLETION_ID: Final = f"cmpl-{answers.RUN}{SLOT}"
_DEFAULT_TOKENS: Final = 16
_FACTS: Final = ("temperature", "top_p", "max_tokens", "seed", "n", "best_of")


def limit(body: Mapping[str, Any]) -> int:
    """The most tokens of one choice."""
    asked = body.get("max_tokens")
    return _DEFAULT_TOKENS if asked is None else int(asked)


def prompts(body: Mapping[str, Any], *, provider: str, model: OpenAIModel) -> list[Prompt]:
    """What a checked request asks, by prompt."""
    stop = body.get("stop")
    return [
        Prompt(
            provider=provider,
            model=model.id,
            text=text,
            turns=1,
            facts={name: body[name] for name in _FACTS if body.get(name) is not None},
            max_tokens=max(1, limit(body)),
            stops=(stop,) if isinstance(stop, str) else tuple(stop or ()),
        )
        for text in _texts(body.get("prompt"))
    ]


def _texts(prompt: Any) -> list[str]:
    if prompt is None or isinstance(prompt, str):
        return [prompt or "<|endoftext|>"]
    if isinstance(prompt[0], int):
        return [" ".join(map(str, prompt))]
    return [text if isinstance(text, str) else " ".join(map(str, text)) for text in prompt]


def speeches(body: Mapping[str, Any], wanted: Sequence[Prompt]) -> list[list[Speech]]:
    """The choices of each prompt."""
    return [[speech.speak(prompt)] * (body.get("n") or 1) for prompt in wanted]


def usage(body: Mapping[str, Any], spoken: Sequence[Sequence[Speech]]) -> dict[str, Any]:
    given = sum(speech.count_tokens(text) for text in _texts(body.get("prompt")))
    output = sum(one.output_tokens for choices in spoken for one in choices)
    return {"completion_tokens": output, "prompt_tokens": given, "total_tokens": given + output}


def _numbered(body: Mapping[str, Any], spoken: Sequence[Sequence[Speech]]) -> list[tuple[int, str, Speech]]:
    """(index, what `echo` repeats, speech)."""
    texts = _texts(body.get("prompt")) if body.get("echo") else [""] * len(spoken)
    flat = [(text, one) for text, choices in zip(texts, spoken, strict=True) for one in choices]
    return [(index, text, one) for index, (text, one) in enumerate(flat)]


def _finish(spoken: Speech) -> str:
    return spoken.wishes.get("stop") or ("length" if spoken.ended is Ended.LENGTH else "stop")


def _document(model: OpenAIModel, choices: list[dict[str, Any]]) -> dict[str, Any]:
    return {
        "choices": choices,
        "created": int(time.time()),
        "id": COMPLETION_ID,
        "model": model.reported,
        "object": "text_completion",
    }


def completion(
    body: Mapping[str, Any], spoken: Sequence[Sequence[Speech]], counts: Mapping[str, Any], *, model: OpenAIModel
) -> dict[str, Any]:
    """The answer of a request without `stream`."""
    choices = [
        {"finish_reason": _finish(one), "index": index, "logprobs": None, "text": echoed + one.text}
        for index, echoed, one in _numbered(body, spoken)
    ]
    return {**_document(model, choices), "usage": counts}


def chunks(
    body: Mapping[str, Any], spoken: Sequence[Sequence[Speech]], counts: Mapping[str, Any], *, model: OpenAIModel
) -> list[Chunk]:
    """The events of a streamed answer, `[DONE]` excluded."""
    with_usage = bool((body.get("stream_options") or {}).get("include_usage"))
    made: list[Chunk] = []

    def add(name: str, index: int, text: str, reason: str | None) -> None:
        choice = {"finish_reason": reason, "index": index, "logprobs": None, "text": text}
        payload = _document(model, [choice])
        made.append((name, {**payload, "usage": None} if with_usage else payload))

    for index, echoed, one in _numbered(body, spoken):
        for piece in (echoed, *one.pieces):
            if piece:
                add("content", index, piece, None)
        add("finish", index, "", _finish(one))
    if with_usage:
        made.append(("usage", {**_document(model, []), "usage": counts}))
    return made
