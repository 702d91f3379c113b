"""The simulated estate as administrators see it: keys are made, stored, revoked, lives are short, stores are away."""

import contextlib
import json
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from tests.cluster.fleet import Clouds, simulators


@dataclass(frozen=True, slots=True)
class Ledger:
    """What the simulators saw, in Unix seconds; see `tests.simulators.estate.ledger`."""

    shown: Mapping[str, float]
    used: Mapping[str, Mapping[str, float]]
    credentials: Mapping[str, list[str]]


@dataclass(frozen=True, slots=True)
class Estate:
    """`at`: URLs by service. `environment`: what a pod with all the workload identities has."""

    clouds: Clouds
    at: Mapping[str, str]
    environment: Mapping[str, str] = field(repr=False)

    @property
    def endpoints(self) -> list[str]:
        """All that may be shown the operator's identity."""
        return [*(self.at[name] for name in ("bedrock", "azure", "sts", "awsStores", "google", "entra", "keyVault"))]

    def make_key(self, kind: str, name: str, value: str = "") -> dict[str, str]:
        """The values of a new secret, which is good from now on."""
        made: dict[str, str] = self._ask("POST", "/keys", {"kind": kind, "name": name, "value": value})
        return made

    def revoke_key(self, name: str) -> None:
        """It opens nothing any more."""
        self._ask("DELETE", f"/keys?{urllib.parse.urlencode({'name': name})}")

    def store(self, store: str, name: str, value: str | dict[str, str], *, secret: str) -> None:
        """What a store has under a name from now on: the value of `secret`."""
        self._ask("PUT", "/values", {"store": store, "name": name, "value": value, "secret": secret})

    def doors(self, **states: str) -> None:
        """`open`, `failing` or `silent`, by service."""
        self._ask("PUT", "/doors", states)

    def shorten(self, **lives: int) -> None:
        """How long what is issued lasts, in seconds: `sts`, `entra`, `managed`, `google`."""
        self._ask("PUT", "/lives", lives)

    def revoke_issued(self, **whose: str) -> int:
        """Ends what was issued to a `role` or an `application`; how many."""
        return int(self._ask("POST", "/revocations", whose)["ended"])

    def project_tokens(self, life_s: float) -> None:
        """As the kubelet renews a pod's tokens."""
        self._ask("PUT", "/pod", {"lifeS": life_s})

    def ledger(self) -> Ledger:
        """As it stands."""
        return Ledger(**self._ask("GET", "/ledger"))

    def planted(self) -> list[str]:
        """Every secret there ever was, and all that was issued."""
        found: list[str] = self._ask("GET", "/planted")
        return found

    def _ask(self, method: str, path: str, body: Any = None) -> Any:
        content = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.clouds.admin + path, content, method=method)
        try:
            with urllib.request.urlopen(request, timeout=20) as answer:
                return json.load(answer)
        except urllib.error.HTTPError as refused:
            raise AssertionError(f"{method} {path}: {refused.read().decode()}") from None


@contextlib.contextmanager
def simulated_estate() -> Iterator[Estate]:
    """Every simulator, in one process of its own."""
    with simulators("--everything") as said:
        environment = said.pop("environment")
        clouds = Clouds(bedrock=said["bedrock"], azure=said["azure"], openai=said["openai"], admin=said["admin"])
        yield Estate(clouds=clouds, at=said, environment=environment)
