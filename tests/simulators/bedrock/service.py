"""One request to Bedrock runtime, top to bottom."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import unquote

import msgspec

from tests.simulators import answers, faults, speech
from tests.simulators.answers import Answer, Memo, Whole
from tests.simulators.bedrock import caching, converse, errors, guardrails, semantics, shapes, sign_in, sigv4
from tests.simulators.bedrock.caching import PromptCache
from tests.simulators.bedrock.invoke import dispatch, generation
from tests.simulators.bedrock.voice import VOICE
from tests.simulators.controls import Controls
from tests.simulators.models import BedrockModel, NotOnDemand
from tests.simulators.recorder import Record
from tests.simulators.wire.replies import Reply
from tests.simulators.wire.server import Request

if TYPE_CHECKING:
    from tests.simulators.bedrock.invoke.claude import Bodies

NAME: Final = "bedrock"
_OPERATIONS: Final = {
    b"converse": "Converse",
    b"converse-stream": "ConverseStream",
    b"count-tokens": "CountTokens",
    b"invoke": "InvokeModel",
    b"invoke-with-response-stream": "InvokeModelWithResponseStream",
}


class BedrockService:
    """Answers requests; what can be changed is in `controls`."""

    def __init__(self, controls: Controls) -> None:
        self._controls = controls
        self._memo: Memo[tuple[Answer, int, int]] = Memo()
        self._generation = controls.generation
        self._cache = PromptCache()
        self._claude: Bodies | None = None

    def __call__(self, request: Request) -> Reply:
        controls = self._controls
        record = controls.recorder.open(NAME, request)
        if self._generation != controls.generation:
            self._generation = controls.generation
            self._memo.clear()
            self._cache = PromptCache()
            self._claude = None
        reply, status = self._reply(request, record)
        controls.recorder.answered(record, status)
        reply.record = record
        return reply

    def _reply(self, request: Request, record: Record) -> tuple[Reply, int]:
        controls = self._controls
        now = controls.now() + controls.settings.bedrock_clock_skew_s
        date = answers.date(now)
        parts = request.path.split(b"/")
        operation = _OPERATIONS.get(parts[3]) if len(parts) == 4 and parts[1] == b"model" else None
        if operation is None or request.method != b"POST":
            return faults.sent(
                errors.answer("UnknownOperationException", "The requested operation is not recognized."), extra=date
            )
        model_id = unquote(parts[2].decode("latin-1"))
        record.model, record.operation = model_id, operation
        credential = sign_in.credential(controls, request, model_id=model_id, operation=operation, now=now)
        if isinstance(credential, sigv4.Refusal):
            return faults.sent(errors.answer(credential.name, credential.message, status=403), extra=date)
        record.credential = credential
        model = self._countable(model_id) if operation == "CountTokens" else self._model(model_id)
        if isinstance(model, Whole):
            return faults.sent(model, extra=date)
        if operation == "CountTokens":
            return faults.sent(_counted(request.body, model=model), extra=date)
        streamed = operation.endswith("Stream")
        fault = None
        if controls.faults.rules:
            fault = controls.faults.take(
                provider=NAME, model=model_id, operation=operation, streamed=streamed, request=request
            )
        if fault is not None:
            record.fault = fault.kind.value
            replaced = faults.instead(fault, VOICE, extra=date)
            if replaced is not None:
                return replaced
        prepared = self._prepared(request, model=model, model_id=model_id, operation=operation)
        if isinstance(prepared, Whole):
            return faults.sent(prepared, extra=date)
        answer, reserved, used = prepared
        refused = self._admit(model_id, reserved=reserved, used=used, now=now)
        if refused is not None:
            return faults.sent(refused, extra=date)
        pace = controls.pacing.of(NAME, model_id)
        if fault is not None:
            return faults.spoiled(fault, answer, voice=VOICE, pace=pace, extra=date), answer.status
        return faults.paced(answer, pace=pace, extra=date), answer.status

    def _countable(self, model_id: str) -> BedrockModel | Whole:
        """By the model's own id alone, whether or not it can be called by it."""
        found = self._controls.models.bedrock.get(model_id)
        return found or errors.answer("ValidationException", "The provided model identifier is invalid.")

    def _model(self, model_id: str) -> BedrockModel | Whole:
        try:
            model = self._controls.models.find_bedrock(model_id)
        except NotOnDemand:
            return errors.answer(
                "ValidationException",
                f"Invocation of model ID {model_id} with on-demand throughput isn’t supported. Retry your request with "
                "the ID or ARN of an inference profile that contains this model.",
            )
        if model is None:
            if model_id.startswith("arn:"):
                return errors.answer("ResourceNotFoundException", f"The resource {model_id} could not be found.")
            return errors.answer("ValidationException", "The provided model identifier is invalid.")
        return model if model.access else errors.answer("AccessDeniedException")

    def _prepared(
        self, request: Request, *, model: BedrockModel, model_id: str, operation: str
    ) -> tuple[Answer, int, int] | Whole:
        """The answer with the tokens that admission reserves and settlement charges, or a refusal."""
        known = self._memo.get(request.target, request.body)
        if known is not None:
            return known
        if operation in generation.OPERATIONS:
            return self._invoked(request, model=model, model_id=model_id, operation=operation)
        if not model.converse or not model.max_output_tokens:
            return errors.answer(
                "ValidationException",
                "This action doesn't support the model that you provided. Try again with a supported text or chat "
                "model.",
            )
        body = _checked(request.body, model=model, operation=operation)
        if isinstance(body, Whole):
            return body
        total = caching.input_tokens(body)
        if total > model.context_window:
            return errors.answer("ValidationException", "Input is too long for requested model.")
        streamed = operation == "ConverseStream"
        asked = converse.prompt(body, model=model, model_id=model_id, streamed=streamed)
        judged = guardrails.judge(body, speech.speak(asked))
        spoken = judged.spoken
        cacheable = any(True for _ in semantics.cache_points(body))
        cached = caching.Caching()
        if cacheable and model.cache_min_tokens is not None:
            cached = self._cache.account(
                body, model=model_id, min_tokens=model.cache_min_tokens, now=self._controls.now()
            )
        counts = converse.usage(body, spoken, model=model, cached=cached)
        if judged.input_blocked:
            # The model has not been asked.
            counts = {"inputTokens": 0, "outputTokens": 0, "totalTokens": 0}
        trace: dict[str, Any] = {"guardrail": judged.trace} if judged.trace else {}
        if ":default-prompt-router/" in model_id:
            trace["promptRouter"] = {"invokedModelId": _foundation(model, self._controls.settings.region)}
        make = converse.stream if streamed else converse.whole
        used = counts["inputTokens"] + cached.written + counts["outputTokens"] * model.burndown
        prepared = (make(body, spoken, counts, trace), total + asked.max_tokens, used)
        if not cacheable:
            self._memo.put(request.target, request.body, prepared)
        return prepared

    def _invoked(
        self, request: Request, *, model: BedrockModel, model_id: str, operation: str
    ) -> tuple[Answer, int, int] | Whole:
        if model.claude is not None:
            # The types of Anthropic's SDK take seconds to load: not for who wants none of it.
            from tests.simulators.bedrock.invoke.claude import Bodies

            if self._claude is None:
                self._claude = Bodies()
            return self._claude.prepared(
                request.body,
                row=model,
                about=model.claude,
                model_id=model_id,
                operation=operation,
                now=self._controls.now(),
            )
        if operation == "InvokeModel" and model.invoke in dispatch.FAMILIES:
            invoked = dispatch.prepared(request.body, model=model)
        else:
            invoked = generation.prepared(request.body, model=model, model_id=model_id, operation=operation)
        if not isinstance(invoked, Whole):
            self._memo.put(request.target, request.body, invoked)
        return invoked

    def _admit(self, model_id: str, *, reserved: int, used: int, now: float) -> Whole | None:
        """Bedrock reserves input and maximum output at admission and settles by what was used."""
        limits = self._controls.limits
        if not limits.rules:
            return None
        admission = limits.admit(NAME, model_id, tokens=reserved, now=now)
        if admission.refused is not None:
            return errors.answer(
                "ThrottlingException", f"Too many {admission.refused}, please wait before trying again."
            )
        limits.settle(NAME, model_id, reserved=reserved, used=used, now=now)
        return None


def _checked(raw: bytes, *, model: BedrockModel, operation: str) -> dict[str, Any] | Whole:
    """The body, or why it is refused."""
    try:
        body = msgspec.json.decode(raw)
    except msgspec.DecodeError:
        return errors.answer("SerializationException", "Could not parse the request body into JSON.")
    try:
        problems = shapes.check(operation, body)
    except shapes.Malformed as exc:
        return errors.answer(
            "ValidationException", f"Malformed input request: {exc}, please reformat your input and try again."
        )
    if problems:
        number = f"{len(problems)} validation error{'s' if len(problems) > 1 else ''} detected: "
        return errors.answer("ValidationException", number + "; ".join(problems))
    assert isinstance(body, dict)
    message = guardrails.refusal(body) or semantics.refusal(body, model=model, streamed=operation == "ConverseStream")
    return body if message is None else errors.answer("ValidationException", message)


def _counted(raw: bytes, *, model: BedrockModel) -> Whole:
    """CountTokens: of a body of Converse, or of InvokeModel as it is."""
    try:
        body = msgspec.json.decode(raw)
    except msgspec.DecodeError:
        return errors.answer("SerializationException", "Could not parse the request body into JSON.")
    problems = shapes.check("CountTokens", body)
    if problems:
        return errors.answer("ValidationException", "; ".join(problems))
    if not model.counts_tokens:
        return errors.answer("ValidationException", "The provided model doesn't support counting tokens.")
    asked = body["input"]
    if "converse" in asked:
        message = semantics.refusal(asked["converse"], model=model, streamed=False)
        if message is not None:
            return errors.answer("ValidationException", message)
        tokens = caching.input_tokens(asked["converse"])
    else:
        tokens = speech.count_tokens(base64.b64decode(asked["invokeModel"]["body"]))
    headers = [("content-type", "application/json"), ("x-amzn-requestid", answers.REQUEST_ID)]
    return answers.whole(200, headers, msgspec.json.encode({"inputTokens": tokens}))


def _foundation(model: BedrockModel, region: str) -> str:
    return f"arn:aws:bedrock:{region}::foundation-model/{model.id}"
