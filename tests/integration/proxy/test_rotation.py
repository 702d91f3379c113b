"""Renewed credentials over the whole way: control stream, disk, providers, and back to the operator."""

import asyncio
import stat
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from pilothouse_api.names import ProviderKey
from pilothouse_api.secret import Secret
from pilothouse_api.snapshot import canonical
from pilothouse_api.snapshot.credentials import AccessKey, BearerToken
from pilothouse_api.snapshot.snapshot import Snapshot
from pilothouse_api.snapshot.stream import Refusal
from tests.integration.proxy.clouds import BEDROCK, configuration
from tests.integration.proxy.configurations import provider, route, snapshot, target
from tests.integration.proxy.control import ControlServer
from tests.integration.proxy.process import Process, process
from tests.integration.proxy.upstream import Received, Upstream, completion, failure, whole
from tests.simulators import credentials
from tests.simulators.fleet import Simulators

A, B = ProviderKey("clouds/a"), ProviderKey("clouds/b")


def token(value: str, *, lives_s: float = 3_600) -> BearerToken:
    return BearerToken(token=Secret(value), expires_at=int(time.time() + lives_s))


@dataclass
class Guard:
    """A provider that lets in those with the tokens that it knows."""

    known: set[str]
    asked: list[str] = field(default_factory=list)

    async def __call__(self, request: Received, writer: asyncio.StreamWriter) -> None:
        shown = request.headers["authorization"].removeprefix("Bearer ")
        self.asked.append(shown)
        answer = whole(completion()) if shown in self.known else failure(401, "invalid_api_key", "It has expired.")
        await answer(request, writer)


def unsigned(cloud: Upstream, **more: Any) -> Snapshot:
    return snapshot({"a": provider(cloud.url)}, {"r": route(target("a", **more))}, unsigned=("a",))


def test_credentials_are_rotated_under_load_without_a_failed_request(cloud: Upstream) -> None:
    cloud.otherwise = guard = Guard({"secret-0"})
    statuses: list[int] = []
    stop = threading.Event()
    with ControlServer(None) as control:
        control.renew_credentials({A: token("secret-0")})
        control.publish(unsigned(cloud))
        with process(*control.flags) as proxy:
            proxy.event("configuration applied")

            def load() -> None:
                while not stop.is_set():
                    statuses.append(proxy.chat().status)

            callers = [threading.Thread(target=load) for _ in range(4)]
            for caller in callers:
                caller.start()
            for number in range(1, 11):
                # Old and new overlap, and the one before the old has ended.
                guard.known = {f"secret-{number - 1}", f"secret-{number}"}
                control.renew_credentials({A: token(f"secret-{number}")})
                proxy.until(lambda wanted=f"secret-{number}": wanted in guard.asked, "the new one is not used")
            stop.set()
            for caller in callers:
                caller.join()
            applied = len(proxy.events("configuration applied"))
            renewed = proxy.event("credentials renewed", count=11)
            metrics = proxy.ask("GET", "/metrics").body.decode()
            told = proxy.told()
    assert set(statuses) == {200}
    assert applied == 1
    assert (renewed["providers"], renewed["until"][:2]) == ("clouds/a", "20")
    assert 'pilothouse_credential_renewals_total{provider="clouds/a"} 11.0' in metrics
    assert 'pilothouse_credential_expiry_timestamp_seconds{provider="clouds/a"} 1' in metrics
    assert "secret-" not in told + metrics


def test_a_refused_credential_is_renewed_by_the_operator_and_the_client_sees_200(cloud: Upstream) -> None:
    cloud.otherwise = guard = Guard({"good"})
    refused = token("revoked")
    with ControlServer(None) as control:
        control.renew_credentials({A: refused})
        control.publish(unsigned(cloud))
        control.on_refusal = lambda refusal: control.renew_credentials({refusal.provider: token("good")})
        with process(*control.flags) as proxy:
            proxy.event("configuration applied")
            assert proxy.chat().status == 200
            assert proxy.ask("GET", "/metrics").body.count(b"pilothouse_credential_refusals_total{") == 1
            told = proxy.told()
    assert control.refusals == [Refusal(provider=A, fingerprint=canonical.fingerprint(refused))]
    assert guard.asked == ["revoked", "good"]
    assert "revoked" not in told


def test_a_refusal_that_the_operator_could_not_take_is_told_again(cloud: Upstream) -> None:
    cloud.otherwise = Guard({"good"})
    with ControlServer(None) as control:
        control.untaken_refusals = 2
        control.renew_credentials({A: token("revoked")})
        control.publish(unsigned(cloud))
        with process(*control.flags) as proxy:
            proxy.event("configuration applied")
            proxy.chat()
            control.wait_for_refusal(A)
            control.renew_credentials({A: token("good")})
            proxy.until(lambda: proxy.chat().status == 200, "it is not served")
    assert len(control.refusals) == 1


def test_a_renewal_is_applied_at_once_while_an_older_view_is_held_back(cloud: Upstream) -> None:
    cloud.otherwise = Guard({"t2"})
    with ControlServer(None) as control:
        control.renew_credentials({A: token("t1")})
        first = control.publish(unsigned(cloud), seen={"modelroutes": "200"})
        with process(*control.flags) as proxy:
            control.wait_for_ack(first)
            control.publish(unsigned(cloud, weight=7), seen={"modelroutes": "199"})
            proxy.until(lambda: "held back" in proxy.err.read_text(), "no warning")
            control.renew_credentials({A: token("t2")})
            proxy.until(lambda: proxy.chat().status == 200, "the renewal waits too")
    assert {ack.version for ack in control.acks} == {first}


def test_a_credential_ends_while_the_operator_is_silent_and_then_another_comes(cloud: Upstream) -> None:
    with ControlServer(None) as control:
        control.renew_credentials({A: token("t1", lives_s=3)})
        control.publish(unsigned(cloud))
        with process(*control.flags) as proxy:
            proxy.event("configuration applied")
            proxy.until(lambda: proxy.chat().status == 503, "it serves on")
            answer = proxy.chat()
            assert (answer.error["code"], answer.headers["retry-after"]) == ("no_credential", "2")
            control.renew_credentials({A: token("t2")})
            proxy.until(lambda: proxy.chat().status == 200, "it does not serve again")


def test_one_that_cannot_be_sent_is_left_out_and_the_former_serves_on(cloud: Upstream) -> None:
    cloud.otherwise = Guard({"t1"})
    with ControlServer(None) as control:
        control.renew_credentials({A: token("t1")})
        control.publish(unsigned(cloud))
        with process(*control.flags) as proxy:
            proxy.event("configuration applied")
            control.renew_credentials({A: token("two\nlines")})
            proxy.until(lambda: "cannot be used" in proxy.err.read_text(), "no warning")
            assert proxy.chat().status == 200
            assert "lines" not in proxy.told()


def serves_from_disk(control: ControlServer, state: Path, directory: Path) -> list[str]:
    """Flags of a proxy whose operator is away."""
    (directory / "token").write_text("x")
    return [f"--control-url={control.url}", f"--control-token={directory / 'token'}", f"--state-dir={state}"]


def stopped(proxy: Process) -> None:
    assert proxy.end() == 0


@pytest.mark.parametrize(("lives_s", "status"), [(3_600, 200), (4, 503)])
def test_a_restart_without_the_operator_serves_with_what_was_renewed_last_until_that_ends(
    cloud: Upstream, tmp_path: Path, lives_s: int, status: int
) -> None:
    cloud.otherwise = Guard({"t2"})
    state = tmp_path / "state"
    with ControlServer(None) as control:
        control.renew_credentials({A: token("t1"), B: token("gone")})
        control.publish(unsigned(cloud))
        with process(*control.flags, f"--state-dir={state}") as proxy:
            proxy.event("configuration applied")
            control.renew_credentials({A: token("t2", lives_s=lives_s)})
            proxy.until(lambda: b"t2" in (state / "renewals.ndjson").read_bytes(), "it is not saved")
            proxy.until(lambda: proxy.chat().status == status, "it does not come to that")
            stopped(proxy)
        away = serves_from_disk(control, state, tmp_path)
    saved = (state / "renewals.ndjson").read_bytes()
    assert stat.S_IMODE((state / "renewals.ndjson").stat().st_mode) == 0o600
    assert b"t1" not in saved
    assert b"gone" not in saved
    with process(*away) as proxy:
        answer = proxy.chat()
        assert answer.status == status
        assert status == 200 or "has not come" in answer.error["message"]


def test_damaged_credentials_on_disk_are_told_and_the_operator_s_are_used(cloud: Upstream, tmp_path: Path) -> None:
    cloud.otherwise = Guard({"t1"})
    with ControlServer(None) as control:
        control.renew_credentials({A: token("t1")})
        control.publish(unsigned(cloud))
        flags = [*control.flags, f"--state-dir={tmp_path}"]
        with process(*flags) as proxy:
            proxy.until((tmp_path / "renewals.ndjson").exists, "nothing was saved")
            stopped(proxy)
        (tmp_path / "renewals.ndjson").write_text("half a line")
        with process(*flags) as proxy:
            proxy.until(lambda: proxy.chat().status == 200, "it is not served")
            proxy.until(lambda: "credentials cannot be used" in proxy.err.read_text(), "no warning")
            assert "half a line" not in proxy.told()


def test_a_session_that_aws_calls_expired_is_renewed_and_signs_the_second_try(simulators: Simulators) -> None:
    made = configuration(simulators)
    good = made.credentials[BEDROCK]
    ended = AccessKey(
        access_key_id="ASIAENDED00000000001", secret_access_key=Secret("ended"), session_token=Secret("ended-token")
    )
    simulators.controls.keys.access_keys[ended.access_key_id] = credentials.AccessKey(
        access_key_id=ended.access_key_id,
        secret_access_key="ended",
        session_token="ended-token",
        expires_at=time.time() - 1,
    )
    others = {key: credential for key, credential in made.credentials.items() if key != BEDROCK}
    with ControlServer(None) as control:
        control.renew_credentials({BEDROCK: ended})
        control.publish(replace(made, credentials=others))
        control.on_refusal = lambda refusal: control.renew_credentials({BEDROCK: good})
        with process(*control.flags) as proxy:
            proxy.event("configuration applied")
            answer = proxy.ask(body={"model": "claude", "messages": [{"role": "user", "content": "Ahoy"}]})
    assert (answer.status, answer.headers["x-pilothouse-attempts"]) == (200, "2")
    assert [refusal.fingerprint for refusal in control.refusals] == [canonical.fingerprint(ended)]
