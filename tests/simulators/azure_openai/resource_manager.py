"""Azure Resource Manager, as far as it tells of one Azure OpenAI resource, and of the quotas of its location.

https://learn.microsoft.com/rest/api/aiservices/accountmanagement/deployments/list and …/accounts/list-models,
…/accounts/get and …/usages/list.
Capabilities are texts; a list that is longer than a page goes on at `nextLink`.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Callable
from typing import Any, Final
from urllib.parse import parse_qsl, quote

from tests.simulators.controls import Controls
from tests.simulators.entra.service import answered
from tests.simulators.entra.tokens import TokenRefused, verified
from tests.simulators.models import Kind, OpenAIModel
from tests.simulators.wire.replies import Reply
from tests.simulators.wire.server import Request

RESOURCE_ID: Final = (
    "/subscriptions/88888888-8888-4888-8888-888888888888/resourceGroups/models/providers/"
    "Microsoft.CognitiveServices/accounts/simulated"
)
LOCATION: Final = "swedencentral"
USAGES: Final = (
    "/subscriptions/88888888-8888-4888-8888-888888888888/providers/Microsoft.CognitiveServices/"
    f"locations/{LOCATION}/usages"
)
AUDIENCES: Final = ("https://management.azure.com", "https://management.core.windows.net")
_VERSION: Final = re.compile(r"20\d\d-\d\d-\d\d(-preview)?")
_RATES: Final = (
    {"key": "request", "renewalPeriod": 10, "count": 50},
    {"key": "token", "renewalPeriod": 60, "count": 50_000},
)
_DATED: Final = re.compile(r"(.+)-(\d{4}-\d{2}-\d{2})")


class ResourceManager:
    """`url` is its own, for links. `readers`: client ids that have the role Reader; None = all that sign in.

    `subscribers`: of these, those that have it on the subscription too. `rated`: whether deployments tell their limits.
    """

    def __init__(self, controls: Controls) -> None:
        self._controls = controls
        self.url = ""
        self.page = 100
        self.readers: set[str] | None = None
        self.subscribers: set[str] | None = None
        self.rated = True
        self.states: dict[str, str] = {}
        """provisioningState by deployment, where it is not Succeeded."""
        self.instead: deque[Reply] = deque()
        """Replies for the next requests."""

    def __call__(self, request: Request) -> Reply:
        if self.instead:
            return self.instead.popleft()
        refused = self._refused(request)
        if refused is not None:
            return refused
        path, query = request.path.decode("latin-1"), dict(parse_qsl(request.query.decode("latin-1")))
        if not _VERSION.fullmatch(query.get("api-version", "")):
            return _error(400, "MissingApiVersionParameter", "The api-version query parameter is required.")
        lists: dict[str, Callable[[], list[dict[str, Any]]]] = {
            f"{RESOURCE_ID}/deployments": self._deployments,
            f"{RESOURCE_ID}/models": self._models,
            USAGES: self._usages,
        }
        if request.method == b"GET" and path.lower() == RESOURCE_ID.lower():
            return answered(200, self._account())
        found = {name.lower(): rows for name, rows in lists.items()}.get(path.lower())
        if request.method != b"GET" or found is None:
            return _error(404, "ResourceNotFound", f"The Resource '{path}' was not found.")
        return self._page(found(), path, query)

    def _refused(self, request: Request) -> Reply | None:
        scheme, _, token = (request.header(b"authorization") or b"").decode("latin-1").partition(" ")
        if scheme != "Bearer":
            return _error(401, "AuthenticationFailed", "Authentication failed. The 'Authorization' header is missing.")
        try:
            claims = verified(token, keys=self._controls.keys.entra, audiences=AUDIENCES)
        except TokenRefused as exc:
            code = "ExpiredAuthenticationToken" if exc.expired else "InvalidAuthenticationToken"
            return _error(401, code, "The access token is invalid.")
        readers = self.subscribers if request.path.decode("latin-1").lower() == USAGES.lower() else None
        if any(some is not None and claims["appid"] not in some for some in (self.readers, readers)):
            text = f"The client '{claims['appid']}' does not have authorization to perform action over the scope."
            return _error(403, "AuthorizationFailed", text)
        return None

    def _page(self, rows: list[dict[str, Any]], path: str, query: dict[str, str]) -> Reply:
        begin = int(query.get("$skiptoken", "0"))
        payload: dict[str, Any] = {"value": rows[begin : begin + self.page]}
        if begin + self.page < len(rows):
            version = quote(query["api-version"])
            payload["nextLink"] = f"{self.url}{path}?api-version={version}&%24skiptoken={begin + self.page}"
        return answered(200, payload)

    def _deployments(self) -> list[dict[str, Any]]:
        return [
            {
                "id": f"{RESOURCE_ID}/deployments/{model.id}",
                "type": "Microsoft.CognitiveServices/accounts/deployments",
                "name": model.id,
                "sku": {"name": "ProvisionedManaged" if model.provisioned else "GlobalStandard", "capacity": 50},
                "properties": {
                    "model": _named(model),
                    "versionUpgradeOption": "OnceNewDefaultVersionAvailable",
                    "capabilities": _abilities(model),
                    "provisioningState": self.states.get(model.id, "Succeeded"),
                    **({"rateLimits": _RATES} if self.rated and not model.provisioned else {}),
                },
            }
            for model in self._controls.models.azure.values()
        ]

    def _account(self) -> dict[str, Any]:
        return {
            "id": RESOURCE_ID,
            "name": "simulated",
            "type": "Microsoft.CognitiveServices/accounts",
            "location": LOCATION,
            "kind": "OpenAI",
            "sku": {"name": "S0"},
            "properties": {"provisioningState": "Succeeded", "endpoint": "https://simulated.openai.azure.com/"},
        }

    def _usages(self) -> list[dict[str, Any]]:
        """Once for each model and SKU, in thousands of tokens a minute; provisioned ones in units of throughput."""
        names = sorted({model["name"] for model in map(_named, self._controls.models.azure.values())})
        rows = [(f"OpenAI.GlobalStandard.{name}", f"Tokens Per Minute (thousands) - {name}", 1_000.0) for name in names]
        rows.append(("OpenAI.ProvisionedManaged", "Provisioned Managed Throughput Unit", 100.0))
        return [
            {"name": {"value": value, "localizedValue": text}, "unit": "Count", "currentValue": 50.0, "limit": limit}
            for value, text, limit in rows
        ]

    def _models(self) -> list[dict[str, Any]]:
        """Once each, however often it is deployed."""
        found = {tuple(_named(model).values()): model for model in self._controls.models.azure.values()}
        return [
            {
                **_named(model),
                "capabilities": {
                    **_abilities(model),
                    "maxContextToken": str(model.context_window),
                    **({"maxOutputToken": str(model.max_output_tokens)} if model.max_output_tokens else {}),
                },
                "lifecycleStatus": "GenerallyAvailable",
                "isDefaultVersion": True,
            }
            for model in found.values()
        ]


def _named(model: OpenAIModel) -> dict[str, str]:
    dated = _DATED.fullmatch(model.reported)
    name, version = dated.groups() if dated else (model.reported, "1")
    return {"format": "OpenAI", "name": name, "version": version}


def _abilities(model: OpenAIModel) -> dict[str, str]:
    if model.kind is Kind.EMBEDDING:
        return {"embeddings": "true", "embeddingsMaxInputs": "2048"}
    return {"chatCompletion": "true", "jsonObjectResponse": "true", "jsonSchemaResponse": "true"}


def throttled(retry_after_s: int) -> Reply:
    """What it says above the subscription's limit."""
    text = "Number of requests exceeded the limit. Please try again later."
    return _error(429, "TooManyRequests", text, ("retry-after", str(retry_after_s)))


def _error(status: int, code: str, message: str, *headers: tuple[str, str]) -> Reply:
    return answered(status, {"error": {"code": code, "message": message}}, *headers)
