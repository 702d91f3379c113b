"""One request to Vault: who asks, whether he may, and the answer in Vault's words."""

from __future__ import annotations

import fnmatch
import json
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, unquote

import jwt

from tests.simulators.accounts import Cluster
from tests.simulators.vault.engine import Engine
from tests.simulators.wire import replies
from tests.simulators.wire.replies import Reply
from tests.simulators.wire.server import Request

ROOT = "hvs.simulator-root-token-0000000000000001"
_JSON = [("Content-Type", "application/json")]


class Refused(Exception):
    """An answer that is an error: its status and Vault's words."""

    def __init__(self, status: int, *errors: str, body: dict[str, Any] | None = None) -> None:
        super().__init__(status)
        self.status = status
        self.body = {"errors": list(errors)} if body is None else body


@dataclass
class Role:
    """Of Kubernetes auth. `audience` None: any. `ttl_s` 0: tokens without an end."""

    accounts: list[str]
    namespaces: list[str]
    policies: list[str]
    audience: str | None = None
    ttl_s: int = 3_600


@dataclass
class Token:
    policies: list[str]
    namespace: str
    ends_at: float
    ttl_s: int = 0


@dataclass
class Vault:
    """All of its state. A key of `engines`, `roles`, `policies` begins with the namespace: `("", "secret")`.

    `policies` hold patterns of paths that may be used (`secret/data/team/*`). `sealed`, `standby` (a status) and
    `ahead_s` (what its clock is ahead by) may be set at any time. `asked` has what came in: method, path, status.
    """

    cluster: Cluster = field(default_factory=Cluster)
    engines: dict[tuple[str, str], Engine] = field(default_factory=lambda: {("", "secret"): Engine()})
    plain_engines: dict[tuple[str, str], dict[str, dict[str, Any]]] = field(default_factory=dict)
    roles: dict[tuple[str, str, str], Role] = field(default_factory=dict)
    policies: dict[tuple[str, str], list[str]] = field(default_factory=dict)
    tokens: dict[str, Token] = field(default_factory=lambda: {ROOT: Token(["root"], "", float("inf"))})
    sealed: bool = False
    standby: int | None = None
    ahead_s: float = 0.0
    interruptions: list[Reply] = field(default_factory=list)
    asked: list[tuple[str, str, int]] = field(default_factory=list)

    def __call__(self, request: Request) -> Reply:
        method, path = request.method.decode(), unquote(request.path.decode("latin-1"))
        if self.interruptions:
            self.asked.append((method, path, 0))
            return self.interruptions.pop(0)
        try:
            status, body = 200, self._answer(request, method, path.removeprefix("/v1/"))
        except Refused as refused:
            status, body = refused.status, refused.body
        self.asked.append((method, path, status))
        content = b"" if body is None else json.dumps(body).encode()
        return Reply([(0.0, replies.whole(status if body is not None else 204, _JSON, content))])

    def logins(self) -> int:
        """How often somebody has signed in."""
        return sum(1 for _, path, status in self.asked if path.endswith("/login") and status == 200)

    def revoke_all(self) -> None:
        """Every token but root's ends at once."""
        self.tokens = {ROOT: self.tokens[ROOT]}

    def _now(self) -> float:
        return time.time() + self.ahead_s

    def _answer(self, request: Request, method: str, path: str) -> Any:
        if path == "sys/health":
            return self._health()
        if self.sealed:
            raise Refused(503, "Vault is sealed")
        if self.standby is not None:
            raise Refused(self.standby, body={"initialized": True, "sealed": False, "standby": True})
        namespace = (request.header(b"x-vault-namespace") or b"").decode().strip("/")
        if path.startswith("auth/") and path.endswith("/login"):
            return self._login(request, namespace, path.removeprefix("auth/").removesuffix("/login"))
        token = self._token(request)
        match path:
            case "auth/token/lookup-self":
                return {"data": {"policies": token.policies, "ttl": int(token.ends_at - self._now())}}
            case "auth/token/renew-self":
                token.ends_at = self._now() + token.ttl_s
                return {"auth": {"policies": token.policies, "lease_duration": token.ttl_s, "renewable": True}}
            case "auth/token/revoke-self":
                self.tokens.pop((request.header(b"x-vault-token") or b"").decode())
                return None
        self._must_have(token, namespace, path)
        return self._kv(request, method, namespace, path)

    def _health(self) -> Any:
        status = 503 if self.sealed else self.standby
        body = {"initialized": True, "sealed": self.sealed, "standby": self.standby is not None, "version": "1.20.4"}
        if status is not None:
            raise Refused(status, body=body)
        return body

    def _login(self, request: Request, namespace: str, mount: str) -> Any:
        asked = json.loads(request.body)
        if not any(key[:2] == (namespace, mount) for key in self.roles):
            raise Refused(403, "permission denied")
        role = self.roles.get((namespace, mount, asked["role"]))
        if role is None:
            raise Refused(400, f'invalid role name "{asked["role"]}"')
        try:
            claims = self.cluster.review(asked["jwt"], role.audience)
        except jwt.InvalidAudienceError:
            raise Refused(
                403, "invalid audience (aud) claim: audience claim does not match any expected audience"
            ) from None
        except jwt.ExpiredSignatureError:
            raise Refused(403, "invalid expiration time (exp) claim: token is expired") from None
        except jwt.InvalidTokenError:
            raise Refused(403, "permission denied") from None
        _, _, account_namespace, account = claims["sub"].split(":")
        if account not in role.accounts and role.accounts != ["*"]:
            raise Refused(403, "service account name not authorized")
        if account_namespace not in role.namespaces and role.namespaces != ["*"]:
            raise Refused(403, "namespace not authorized")
        made = f"hvs.{secrets.token_urlsafe(24)}"
        ends_at = self._now() + role.ttl_s if role.ttl_s else float("inf")
        self.tokens[made] = Token(role.policies, namespace, ends_at, role.ttl_s)
        return {
            "auth": {
                "client_token": made,
                "accessor": secrets.token_hex(12),
                "policies": ["default", *role.policies],
                "lease_duration": role.ttl_s,
                "renewable": True,
                "token_type": "service",
                "metadata": {"role": asked["role"], "service_account_name": account},
            }
        }

    def _token(self, request: Request) -> Token:
        token = self.tokens.get((request.header(b"x-vault-token") or b"").decode())
        if token is None or token.ends_at <= self._now():
            raise Refused(403, "permission denied", "invalid token")
        return token

    def _must_have(self, token: Token, namespace: str, path: str) -> None:
        if "root" in token.policies:
            return
        patterns = [p for name in token.policies for p in self.policies.get((namespace, name), [])]
        if token.namespace != namespace or not any(fnmatch.fnmatchcase(path, pattern) for pattern in patterns):
            raise Refused(403, "1 error occurred:\n\t* permission denied\n\n")

    def _kv(self, request: Request, method: str, namespace: str, path: str) -> Any:
        for (within, mount), members in self.plain_engines.items():
            if within == namespace and path.startswith(f"{mount}/"):
                return self._plain(members, path.removeprefix(f"{mount}/"))
        for (within, mount), engine in self.engines.items():
            if within == namespace and path.startswith(f"{mount}/"):
                verb, _, secret = path.removeprefix(f"{mount}/").partition("/")
                return self._versioned(request, engine, (method, verb), secret)
        raise Refused(404, f'no handler for route "{path}". route entry not found.')

    def _plain(self, members: dict[str, dict[str, Any]], path: str) -> Any:
        if path not in members:
            raise Refused(404)
        return {"data": members[path]}

    def _versioned(self, request: Request, engine: Engine, what: tuple[str, str], path: str) -> Any:
        asked = json.loads(request.body) if request.body else {}
        simple: dict[tuple[str, str], Callable[[], None]] = {
            ("DELETE", "data"): lambda: engine.delete(path),
            ("POST", "delete"): lambda: engine.delete(path, asked["versions"]),
            ("POST", "undelete"): lambda: engine.undelete(path, asked["versions"]),
            ("PUT", "destroy"): lambda: engine.destroy(path, asked["versions"]),
            ("POST", "destroy"): lambda: engine.destroy(path, asked["versions"]),
            ("DELETE", "metadata"): lambda: engine.forget(path),
        }
        if what in simple:
            simple[what]()
            return None
        if what in {("POST", "data"), ("PUT", "data")}:
            return {"data": engine.write(path, asked["data"]).metadata()}
        if what != ("GET", "data"):
            raise Refused(405, "unsupported operation")
        number = int(parse_qs(request.query.decode()).get("version", ["0"])[0])
        version = engine.find(path, number)
        if version is None:
            raise Refused(404)
        if not version.readable:
            raise Refused(404, body={"data": {"data": None, "metadata": version.metadata()}})
        return {"request_id": secrets.token_hex(8), "data": {"data": version.data, "metadata": version.metadata()}}
