"""One request to any of Google's services, told apart by its path: in reality each has a host of its own."""

from __future__ import annotations

import json
import re
import time
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, unquote

from tests.simulators.google.errors import Refused
from tests.simulators.google.identity import SCOPE, Identity
from tests.simulators.google.secret_manager import SecretManager
from tests.simulators.wire import replies
from tests.simulators.wire.replies import Reply
from tests.simulators.wire.server import Request

JWT_GRANT = "urn:ietf:params:oauth:grant-type:jwt-bearer"
EXCHANGE = "urn:ietf:params:oauth:grant-type:token-exchange"
_METADATA = "/computeMetadata/v1/"
_ACT_AS = re.compile(r"/v1/projects/-/serviceAccounts/([^/:]+):generateAccessToken")
_ACCESS = re.compile(r"/v1/(projects/[^/]+(?:/locations/[^/]+)?/secrets/[^/]+)/versions/([^/:]+):access")


@dataclass
class Google:
    """`node`: the account that the metadata server speaks for; none: it knows no account.

    `interruptions` are answers by the beginning of a path, each used once. `asked`: method, path, status.
    """

    identity: Identity = field(default_factory=Identity)
    secret_manager: SecretManager = field(default_factory=SecretManager)
    node: str | None = None
    project: str = "simulated"
    interruptions: list[tuple[str, Reply]] = field(default_factory=list)
    asked: list[tuple[str, str, int]] = field(default_factory=list)

    def __call__(self, request: Request) -> Reply:
        method, path = request.method.decode(), unquote(request.path.decode("latin-1"))
        for index, (beginning, reply) in enumerate(self.interruptions):
            if path.startswith(beginning):
                del self.interruptions[index]
                self.asked.append((method, path, 0))
                return reply
        headers = [("content-type", "application/json")]
        try:
            status, body = 200, self._answer(request, method, path)
        except Refused as refused:
            status, body = refused.code, refused.body
        except ValueError as error:
            status, body = 400, {"error": "invalid_grant", "error_description": str(error)}
        if path == "/" or path.startswith(_METADATA):
            headers = [("content-type", "text/plain" if isinstance(body, str) else "application/json")]
            headers.append(("Metadata-Flavor", "Google"))
        self.asked.append((method, path, status))
        content = body if isinstance(body, str) else json.dumps(body)
        return Reply([(0.0, replies.whole(status, headers, content.encode()))])

    def times(self, ending: str) -> int:
        """How often a path that ends so was asked for."""
        return sum(1 for _, path, _ in self.asked if path.endswith(ending))

    def _answer(self, request: Request, method: str, path: str) -> Any:
        if path == "/" or path.startswith(_METADATA):
            return self._metadata(request, path.removeprefix(_METADATA).strip("/"))
        if method == "POST" and path == "/token":
            return self._by_key(request)
        if method == "POST" and path == "/v1/token":
            return self._by_exchange(request)
        if method == "POST" and (act_as := _ACT_AS.fullmatch(path)):
            return self._act_as(request, act_as[1])
        if method == "GET" and (access := _ACCESS.fullmatch(path)):
            return self.secret_manager.access(access[1], access[2], self._caller(request))
        raise Refused(404, "NOT_FOUND", "Requested entity was not found.")

    def _metadata(self, request: Request, path: str) -> Any:
        if request.header(b"metadata-flavor") != b"Google":
            raise Refused(403, "PERMISSION_DENIED", "Missing Metadata-Flavor:Google header.")
        account = {"email": self.node, "aliases": ["default"], "scopes": [SCOPE]}
        match path:
            case "":
                return "computeMetadata/\n"
            case "project/project-id":
                return self.project
            case "universe/universe-domain":
                return "googleapis.com"
            case "instance/service-accounts/default" if self.node:
                return account
            case "instance/service-accounts/default/token" if self.node:
                scopes = parse_qs(request.query.decode()).get("scopes", [SCOPE])[0].split(",")
                return self._token(self.identity.give(self.node, scopes))
        raise Refused(404, "NOT_FOUND", "not found")

    def _by_key(self, request: Request) -> Any:
        asked = _form(request)
        if asked.get("grant_type") != JWT_GRANT:
            raise ValueError("unsupported_grant_type")
        return self._token(self.identity.give(*self.identity.of_assertion(asked["assertion"])))

    def _by_exchange(self, request: Request) -> Any:
        asked = _form(request)
        if asked.get("grant_type") != EXCHANGE:
            raise ValueError("unsupported_grant_type")
        made = self.identity.give(self.identity.of_exchange(asked), asked["scope"].split())
        return self._token(made) | {"issued_token_type": "urn:ietf:params:oauth:token-type:access_token"}

    def _token(self, token: str) -> dict[str, Any]:
        return {"access_token": token, "expires_in": self.identity.ttl_s, "token_type": "Bearer"}

    def _act_as(self, request: Request, email: str) -> Any:
        caller, asked = self._caller(request), json.loads(request.body)
        if caller not in self.identity.creators.get(email, ()):
            words = "Permission 'iam.serviceAccounts.getAccessToken' denied on resource (or it may not exist)."
            raise Refused(403, "PERMISSION_DENIED", words)
        seconds = min(int(asked["lifetime"].removesuffix("s")), self.identity.ttl_s)
        ends = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + seconds))
        return {"accessToken": self.identity.give(email, asked["scope"], seconds), "expireTime": ends}

    def _caller(self, request: Request) -> str:
        kind, _, token = (request.header(b"authorization") or b"").decode().partition(" ")
        found = self.identity.of(token) if kind == "Bearer" else None
        if found is None:
            words = "Request had invalid authentication credentials. Expected OAuth 2 access token."
            raise Refused(401, "UNAUTHENTICATED", words)
        if not {SCOPE, "https://www.googleapis.com/auth/iam"} & set(found.scopes):
            raise Refused(403, "PERMISSION_DENIED", "Request had insufficient authentication scopes.")
        return found.email


def _form(request: Request) -> dict[str, str]:
    return {name: values[0] for name, values in parse_qs(request.body.decode()).items()}
