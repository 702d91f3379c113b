"""The plain OpenAI-compatible surface: `/v1`, a Bearer key, no decorations."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import msgspec

from tests.simulators import answers
from tests.simulators.answers import Answer, Whole
from tests.simulators.controls import Controls
from tests.simulators.faults import Voice
from tests.simulators.limits import Admission
from tests.simulators.models import OpenAIModel
from tests.simulators.openai_chat import chat, completions, errors
from tests.simulators.openai_chat.errors import BadRequest
from tests.simulators.openai_chat.service import CHAT, COMPLETIONS, EMBEDDINGS, MODELS, RERANK, Asked, Located
from tests.simulators.openai_chat.voice import OpenAIVoice
from tests.simulators.speech import Speech
from tests.simulators.wire.server import Request

_HEADERS: Final = [("x-request-id", f"req_{answers.RUN}{answers.SLOT}"), ("openai-version", "2020-10-01")]
_OPERATIONS: Final = {
    b"/v1/chat/completions": (b"POST", CHAT),
    b"/v1/completions": (b"POST", COMPLETIONS),
    b"/v1/embeddings": (b"POST", EMBEDDINGS),
    b"/v1/rerank": (b"POST", RERANK),
    b"/v1/models": (b"GET", MODELS),
}


class PlainSurface:
    name = "openai"
    extras: frozenset[str] = frozenset()

    def __init__(self, controls: Controls) -> None:
        self._controls = controls
        self.voice: Voice = OpenAIVoice(_HEADERS)

    def models(self) -> Mapping[str, OpenAIModel]:
        return self._controls.models.openai

    def locate(self, request: Request) -> Located | Whole:
        method, operation = _OPERATIONS.get(request.path, (b"", ""))
        if method != request.method:
            path = request.path.decode("latin-1")
            message = f"Invalid URL ({request.method.decode('latin-1')} {path})"
            return errors.answer(404, errors.body(message, kind="invalid_request_error"), _HEADERS)
        return Located(operation)

    def credential(self, request: Request, located: Located) -> str | Whole:
        scheme, _, key = (request.header(b"authorization") or b"").decode("latin-1").partition(" ")
        name = self._controls.keys.openai.get(key) if scheme == "Bearer" else None
        if name is not None:
            return name
        message = "Incorrect API key provided." if key else "You didn't provide an API key."
        payload = errors.body(message, kind="invalid_request_error", code="invalid_api_key" if key else None)
        return errors.answer(401, payload, _HEADERS)

    def listing(self) -> Whole:
        rows = [
            {"id": name, "object": "model", "created": 1_700_000_000, "owned_by": "simulator"} for name in self.models()
        ]
        body = msgspec.json.encode({"object": "list", "data": rows})
        return answers.whole(200, [("content-type", "application/json"), *_HEADERS], body)

    def unknown_model(self, model: str) -> Whole:
        message = f"The model `{model}` does not exist or you do not have access to it."
        payload = errors.body(message, kind="invalid_request_error", code="model_not_found")
        return errors.answer(404, payload, _HEADERS)

    def refused(self, problem: BadRequest) -> Whole:
        return errors.answer(problem.status, errors.bad_request(problem), _HEADERS)

    def throttled(self, admission: Admission, *, model: OpenAIModel, located: Located) -> Whole:
        resource = admission.refused
        message = f"Rate limit reached for {model.id} on {resource} per min. Please try again in {admission.reset_s}s."
        answer = errors.answer(429, errors.body(message, kind=resource, code="rate_limit_exceeded"), _HEADERS)
        answer.head += b"retry-after: %d\r\n" % admission.reset_s
        answer.head += self.limit_headers(admission, model=model)
        return answer

    def version_check(self, body: Any, located: Located) -> None:
        pass  # one version only

    def completion(self, asked: Asked, spoken: list[Speech], counts: Mapping[str, Any]) -> Answer:
        if asked.body.get("stream"):
            events = chat.chunks(asked.body, spoken, counts, model=asked.model)
            return answers.stream(200, [("content-type", "text/event-stream"), *_HEADERS], chat.sse(events))
        payload = chat.completion(asked.body, spoken, counts, model=asked.model)
        return answers.whole(200, [("content-type", "application/json"), *_HEADERS], msgspec.json.encode(payload))

    def unfit(self, model: OpenAIModel, operation: str) -> BadRequest:
        """As OpenAI's servers answer for a model of the other API."""
        here, there = ("chat/completions", "completions") if operation == CHAT else ("completions", "chat/completions")
        what = "not a chat model and thus not" if operation == CHAT else "a chat model and not"
        return BadRequest(
            f"This is {what} supported in the v1/{here} endpoint. Did you mean to use v1/{there}?",
            param="model",
            status=404,
        )

    def text(self, asked: Asked, spoken: list[list[Speech]], counts: Mapping[str, Any]) -> Answer:
        if asked.body.get("stream"):
            events = completions.chunks(asked.body, spoken, counts, model=asked.model)
            return answers.stream(200, [("content-type", "text/event-stream"), *_HEADERS], chat.sse(events))
        payload = completions.completion(asked.body, spoken, counts, model=asked.model)
        return answers.whole(200, [("content-type", "application/json"), *_HEADERS], msgspec.json.encode(payload))

    def headers(self, model: OpenAIModel) -> list[tuple[str, str]]:
        return list(_HEADERS)

    def limit_headers(self, admission: Admission, *, model: OpenAIModel) -> bytes:
        return (
            b"x-ratelimit-limit-requests: %d\r\nx-ratelimit-remaining-requests: %d\r\n"
            b"x-ratelimit-reset-requests: %ds\r\nx-ratelimit-limit-tokens: %d\r\n"
            b"x-ratelimit-remaining-tokens: %d\r\nx-ratelimit-reset-tokens: %ds\r\n"
        ) % (
            admission.limit_requests,
            admission.remaining_requests,
            admission.reset_s,
            admission.limit_tokens,
            admission.remaining_tokens,
            admission.reset_s,
        )
