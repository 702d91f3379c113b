"""One admin request. Bodies are checked strictly: an unknown field is an error, not a fault that never comes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, TypeVar
from urllib.parse import parse_qs

import msgspec

from tests.simulators.controls import Controls, Settings
from tests.simulators.credentials import AccessKey
from tests.simulators.faults import Fault
from tests.simulators.limits import Limit
from tests.simulators.models import AnthropicModel, BedrockModel, OpenAIModel
from tests.simulators.pacing import Pace
from tests.simulators.wire import replies
from tests.simulators.wire.replies import Reply
from tests.simulators.wire.server import Request

_JSON: Final = [("content-type", "application/json")]
T = TypeVar("T")


class _Credentials(msgspec.Struct, rename="camel", forbid_unknown_fields=True, kw_only=True):
    """What is given replaces all keys of that provider. API keys: key → name shown in records.

    `bedrock`: long-term API keys. `entra`: id → public key (PEM) of those whose tokens Azure takes.
    """

    access_keys: list[AccessKey] | None = None
    azure: dict[str, str] | None = None
    bedrock: dict[str, str] | None = None
    entra: dict[str, str] | None = None
    openai: dict[str, str] | None = None
    anthropic: dict[str, str] | None = None


class _Models(msgspec.Struct, rename="camel", forbid_unknown_fields=True, kw_only=True):
    """Rows are added, or replace those of the same id."""

    bedrock: list[BedrockModel] = []
    bedrock_arns: dict[str, str] = {}
    azure: list[OpenAIModel] = []
    openai: list[OpenAIModel] = []
    anthropic: list[AnthropicModel] = []


class AdminService:
    def __init__(self, controls: Controls) -> None:
        self._controls = controls
        self._routes: dict[tuple[str, str], Callable[[Request], Any]] = {
            ("GET", "/healthz"): lambda _: {"ok": True},
            ("GET", "/faults"): lambda _: self._controls.faults.rules,
            ("POST", "/faults"): self._add_faults,
            ("DELETE", "/faults"): lambda _: self._controls.faults.rules.clear(),
            ("POST", "/latency"): lambda r: self._controls.pacing.set(_decoded(r, Pace)),
            ("DELETE", "/latency"): lambda _: self._controls.pacing.reset(),
            ("POST", "/limits"): lambda r: self._controls.limits.set(_decoded(r, Limit)),
            ("DELETE", "/limits"): lambda _: self._controls.limits.reset(),
            ("PUT", "/credentials"): self._set_credentials,
            ("POST", "/models"): self._add_models,
            ("GET", "/models"): self._list_models,
            ("PUT", "/settings"): self._set_settings,
            ("GET", "/settings"): lambda _: self._controls.settings,
            ("GET", "/requests"): self._requests,
            ("DELETE", "/requests"): lambda _: self._controls.recorder.reset(),
            ("GET", "/counts"): lambda _: self._controls.recorder.shown_counts(),
            ("POST", "/reset"): lambda _: self._controls.reset(),
        }

    def __call__(self, request: Request) -> Reply:
        method, path = request.method.decode("latin-1"), request.path.decode("latin-1")
        route = self._routes.get((method, path))
        if route is None:
            known = sorted(f"{verb} {target}" for verb, target in self._routes)
            return _answer(404, {"error": f"no {method} {path} here", "known": known})
        try:
            found = route(request)
        except (msgspec.ValidationError, msgspec.DecodeError, ValueError) as exc:
            return _answer(400, {"error": str(exc)})
        return _answer(200, {"ok": True} if found is None else found)

    def _add_faults(self, request: Request) -> None:
        given = msgspec.json.decode(request.body)
        for one in given if isinstance(given, list) else [given]:
            self._controls.fail(msgspec.convert(one, Fault))

    def _set_credentials(self, request: Request) -> None:
        given = _decoded(request, _Credentials)
        keys = self._controls.keys
        if given.access_keys is not None:
            keys.access_keys = {key.access_key_id: key for key in given.access_keys}
        if given.azure is not None:
            keys.azure = given.azure
        if given.bedrock is not None:
            keys.bedrock = given.bedrock
        if given.entra is not None:
            keys.entra = given.entra
        if given.openai is not None:
            keys.openai = given.openai
        if given.anthropic is not None:
            keys.anthropic = given.anthropic

    def _add_models(self, request: Request) -> None:
        given, models = _decoded(request, _Models), self._controls.models
        models.bedrock.update({row.id: row for row in given.bedrock})
        models.bedrock_arns.update(given.bedrock_arns)
        models.azure.update({row.id: row for row in given.azure})
        models.openai.update({row.id: row for row in given.openai})
        models.anthropic.update({row.id: row for row in given.anthropic})
        self._controls.generation += 1

    def _list_models(self, request: Request) -> Any:
        models = self._controls.models
        return {
            "bedrock": list(models.bedrock.values()),
            "bedrockArns": models.bedrock_arns,
            "azure": list(models.azure.values()),
            "openai": list(models.openai.values()),
            "anthropic": list(models.anthropic.values()),
        }

    def _set_settings(self, request: Request) -> None:
        self._controls.settings = _decoded(request, Settings)
        self._controls.generation += 1

    def _requests(self, request: Request) -> Any:
        query = {name: values[0] for name, values in parse_qs(request.query.decode("latin-1")).items()}
        unknown = set(query) - {"provider", "model", "since", "limit"}
        if unknown:
            raise ValueError(f"unknown query parameters: {', '.join(sorted(unknown))}")
        recorder = self._controls.recorder
        shown = recorder.shown(
            provider=query.get("provider"),
            model=query.get("model"),
            since=int(query.get("since", "0")),
            limit=int(query.get("limit", "100")),
        )
        return {"requests": shown, "last": recorder.seq}


def _decoded(request: Request, kind: type[T]) -> T:
    return msgspec.json.decode(request.body, type=kind)


def _answer(status: int, payload: Any) -> Reply:
    return Reply([(0.0, replies.whole(status, _JSON, msgspec.json.encode(payload)))])
