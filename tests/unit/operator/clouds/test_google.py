"""Signing in to Google: as whom, how often, and what is said when it does not go."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Iterator
from pathlib import Path

import pytest
from google.auth.compute_engine import _metadata

from pilothouse_api.conditions import Reason
from pilothouse_api.secret import Secret
from pilothouse_operator.clouds import google as module
from pilothouse_operator.clouds.google import Endpoints, GoogleTokens
from pilothouse_operator.compile.identities import GoogleIdentity
from pilothouse_operator.ports import Fault
from tests.simulators.google.identity import POOL
from tests.simulators.google.service import Google
from tests.simulators.wire import replies
from tests.simulators.wire.replies import Ending, Reply
from tests.simulators.wire.threaded import serving

NODE = "node@simulated.iam.gserviceaccount.com"
KEYED = "keyed@simulated.iam.gserviceaccount.com"
TARGET = "target@simulated.iam.gserviceaccount.com"
OWN = GoogleIdentity()


class Stand:
    """Google, and a pod on one of its nodes."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.google = Google(node=NODE)
        self.tokens = GoogleTokens(endpoints=Endpoints(token=f"{url}/token", iam_credentials=url))

    def __call__(self, *arguments: object) -> Reply:
        return self.google(*arguments)  # type: ignore[arg-type]

    def key(self, **changed: object) -> Secret:
        return Secret(self.google.identity.key_file(KEYED, **changed))

    async def who(self, identity: GoogleIdentity = OWN, key: Secret | None = None) -> str:
        token = await self.tokens.token(identity, key)
        return self.google.identity.tokens[token.reveal()].email

    async def fault(self, identity: GoogleIdentity = OWN, key: Secret | None = None) -> Fault:
        with pytest.raises(Fault) as caught:
            await self.tokens.token(identity, key)
        return caught.value

    def interrupt(self, beginning: str, reply: Reply, times: int = 1) -> None:
        self.google.interruptions += [(beginning, reply)] * times


def whole(status: int, body: bytes = b"") -> Reply:
    return Reply([(0.0, replies.whole(status, [("content-type", "application/json")], body))])


@pytest.fixture
def stand(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Stand]:
    made = Stand("")
    with serving(made) as url:
        made.url = url
        made.tokens = GoogleTokens(endpoints=Endpoints(token=f"{url}/token", iam_credentials=url))
        host = url.removeprefix("http://")
        # As GCE_METADATA_HOST does, which is read when the module is loaded.
        monkeypatch.setattr(_metadata, "_GCE_METADATA_HOST", host)
        monkeypatch.setattr(_metadata, "_NO_GCE_CHECK", False)
        monkeypatch.setenv("GCE_METADATA_IP", host)
        monkeypatch.setenv("HOME", str(tmp_path))
        monkeypatch.delenv("GOOGLE_APPLICATION_CREDENTIALS", raising=False)
        monkeypatch.delenv("CLOUDSDK_CONFIG", raising=False)
        yield made


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """google-auth's pauses between tries are a second and more."""
    monkeypatch.setattr("google.auth._exponential_backoff.time.sleep", lambda _: None)


async def test_without_a_key_it_is_the_pods_own_account(stand: Stand) -> None:
    assert await stand.who() == NODE


async def test_a_key_is_its_account(stand: Stand) -> None:
    assert await stand.who(key=stand.key()) == KEYED


async def test_it_acts_as_another_account(stand: Stand) -> None:
    stand.google.identity.creators[TARGET] = {NODE, KEYED}
    identity = GoogleIdentity(impersonate=TARGET)
    assert await stand.who(identity) == TARGET
    assert await stand.who(identity, stand.key()) == TARGET


async def test_a_file_of_workload_identity_federation(
    stand: Stand, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    info = {
        "type": "external_account",
        "audience": POOL,
        "subject_token_type": "urn:ietf:params:oauth:token-type:jwt",
        "token_url": f"{stand.url}/v1/token",
        "credential_source": {"file": str(tmp_path / "token")},
    }
    (tmp_path / "credentials.json").write_text(json.dumps(info))
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(tmp_path / "credentials.json"))
    cluster = stand.google.identity.cluster
    (tmp_path / "token").write_text(cluster.token("system", "operator", audience="another"))
    fault = await stand.fault()
    assert (fault.reason, fault.passing) == (Reason.SIGN_IN_REFUSED, False)
    assert "identity pool" in fault.message
    (tmp_path / "token").write_text(cluster.token("system", "operator", audience=POOL))
    assert await stand.who() == "system:serviceaccount:system:operator"
    assert {path for _, path, _ in stand.google.asked} == {"/v1/token"}


async def test_many_ask_once(stand: Stand) -> None:
    key = stand.key()
    tokens = await asyncio.gather(*(stand.tokens.token(OWN, key) for _ in range(20)))
    assert len({token.reveal() for token in tokens}) == 1
    assert stand.google.times("/token") == 1


async def test_a_token_is_renewed_before_it_ends(stand: Stand) -> None:
    key = stand.key()
    stand.google.identity.ttl_s = 100
    first = await stand.tokens.token(OWN, key)
    stand.google.identity.ttl_s = 3_600
    second = await stand.tokens.token(OWN, key)
    assert first != second
    assert await stand.tokens.token(OWN, key) == second


async def test_while_sign_in_is_away_the_old_token_serves_until_it_ends(stand: Stand) -> None:
    key = stand.key()
    stand.google.identity.ttl_s = 100
    first = await stand.tokens.token(OWN, key)
    stand.interrupt("/token", whole(400, b"{}"))
    assert await stand.tokens.token(OWN, key) == first


async def test_a_refused_token_is_replaced_once(stand: Stand) -> None:
    key = stand.key()
    first = await stand.tokens.token(OWN, key)
    stand.tokens.refused(OWN, key, first)
    second = await stand.tokens.token(OWN, key)
    assert second != first
    stand.tokens.refused(OWN, key, first)
    assert await stand.tokens.token(OWN, key) == second


async def test_an_account_that_acts_for_another_signs_in_anew_when_it_is_refused(stand: Stand) -> None:
    stand.google.identity.creators[TARGET] = {KEYED}
    identity, key = GoogleIdentity(impersonate=TARGET), stand.key()
    token = await stand.tokens.token(identity, key)
    stand.google.identity.tokens.clear()
    stand.tokens.refused(identity, key, token)
    assert (await stand.fault(identity, key)).passing
    assert await stand.who(identity, key) == TARGET


async def test_nothing_is_refused_before_anything_is_asked(stand: Stand) -> None:
    stand.tokens.refused(OWN, None, Secret("x"))
    assert await stand.who() == NODE


@pytest.mark.parametrize(
    "text",
    [
        "",
        "nonsense",
        "[]",
        "[" * 100_000,
        '{"type": "service_account"}',
        '{"type": "service_account", "client_email": "a@b", "private_key_id": "1", "private_key": "PLANTED"}',
        '{"type": "authorized_user", "client_id": "1", "client_secret": "PLANTED", "refresh_token": "PLANTED"}',
        '{"type": "external_account", "credential_source": {"file": "/etc/passwd"}, "token_url": "http://evil"}',
    ],
)
async def test_what_is_no_key(stand: Stand, text: str) -> None:
    fault = await stand.fault(key=Secret(text))
    assert (fault.reason, fault.passing, fault.field) == (Reason.SECRET_MALFORMED, False, "key")
    assert "PLANTED" not in repr(fault.__dict__)
    assert stand.google.asked == []


async def test_a_key_does_not_choose_where_it_is_sent(stand: Stand) -> None:
    key = stand.key(token_uri="http://127.0.0.1:1/token", universe_domain="evil.example")
    assert await stand.who(key=key) == KEYED


async def test_a_deleted_key(stand: Stand) -> None:
    key = stand.key()
    stand.google.identity.keys.clear()
    fault = await stand.fault(key=key)
    assert (fault.reason, fault.passing, fault.field) == (Reason.SIGN_IN_REFUSED, False, "key")
    assert "Make a new key" in fault.message


@pytest.mark.parametrize("with_key", [True, False])
async def test_an_account_that_may_not_be_acted_as(stand: Stand, with_key: bool) -> None:
    fault = await stand.fault(GoogleIdentity(impersonate=TARGET), stand.key() if with_key else None)
    assert (fault.reason, fault.passing, fault.field) == (Reason.SIGN_IN_REFUSED, False, "impersonate")
    assert "roles/iam.serviceAccountTokenCreator" in fault.message
    assert ("the account of the key" in fault.message) == with_key


@pytest.mark.parametrize("email", ["nobody", "a@b/../c", "a@b:x", "a b@c"])
async def test_what_is_no_account(stand: Stand, email: str) -> None:
    fault = await stand.fault(GoogleIdentity(impersonate=email), stand.key())
    assert (fault.reason, fault.field) == (Reason.SIGN_IN_REFUSED, "impersonate")
    assert stand.google.asked == []


async def test_iam_credentials_asks_to_slow_down(stand: Stand) -> None:
    stand.interrupt("/v1/projects", whole(429, b'{"error": {"code": 429, "status": "RESOURCE_EXHAUSTED"}}'))
    fault = await stand.fault(GoogleIdentity(impersonate=TARGET), stand.key())
    assert (fault.reason, fault.passing, fault.throttled) == (Reason.SIGN_IN_UNAVAILABLE, True, True)


@pytest.mark.parametrize("body", [b"", b"<html>", b"7", b'{"error": {"code": "x"}}'])
async def test_iam_credentials_says_nothing_that_can_be_read(stand: Stand, body: bytes) -> None:
    stand.interrupt("/v1/projects", whole(403, body))
    fault = await stand.fault(GoogleIdentity(impersonate=TARGET), stand.key())
    assert (fault.reason, fault.passing) == (Reason.SIGN_IN_UNAVAILABLE, True)


@pytest.mark.usefixtures("quick")
async def test_no_identity_at_all(stand: Stand, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GCE_METADATA_IP", "127.0.0.1:1")
    monkeypatch.setattr(_metadata, "detect_gce_residency_linux", lambda: False)
    fault = await stand.fault()
    assert (fault.reason, fault.passing) == (Reason.SIGN_IN_REFUSED, True)
    assert "name a key" in fault.message


async def test_a_missing_file_of_credentials(stand: Stand, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", "/nowhere")
    assert (await stand.fault()).reason is Reason.SIGN_IN_REFUSED


async def test_a_node_that_gives_the_pod_no_account(stand: Stand) -> None:
    stand.google.node = None
    fault = await stand.fault()
    assert (fault.reason, fault.passing) == (Reason.SIGN_IN_REFUSED, True)
    assert "roles/iam.workloadIdentityUser" in fault.message


@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize(
    "reply",
    [
        whole(500),
        whole(503, b"<html>"),
        whole(200, b"{}"),
        whole(200, b"[]"),
        whole(200, b"<html>"),
        whole(200, b'{"access_token": 7, "expires_in": 3600}'),
        whole(200, b'{"access_token": "", "expires_in": 3600}'),
        whole(200, b'{"access_token": "x", "expires_in": "soon"}'),
        Reply([], Ending.CLOSE),
        Reply([], Ending.RESET),
        Reply([(0.0, b"nothing of HTTP\r\n")], Ending.CLOSE),
    ],
)
async def test_sign_in_that_fails_is_passing(stand: Stand, reply: Reply) -> None:
    stand.interrupt("/token", reply, times=9)
    fault = await stand.fault(key=stand.key())
    assert (fault.reason, fault.passing) == (Reason.SIGN_IN_UNAVAILABLE, True)


async def test_sign_in_that_says_nothing_is_left(stand: Stand, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_CALL_S", 0.1)
    stand.interrupt("/token", Reply([], Ending.HANG))
    assert (await stand.fault(key=stand.key())).passing


async def test_who_waits_no_longer_leaves_one_question_behind(stand: Stand, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_PATIENCE_S", 0.05)
    monkeypatch.setattr(module, "_CALL_S", 1.0)
    stand.interrupt("/token", Reply([], Ending.HANG), times=9)
    key = stand.key()
    assert all(fault.passing for fault in await asyncio.gather(*(stand.fault(key=key) for _ in range(5))))
    assert (await stand.fault(key=key)).passing
    assert stand.google.times("/token") == 1


async def test_no_token_or_key_is_said(stand: Stand, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    for name in ("google", "google.auth", "urllib3"):
        caplog.set_level(logging.DEBUG, logger=name)
    key, planted = stand.key(), "ya29.PLANTED"
    token = (await stand.tokens.token(OWN, key)).reveal()
    echo = json.dumps({"error": "invalid_grant", "error_description": planted}).encode()
    stand.interrupt("/token", whole(400, echo))
    faults = [await stand.fault(key=stand.key())]
    stand.interrupt("/v1/projects", whole(403, json.dumps({"error": {"code": 403, "message": planted}}).encode()))
    faults.append(await stand.fault(GoogleIdentity(impersonate=TARGET), stand.key()))
    stand.google.identity.creators[TARGET] = {KEYED}
    acting = (await stand.tokens.token(GoogleIdentity(impersonate=TARGET), key)).reveal()
    said = caplog.text + "".join(repr(record.__dict__) for record in caplog.records)
    said += "".join(f"{fault}{fault!r}{fault.__dict__}{fault.__cause__}" for fault in faults)
    assert "urllib3" in said
    private = json.loads(key.reveal())["private_key"].splitlines()[1]
    assert not [value for value in (token, acting, planted, private, "eyJ") if value in said]


async def test_what_nobody_asks_any_more_is_forgotten(stand: Stand, monkeypatch: pytest.MonkeyPatch) -> None:
    await stand.who(key=stand.key())
    monkeypatch.setattr(module, "_IDLE_S", 0.0)
    await stand.who()
    assert list(stand.tokens._accounts) == [(OWN, None)]
