import asyncio
import base64
import hashlib
import random
from collections.abc import AsyncIterator

import pytest

from pilothouse_api.conditions import Reason
from pilothouse_api.snapshot.identity import Issuer, KeyHolder
from pilothouse_operator.kube import resources
from pilothouse_operator.kube.errors import Forbidden
from pilothouse_operator.sources import callers
from pilothouse_operator.sources.callers import ClusterCallers
from pilothouse_operator.sources.watch import WatchScope
from tests.unit.operator.fakes import FakeApi

SECRETS = resources.SECRETS
KEY = "sk-0123456789abcdef"
DIGEST = hashlib.sha256(KEY.encode()).hexdigest()
JWKS = "/openid/v1/jwks"


def add_key(api: FakeApi, name: str, key: str = KEY, namespace: str = "team") -> None:
    labels = {"pilothouse.dev/type": "api-key"}
    data = {"key": base64.b64encode(key.encode()).decode()}
    api.put(SECRETS, namespace, name, data=data, metadata={"labels": labels})


class Watched:
    """Callers that are kept current."""

    def __init__(self, api: FakeApi, scope: WatchScope) -> None:
        self.callers = ClusterCallers(api=api, scope=scope, rng=random.Random(1))  # type: ignore[arg-type]
        self._told = asyncio.Event()

    async def told(self) -> None:
        async with asyncio.timeout(10):
            await self._told.wait()
        self._told.clear()

    def start(self) -> asyncio.Task[None]:
        return asyncio.create_task(self.callers.run(self._told.set))


@pytest.fixture
def api() -> FakeApi:
    made = FakeApi()
    made.documents["/.well-known/openid-configuration"] = {"issuer": "https://cluster"}
    made.documents[JWKS] = {"keys": [{"kty": "RSA", "kid": "b", "n": "1", "e": "AQAB", "d": "private"}, {"kid": "a"}]}
    return made


@pytest.fixture
async def watched(api: FakeApi, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Watched]:
    monkeypatch.setattr(callers, "_AT_MOST_EACH_S", 0.02)
    made = Watched(api, WatchScope())
    task = made.start()
    yield made
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def test_identity_has_the_clusters_signers_in_order_and_nothing_private(watched: Watched) -> None:
    assert watched.callers.identity is None
    await watched.told()
    assert watched.callers.identity is not None
    keys = ({"kid": "a"}, {"kty": "RSA", "kid": "b", "n": "1", "e": "AQAB"})
    assert watched.callers.identity.issuers == (Issuer(issuer="https://cluster", audience="pilothouse", keys=keys),)


async def test_api_keys_come_and_go(api: FakeApi, watched: Watched) -> None:
    await watched.told()
    add_key(api, "ana")
    await watched.told()
    assert watched.callers.identity is not None
    assert watched.callers.identity.api_keys == {DIGEST: KeyHolder(namespace="team", user="ana")}
    api.remove(SECRETS, "team", "ana")
    await watched.told()
    assert watched.callers.identity.api_keys == {}


async def test_only_labelled_secrets_are_asked_for(api: FakeApi, watched: Watched) -> None:
    await watched.told()
    assert api.watching == [(SECRETS, None, "pilothouse.dev/type=api-key")]


async def test_a_key_that_cannot_be_used_is_a_problem(api: FakeApi, watched: Watched) -> None:
    await watched.told()
    add_key(api, "ana", "short")
    await watched.told()
    assert [problem.reason for problem in watched.callers.problems] == [Reason.SECRET_MALFORMED]


async def test_without_the_right_to_see_keys_there_are_none_and_it_says_so(api: FakeApi, watched: Watched) -> None:
    api.faults[SECRETS] = Forbidden("secrets is forbidden")
    await watched.told()
    assert watched.callers.identity is not None
    assert "secrets is forbidden" in watched.callers.problems[0].message


async def test_without_the_right_to_see_signers_keys_still_count(api: FakeApi, watched: Watched) -> None:
    api.documents[JWKS] = Forbidden("no")
    add_key(api, "ana")
    await watched.told()
    assert watched.callers.identity is not None
    assert watched.callers.identity.issuers == ()
    assert DIGEST in watched.callers.identity.api_keys


async def test_new_signers_are_seen_when_asked_for(api: FakeApi, watched: Watched) -> None:
    await watched.told()
    api.documents[JWKS] = {"keys": [{"kid": "c"}]}
    watched.callers.refresh()
    await watched.told()
    assert watched.callers.identity is not None
    assert watched.callers.identity.issuers[0].keys == ({"kid": "c"},)


async def test_only_the_named_namespaces_are_followed(api: FakeApi) -> None:
    add_key(api, "ana", namespace="a")
    add_key(api, "eve", "sk-fedcba9876543210", namespace="elsewhere")
    watched = Watched(api, WatchScope(namespaces=("a", "b")))
    task = watched.start()
    await watched.told()
    assert watched.callers.identity is not None
    assert [holder.user for holder in watched.callers.identity.api_keys.values()] == ["ana"]
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
