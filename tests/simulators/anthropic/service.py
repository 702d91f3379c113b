"""One request to Anthropic's API, or to one of its kind, top to bottom."""

from __future__ import annotations

from typing import Any, Final
from urllib.parse import parse_qsl, unquote

import msgspec

from tests.simulators import answers, faults
from tests.simulators.answers import Answer, Whole
from tests.simulators.anthropic import answering, caching, checks, errors, listing, messages
from tests.simulators.anthropic.caching import PromptCache
from tests.simulators.anthropic.errors import BadRequest
from tests.simulators.anthropic.messages import Said
from tests.simulators.anthropic.surface import COUNT_TOKENS, ONE_MODEL, Own, Surface
from tests.simulators.anthropic.voice import VOICE
from tests.simulators.controls import Controls
from tests.simulators.limits import Admission
from tests.simulators.models import AnthropicModel
from tests.simulators.recorder import Record
from tests.simulators.wire.replies import Reply
from tests.simulators.wire.server import Request

PREFIX: Final = b"/anthropic"


class AnthropicService:
    """Answers requests below `/anthropic`; what can be changed is in `controls`."""

    def __init__(self, controls: Controls, surface: Surface | None = None) -> None:
        self._controls = controls
        self._surface: Surface = surface or Own(controls)
        self._cache = PromptCache()
        self._generation = controls.generation

    def __call__(self, request: Request) -> Reply:
        controls = self._controls
        record = controls.recorder.open(self._surface.name, request)
        if self._generation != controls.generation:
            self._generation = controls.generation
            self._cache = PromptCache()
        reply, status = self._reply(request, record)
        controls.recorder.answered(record, status)
        reply.record = record
        return reply

    def _reply(self, request: Request, record: Record) -> tuple[Reply, int]:
        path = request.path.removeprefix(PREFIX)
        known = ONE_MODEL if path.startswith(ONE_MODEL) else path
        method, operation = self._surface.operations.get(known, (b"", ""))
        if method != request.method:
            return self._sent(errors.answer("not_found_error", "Not Found"))
        record.operation = operation
        credential = self._surface.credential(request)
        if isinstance(credential, Whole):
            return self._sent(credential)
        record.credential = credential
        version = (request.header(b"anthropic-version") or b"").decode("latin-1")
        if version not in checks.VERSIONS:
            said = (
                f"anthropic-version: {version!r} is not a valid version"
                if version
                else ("anthropic-version: header is required")
            )
            return self._sent(errors.answer("invalid_request_error", said))
        if method == b"GET":
            return self._sent(self._listed(request, path))
        return self._considered(request, record, operation, version)

    def _listed(self, request: Request, path: bytes) -> Whole:
        models = self._surface.models()
        if path.startswith(ONE_MODEL):
            name = unquote(path.removeprefix(ONE_MODEL).decode("latin-1"))
            if name not in models:
                return errors.answer("not_found_error", f"model: {name}")
            return _json(listing.info(models[name]))
        query = dict(parse_qsl(request.target.decode("latin-1").partition("?")[2]))
        return _json(listing.page(list(models.values()), query))

    def _considered(self, request: Request, record: Record, operation: str, version: str) -> tuple[Reply, int]:
        controls = self._controls
        try:
            body = msgspec.json.decode(request.body)
        except msgspec.DecodeError:
            return self._sent(errors.answer("invalid_request_error", "The request body is not valid JSON"))
        name = body.get("model") if isinstance(body, dict) else None
        if not isinstance(name, str):
            return self._sent(errors.answer("invalid_request_error", "model: Field required"))
        record.model = name
        model = self._surface.models().get(name)
        if model is None:
            return self._sent(errors.answer("not_found_error", f"model: {name}"))
        streamed = body.get("stream") is True
        provider = self._surface.name
        fault = controls.faults.take(
            provider=provider, model=name, operation=operation, streamed=streamed, request=request
        )
        extra = self._surface.lines()
        if fault is not None:
            record.fault = fault.kind.value
            replaced = faults.instead(fault, VOICE, extra=extra)
            if replaced is not None:
                return replaced
        prepared = self._prepared(body, model, operation, version)
        if isinstance(prepared, Whole):
            return self._sent(prepared)
        answer, admission = prepared
        extra += self._surface.limit_headers(admission, controls.now())
        pace = controls.pacing.of(provider, name)
        if fault is not None:
            return faults.spoiled(fault, answer, voice=VOICE, pace=pace, extra=extra), answer.status
        return faults.paced(answer, pace=pace, extra=extra), answer.status

    def _prepared(
        self, body: Any, model: AnthropicModel, operation: str, version: str
    ) -> tuple[Answer, Admission] | Whole:
        surface, name, now = self._surface, body["model"], self._controls.now()
        try:
            if operation == COUNT_TOKENS:
                counted = caching.input_tokens(checks.count(body, model=model, version=version))
                asked, reserve = None, 0
            else:
                asked = answering.asked(body, model=model, version=version)
                counted, reserve = asked.tokens, asked.tokens + body["max_tokens"]
        except BadRequest as problem:
            return errors.answer("invalid_request_error", str(problem))
        admission = self._controls.limits.admit(surface.name, name, tokens=reserve, now=now)
        if admission.refused is not None:
            return surface.throttled(admission, now)
        if asked is None:
            return _json({"input_tokens": counted}), admission
        said = answering.said(asked, cache=self._cache, speaker=surface.speaker(name), now=now)
        return _answer(said, streamed=body.get("stream") is True), admission

    def _sent(self, answer: Whole) -> tuple[Reply, int]:
        return faults.sent(answer, extra=self._surface.lines())


def _answer(said: Said, *, streamed: bool) -> Answer:
    if streamed:
        head = [("content-type", "text/event-stream; charset=utf-8"), *errors.HEADERS]
        return answers.stream(200, head, messages.sse(messages.events(said)))
    return _json(messages.message(said))


def _json(payload: Any) -> Whole:
    headers = [("content-type", "application/json"), *errors.HEADERS]
    return answers.whole(200, headers, msgspec.json.encode(payload))
