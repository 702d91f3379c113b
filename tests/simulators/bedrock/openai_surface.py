"""OpenAI's API as Bedrock speaks it, on the runtime host (`/openai/v1`) and on `bedrock-mantle` (`/v1`, `/openai/v1`).

Chat Completions alone. Sources: Bedrock user guide, "Endpoints supported by Amazon Bedrock", "Invoke a model with the
OpenAI Chat Completions API"; what the families refuse there is as LiteLLM's public model table has observed it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final

import msgspec

from tests.simulators import answers
from tests.simulators.answers import Answer, Whole
from tests.simulators.bedrock import sign_in, sigv4
from tests.simulators.controls import Controls
from tests.simulators.faults import Voice
from tests.simulators.limits import Admission
from tests.simulators.models import BedrockModel, OpenAIModel
from tests.simulators.models import Kind as ModelKind
from tests.simulators.openai_chat import chat, errors
from tests.simulators.openai_chat.errors import BadRequest
from tests.simulators.openai_chat.service import CHAT, Asked, Located
from tests.simulators.openai_chat.voice import OpenAIVoice
from tests.simulators.speech import Speech
from tests.simulators.wire.server import Request

_HEADERS: Final = [("x-amzn-requestid", answers.REQUEST_ID)]
_RUNTIME_PATHS: Final = {b"/openai/v1/chat/completions": "/openai/v1"}
_MANTLE_PATHS: Final = {b"/v1/chat/completions": "/v1", b"/openai/v1/chat/completions": "/openai/v1"}
_SAMPLING: Final = ("temperature", "top_p", "frequency_penalty", "presence_penalty", "logprobs")


class OpenAISurface:
    """Of one host."""

    name = "bedrock"
    extras: frozenset[str] = frozenset()

    def __init__(self, controls: Controls, *, service: str) -> None:
        self._controls = controls
        self._service = service
        self._paths = _MANTLE_PATHS if service == sign_in.MANTLE else _RUNTIME_PATHS
        self.voice: Voice = OpenAIVoice(_HEADERS)

    def models(self) -> Mapping[str, OpenAIModel]:
        found: dict[str, OpenAIModel] = {}
        for row in self._controls.models.bedrock.values():
            prefix = row.mantle if self._service == sign_in.MANTLE else row.openai
            if prefix is None:
                continue
            names = [f"{geography}.{row.id}" for geography in row.profiles]
            for name in [*names, *([row.id] if row.on_demand else [])]:
                found[name] = OpenAIModel(
                    id=name,
                    reported=name,
                    kind=ModelKind.CHAT,
                    context_window=row.context_window,
                    max_output_tokens=row.max_output_tokens,
                )
        return found

    def locate(self, request: Request) -> Located | Whole:
        prefix = self._paths.get(request.path)
        if prefix is None or request.method != b"POST":
            return errors.answer(404, errors.body("Not found", kind="invalid_request_error"), _HEADERS)
        return Located(CHAT, version=prefix)

    def credential(self, request: Request, located: Located) -> str | Whole:
        try:
            body = msgspec.json.decode(request.body)
        except msgspec.DecodeError:
            body = {}
        model = body.get("model") if isinstance(body, dict) else None
        operation = "ConverseStream" if isinstance(body, dict) and body.get("stream") else "Converse"
        now = self._controls.now() + self._controls.settings.bedrock_clock_skew_s
        found = sign_in.credential(
            self._controls, request, model_id=str(model), operation=operation, now=now, service=self._service
        )
        if isinstance(found, sigv4.Refusal):
            payload = errors.body(found.message, kind="authentication_error", code=found.name)
            return errors.answer(403, payload, _HEADERS)
        return found

    def listing(self) -> Whole:
        return errors.answer(404, errors.body("Not found", kind="invalid_request_error"), _HEADERS)

    def unknown_model(self, model: str) -> Whole:
        message = f"The model '{model}' does not exist"
        payload = errors.body(message, kind="invalid_request_error", param="model", code="model_not_found")
        return errors.answer(404, payload, _HEADERS)

    def refused(self, problem: BadRequest) -> Whole:
        return errors.answer(400, errors.bad_request(problem), _HEADERS)

    def throttled(self, admission: Admission, *, model: OpenAIModel, located: Located) -> Whole:
        message = f"Too many {admission.refused}, please wait before trying again."
        return errors.answer(429, errors.body(message, kind="rate_limit_error", code="rate_limit_exceeded"), _HEADERS)

    def version_check(self, body: Any, located: Located) -> None:
        """The path has a prefix by model, and the families have their quirks."""
        row = self._row(body)
        if row is None:
            return
        prefix = row.mantle if self._service == sign_in.MANTLE else row.openai
        if prefix != located.version:
            raise BadRequest(f"model `{body['model']}` isn't supported on this route", param="model")
        if (body.get("n") or 1) > 1:
            raise BadRequest("n must be 1", param="n")
        name = row.id.partition(".")[2]
        if name.startswith("gpt-oss"):
            _refuse(body, ("logit_bias",), "is not supported by this model")
        elif name.startswith("gpt-") and body.get("reasoning_effort") != "none":
            _refuse(body, _SAMPLING, "is only supported when reasoning_effort is none")
            _refuse(body, ("tools",), "is only supported when reasoning_effort is none")

    def _row(self, body: Any) -> BedrockModel | None:
        name = body.get("model") if isinstance(body, dict) else None
        return self._controls.models.find_bedrock(name) if isinstance(name, str) else None

    def completion(self, asked: Asked, spoken: list[Speech], counts: Mapping[str, Any]) -> Answer:
        if ".gpt-oss" in f".{asked.model.id}":
            # It thinks aloud here, and passes over the format that it is asked for.
            spoken = [_aloud(one) for one in spoken]
        if asked.body.get("stream"):
            events = chat.chunks(asked.body, spoken, counts, model=asked.model)
            return answers.stream(200, [("content-type", "text/event-stream"), *_HEADERS], chat.sse(events))
        payload = chat.completion(asked.body, spoken, counts, model=asked.model)
        return answers.whole(200, [("content-type", "application/json"), *_HEADERS], msgspec.json.encode(payload))

    def headers(self, model: OpenAIModel) -> list[tuple[str, str]]:
        return list(_HEADERS)

    def limit_headers(self, admission: Admission, *, model: OpenAIModel) -> bytes:
        return b""


def _aloud(spoken: Speech) -> Speech:
    return replace(spoken, pieces=("<reasoning>Simulated.</reasoning>", *spoken.pieces)) if spoken.pieces else spoken


def _refuse(body: Mapping[str, Any], params: tuple[str, ...], why: str) -> None:
    for param in params:
        if body.get(param) not in (None, [], {}, False):
            raise BadRequest(f"'{param}' {why}", param=param)
