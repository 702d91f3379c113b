"""Signing in to Vault: when, how often, and what is said when it does not go."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import hvac
import pytest
import requests
from hypothesis import given
from hypothesis import strategies as st

from pilothouse_api.conditions import Reason
from pilothouse_api.secret import Secret
from pilothouse_operator.clouds import vault as module
from pilothouse_operator.clouds.vault import Answer, Place, Vault
from pilothouse_operator.compile.identities import VaultIdentity
from pilothouse_operator.ports import Fault
from tests.simulators.vault.service import ROOT, Role
from tests.simulators.vault.service import Vault as Simulator
from tests.simulators.wire import replies
from tests.simulators.wire.replies import Ending, Reply
from tests.simulators.wire.threaded import serving
from tests.unit.operator.clouds.tls import server_context
from tests.unit.operator.fakes import Hands
from tests.unit.proxy.http.certificates import Authority

OPERATOR = VaultIdentity(role="operator")
WORDS = [f"{words} PLANTED" for words in ("", "sealed", "expired", "invalid role name", "no handler for route")]


def read(client: hvac.Client) -> requests.Response:
    found: requests.Response = client.secrets.kv.v2.read_secret_version("team/a", raise_on_deleted_version=False)
    return found


class Stand:
    """A Vault, and the operator's pod with a projected token."""

    def __init__(self, url: str, simulator: Simulator, token_file: Path) -> None:
        self.simulator = simulator
        self.clock = Hands()
        self.place = Place(server=url)
        self.token_file = token_file
        self.vault = Vault(clock=self.clock, token_file=token_file)
        self.project()

    def project(self, name: str = "operator", **changed: Any) -> str:
        """As a kubelet does."""
        token = self.simulator.cluster.token("system", name, **({"audience": "vault"} | changed))
        self.token_file.write_text(token + "\n")
        return token

    def pass_time(self, seconds: float) -> None:
        self.clock.now += seconds
        self.simulator.ahead_s += seconds

    async def ask(self, identity: VaultIdentity = OPERATOR, token: Secret | None = None) -> Answer:
        return await self.vault.ask(self.place, identity, token, read)

    async def fault(self, identity: VaultIdentity = OPERATOR, token: Secret | None = None) -> Fault:
        with pytest.raises(Fault) as caught:
            await self.ask(identity, token)
        return caught.value


@pytest.fixture
def simulator() -> Simulator:
    made = Simulator(policies={("", "team"): ["secret/data/team/*"]})
    made.engines["", "secret"].write("team/a", {"key": "one"})
    made.roles["", "kubernetes", "operator"] = Role(["operator"], ["system"], ["team"], audience="vault", ttl_s=900)
    return made


@pytest.fixture
def stand(simulator: Simulator, tmp_path: Path) -> Iterator[Stand]:
    with serving(simulator) as url:
        yield Stand(url, simulator, tmp_path / "token")


async def test_it_signs_in_once_for_many_calls(stand: Stand) -> None:
    answers = await asyncio.gather(*(stand.ask() for _ in range(20)))
    assert {answer.status for answer in answers} == {200}
    assert stand.simulator.logins() == 1


async def test_a_login_is_made_anew_after_two_thirds_of_its_lease(stand: Stand) -> None:
    await stand.ask()
    stand.pass_time(599)
    await stand.ask()
    assert stand.simulator.logins() == 1
    stand.pass_time(2)
    await stand.ask()
    assert stand.simulator.logins() == 2


async def test_a_login_without_a_lease_is_kept(stand: Stand) -> None:
    stand.simulator.roles["", "kubernetes", "operator"].ttl_s = 0
    await stand.ask()
    stand.pass_time(10_000_000)
    assert (await stand.ask()).status == 200
    assert stand.simulator.logins() == 1


async def test_the_projected_token_is_read_at_each_login(stand: Stand) -> None:
    stand.project(ttl_s=-100)
    assert "has ended" in (await stand.fault()).message
    stand.project()
    assert (await stand.ask()).status == 200


async def test_each_identity_signs_in_for_itself(stand: Stand) -> None:
    stand.simulator.roles["", "kubernetes", "other"] = Role(["operator"], ["system"], ["none"])
    other = VaultIdentity(role="other")
    assert (await stand.ask()).status == 200
    assert (await stand.ask(other)).status == 403


async def test_a_revoked_token_is_replaced_and_the_call_made_again(stand: Stand) -> None:
    await stand.ask()
    stand.simulator.revoke_all()
    answers = await asyncio.gather(*(stand.ask() for _ in range(10)))
    assert {answer.status for answer in answers} == {200}
    assert stand.simulator.logins() == 2


async def test_a_missing_policy_costs_one_login_and_one_more_try(stand: Stand) -> None:
    await stand.ask()
    stand.simulator.policies.clear()
    before = len(stand.simulator.asked)
    assert (await stand.ask()).status == 403
    assert [status for _, _, status in stand.simulator.asked[before:]] == [403, 200, 403]


async def test_a_token_just_given_is_not_replaced(stand: Stand) -> None:
    stand.simulator.policies.clear()
    assert (await stand.ask()).status == 403
    assert stand.simulator.logins() == 1


async def test_while_no_login_is_to_be_had_the_old_one_serves_until_it_ends(stand: Stand) -> None:
    await stand.ask()
    stand.pass_time(700)
    stand.simulator.interruptions = [Reply([(0.0, replies.whole(500, [], b""))])]
    assert (await stand.ask()).status == 200
    stand.pass_time(201)
    stand.simulator.interruptions = [Reply([(0.0, replies.whole(500, [], b""))])]
    fault = await stand.fault()
    assert (fault.reason, fault.passing) == (Reason.SIGN_IN_UNAVAILABLE, True)


async def test_a_login_that_fails_fails_for_all_who_waited(stand: Stand) -> None:
    stand.project(audience="kube")
    faults = await asyncio.gather(*(stand.fault() for _ in range(20)))
    assert {fault.reason for fault in faults} == {Reason.SIGN_IN_REFUSED}
    assert len(stand.simulator.asked) == 1


async def test_a_login_that_failed_is_tried_again_by_the_next(stand: Stand) -> None:
    stand.project(audience="kube")
    await stand.fault()
    stand.project()
    assert (await stand.ask()).status == 200


async def test_a_role_that_is_taken_away_ends_what_it_gave(stand: Stand) -> None:
    await stand.ask()
    stand.pass_time(700)
    stand.simulator.roles["", "kubernetes", "operator"].accounts = ["another"]
    assert (await stand.fault()).reason is Reason.SIGN_IN_REFUSED


async def test_a_token_of_a_user_needs_no_login(stand: Stand) -> None:
    assert (await stand.ask(token=Secret(ROOT + "\n"))).status == 200
    assert stand.simulator.logins() == 0


@pytest.mark.parametrize("value", ["", " ", "two words", "two\nlines", "tökén"])
async def test_what_cannot_be_a_token_is_not_sent(stand: Stand, value: str) -> None:
    fault = await stand.fault(token=Secret(value))
    assert (fault.reason, fault.passing, fault.field) == (Reason.SECRET_MALFORMED, False, "token")
    assert stand.simulator.asked == []


async def test_environment_and_home_lend_no_token(
    stand: Stand, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("VAULT_TOKEN", ROOT)
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / ".vault-token").write_text(ROOT)
    stand.simulator.policies.clear()
    assert (await stand.ask()).status == 403


@pytest.mark.parametrize(
    ("identity", "projected", "advice"),
    [
        (VaultIdentity(role="nobody"), {}, "there is no such role"),
        (VaultIdentity(role="operator", mount="elsewhere"), {}, "check the mount"),
        (OPERATOR, {"audience": "kube"}, "another audience"),
        (OPERATOR, {"name": "somebody"}, "bound_service_account_names"),
        (OPERATOR, {"ttl_s": -60}, "has ended"),
    ],
)
async def test_a_refused_login_says_what_to_do(
    stand: Stand, identity: VaultIdentity, projected: dict[str, Any], advice: str
) -> None:
    stand.project(**projected)
    fault = await stand.fault(identity)
    assert (fault.reason, fault.passing, fault.field) == (Reason.SIGN_IN_REFUSED, False, "role")
    assert advice in fault.message


async def test_a_missing_projected_token_is_named(stand: Stand) -> None:
    stand.token_file.unlink()
    fault = await stand.fault()
    assert fault.reason is Reason.SIGN_IN_REFUSED
    assert str(stand.token_file) in fault.message


def whole(status: int, body: bytes = b"", *headers: tuple[str, str]) -> Reply:
    return Reply([(0.0, replies.whole(status, headers, body))])


@pytest.mark.parametrize(
    ("status", "body", "passing", "words"),
    [
        (503, b'{"errors":["Vault is sealed"]}', True, "unseal it"),
        (503, b"<html>", True, "does not serve at the moment"),
        (501, b"", False, "not initialised"),
        (472, b"", True, "disaster recovery"),
        (473, b"", True, "performance standby"),
        (307, b"", False, "active node"),
        (412, b"", True, "has not caught up"),
        (502, b"<html>", True, "status 502"),
    ],
)
async def test_a_server_that_does_not_serve(stand: Stand, status: int, body: bytes, passing: bool, words: str) -> None:
    stand.simulator.interruptions = [whole(status, body, ("location", "http://127.0.0.1:1/"))]
    fault = await stand.fault(token=Secret(ROOT))
    assert (fault.reason, fault.passing, fault.throttled) == (Reason.STORE_UNAVAILABLE, passing, False)
    assert words in fault.message
    assert stand.place.server in fault.message


@pytest.mark.parametrize(("asked", "wait_s"), [("7", 7.0), ("soon", None), ("-1", None)])
async def test_a_rate_limit_is_heeded(stand: Stand, asked: str, wait_s: float | None) -> None:
    stand.simulator.interruptions = [whole(429, b"{}", ("Retry-After", asked))]
    fault = await stand.fault(token=Secret(ROOT))
    assert (fault.passing, fault.throttled, fault.retry_after_s) == (True, True, wait_s)


@pytest.mark.parametrize(
    "reply",
    [
        Reply([], Ending.CLOSE),
        Reply([], Ending.RESET),
        Reply([(0.0, b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n{")], Ending.CLOSE),
        Reply([(0.0, b"SSH-2.0-OpenSSH_9.9\r\n")], Ending.CLOSE),
    ],
)
async def test_a_broken_answer_is_passing(stand: Stand, reply: Reply) -> None:
    stand.simulator.interruptions = [reply]
    fault = await stand.fault(token=Secret(ROOT))
    assert (fault.reason, fault.passing) == (Reason.STORE_UNAVAILABLE, True)


@pytest.mark.parametrize("body", [b"", b"[]", b'{"auth":{}}', b'{"auth":{"client_token":"a b","lease_duration":1}}'])
async def test_a_login_that_gives_no_token(stand: Stand, body: bytes) -> None:
    stand.simulator.interruptions = [whole(200, body)]
    fault = await stand.fault()
    assert (fault.reason, fault.field) == (Reason.SIGN_IN_UNAVAILABLE, "server")


async def test_a_server_that_says_nothing_is_left(stand: Stand, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_READ_S", 0.1)
    stand.simulator.interruptions = [Reply([], Ending.HANG)]
    assert (await stand.fault(token=Secret(ROOT))).passing


async def test_an_endless_answer_is_left(stand: Stand, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_LONGEST", 10_000)
    stand.simulator.interruptions = [whole(200, b" " * 10_001)]
    assert (await stand.fault(token=Secret(ROOT))).passing


async def test_a_slow_answer_is_left(stand: Stand, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_ANSWER_S", 0.05)
    monkeypatch.setattr(module, "_AT_ONCE", 1)
    steps = [(0.0, replies.head(200, [("content-length", "1000")])), *[(0.02, b" ")] * 1000]
    stand.simulator.interruptions = [Reply(steps)]
    assert (await stand.fault(token=Secret(ROOT))).passing
    monkeypatch.setattr(module, "_ANSWER_S", 10.0)
    assert (await stand.ask(token=Secret(ROOT))).status == 200


async def test_a_thread_that_hangs_keeps_its_place(stand: Stand, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_PATIENCE_S", 0.1)
    monkeypatch.setattr(module, "_READ_S", 1.0)
    stand.simulator.interruptions = [Reply([], Ending.HANG) for _ in range(module._AT_ONCE)]
    faults = await asyncio.gather(*(stand.fault(token=Secret(ROOT)) for _ in range(2 * module._AT_ONCE)))
    assert all(fault.passing for fault in faults)
    assert len(stand.simulator.asked) == module._AT_ONCE
    monkeypatch.setattr(module, "_PATIENCE_S", 10.0)
    assert (await stand.ask(token=Secret(ROOT))).status == 200


@pytest.mark.parametrize("server", ["", "vault", "ftp://vault:8200", "http://", "http://:8200"])
async def test_what_is_no_url(stand: Stand, server: str) -> None:
    stand.place = Place(server=server)
    fault = await stand.fault(token=Secret(ROOT))
    assert fault.reason is Reason.STORE_UNAVAILABLE


async def test_its_own_authority_is_trusted_instead_of_the_systems(simulator: Simulator, tmp_path: Path) -> None:
    authority, other = Authority(tmp_path, "ours"), Authority(tmp_path, "other")
    with serving(simulator, tls=server_context(authority, "127.0.0.1")) as url:
        stand = Stand(url, simulator, tmp_path / "token")
        for bundle in ("", other.pem):
            stand.place = Place(server=url, ca_bundle=bundle)
            fault = await stand.fault()
            assert (fault.passing, fault.field) == (False, "caBundle")
            assert "is not trusted" in fault.message
        stand.place = Place(server=url, ca_bundle=authority.pem)
        assert (await stand.ask()).status == 200


def test_nothing_is_added_to_the_authorities_of_a_bundle(tmp_path: Path) -> None:
    session = module._session(module._trusting(Authority(tmp_path, "ours").pem))
    transport = session.get_adapter("https://vault")
    request = requests.Request("GET", "https://vault/").prepare()
    pool = transport.get_connection_with_tls_context(request, True)
    transport.cert_verify(pool, "https://vault/", True, None)
    assert pool.ca_certs is None
    assert len(pool.conn_kw["ssl_context"].get_ca_certs()) == 1


def test_a_forward_proxy_changes_nothing_about_whom_to_trust(tmp_path: Path) -> None:
    context = module._trusting(Authority(tmp_path, "ours").pem)
    pools = module._session(context).get_adapter("https://vault").proxy_manager_for("http://proxy.example:3128")
    assert pools.connection_pool_kw["ssl_context"] is context


async def test_a_connection_serves_one_call_after_the_other(stand: Stand, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, logger="urllib3")
    for _ in range(3):
        await stand.ask()
    assert caplog.text.count("Starting new HTTP connection") == 1


@pytest.mark.parametrize("bundle", ["nonsense", "-----BEGIN CERTIFICATE-----\nAA==\n-----END CERTIFICATE-----\n", "ü"])
async def test_a_bundle_without_certificates(stand: Stand, bundle: str) -> None:
    stand.place = Place(server=stand.place.server, ca_bundle=bundle)
    fault = await stand.fault()
    assert (fault.passing, fault.field) == (False, "caBundle")


async def test_another_host_than_the_certificate_names_is_said(simulator: Simulator, tmp_path: Path) -> None:
    authority = Authority(tmp_path, "ours")
    with serving(simulator, tls=server_context(authority, "vault.example")) as url:
        stand = Stand(url, simulator, tmp_path / "token")
        stand.place = Place(server=url, ca_bundle=authority.pem)
        assert "127.0.0.1" in (await stand.fault()).message.split("is not trusted")[1]


def everything_said(caplog: pytest.LogCaptureFixture, faults: list[Fault]) -> str:
    said = [caplog.text, *(repr(record.__dict__) for record in caplog.records)]
    for fault in faults:
        said += [str(fault), repr(fault), repr(fault.__dict__), repr(fault.__cause__)]
    return "".join(said)


async def test_no_token_is_said_whatever_the_server_says(stand: Stand, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    projected, planted = stand.project(), "hvs.PLANTED-0000000001"
    await stand.ask()
    held = next(token for token in stand.simulator.tokens if token != ROOT)
    echo = f'{{"errors":["{projected} {planted} {held}"]}}'.encode()
    faults = []
    for status in (400, 403, 500, 503):
        stand.vault = Vault(clock=stand.clock, token_file=stand.token_file)
        stand.simulator.interruptions = [whole(status, echo)]
        faults.append(await stand.fault())
    for status in (307, 429, 500, 503):
        stand.simulator.interruptions = [whole(status, echo)]
        faults.append(await stand.fault(token=Secret(planted)))
    faults.append(await stand.fault(token=Secret(f"{planted}\n{planted}")))
    stand.place = Place(server=stand.place.server, namespace="a\nb")
    faults.append(await stand.fault(token=Secret(planted)))
    said = everything_said(caplog, faults)
    assert "urllib3" in said
    assert not [token for token in (projected, planted, held) if token in said]


@given(
    st.integers(300, 599),
    st.recursive(st.text().map(lambda text: f"PLANTED{text}"), st.lists) | st.lists(st.sampled_from(WORDS)),
)
def test_no_fault_repeats_what_a_server_says(status: int, errors: object) -> None:
    answer = Answer(status=status, body={"errors": errors, "data": "PLANTED"})
    place = Place(server="https://vault.example")
    try:
        module._must_serve(place, answer, Reason.STORE_UNAVAILABLE)
    except Fault as fault:
        assert "PLANTED" not in repr(fault.__dict__)
    assert "PLANTED" not in repr(module._refusal(place, OPERATOR, answer).__dict__)


async def test_what_nobody_asks_any_more_is_forgotten(stand: Stand) -> None:
    await stand.ask()
    first = stand.place
    stand.clock.now += 2 * module._IDLE_S
    stand.place = Place(server=first.server, namespace="team")
    await stand.ask(token=Secret(ROOT))
    assert list(stand.vault._doors) == [stand.place]


def test_an_answer_shows_no_body() -> None:
    assert "planted" not in repr(Answer(status=200, body={"data": "planted"}))
