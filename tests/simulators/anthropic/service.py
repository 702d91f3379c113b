"""One request to Anthropic's API, top to bottom."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final
from urllib.parse import parse_qsl, unquote

import msgspec

from tests.simulators import answers, faults, speech
from tests.simulators.answers import Answer, Whole
from tests.simulators.anthropic import caching, checks, errors, listing, messages
from tests.simulators.anthropic.caching import Caching, PromptCache
from tests.simulators.anthropic.errors import BadRequest
from tests.simulators.anthropic.messages import Said
from tests.simulators.anthropic.voice import VOICE
from tests.simulators.controls import Controls
from tests.simulators.limits import Admission
from tests.simulators.models import AnthropicModel
from tests.simulators.recorder import Record
from tests.simulators.wire.replies import Reply
from tests.simulators.wire.server import Request

NAME: Final = "anthropic"
PREFIX: Final = b"/anthropic"
MESSAGES: Final = "messages"
COUNT_TOKENS: Final = "count_tokens"
MODELS: Final = "models"
_OPERATIONS: Final = {
    b"/v1/messages": (b"POST", MESSAGES),
    b"/v1/messages/count_tokens": (b"POST", COUNT_TOKENS),
    b"/v1/models": (b"GET", MODELS),
}
_ONE_MODEL: Final = b"/v1/models/"
_LIMITS: Final = ("requests", "tokens", "input-tokens", "output-tokens")


@dataclass(frozen=True, slots=True)
class _Asked:
    body: Mapping[str, Any]
    model: AnthropicModel
    operation: str


class AnthropicService:
    """Answers requests below `/anthropic`; what can be changed is in `controls`."""

    def __init__(self, controls: Controls) -> None:
        self._controls = controls
        self._cache = PromptCache()
        self._generation = controls.generation

    def __call__(self, request: Request) -> Reply:
        controls = self._controls
        record = controls.recorder.open(NAME, request)
        if self._generation != controls.generation:
            self._generation = controls.generation
            self._cache = PromptCache()
        reply, status = self._reply(request, record)
        controls.recorder.answered(record, status)
        reply.record = record
        return reply

    def _reply(self, request: Request, record: Record) -> tuple[Reply, int]:
        path = request.path.removeprefix(PREFIX)
        method, operation = _OPERATIONS.get(path, (b"GET", MODELS) if path.startswith(_ONE_MODEL) else (b"", ""))
        if method != request.method:
            return self._sent(errors.answer("not_found_error", "Not Found"))
        record.operation = operation
        credential = self._credential(request)
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

    def _credential(self, request: Request) -> str | Whole:
        """The name of the caller's key, sent in either of two headers."""
        key = (request.header(b"x-api-key") or b"").decode("latin-1")
        if not key:
            scheme, _, bearer = (request.header(b"authorization") or b"").decode("latin-1").partition(" ")
            key = bearer if scheme == "Bearer" else ""
        name = self._controls.keys.anthropic.get(key)
        if name is not None:
            return name
        return errors.answer("authentication_error", "invalid x-api-key" if key else "x-api-key header is required")

    def _listed(self, request: Request, path: bytes) -> Whole:
        models = self._controls.models.anthropic
        if path.startswith(_ONE_MODEL):
            name = unquote(path.removeprefix(_ONE_MODEL).decode("latin-1"))
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
        model = controls.models.anthropic.get(name)
        if model is None:
            return self._sent(errors.answer("not_found_error", f"model: {name}"))
        streamed = body.get("stream") is True
        fault = controls.faults.take(provider=NAME, model=name, operation=operation, streamed=streamed, request=request)
        extra = answers.date(controls.now())
        if fault is not None:
            record.fault = fault.kind.value
            replaced = faults.instead(fault, VOICE, extra=extra)
            if replaced is not None:
                return replaced
        prepared = self._prepared(body, model, operation, version)
        if isinstance(prepared, Whole):
            return self._sent(prepared)
        answer, admission = prepared
        extra += _limit_headers(admission, controls.now())
        pace = controls.pacing.of(NAME, model.id)
        if fault is not None:
            return faults.spoiled(fault, answer, voice=VOICE, pace=pace, extra=extra), answer.status
        return faults.paced(answer, pace=pace, extra=extra), answer.status

    def _prepared(
        self, body: Any, model: AnthropicModel, operation: str, version: str
    ) -> tuple[Answer, Admission] | Whole:
        controls = self._controls
        try:
            check = checks.count if operation == COUNT_TOKENS else checks.message
            asked = _Asked(check(body, model=model, version=version), model, operation)
            tokens = caching.input_tokens(asked.body)
            if operation == MESSAGES:
                _fits(asked, tokens)
        except BadRequest as problem:
            return errors.answer("invalid_request_error", str(problem))
        reserve = 0 if operation == COUNT_TOKENS else tokens + asked.body["max_tokens"]
        admission = controls.limits.admit(NAME, model.id, tokens=reserve, now=controls.now())
        if admission.refused is not None:
            return _throttled(admission, controls.now())
        if operation == COUNT_TOKENS:
            return _json({"input_tokens": tokens}), admission
        return self._answer(asked, tokens), admission

    def _answer(self, asked: _Asked, tokens: int) -> Answer:
        body, model = asked.body, asked.model
        cached = Caching()
        if model.cache_min_tokens is not None:
            now = self._controls.now()
            cached = self._cache.account(body, model=model.id, min_tokens=model.cache_min_tokens, now=now)
        prompt = messages.prompt(body, model=model)
        display = (body.get("thinking") or {}).get("display")
        said = Said(
            speech=speech.speak(prompt),
            model=model,
            shows=display == "summarized" or (display is None and not model.omits_thinking),
            input_tokens=tokens,
            caching=cached,
        )
        if body.get("stream"):
            head = [("content-type", "text/event-stream; charset=utf-8"), *errors.HEADERS]
            return answers.stream(200, head, messages.sse(messages.events(said)))
        return _json(messages.message(said))

    def _sent(self, answer: Whole) -> tuple[Reply, int]:
        return faults.sent(answer, extra=answers.date(self._controls.now()))


def _fits(asked: _Asked, tokens: int) -> None:
    window, limit = asked.model.context_window, asked.body["max_tokens"]
    if tokens > window:
        raise BadRequest(f"prompt is too long: {tokens} tokens > {window} maximum")
    if tokens + limit > window:
        raise BadRequest(
            f"input length and `max_tokens` exceed context limit: {tokens} + {limit} > {window}, decrease input length "
            "or `max_tokens` and try again"
        )


def _json(payload: Any) -> Whole:
    headers = [("content-type", "application/json"), *errors.HEADERS]
    return answers.whole(200, headers, msgspec.json.encode(payload))


def _throttled(admission: Admission, now: float) -> Whole:
    message = f"This request would exceed your organization's rate limit of {admission.refused} per minute."
    answer = errors.answer("rate_limit_error", message)
    answer.head += b"retry-after: %d\r\n" % admission.reset_s + _limit_headers(admission, now)
    return answer


def _limit_headers(admission: Admission, now: float) -> bytes:
    """https://platform.claude.com/docs/en/api/rate-limits: when a limit is whole again is a time of RFC 3339."""
    reset = datetime.fromtimestamp(now + admission.reset_s, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    lines = ""
    for name in _LIMITS:
        of_requests = name == "requests"
        limit = admission.limit_requests if of_requests else admission.limit_tokens
        left = admission.remaining_requests if of_requests else admission.remaining_tokens
        head = f"anthropic-ratelimit-{name}"
        lines += f"{head}-limit: {limit}\r\n{head}-remaining: {left}\r\n{head}-reset: {reset}\r\n"
    return lines.encode()
