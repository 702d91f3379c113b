"""Entra over HTTP: discovery, keys, and the token endpoint with its client credentials grant.

https://learn.microsoft.com/entra/identity-platform/v2-oauth2-client-creds-grant-flow
"""

from __future__ import annotations

import json
import time
from collections import deque
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl

import msgspec

from tests.simulators.entra import assertions, refusals
from tests.simulators.entra.directory import Application, Directory
from tests.simulators.entra.refusals import Refused
from tests.simulators.entra.tokens import Mint
from tests.simulators.wire import replies
from tests.simulators.wire.replies import Ending, Reply
from tests.simulators.wire.server import Request

_JSON = ("content-type", "application/json; charset=utf-8")

SILENCE = Reply([], Ending.HANG)
CLOSE = Reply([], Ending.CLOSE)
RESET = Reply([], Ending.RESET)


def answered(status: int, payload: Any, *headers: tuple[str, str]) -> Reply:
    """JSON, or text as it stands."""
    if isinstance(payload, str):
        return Reply([(0.0, replies.whole(status, headers, payload.encode()))])
    return Reply([(0.0, replies.whole(status, [_JSON, *headers], msgspec.json.encode(payload)))])


def refusal(code: int, *headers: tuple[str, str], **told: object) -> Reply:
    """What Entra says with one of its codes."""
    status, payload = refusals.answer(Refused(code, **told))
    return answered(status, payload, *headers)


@dataclass(frozen=True)
class Asked:
    """A request for a token, without its secrets. `way`: `secret`, `certificate`, `federated` or `managed`."""

    way: str
    client_id: str
    scope: str
    cae: bool = False
    """The client can have its tokens taken away, and gets longer ones for it."""


class EntraService:
    """`origin` is its own URL. `instead`: replies for the next requests for tokens, whatever they are."""

    def __init__(self, directory: Directory, mint: Mint) -> None:
        self.directory = directory
        self.mint = mint
        self.origin = ""
        self.life_s = 3_600
        self.cae_life_s = 86_400
        self.asked: list[Asked] = []
        self.instead: deque[Reply] = deque()

    def __call__(self, request: Request) -> Reply:
        path = request.path.decode("latin-1")
        named, _, rest = path.lstrip("/").partition("/")
        tenant = self.directory.domains.get(named, named)
        try:
            if request.method == b"POST" and rest == "oauth2/v2.0/token":
                return self.instead.popleft() if self.instead else self._token(request, tenant)
            if rest == "discovery/instance":
                return self._instance(request)
            if rest == "v2.0/.well-known/openid-configuration":
                return answered(200, self._configuration(tenant))
            if rest == "discovery/v2.0/keys":
                return answered(200, self.mint.jwks())
        except Refused as refused:
            status, payload = refusals.answer(refused)
            return answered(status, payload)
        return answered(404, "")

    def _configuration(self, tenant: str) -> dict[str, Any]:
        self._check_tenant(tenant)
        base = f"{self.origin}/{tenant}"
        return {
            "token_endpoint": f"{base}/oauth2/v2.0/token",
            "token_endpoint_auth_methods_supported": ["client_secret_post", "private_key_jwt"],
            "authorization_endpoint": f"{base}/oauth2/v2.0/authorize",
            "device_authorization_endpoint": f"{base}/oauth2/v2.0/devicecode",
            "jwks_uri": f"{base}/discovery/v2.0/keys",
            "issuer": f"{base}/v2.0",
        }

    def _instance(self, request: Request) -> Reply:
        asked = dict(parse_qsl(request.query.decode("latin-1")))
        endpoint = asked.get("authorization_endpoint", "")
        if not endpoint.startswith(self.origin + "/"):
            return answered(
                400, {"error": "invalid_instance", "error_description": "AADSTS50049: Unknown or invalid instance."}
            )
        tenant = endpoint.removeprefix(self.origin + "/").partition("/")[0]
        host = self.origin.removeprefix("https://")
        found = {
            "tenant_discovery_endpoint": f"{self.origin}/{tenant}/v2.0/.well-known/openid-configuration",
            "api-version": "1.1",
            "metadata": [{"preferred_network": host, "preferred_cache": host, "aliases": [host]}],
        }
        return answered(200, found)

    def _check_tenant(self, tenant: str) -> None:
        if tenant not in self.directory.tenants:
            raise Refused(90002, tenant=tenant)

    def _token(self, request: Request, tenant: str) -> Reply:
        form = dict(parse_qsl(request.body.decode(), keep_blank_values=True))
        self._check_tenant(tenant)
        if form.get("grant_type") != "client_credentials":
            raise Refused(70003, grant=form.get("grant_type", ""))
        client_id = form.get("client_id", "")
        claims = json.loads(form.get("claims") or "{}")
        cae = "CP1" in claims.get("access_token", {}).get("xms_cc", {}).get("values", [])
        self.asked.append(Asked(_way(form, client_id), client_id, form.get("scope", ""), cae))
        application = self.directory.applications.get(client_id)
        if application is None or application.tenant_id != tenant:
            raise Refused(700016, app=client_id, tenant=tenant)
        if not application.enabled:
            raise Refused(7000112, app=client_id)
        self._check_client(form, application, tenant)
        audience = self._audience(form.get("scope", ""), tenant)
        life_s = self.cae_life_s if cae else self.life_s
        token = self.mint.issue(
            audience=audience,
            tenant_id=tenant,
            app_id=client_id,
            object_id=application.object_id,
            now=time.time(),
            life_s=life_s,
        )
        answer = {"token_type": "Bearer", "expires_in": life_s, "ext_expires_in": life_s, "access_token": token}
        return answered(200, answer, ("cache-control", "no-store"))

    def _check_client(self, form: dict[str, str], application: Application, tenant: str) -> None:
        now = time.time()
        if "client_assertion" in form:
            audiences = (f"{self.origin}/{tenant}/oauth2/v2.0/token", f"{self.origin}/{tenant}/v2.0")
            assertions.check(
                form["client_assertion"], application, directory=self.directory, audiences=audiences, now=now
            )
            return
        if "client_secret" not in form:
            raise Refused(7000216)
        if form["client_secret"] not in application.secrets:
            raise Refused(7000215, app=application.client_id)
        end = application.secrets[form["client_secret"]]
        if end is not None and end <= now:
            raise Refused(7000222, app=application.client_id)

    def _audience(self, scope: str, tenant: str) -> str:
        if not scope:
            raise Refused(70011)
        resource, found, _ = scope.partition("/.default")
        if not found or " " in scope:
            raise Refused(1002012, scope=scope)
        if resource not in self.directory.resources:
            raise Refused(500011, scope=resource, tenant=tenant)
        return resource


def _way(form: dict[str, str], client_id: str) -> str:
    if "client_assertion" not in form:
        return "secret"
    try:
        return "certificate" if assertions.issuer(form["client_assertion"]) == client_id else "federated"
    except Refused:
        return "federated"
