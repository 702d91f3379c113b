"""The Azure surface: URLs, versions, keys, errors, headers.

https://learn.microsoft.com/azure/ai-foundry/openai/reference and, for the versions,
https://learn.microsoft.com/azure/ai-foundry/openai/api-version-lifecycle.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any, Final
from urllib.parse import parse_qs, unquote

import msgspec

from tests.simulators import answers
from tests.simulators.answers import Answer, Whole
from tests.simulators.azure_openai import filters
from tests.simulators.controls import Controls
from tests.simulators.entra.tokens import TokenRefused, verified
from tests.simulators.faults import Kind, Voice
from tests.simulators.limits import Admission
from tests.simulators.models import FilterMode, OpenAIModel
from tests.simulators.openai_chat import chat, checks, completions, errors
from tests.simulators.openai_chat.errors import BadRequest
from tests.simulators.openai_chat.service import CHAT, COMPLETIONS, EMBEDDINGS, MODELS, Asked, Located
from tests.simulators.openai_chat.voice import OpenAIVoice
from tests.simulators.speech import Speech
from tests.simulators.wire.server import Request

_VERSIONS: Final = frozenset(
    {
        "2023-05-15",
        "2024-02-01",
        "2024-06-01",
        "2024-08-01-preview",
        "2024-09-01-preview",
        "2024-10-21",
        "2024-12-01-preview",
        "2025-01-01-preview",
        "2025-03-01-preview",
        "2025-04-01-preview",
    }
)
_V1_VERSIONS: Final = frozenset({"", "v1", "preview", "latest"})
# The date of the first version that knows a parameter; others are as old as the API.
_SINCE: Final[Mapping[str, str]] = {
    "stream_options": "2024-09-01",
    "max_completion_tokens": "2024-09-01",
    "parallel_tool_calls": "2024-09-01",
    "reasoning_effort": "2024-12-01",
    "store": "2024-12-01",
    "metadata": "2024-12-01",
    "user_security_context": "2024-12-01",
    "prediction": "2025-01-01",
    "audio": "2025-01-01",
    "modalities": "2025-01-01",
}
_V1_ONLY: Final = frozenset({"prompt_cache_key", "prompt_cache_retention", "safety_identifier", "verbosity"})
_OPERATIONS: Final = {b"chat/completions": CHAT, b"completions": COMPLETIONS, b"embeddings": EMBEDDINGS}
_OPERATION_NAMES: Final = {
    CHAT: "ChatCompletions_Create",
    COMPLETIONS: "Completions_Create",
    EMBEDDINGS: "Embeddings_Create",
}
_HEADERS: Final = [
    ("apim-request-id", answers.REQUEST_ID),
    ("x-request-id", answers.REQUEST_ID),
    ("x-ms-region", "East US"),
    ("x-content-type-options", "nosniff"),
]
_UNAUTHORISED: Final = (
    "Access denied due to invalid subscription key or wrong API endpoint. Make sure to provide a valid key for an "
    "active subscription and use a correct regional API endpoint for your resource."
)
_AUDIENCES: Final = ("https://cognitiveservices.azure.com", "https://ai.azure.com")
_BAD_TOKEN: Final = (
    "Unauthorized. Access token is missing, invalid, audience is incorrect (https://cognitiveservices.azure.com), or "
    "have expired."
)
_NO_DEPLOYMENT: Final = (
    "The API deployment for this resource does not exist. If you created the deployment within the last 5 minutes, "
    "please wait a moment and try again."
)


class AzureSurface:
    name = "azure"
    extras = checks.AZURE_EXTRAS

    def __init__(self, controls: Controls) -> None:
        self._controls = controls
        self.voice: Voice = OpenAIVoice(_HEADERS)
        self._located: dict[tuple[bytes, bytes], Located | Whole] = {}

    def models(self) -> Mapping[str, OpenAIModel]:
        return self._controls.models.azure

    def locate(self, request: Request) -> Located | Whole:
        key = (request.method, request.target)
        located = self._located.get(key)
        if located is None:
            located = _locate(request)
            if len(self._located) < 4096:
                self._located[key] = located
        return located

    def credential(self, request: Request, located: Located) -> str | Whole:
        keys = self._controls.keys
        key = (request.header(b"api-key") or b"").decode("latin-1")
        scheme, _, bearer = (request.header(b"authorization") or b"").decode("latin-1").partition(" ")
        if not key and scheme == "Bearer":
            if located.version == "v1" and bearer in keys.azure:
                return keys.azure[bearer]
            return self._token_name(bearer)
        name = keys.azure.get(key)
        return name if name is not None else _error(401, "401", _UNAUTHORISED)

    def _token_name(self, token: str) -> str | Whole:
        claims = _claims(token, tuple(self._controls.keys.entra.items()))
        ended = claims is None or claims["exp"] <= self._controls.now()
        if claims is None or ended or claims["uti"] in self._controls.keys.revoked:
            return _error(401, "401", _BAD_TOKEN)
        return f"entra:{claims['appid']}/{claims['uti']}"

    def listing(self) -> Whole:
        """The models of the region, which are not the deployments."""
        reported = dict.fromkeys(model.reported for model in self.models().values())
        rows = [
            {"id": name, "object": "model", "created_at": 1_700_000_000, "status": "succeeded"} for name in reported
        ]
        body = msgspec.json.encode({"object": "list", "data": rows})
        return answers.whole(200, [("content-type", "application/json"), *_HEADERS], body)

    def unknown_model(self, model: str) -> Whole:
        return _error(404, "DeploymentNotFound", _NO_DEPLOYMENT)

    def refused(self, problem: BadRequest) -> Whole:
        if problem.code == "content_filter":
            return errors.answer(400, filters.prompt_blocked(problem.param or "hate"), _HEADERS)
        return errors.answer(400, errors.bad_request(problem), _HEADERS)

    def throttled(self, admission: Admission, *, model: OpenAIModel, located: Located) -> Whole:
        wait_s = admission.reset_s
        if model.provisioned:
            what = "the throughput of your provisioned deployment"
        else:
            resource = "token" if admission.refused == "tokens" else "call"
            what = f"{resource} rate limit of your current OpenAI S0 pricing tier"
        operation = _OPERATION_NAMES[located.operation]
        answer = _error(
            429,
            "429",
            f"Requests to the {operation} Operation under Azure OpenAI API version {located.version} have "
            f"exceeded {what}. Please retry after {wait_s} seconds.",
        )
        answer.head += b"retry-after: %d\r\nretry-after-ms: %d\r\n" % (wait_s, wait_s * 1000)
        answer.head += self.limit_headers(admission, model=model)
        return answer

    def version_check(self, body: Any, located: Located) -> None:
        if located.version == "v1" or not isinstance(body, dict):
            return
        date = located.version[:10]
        for name in body:
            if name in _V1_ONLY or _SINCE.get(name, "") > date:
                raise BadRequest(f"Unrecognized request argument supplied: {name}")

    def completion(self, asked: Asked, spoken: list[Speech], counts: Mapping[str, Any]) -> Answer:
        blocked = _blocked(asked, spoken[0].wishes)
        headers = self.headers(asked.model)
        if not asked.body.get("stream"):
            payload = filters.completion(
                chat.completion(asked.body, spoken, counts, model=asked.model), blocked=blocked
            )
            return answers.whole(200, [("content-type", "application/json"), *headers], msgspec.json.encode(payload))
        chunks = chat.chunks(asked.body, spoken, counts, model=asked.model)
        mode = self._controls.settings.filter_mode or asked.model.filter
        annotate = filters.asynchronous if mode is FilterMode.ASYNCHRONOUS else filters.synchronous
        events = chat.sse(annotate(chunks, blocked=blocked))
        return answers.stream(200, [("content-type", "text/event-stream; charset=utf-8"), *headers], events)

    def unfit(self, model: OpenAIModel, operation: str) -> BadRequest:
        name = "chatCompletion" if operation == CHAT else "completion"
        return BadRequest(
            f"The {name} operation does not work with the specified model, {model.reported}. Please choose different "
            "model and try again. You can learn more about which models can be used with each operation here: "
            "https://go.microsoft.com/fwlink/?linkid=2197993.",
            code="OperationNotSupported",
        )

    def text(self, asked: Asked, spoken: list[list[Speech]], counts: Mapping[str, Any]) -> Answer:
        headers = self.headers(asked.model)
        blocked = _blocked(asked, spoken[0][0].wishes)
        if not asked.body.get("stream"):
            payload = completions.completion(asked.body, spoken, counts, model=asked.model)
            payload = filters.completion(payload, blocked=blocked)
            return answers.whole(200, [("content-type", "application/json"), *headers], msgspec.json.encode(payload))
        chunks = completions.chunks(asked.body, spoken, counts, model=asked.model)
        events = chat.sse(filters.synchronous(chunks, blocked=blocked))
        return answers.stream(200, [("content-type", "text/event-stream; charset=utf-8"), *headers], events)

    def headers(self, model: OpenAIModel) -> list[tuple[str, str]]:
        return [*_HEADERS, ("x-ms-deployment-name", model.id)]

    def limit_headers(self, admission: Admission, *, model: OpenAIModel) -> bytes:
        if model.provisioned:
            used = 100.0 * (1 - admission.remaining_tokens / max(1, admission.limit_tokens))
            return b"azure-openai-deployment-utilization: %.1f%%\r\n" % used
        return (
            b"x-ratelimit-limit-requests: %d\r\nx-ratelimit-remaining-requests: %d\r\n"
            b"x-ratelimit-reset-requests: %d\r\nx-ratelimit-limit-tokens: %d\r\n"
            b"x-ratelimit-remaining-tokens: %d\r\nx-ratelimit-reset-tokens: %d\r\n"
        ) % (
            admission.limit_requests,
            admission.remaining_requests,
            admission.reset_s,
            admission.limit_tokens,
            admission.remaining_tokens,
            admission.reset_s,
        )


def _blocked(asked: Asked, wishes: Mapping[str, str]) -> str | None:
    """The category that the completion is blocked for. Raises BadRequest where the prompt is."""
    fault = asked.fault
    at_prompt = fault.category if fault is not None and fault.kind is Kind.PROMPT_FILTER else None
    if "prompt-filter" in wishes:
        at_prompt = wishes["prompt-filter"] or "hate"
    if at_prompt is not None:
        raise BadRequest(filters.PROMPT_BLOCKED, param=at_prompt, code="content_filter")
    if "completion-filter" in wishes:
        return wishes["completion-filter"] or "hate"
    return fault.category if fault is not None and fault.kind is Kind.COMPLETION_FILTER else None


@lru_cache(maxsize=4096)
def _claims(token: str, keys: tuple[tuple[str, str], ...]) -> dict[str, Any] | None:
    """Of a token that was good once; a signature costs more than the rest of a request. Its end is for the caller."""
    try:
        return verified(token, keys=dict(keys), audiences=_AUDIENCES, now=0)
    except TokenRefused:
        return None


def _error(status: int, code: str, message: str) -> Whole:
    """The short shape of Azure's front end."""
    return errors.answer(status, {"error": {"code": code, "message": message}}, _HEADERS)


def _locate(request: Request) -> Located | Whole:
    version = parse_qs(request.query.decode("latin-1")).get("api-version", [""])[0]
    path = request.path.removeprefix(b"/openai/")
    nowhere = _error(404, "404", "Resource not found")
    if path.startswith(b"v1/"):
        rest, deployment, dated = path.removeprefix(b"v1/"), None, False
        if version not in _V1_VERSIONS:
            return _error(400, "BadRequest", "API version not supported")
    else:
        dated = True
        if version not in _VERSIONS:
            return nowhere
        deployment, rest = None, path
        if path.startswith(b"deployments/"):
            quoted, _, rest = path.removeprefix(b"deployments/").partition(b"/")
            deployment = unquote(quoted.decode("latin-1"))
    shown = version if dated else "v1"
    if rest == b"models" and request.method == b"GET" and deployment is None:
        return Located(MODELS, version=shown)
    operation = _OPERATIONS.get(rest)
    # Dated versions take chat and embeddings at a deployment's URL only.
    if operation is None or request.method != b"POST" or (dated and deployment is None):
        return nowhere
    return Located(operation, deployment, shown)
