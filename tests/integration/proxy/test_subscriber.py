"""The other end of the control stream, in the test's own loop, where its patience can be shortened."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator
from pathlib import Path
from random import Random
from typing import Any

import pytest

from pilothouse_api.names import ProviderKey, SnapshotVersion
from pilothouse_api.secret import Secret
from pilothouse_api.snapshot.credentials import BearerToken
from pilothouse_api.snapshot.snapshot import Snapshot
from pilothouse_api.snapshot.stream import Unknown
from pilothouse_proxy.config import lastgood, subscriber
from pilothouse_proxy.config.applier import Applier
from pilothouse_proxy.config.operator import Address
from pilothouse_proxy.config.refuser import Refuser
from pilothouse_proxy.config.reporter import Reporter
from pilothouse_proxy.config.role import Role
from pilothouse_proxy.http import client, limits
from pilothouse_proxy.observe.log import Format, Log
from pilothouse_proxy.observe.meters import Counter
from pilothouse_proxy.observe.metrics import Metrics, TargetMeters
from pilothouse_proxy.pipeline import serve
from pilothouse_proxy.pipeline.renewals import Renewals
from pilothouse_proxy.pipeline.services import Services
from pilothouse_proxy.quota.stores.memory import Store
from tests.integration.proxy.configurations import provider, route, snapshot, target
from tests.integration.proxy.control import ControlServer
from tests.integration.proxy.gateway import Clock, until


def weighing(weight: int) -> Snapshot:
    return snapshot({"a": provider("http://127.0.0.1:1/v1")}, {"r": route(target("a", weight=weight))})


class Ahead(Clock):
    """One that can be put forward."""

    ahead_s = 0.0

    def monotonic(self) -> float:
        return time.monotonic() + self.ahead_s


class Listening:
    """A subscriber that runs."""

    def __init__(self, control: ControlServer, state_dir: Path | None, descriptor: int) -> None:
        self.clock = Ahead()
        log = Log(descriptor=descriptor, form=Format.JSON, wall=time.time, dropped=Counter())
        metrics = Metrics()
        services = Services(
            client=client.Client(limits.ClientLimits()),
            clock=self.clock,
            rng=Random(1),
            metrics=metrics,
            renewals=Renewals(metrics),
            access_log=None,
        )
        self.metrics = metrics
        self.pipeline = serve.Pipeline(services, elsewhere={})
        self.log = log
        self.applier = Applier(pipeline=self.pipeline, services=services, store=Store(), log=log, role=Role.GATEWAY)
        self.subscriber = subscriber.Subscriber(
            address=Address(
                url=control.url, ca_file=control.directory / "ca.pem", token_file=control.directory / "token"
            ),
            applier=self.applier,
            reporter=Reporter(applier=self.applier, metrics=metrics, clock=self.clock, rng=Random(1)),
            refuser=Refuser(renewals=services.renewals, rng=Random(1)),
            state_dir=state_dir,
            clock=self.clock,
            rng=Random(1),
        )

    @property
    def version(self) -> SnapshotVersion | None:
        return self.applier.running.version if self.applier.running is not None else None

    async def runs(self, version: SnapshotVersion) -> None:
        await until(lambda: self.version == version)


@contextlib.asynccontextmanager
async def listening(control: ControlServer, state_dir: Path | None = None) -> AsyncIterator[Listening]:
    with open("/dev/null", "wb") as nothing:  # noqa: ASYNC230 - it is no file that could block
        running = Listening(control, state_dir, nothing.fileno())
        task = asyncio.create_task(running.subscriber.run())
        try:
            yield running
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            # Connections that were given up leave in the next turns of the loop.
            await asyncio.sleep(0.02)
            await running.log.close()


async def test_an_older_view_is_applied_when_it_stays_the_only_one() -> None:
    with ControlServer(None) as control:
        first = control.publish(weighing(1), seen={"routes": "200"})
        async with listening(control) as proxy:
            await proxy.runs(first)
            second = control.publish(weighing(2), seen={"routes": "100"})
            await until(lambda: proxy.subscriber._held is not None)
            assert proxy.version == first
            proxy.clock.ahead_s = subscriber.GUARD_S
            # The heartbeat that comes after the time has passed brings it in.
            await proxy.runs(second)
            # Only the newest is acknowledged: the next one waits for that.
            assert await asyncio.to_thread(control.wait_for_ack, second)
            third = control.publish(weighing(3), seen={"routes": "101"})
            await proxy.runs(third)


async def test_a_newer_view_replaces_the_one_that_is_held_back() -> None:
    with ControlServer(None) as control:
        first = control.publish(weighing(1), seen={"routes": "200"})
        async with listening(control) as proxy:
            await proxy.runs(first)
            second = control.publish(weighing(2), seen={"routes": "100"})
            third = control.publish(weighing(3), seen={"routes": "201"})
            await proxy.runs(third)
            await asyncio.to_thread(control.wait_for_ack, third)
    assert second not in {ack.version for ack in control.acks}


async def test_a_silent_operator_is_left_and_found_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(subscriber, "SILENCE_S", 0.3)
    monkeypatch.setattr("tests.integration.proxy.control.HEARTBEAT_S", 30.0)
    with ControlServer(weighing(1)) as control:
        async with listening(control):
            await until(lambda: control.streams >= 3, seconds=30)


class Recording(Random):
    """Remembers how long a pause might have been, and makes none."""

    def __init__(self) -> None:
        super().__init__(1)
        self.longest: list[float] = []

    def uniform(self, a: float, b: float) -> float:
        self.longest.append(b)
        return 0.0


async def test_streams_that_end_at_once_are_opened_ever_more_slowly(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(subscriber, "SILENCE_S", 0.1)
    monkeypatch.setattr("tests.integration.proxy.control.HEARTBEAT_S", 30.0)
    with ControlServer(weighing(1)) as control:
        async with listening(control) as proxy:
            proxy.subscriber._rng = pauses = Recording()
            await until(lambda: len(pauses.longest) >= 8, seconds=20)
    assert pauses.longest[:8] == [0.2, 0.4, 0.8, 1.6, 3.2, 6.4, 10.0, 10.0]


async def test_proxies_spread_out_when_a_replica_has_gone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(subscriber, "SILENCE_S", 0.5)
    monkeypatch.setattr(subscriber, "STEADY_S", 0.0)
    monkeypatch.setattr("tests.integration.proxy.control.HEARTBEAT_S", 30.0)
    with ControlServer(weighing(1)) as control:
        async with listening(control) as proxy:
            proxy.subscriber._rng = pauses = Recording()
            await until(lambda: subscriber.SPREAD_S in pauses.longest)


async def test_heartbeats_keep_the_configuration_fresh_also_on_disk(tmp_path: Path) -> None:
    with ControlServer(weighing(1)) as control:
        async with listening(control, tmp_path) as proxy:
            await until((tmp_path / lastgood.FILE).exists)
            applied_at, saved_at = proxy.applier.heard_at, (tmp_path / lastgood.FILE).stat().st_mtime
            assert applied_at is not None
            await until(lambda: (proxy.applier.heard_at or 0.0) > applied_at)
            await until(lambda: (tmp_path / lastgood.FILE).stat().st_mtime > saved_at)


async def test_a_refused_token_is_told_without_it_and_tried_again(caplog: pytest.LogCaptureFixture) -> None:
    with ControlServer(weighing(1)) as control:
        accepted = control.token
        control.token = "another"
        async with listening(control) as proxy:
            await until(lambda: "401" in caplog.text)
            control.token = accepted
            await until(lambda: proxy.version is not None, seconds=30)
    assert accepted not in caplog.text


async def test_missing_files_are_told_by_name(caplog: pytest.LogCaptureFixture) -> None:
    with ControlServer(weighing(1)) as control:
        token = (control.directory / "token").read_bytes()
        (control.directory / "token").unlink()
        async with listening(control) as proxy:
            await until(lambda: str(control.directory / "token") in caplog.text)
            (control.directory / "token").write_bytes(token)
            await until(lambda: proxy.version is not None, seconds=30)


async def test_a_state_directory_that_cannot_be_written_does_not_stop_it(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "file").write_text("in the way")
    with ControlServer(None) as control:
        first = control.publish(weighing(1))
        async with listening(control, tmp_path / "file") as proxy:
            await proxy.runs(first)
            await until(lambda: "cannot be saved" in caplog.text)
            await proxy.runs(control.publish(weighing(2)))


@pytest.mark.parametrize("line", [b"no json\n", b'{"type":"unheard"}\n', b'{"type":"snapshot"}\n'])
async def test_a_line_that_is_none_of_the_stream_ends_it_and_the_next_one_is_read(
    line: bytes, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    with ControlServer(weighing(1)) as control:
        lines = control.lines
        spoiled: list[Any] = [line]

        def once() -> Any:
            yield from [spoiled.pop()] if spoiled else lines()

        monkeypatch.setattr(control, "lines", once)
        async with listening(control) as proxy:
            await until(lambda: proxy.version is not None, seconds=30)
    assert "control stream" in caplog.text


async def test_a_fault_of_the_proxy_itself_rejects_the_configuration_and_what_runs_serves_on(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    with ControlServer(None) as control:
        first = control.publish(weighing(1))
        async with listening(control) as proxy:
            await proxy.runs(first)

            def fault(*given: Any, **named: Any) -> None:
                raise RecursionError("nobody has thought of it")

            monkeypatch.setattr("pilothouse_proxy.runtime.build", fault)
            ack = await asyncio.to_thread(control.wait_for_ack, control.publish(weighing(2)))
            assert proxy.version == first
    assert (ack.state, ack.path) == ("rejected", "")
    assert "RecursionError" in ack.reason
    assert "nobody has thought of it" in caplog.text


async def test_a_snapshot_that_comes_in_many_pieces_is_put_together() -> None:
    many = snapshot(
        {"a": provider("http://127.0.0.1:1/v1", models={f"model-{n}": "x" * 200 for n in range(5_000)})},
        {"r": route(target("a", model="model-7"))},
    )
    with ControlServer(many) as control:
        async with listening(control) as proxy:
            await until(lambda: proxy.version is not None)
            assert await asyncio.to_thread(control.wait_for_ack, control.publish(weighing(1)))


async def test_an_acknowledgement_is_repeated_until_the_replica_knows_the_version() -> None:
    with ControlServer(None) as control:
        control.unknown_acks = 2
        async with listening(control):
            version = control.publish(weighing(1))
            assert await asyncio.to_thread(control.wait_for_ack, version)
    assert control.unknown_acks == 0


async def test_a_report_tells_what_runs_and_is_not_repeated_while_nothing_changes(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("pilothouse_proxy.config.reporter.REPORT_S", 0.01)
    with ControlServer(None) as control:
        first = control.publish(weighing(1))
        async with listening(control) as proxy:
            await proxy.runs(first)
            await until(lambda: any(report.applied == first for report in control.reports))
            await asyncio.sleep(0.2)
            before = len(control.reports)
            await asyncio.sleep(0.2)
            assert len(control.reports) == before
            second = control.publish(weighing(2))
            await until(lambda: control.reports[-1].applied == second)
    assert len({report.boot for report in control.reports}) == 1
    sequences = [report.sequence for report in control.reports]
    assert sequences == sorted(set(sequences))


async def test_a_report_names_what_could_not_be_translated_once_for_all_models(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pilothouse_proxy.config.reporter.REPORT_S", 0.01)
    with ControlServer(None) as control:
        first = control.publish(weighing(1))
        async with listening(control) as proxy:
            await proxy.runs(first)
            for model in ("x", "y"):
                TargetMeters(proxy.metrics, provider="clouds/a", model=model).unknown("bedrock.converse", ("video",))
            await until(lambda: any(report.unknown for report in control.reports))
            assert control.reports[-1].unknown == {A: (Unknown(dialect="bedrock.converse", what="video"),)}


A = ProviderKey("clouds/a")
ENDS = int(time.time()) + 3_600


def token(value: str) -> BearerToken:
    return BearerToken(token=Secret(value), expires_at=ENDS)


def unsigned(weight: int) -> Snapshot:
    return snapshot({"a": provider("http://127.0.0.1:1/v1")}, {"r": route(target("a", weight=weight))}, unsigned=("a",))


async def signed_in_with(proxy: Listening, value: str) -> None:
    def there() -> bool:
        running = proxy.applier.running
        return running is not None and A in running.sign_ins and running.sign_ins[A].credential == token(value)

    await until(there)


async def test_renewals_keep_the_configuration_fresh_as_heartbeats_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tests.integration.proxy.control.HEARTBEAT_S", 30.0)
    with ControlServer(unsigned(1)) as control:
        async with listening(control) as proxy:
            await until(lambda: proxy.version is not None)
            proxy.clock.ahead_s = 1_000.0
            control.renew_credentials({A: token("1")})
            await signed_in_with(proxy, "1")
            assert proxy.applier.heard_at is not None
            assert proxy.applier.heard_at >= proxy.clock.monotonic() - 900.0


async def test_a_renewal_before_the_first_snapshot_of_a_stream_confirms_nothing() -> None:
    with ControlServer(None) as control:
        control.renew_credentials({A: token("1")})
        control.publish(unsigned(1))
        async with listening(control) as proxy:
            await signed_in_with(proxy, "1")
            proxy.applier.expire("too old")
            proxy.applier.renew({A: token("2")})
            assert proxy.pipeline.runtime is None
            await signed_in_with(proxy, "2")


async def test_a_rejected_configuration_drops_no_credential() -> None:
    with ControlServer(None) as control:
        control.renew_credentials({A: token("1")})
        control.publish(unsigned(1))
        async with listening(control) as proxy:
            await signed_in_with(proxy, "1")
            ack = await asyncio.to_thread(
                control.wait_for_ack, control.publish(snapshot({}, {"r": route(target("gone"))}))
            )
            assert ack.state == "rejected"
            assert proxy.applier.renewed.keys() == {A}
            await asyncio.to_thread(control.wait_for_ack, control.publish(snapshot({}, {})))
            assert proxy.applier.renewed.keys() == set()


async def test_the_same_credentials_again_change_nothing() -> None:
    with ControlServer(None) as control:
        control.renew_credentials({A: token("1")})
        control.publish(unsigned(1))
        async with listening(control) as proxy:
            await signed_in_with(proxy, "1")
            running = proxy.applier.running
            proxy.applier.renew({A: token("1")})
            assert proxy.applier.running is running
