"""One chat, embeddings or rerank request, top to bottom, for any surface that speaks OpenAI's format."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Protocol

import msgspec

from tests.simulators import answers, faults, speech
from tests.simulators.answers import Answer, Memo, Whole
from tests.simulators.controls import Controls
from tests.simulators.faults import Fault, Voice
from tests.simulators.limits import Admission
from tests.simulators.models import Kind, OpenAIModel
from tests.simulators.openai_chat import chat, checks, completions, embeddings, rerank
from tests.simulators.openai_chat.chat import PrefixCache
from tests.simulators.openai_chat.errors import BadRequest
from tests.simulators.recorder import Record
from tests.simulators.speech import Speech
from tests.simulators.wire.replies import Reply
from tests.simulators.wire.server import Request

CHAT: Final = "chat"
COMPLETIONS: Final = "completions"
EMBEDDINGS: Final = "embeddings"
RERANK: Final = "rerank"
MODELS: Final = "models"


@dataclass(frozen=True, slots=True)
class Located:
    """Where a request goes: operation, the deployment that the URL names, and the API version."""

    operation: str
    deployment: str | None = None
    version: str = "v1"


@dataclass(frozen=True, slots=True)
class Asked:
    """A checked chat request."""

    body: Mapping[str, Any]
    model: OpenAIModel
    located: Located
    fault: Fault | None


class Surface(Protocol):
    """What differs between the services: URLs, keys, errors, decorations."""

    name: str
    voice: Voice
    extras: frozenset[str]

    def models(self) -> Mapping[str, OpenAIModel]: ...
    def locate(self, request: Request) -> Located | Whole: ...
    def credential(self, request: Request, located: Located) -> str | Whole:
        """The name of the caller's key."""
        ...

    def listing(self) -> Whole: ...
    def unknown_model(self, model: str) -> Whole: ...
    def refused(self, problem: BadRequest) -> Whole: ...
    def throttled(self, admission: Admission, *, model: OpenAIModel, located: Located) -> Whole: ...
    def version_check(self, body: Any, located: Located) -> None:
        """Raises BadRequest for what the API version does not know."""
        ...

    def completion(self, asked: Asked, spoken: list[Speech], counts: Mapping[str, Any]) -> Answer: ...
    def unfit(self, model: OpenAIModel, operation: str) -> BadRequest:
        """What a model answers to an operation that is not its own."""
        ...

    def text(self, asked: Asked, spoken: list[list[Speech]], counts: Mapping[str, Any]) -> Answer:
        """A legacy completion, by prompt and by choice."""
        ...

    def headers(self, model: OpenAIModel) -> list[tuple[str, str]]: ...
    def limit_headers(self, admission: Admission, *, model: OpenAIModel) -> bytes: ...


@dataclass(frozen=True, slots=True)
class _Prepared:
    answer: Answer
    model: OpenAIModel
    streamed: bool
    reserve: int


class OpenAIService:
    """Answers requests of one surface; what can be changed is in `controls`."""

    def __init__(self, controls: Controls, surface: Surface) -> None:
        self._controls = controls
        self._surface = surface
        self._memo: Memo[_Prepared] = Memo()
        self._cache = PrefixCache()
        self._generation = controls.generation

    def __call__(self, request: Request) -> Reply:
        controls = self._controls
        record = controls.recorder.open(self._surface.name, request)
        if self._generation != controls.generation:
            self._generation = controls.generation
            self._memo.clear()
            self._cache = PrefixCache()
        reply, status = self._reply(request, record)
        controls.recorder.answered(record, status)
        reply.record = record
        return reply

    def _reply(self, request: Request, record: Record) -> tuple[Reply, int]:
        surface = self._surface
        located = surface.locate(request)
        if isinstance(located, Whole):
            return self._sent(located)
        record.operation = located.operation
        record.model = located.deployment
        credential = surface.credential(request, located)
        if isinstance(credential, Whole):
            return self._sent(credential)
        record.credential = credential
        if located.operation == MODELS:
            return self._sent(surface.listing())
        known = self._memo.get(request.target, request.body)
        if known is not None and not self._controls.faults.rules:
            record.model = known.model.id
            return self._answered(known, located, fault=None)
        return self._considered(request, record, located)

    def _considered(self, request: Request, record: Record, located: Located) -> tuple[Reply, int]:
        surface, controls = self._surface, self._controls
        try:
            body = msgspec.json.decode(request.body)
        except msgspec.DecodeError:
            return self._sent(surface.refused(BadRequest("We could not parse the JSON body of your request.")))
        name = located.deployment or (body.get("model") if isinstance(body, dict) else None)
        if not isinstance(name, str):
            return self._sent(surface.refused(BadRequest("you must provide a model parameter", param="model")))
        record.model = name
        model = surface.models().get(name)
        if model is None:
            return self._sent(surface.unknown_model(name))
        streamed = isinstance(body, dict) and body.get("stream") is True
        fault = controls.faults.take(
            provider=surface.name, model=name, operation=located.operation, streamed=streamed, request=request
        )
        if fault is not None:
            record.fault = fault.kind.value
            replaced = faults.instead(fault, surface.voice, extra=answers.date(controls.now()))
            if replaced is not None:
                return replaced
        prepared = self._prepared(request, body, model=model, located=located, fault=fault)
        if isinstance(prepared, Whole):
            return self._sent(prepared)
        return self._answered(prepared, located, fault=fault)

    def _answered(self, prepared: _Prepared, located: Located, *, fault: Fault | None) -> tuple[Reply, int]:
        surface, controls = self._surface, self._controls
        model = prepared.model
        now = controls.now()
        admission = controls.limits.admit(surface.name, model.id, tokens=prepared.reserve, now=now)
        if admission.refused is not None:
            return self._sent(surface.throttled(admission, model=model, located=located))
        extra = answers.date(now) + surface.limit_headers(admission, model=model)
        pace = controls.pacing.of(surface.name, model.id)
        status = prepared.answer.status
        if fault is not None and fault.kind not in faults.CONTENT:
            return faults.spoiled(fault, prepared.answer, voice=surface.voice, pace=pace, extra=extra), status
        return faults.paced(prepared.answer, pace=pace, extra=extra), status

    def _prepared(
        self, request: Request, body: Any, *, model: OpenAIModel, located: Located, fault: Fault | None
    ) -> _Prepared | Whole:
        surface = self._surface
        try:
            surface.version_check(body, located)
            if located.operation == EMBEDDINGS:
                prepared, keep = self._embeddings(body, model), True
            elif located.operation == RERANK:
                prepared, keep = self._rerank(body, model), True
            elif (located.operation == COMPLETIONS) is not (model.kind is Kind.COMPLETION):
                raise surface.unfit(model, located.operation)
            elif located.operation == COMPLETIONS:
                checked = checks.completions(body, model=model)
                prepared, keep = self._text(Asked(checked, model, located, fault)), True
            else:
                checked = checks.chat(body, model=model, extras=surface.extras)
                prepared, keep = self._chat(Asked(checked, model, located, fault))
        except BadRequest as problem:
            return surface.refused(problem)
        if keep and fault is None:
            self._memo.put(request.target, request.body, prepared)
        return prepared

    def _embeddings(self, body: Any, model: OpenAIModel) -> _Prepared:
        checked = checks.embeddings(body, model=model)
        longest = embeddings.longest(checked)
        if longest > model.context_window:
            raise BadRequest(
                f"This model's maximum context length is {model.context_window} tokens, however you requested "
                f"{longest} tokens. Please reduce your prompt.",
                code="context_length_exceeded",
            )
        headers = [("content-type", "application/json"), *self._surface.headers(model)]
        answer = answers.whole(200, headers, msgspec.json.encode(embeddings.answer(checked, model=model)))
        return _Prepared(answer, model, streamed=False, reserve=embeddings.tokens(checked))

    def _rerank(self, body: Any, model: OpenAIModel) -> _Prepared:
        checked = checks.rerank(body, model=model)
        headers = [("content-type", "application/json"), *self._surface.headers(model)]
        answer = answers.whole(200, headers, msgspec.json.encode(rerank.answer(checked, model=model)))
        return _Prepared(answer, model, streamed=False, reserve=rerank.tokens(checked))

    def _chat(self, asked: Asked) -> tuple[_Prepared, bool]:
        """The answer, and whether the same request would earn the same again."""
        body, model = asked.body, asked.model
        wanted = chat.prompt(body, provider=self._surface.name, model=model)
        total = chat.input_tokens(body)
        if total > model.context_window:
            raise BadRequest(
                f"This model's maximum context length is {model.context_window} tokens. However, your messages "
                f"resulted in {total} tokens. Please reduce the length of the messages.",
                param="messages",
                code="context_length_exceeded",
            )
        spoken = [speech.speak(wanted)] * (body.get("n") or 1)
        cached, stable = self._cache.read(body, model=model.id)
        counts = chat.usage(body, spoken, cached=cached)
        answer = self._surface.completion(asked, spoken, counts)
        # Charged at admission: prompt characters / 4 and the output asked for.
        asked_output = body.get("max_completion_tokens") or body.get("max_tokens") or 16
        reserve = total + asked_output * len(spoken)
        return _Prepared(answer, model, streamed=bool(body.get("stream")), reserve=reserve), stable

    def _text(self, asked: Asked) -> _Prepared:
        body, model = asked.body, asked.model
        wanted = completions.prompts(body, provider=self._surface.name, model=model)
        counts = completions.usage(body, spoken := completions.speeches(body, wanted))
        limit = model.context_window - (completions.limit(body))
        if counts["prompt_tokens"] > limit:
            raise BadRequest(
                f"This model's maximum context length is {model.context_window} tokens, however you requested "
                f"{counts['prompt_tokens'] + completions.limit(body)} tokens. Please reduce your prompt; or completion "
                "length.",
                code="context_length_exceeded",
            )
        answer = self._surface.text(asked, spoken, counts)
        best_of = max(body.get("best_of") or 1, body.get("n") or 1)
        reserve = counts["prompt_tokens"] + completions.limit(body) * best_of * len(wanted)
        return _Prepared(answer, model, streamed=bool(body.get("stream")), reserve=reserve)

    def _sent(self, answer: Whole) -> tuple[Reply, int]:
        return faults.sent(answer, extra=answers.date(self._controls.now()))
