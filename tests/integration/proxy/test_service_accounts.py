"""A gateway's callers with ServiceAccount tokens: let in by signature, and fresh keys are live at once."""

import time
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa

from pilothouse_api.snapshot.identity import Identity, Issuer
from pilothouse_api.snapshot.snapshot import Snapshot
from tests.integration.proxy.configurations import provider, route, snapshot, target
from tests.integration.proxy.control import ControlServer
from tests.integration.proxy.process import Process, process
from tests.integration.proxy.upstream import Upstream

ISSUER = "https://kubernetes.default.svc"
KEY = rsa.generate_private_key(65_537, 2_048)


def identity(*kids: str) -> Identity:
    keys = tuple(
        {**jwt.algorithms.RSAAlgorithm.to_jwk(KEY.public_key(), as_dict=True), "kid": kid, "alg": "RS256"}
        for kid in kids
    )
    return Identity(issuers=(Issuer(issuer=ISSUER, audience="pilothouse", keys=keys),))


def token(kid: str, **changed: Any) -> str:
    now = int(time.time())
    claims = {
        "iss": ISSUER,
        "sub": "system:serviceaccount:apps:web",
        "aud": ["pilothouse"],
        "exp": now + 600,
        "nbf": now,
        **changed,
    }
    return jwt.encode(claims, KEY, "RS256", headers={"kid": kid})


def configured(cloud: Upstream, *kids: str) -> Snapshot:
    return snapshot({"a": provider(cloud.url)}, {"r": route(target("a"))}, identity=identity(*kids))


def ask(proxy: Process, key: str, monkeypatch: pytest.MonkeyPatch) -> int:
    monkeypatch.setattr("tests.integration.proxy.process.KEY", key)
    return proxy.chat().status


def test_a_token_lets_its_service_account_in(cloud: Upstream, monkeypatch: pytest.MonkeyPatch) -> None:
    with ControlServer(configured(cloud, "k1")) as control, process(*control.flags) as proxy:
        proxy.event("configuration applied")
        good = token("k1")
        assert [ask(proxy, good, monkeypatch) for _ in range(3)] == [200, 200, 200]
        assert ask(proxy, token("k1", aud=["control.pilothouse.dev"]), monkeypatch) == 401
        assert ask(proxy, good[:-4] + "AAAA", monkeypatch) == 401
        line = proxy.event("request")
        assert (line["subject"], line["namespace"]) == ("serviceaccount:apps/web", "apps")
        assert good not in proxy.told()


def test_rotated_signing_keys_are_live_with_the_next_configuration(
    cloud: Upstream, monkeypatch: pytest.MonkeyPatch
) -> None:
    with ControlServer(configured(cloud, "k1")) as control, process(*control.flags) as proxy:
        proxy.event("configuration applied")
        assert ask(proxy, token("k2"), monkeypatch) == 401
        control.wait_for_ack(control.publish(configured(cloud, "k1", "k2")))
        assert ask(proxy, token("k2"), monkeypatch) == 200
        control.wait_for_ack(control.publish(configured(cloud, "k2")))
        assert ask(proxy, token("k1"), monkeypatch) == 401
