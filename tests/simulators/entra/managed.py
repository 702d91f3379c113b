"""The endpoints of managed identities: IMDS of virtual machines, and that of App Service and Container Apps.

https://learn.microsoft.com/entra/identity/managed-identities-azure-resources/how-to-use-vm-token and
https://learn.microsoft.com/azure/app-service/overview-managed-identity#rest-endpoint-reference.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Mapping
from urllib.parse import parse_qsl

from tests.simulators.entra.directory import Directory, ManagedIdentity
from tests.simulators.entra.service import Asked, answered
from tests.simulators.entra.tokens import Mint
from tests.simulators.wire.replies import Reply
from tests.simulators.wire.server import Request

IMDS_PATH = "/metadata/identity/oauth2/token"
APP_SERVICE_PATH = "/msi/token"
IDENTITY_HEADER = "simulator-identity-header-0001"
_CACHE_UNTIL_S = 300


class ManagedIdentities:
    """Both in one. `instead`: replies for the next requests. Tokens are kept and handed out again, as Azure does."""

    def __init__(self, directory: Directory, mint: Mint) -> None:
        self.directory = directory
        self.mint = mint
        self.life_s = 86_400
        self.asked: list[Asked] = []
        self.instead: deque[Reply] = deque()
        self._kept: dict[tuple[str, str], tuple[str, float]] = {}

    def __call__(self, request: Request) -> Reply:
        if self.instead:
            return self.instead.popleft()
        query = dict(parse_qsl(request.query.decode("latin-1")))
        path = request.path.decode("latin-1")
        if path == IMDS_PATH:
            return self._imds(request, query)
        if path == APP_SERVICE_PATH:
            return self._app_service(request, query)
        return answered(404, "")

    def _imds(self, request: Request, query: Mapping[str, str]) -> Reply:
        if request.header(b"metadata") != b"true":
            return _imds_refused("Required metadata header not specified")
        if query.get("api-version") != "2018-02-01":
            return _imds_refused("Required query variable 'api-version' is missing or not supported")
        found = self._found(query, resource_id="msi_res_id")
        if found is None:
            return _imds_refused("Identity not found")
        token, end = self._token(found, query["resource"])
        life = str(int(end - time.time()))
        answer = {
            "access_token": token,
            "client_id": found.client_id,
            "expires_in": life,
            "expires_on": str(int(end)),
            "ext_expires_in": life,
            "not_before": str(int(end) - self.life_s),
            "resource": query["resource"],
            "token_type": "Bearer",
        }
        return answered(200, answer)

    def _app_service(self, request: Request, query: Mapping[str, str]) -> Reply:
        if request.header(b"x-identity-header") != IDENTITY_HEADER.encode():
            return answered(401, {"statusCode": 401, "message": "X-IDENTITY-HEADER is missing or wrong"})
        if query.get("api-version") != "2019-08-01":
            return answered(400, {"statusCode": 400, "message": "The api-version is not supported"})
        found = self._found(query, resource_id="mi_res_id")
        if found is None:
            text = "No User Assigned Managed Identity found for specified ClientId/ResourceId/PrincipalId."
            return answered(400, {"statusCode": 400, "message": text})
        token, end = self._token(found, query["resource"])
        answer = {
            "access_token": token,
            "client_id": found.client_id,
            "expires_on": str(int(end)),
            "resource": query["resource"],
            "token_type": "Bearer",
        }
        return answered(200, answer)

    def _found(self, query: Mapping[str, str], *, resource_id: str) -> ManagedIdentity | None:
        """The identity asked for; a parameter of another name is passed over, and means the system's own."""
        self.asked.append(Asked("managed", query.get("client_id", ""), query.get("resource", "")))
        for name, attribute in (("client_id",) * 2, ("object_id",) * 2, (resource_id, "resource_id")):
            if name in query:
                named = (one for one in self.directory.user_assigned if getattr(one, attribute) == query[name])
                return next(named, None)
        return self.directory.system_assigned

    def _token(self, identity: ManagedIdentity, resource: str) -> tuple[str, float]:
        now = time.time()
        key = (identity.client_id, resource)
        kept = self._kept.get(key)
        if kept is None or kept[1] - now < _CACHE_UNTIL_S:
            token = self.mint.issue(
                audience=resource,
                tenant_id=identity.tenant_id,
                app_id=identity.client_id,
                object_id=identity.object_id,
                now=now,
                life_s=self.life_s,
            )
            kept = self._kept[key] = (token, now + self.life_s)
        return kept


def _imds_refused(text: str) -> Reply:
    return answered(400, {"error": "invalid_request", "error_description": text})
