"""The estate: every service behind its door, and what joins them."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any
from urllib.parse import parse_qsl, unquote

import jwt

from tests.simulators.aws_identity import account as accounts
from tests.simulators.aws_identity import signature
from tests.simulators.aws_identity.account import Account, Role
from tests.simulators.aws_identity.sts import StsService
from tests.simulators.azure_openai.resource_manager import ResourceManager
from tests.simulators.entra import pems
from tests.simulators.entra.directory import Application, ManagedIdentity
from tests.simulators.entra.fleet import EntraSimulator
from tests.simulators.estate import aws
from tests.simulators.estate.door import Door
from tests.simulators.estate.keys import BY_KEY, VAULT_POLICY, Keys
from tests.simulators.estate.ledger import Ledger
from tests.simulators.estate.pod import OPERATOR_ROLE, Pod
from tests.simulators.fleet import Simulators
from tests.simulators.google.service import Google
from tests.simulators.key_vault.service import KeyVault
from tests.simulators.vault.service import Vault
from tests.simulators.wire.server import Request, Server, Service

MODELS_ROLE = "arn:aws:iam::222222222222:role/models"
EXTERNAL_ID = "ship-1"
NODE = "operator@simulated.iam.gserviceaccount.com"
PROJECT = "simulated"
BY_SECRET = "33333333-3333-4333-8333-333333333333"
BY_CERTIFICATE = "44444444-4444-4444-8444-444444444444"
WORKLOAD = "55555555-5555-4555-8555-555555555555"
MACHINE = "66666666-6666-4666-8666-666666666666"

_KEY_ID = re.compile(rb"<AccessKeyId>(\w+)</AccessKeyId>")
_GOOGLE = re.compile(rf"/v1/projects/{PROJECT}/secrets/([^/]+)/versions/latest:access")


class Estate:
    """An asynchronous context manager. Files (a CA, a pod's tokens) are written into `folder`."""

    def __init__(self, simulators: Simulators, folder: Path) -> None:
        self.simulators = simulators
        self.ledger = Ledger()
        self.doors: dict[str, Door] = {}
        self.account = Account()
        self.account.add(
            Role(arn=OPERATOR_ROLE, subject=accounts.SUBJECT, longest_s=43_200),
            Role(arn=MODELS_ROLE, trusted=(OPERATOR_ROLE,), external_id=EXTERNAL_ID),
            Role(arn=BY_KEY, trusted=(accounts.USER,)),
        )
        self.aws_stores = aws.AWSStores(self.account)
        self.entra = EntraSimulator(folder, through=lambda inner: self._door("entra", inner, self._token_given))
        self.key_vault = KeyVault(self.entra, through=lambda inner: self._door("keyVault", inner, self._served))
        directory = self.entra.directory
        self.tokens: dict[str, set[str]] = {}
        """Client id → the numbers of all its tokens."""
        applications = {name: Application(name) for name in (BY_SECRET, BY_CERTIFICATE, WORKLOAD)}
        for application in applications.values():
            directory.add(application)
        directory.system_assigned = ManagedIdentity(MACHINE, "77777777-7777-4777-8777-777777777777")
        self.pod = Pod(folder, directory, applications[WORKLOAD])
        self.vault = Vault(policies={("", VAULT_POLICY): ["secret/data/*"]})
        self.resource_manager = ResourceManager(simulators.controls)
        self.google = Google(node=NODE, project=PROJECT)
        keyring = simulators.controls.keys
        keyring.issued, keyring.entra = aws.IssuedKeys(self.account), dict(self.entra.mint.public_keys)
        simulators.controls.recorder.heard = self.ledger.heard
        self.keys = Keys(
            keyring,
            self.account,
            self.vault,
            applications[BY_SECRET],
            applications[BY_CERTIFICATE],
            self.ledger,
        )
        tls = self.entra.tls.server("localhost", "127.0.0.1")
        self._servers = {
            "sts": self._server("sts", StsService(self.account), self._session_given),
            "awsStores": self._server("awsStores", self.aws_stores, self._served),
            "vault": Server(service=self._door("vault", self.vault, self._served), host="127.0.0.1", port=0, tls=tls),
            "google": self._server("google", self.google, self._served),
            "resourceManager": self._server("resourceManager", self.resource_manager, self._served),
        }
        self._urls: dict[str, str] = {}

    def _server(self, name: str, service: Service, seen: Callable[[Request, int, bytes], None]) -> Server:
        return Server(service=self._door(name, service, seen), host="127.0.0.1", port=0)

    def _door(self, name: str, service: Service, seen: Callable[[Request, int, bytes], None]) -> Door:
        """Entra has two services, and so one of its names is that of the endpoint of managed identities."""
        made = Door(service, seen)
        self.doors["managed" if name in self.doors else name] = made
        return made

    def put(self, store: str, name: str, value: Any, secret: str) -> None:
        """What a store keeps under a name from now on; `secret` is whose value it is. Raises ValueError."""
        text = value if isinstance(value, str) else json.dumps(value)
        puts: dict[str, Callable[[], object]] = {
            "secretsManager": lambda: self.aws_stores.put_secret(name, text),
            "parameterStore": lambda: self.aws_stores.put_parameter(name, text),
            "keyVault": lambda: self.key_vault.put(name, text),
            "keyVaultCertificate": lambda: self.key_vault.put_certificate(name, pems.read(text)),
            "google": lambda: self.google.secret_manager.add(f"projects/{PROJECT}/secrets/{name}", text.encode(), NODE),
            "vault": lambda: self.vault.engines["", "secret"].write(
                name, value if isinstance(value, dict) else {"value": value}
            ),
        }
        if store not in puts:
            raise ValueError(f"no store {store!r}: it is one of {', '.join(puts)}")
        self.ledger.put(store.removesuffix("Certificate"), name, secret)
        puts[store]()

    def revoke_issued(self, *, role: str = "", application: str = "") -> int:
        """Ends every session of a role, as the console does, or every token of an application; how many."""
        sessions = [holder for holder in self.account.sessions if holder.role_arn == role and not holder.denied]
        for holder in sessions:
            holder.denied = True
        ended = self.tokens.pop(application, set())
        self.simulators.controls.keys.revoked |= ended
        return len(sessions) + len(ended)

    def shorten(self, lives: dict[str, int]) -> None:
        """How long what is issued from now on lasts, in seconds, by `sts`, `entra`, `managed`, `google`."""
        if "sts" in lives:
            self.account.life_s = lives["sts"]
        if "entra" in lives:
            self.entra.service.life_s = self.entra.service.cae_life_s = lives["entra"]
        if "managed" in lives:
            self.entra.managed.life_s = lives["managed"]
        if "google" in lives:
            self.google.identity.ttl_s = lives["google"]

    def planted(self) -> set[str]:
        """All that must be in no log, status or event: secrets, and what was issued for them."""
        sessions = {text for one in self.account.sessions for text in (one.secret_access_key, one.token)}
        return self.keys.planted | sessions

    def addresses(self) -> dict[str, Any]:
        return {
            **self.simulators.addresses(),
            **self._urls,
            "entra": self.entra.authority,
            "managed": self.entra.identity_endpoint,
            "keyVault": self.key_vault.origin,
            "ca": self.entra.tls.ca_file,
            "environment": self.pod.environment(self.entra, google=self._urls["google"]),
        }

    def _served(self, request: Request, status: int, body: bytes) -> None:
        if status != 200:
            return
        path = unquote(request.path.decode("latin-1"))
        google = _GOOGLE.fullmatch(path)
        if google:
            self.ledger.served("google", google[1])
        elif path.startswith("/v1/secret/data/") and request.method == b"GET":
            self.ledger.served("vault", path.removeprefix("/v1/secret/data/"))
        elif path.startswith("/secrets/"):
            self.ledger.served("keyVault", path.split("/")[2])
        elif path == "/" and (asked := aws.read(request)):
            self.ledger.served(*asked)

    def _session_given(self, request: Request, status: int, body: bytes) -> None:
        given = _KEY_ID.search(body)
        if status == 200 and given:
            self.ledger.made(given[1].decode(), of=signature.key_id(request) or OPERATOR_ROLE)
            self.ledger.made(f"api key of {given[1].decode()}", of=given[1].decode())

    def _token_given(self, request: Request, status: int, body: bytes) -> None:
        if status != 200 or b'"access_token"' not in body:
            return
        token = json.loads(body)["access_token"]
        self.keys.planted.add(token)
        claims = jwt.decode(token, options={"verify_signature": False})
        self.tokens.setdefault(claims["appid"], set()).add(claims["uti"])
        form = dict(parse_qsl(request.body.decode("latin-1")))
        shown = form.get("client_secret", "")
        if not shown and "client_assertion" in form:
            shown = jwt.get_unverified_header(form["client_assertion"]).get("x5t#S256", "")
        self.ledger.made(f"entra:{claims['appid']}/{claims['uti']}", of=self.keys.proofs.get(shown, claims["appid"]))

    async def __aenter__(self) -> Estate:
        await self.entra.start()
        await self.key_vault.start()
        for name, server in self._servers.items():
            scheme, host = ("https", "localhost") if name == "vault" else ("http", "127.0.0.1")
            self._urls[name] = f"{scheme}://{host}:{await server.start()}"
        self.resource_manager.url = self._urls["resourceManager"]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for server in self._servers.values():
            await server.stop()
        await self.key_vault.stop()
        await self.entra.stop()
