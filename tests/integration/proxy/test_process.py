"""The proxy as a process: start, configuration, restart without its operator, drain, what it loads and logs."""

import http.client
import json
import os
import signal
import socket
import stat
import threading
import time
from pathlib import Path
from typing import Any

import msgspec
import pytest

from pilothouse_api.names import SnapshotVersion, sidecar_scope
from pilothouse_api.snapshot import canonical
from pilothouse_api.snapshot.identity import Identity
from pilothouse_api.snapshot.quotas import Resource
from pilothouse_api.snapshot.snapshot import Snapshot
from pilothouse_api.snapshot.stream import AckState, Publication, Subject
from pilothouse_proxy.config import lastgood
from tests.integration.proxy.configurations import (
    KEY,
    UPSTREAM_KEY,
    limit,
    provider,
    quota,
    route,
    snapshot,
    target,
)
from tests.integration.proxy.control import TOKEN, ControlServer
from tests.integration.proxy.process import Process, process
from tests.integration.proxy.upstream import Upstream, completion, stream, whole, words

FORBIDDEN = {"pydantic", "kopf", "kubernetes", "boto3", "botocore", "azure", "openai", "aiohttp", "yaml", "httpx"}
FORBIDDEN |= {"brotli", "backports"}  # only once an answer is compressed
LOADED = """
import atexit, os, sys
path = os.environ["LOADED_MODULES"] + "." + str(os.getpid())
atexit.register(lambda: open(path, "w").write("\\n".join(sys.modules)))
"""


def one(cloud: Upstream, **more: Any) -> Snapshot:
    return snapshot({"a": provider(cloud.url)}, {"r": route(target("a"))}, **more)


def test_it_serves_what_the_operator_sends_and_acknowledges_it(cloud: Upstream) -> None:
    with ControlServer(one(cloud)) as control, process(*control.flags) as proxy:
        applied = proxy.event("configuration applied")
        assert proxy.chat().status == 200
        assert control.wait_for_ack(applied["version"]).state is AckState.APPLIED
        proxy.until(lambda: any(report.applied == applied["version"] for report in control.reports), "no report")


def test_a_new_configuration_is_live_without_a_failed_request(cloud: Upstream) -> None:
    statuses: list[int] = []
    stop = threading.Event()
    with ControlServer(one(cloud)) as control, process(*control.flags) as proxy:
        proxy.event("configuration applied")

        def load() -> None:
            while not stop.is_set():
                statuses.append(proxy.chat().status)

        callers = [threading.Thread(target=load) for _ in range(4)]
        for caller in callers:
            caller.start()
        for weight in range(2, 12):
            served = len(statuses)
            changed = snapshot({"a": provider(cloud.url)}, {"r": route(target("a", weight=weight))})
            control.wait_for_ack(control.publish(changed))
            proxy.until(lambda served=served: len(statuses) > served + 4, "no request is answered")
        stop.set()
        for caller in callers:
            caller.join()
    assert set(statuses) == {200}


def test_what_cannot_be_built_is_rejected_by_path_and_the_old_one_serves_on(cloud: Upstream) -> None:
    with ControlServer(one(cloud)) as control, process(*control.flags) as proxy:
        proxy.event("configuration applied")
        version = control.publish(snapshot({}, {"r": route(target("gone"))}))
        ack = control.wait_for_ack(version)
        assert (ack.state, ack.path) == (AckState.REJECTED, "routes.apps/r.targets[0]")
        assert "clouds/gone" in ack.reason
        assert proxy.event("configuration rejected")["version"] == version
        assert proxy.chat().status == 200


def test_bytes_that_were_changed_on_the_way_are_rejected(cloud: Upstream) -> None:
    with ControlServer(one(cloud)) as control, process(*control.flags) as proxy:
        proxy.event("configuration applied")
        encoded = canonical.encode(one(cloud, quotas={"q": quota(limit(Resource.REQUESTS, 1))}))
        wrong = SnapshotVersion("sha256:" + "0" * 64)
        control.send(Publication(version=wrong, snapshot=msgspec.Raw(encoded)))
        assert control.wait_for_ack(wrong).state is AckState.REJECTED
        assert [proxy.chat().status for _ in range(2)] == [200, 200]


def test_a_publication_from_an_older_view_is_held_back(cloud: Upstream) -> None:
    newer, older = one(cloud), one(cloud, quotas={"q": quota(limit(Resource.REQUESTS, 1))})
    with ControlServer(None) as control:
        first = control.publish(newer, seen={"modelroutes": "200"})
        with process(*control.flags) as proxy:
            control.wait_for_ack(first)
            control.publish(older, seen={"modelroutes": "199"})
            proxy.until(lambda: "held back" in proxy.err.read_text(), "no warning")
            assert [proxy.chat().status for _ in range(2)] == [200, 200]
            last = control.publish(
                one(cloud, quotas={"q": quota(limit(Resource.REQUESTS, 7))}), seen={"modelroutes": "201"}
            )
            control.wait_for_ack(last)
    assert len(proxy_versions(control)) == 2


def proxy_versions(control: ControlServer) -> set[str]:
    return {ack.version for ack in control.acks}


def test_it_starts_from_its_last_good_configuration_while_the_operator_is_away(cloud: Upstream, tmp_path: Path) -> None:
    state = tmp_path / "state"
    with ControlServer(one(cloud)) as control:
        flags = [*control.flags, f"--state-dir={state}"]
        (tmp_path / "ca.pem").write_bytes((control.directory / "ca.pem").read_bytes())
        with process(*flags) as proxy:
            proxy.event("configuration applied")
            proxy.until((state / "snapshot.ndjson").exists, "nothing was saved")
            assert proxy.end() == 0
    assert stat.S_IMODE((state / "snapshot.ndjson").stat().st_mode) == 0o600
    (tmp_path / "token").write_text("x")
    away = [
        f"--control-url={control.url}",
        f"--control-ca={tmp_path / 'ca.pem'}",
        f"--control-token={tmp_path / 'token'}",
    ]
    with process(*away, f"--state-dir={state}") as proxy:
        assert proxy.chat().status == 200
        assert proxy.ask("GET", "/readyz").status == 200
        proxy.until(lambda: "no configuration from the operator" in proxy.err.read_text(), "no warning")


def test_a_damaged_last_good_configuration_is_told_and_not_served(cloud: Upstream, tmp_path: Path) -> None:
    (tmp_path / "snapshot.ndjson").write_text("half a line")
    with ControlServer(one(cloud)) as control, process(*control.flags, f"--state-dir={tmp_path}") as proxy:
        proxy.event("configuration applied")
        assert proxy.chat().status == 200
    assert "half a line" not in proxy_told(proxy)


def proxy_told(proxy: Any) -> str:
    return " ".join(path.read_text() for path in (proxy.out, proxy.err) if path.exists())


def saved(cloud: Upstream, directory: Path, *, heard_s_ago: float, scope: str = "gateway") -> None:
    """A last good configuration of some age."""
    made = one(cloud)
    if scope != "gateway":
        made = msgspec.structs.replace(made, scope=sidecar_scope("apps"))
    encoded = canonical.encode(made)
    hello = {"type": "hello", "scope": scope, "subject": {"namespace": "apps", "service_account": "x"}, "replica": "r"}
    publication = Publication(version=canonical.version(encoded), snapshot=msgspec.Raw(encoded))
    lastgood.save(directory, hello=msgspec.json.encode(hello), publication=msgspec.json.encode(publication))
    file = directory / lastgood.FILE
    heard = time.time() - heard_s_ago
    os.utime(file, (heard, heard))


def nowhere(tmp_path: Path) -> list[str]:
    (tmp_path / "token").write_text("x")
    return ["--control-url=https://127.0.0.1:1", f"--control-token={tmp_path / 'token'}", f"--state-dir={tmp_path}"]


def test_a_configuration_that_is_too_old_is_not_served_and_the_gateway_is_not_ready(
    cloud: Upstream, tmp_path: Path
) -> None:
    saved(cloud, tmp_path, heard_s_ago=3_600)
    with process(*nowhere(tmp_path), "--max-staleness=30m") as proxy:
        answer = proxy.chat()
        assert (answer.status, answer.error["code"]) == (503, "no_configuration")
        assert "max-staleness" in answer.error["message"]
        assert proxy.ask("GET", "/readyz").status == 503
        assert proxy.ask("GET", "/healthz").status == 200


def test_a_configuration_grows_too_old_while_it_runs(cloud: Upstream, tmp_path: Path) -> None:
    saved(cloud, tmp_path, heard_s_ago=0)
    with process(*nowhere(tmp_path), "--max-staleness=2s") as proxy:
        assert proxy.chat().status == 200
        proxy.until(lambda: proxy.chat().status == 503, "it serves on")


def test_a_sidecar_without_a_fresh_configuration_answers_503_but_stays_ready(cloud: Upstream, tmp_path: Path) -> None:
    saved(cloud, tmp_path, heard_s_ago=3_600, scope="sidecar/apps")
    with process(*nowhere(tmp_path), "--role=sidecar", "--max-staleness=30m") as proxy:
        answer = proxy.chat()
        assert (answer.status, answer.headers["retry-after"]) == (503, "1")
        assert proxy.ask("GET", "/readyz").status == 200


def test_a_sidecar_s_caller_is_the_service_account_of_its_pod(cloud: Upstream) -> None:
    made = msgspec.structs.replace(one(cloud, identity=Identity()), scope=sidecar_scope("apps"))
    pod = Subject(namespace="apps", service_account="web")
    with ControlServer(made, subject=pod) as control, process(*control.flags, "--role=sidecar") as proxy:
        proxy.event("configuration applied")
        assert proxy.chat().status == 200
        assert proxy.event("request")["subject"] == "serviceaccount:apps/web"


def test_a_gateway_that_the_operator_takes_for_a_sidecar_refuses_to_let_everybody_in(cloud: Upstream) -> None:
    made = msgspec.structs.replace(one(cloud), scope=sidecar_scope("apps"))
    with ControlServer(None) as control, process(*control.flags) as proxy:
        ack = control.wait_for_ack(control.publish(made))
        assert (ack.state, ack.path) == (AckState.REJECTED, "scope")
        assert "--gateway-service-account" in ack.reason
        assert proxy.chat().status == 503


def test_a_gateway_is_ready_when_it_has_a_configuration(cloud: Upstream) -> None:
    with ControlServer(None) as control, process(*control.flags) as proxy:
        assert proxy.ask("GET", "/readyz").status == 503
        assert proxy.ask("GET", "/healthz").status == 200
        control.publish(one(cloud))
        proxy.event("configuration applied")
        assert proxy.ask("GET", "/readyz").status == 200


def test_it_comes_back_to_an_operator_that_was_away_with_a_new_certificate_and_token(cloud: Upstream) -> None:
    with ControlServer(one(cloud)) as control, process(*control.flags) as proxy:
        proxy.event("configuration applied")
        changed = one(cloud, quotas={"q": quota(limit(Resource.REQUESTS, 1_000))})
        control.renew(token=TOKEN + "-rotated", snapshot=changed)
        assert proxy.event("configuration applied", count=2)["quotas"] == 1
        assert proxy.chat().status == 200


def test_a_drain_finishes_what_is_under_way_and_exits_in_order(cloud: Upstream) -> None:
    cloud.otherwise = stream(words(*"slow"), pause_s=0.15)
    with ControlServer(one(cloud)) as control, process(*control.flags) as proxy:
        proxy.event("configuration applied")
        answers: list[Any] = []
        port = proxy.port
        caller = threading.Thread(target=lambda: answers.append(proxy.chat(stream=True)))
        caller.start()
        proxy.until(lambda: cloud.received, "no request")
        proxy.popen.send_signal(signal.SIGTERM)
        proxy.event("draining")
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", port), timeout=1)
        assert proxy.ended() == 0
        caller.join()
        assert (answers[0].text, answers[0].events[-1]) == ("slow", "[DONE]")
        assert [event["event"] for event in map(json.loads, proxy.out.read_text().splitlines())][-1] == "stopped"


def broken_off(proxy: Process) -> None:
    """A streamed request that the proxy does not bring to its end."""
    with pytest.raises((OSError, http.client.HTTPException)):
        proxy.chat(stream=True)


def test_a_drain_that_runs_out_of_time_ends_a_stream_with_an_error_event(cloud: Upstream) -> None:
    cloud.otherwise = stream(words("x"), end="open")
    with ControlServer(one(cloud)) as control, process(*control.flags, "--drain-timeout=300ms") as proxy:
        proxy.event("configuration applied")
        answers: list[Any] = []
        caller = threading.Thread(target=lambda: answers.append(proxy.chat(stream=True)))
        caller.start()
        proxy.until(lambda: cloud.received, "no request")
        assert proxy.end() == 0
        caller.join()
        assert answers[0].text == "x"
        assert "shutting down" in answers[0].events[-1]["error"]["message"]
        told = proxy.events("request")[0]
        assert (told["status"], told["error"]) == (200, "unavailable")


def test_a_drain_that_runs_out_of_time_turns_away_what_has_no_answer_yet(cloud: Upstream) -> None:
    cloud.otherwise = stream([], end="open")
    with ControlServer(one(cloud)) as control, process(*control.flags, "--drain-timeout=300ms") as proxy:
        proxy.event("configuration applied")
        answers: list[Any] = []
        caller = threading.Thread(target=lambda: answers.append(proxy.chat(stream=True)))
        caller.start()
        proxy.until(lambda: cloud.received, "no request")
        assert proxy.end() == 0
        caller.join()
        assert (answers[0].status, answers[0].headers["retry-after"]) == (503, "1")
        assert proxy.events("request")[0]["status"] == 503


def test_a_second_signal_ends_it_at_once(cloud: Upstream) -> None:
    cloud.otherwise = stream(words("x"), end="open")
    with ControlServer(one(cloud)) as control, process(*control.flags) as proxy:
        proxy.event("configuration applied")
        caller = threading.Thread(target=broken_off, args=(proxy,))
        caller.start()
        proxy.until(lambda: cloud.received, "no request")
        proxy.popen.send_signal(signal.SIGINT)
        proxy.event("draining")
        assert proxy.end(signal.SIGINT) == 1
        caller.join()


def test_health_and_metrics_can_have_a_port_of_their_own(cloud: Upstream) -> None:
    with ControlServer(one(cloud)) as control, process(*control.flags, "--admin-listen=127.0.0.1:0") as proxy:
        proxy.event("configuration applied")
        proxy.chat()
        assert proxy.ask("GET", "/metrics").status == 404
        metrics = proxy.ask("GET", "/metrics", port=proxy.admin_port)
        assert b'pilothouse_requests_total{code="200",operation="chat",route="apps/r"} 1.0' in metrics.body
        assert proxy.ask("GET", "/v1/models", port=proxy.admin_port).status == 404


def test_metrics_tell_of_the_configuration_and_never_a_secret(cloud: Upstream) -> None:
    with ControlServer(one(cloud)) as control, process(*control.flags) as proxy:
        version = proxy.event("configuration applied")["version"]
        proxy.chat()
        metrics = proxy.ask("GET", "/metrics").body.decode()
        assert f'pilothouse_config_info{{version="{version}"}} 1.0' in metrics
        assert "pilothouse_config_connected 1.0" in metrics
        told = metrics + proxy.told()
    assert KEY not in told
    assert UPSTREAM_KEY not in told
    assert TOKEN not in told


def test_a_running_proxy_has_loaded_no_cloud_sdk_and_no_control_plane(cloud: Upstream, tmp_path: Path) -> None:
    (tmp_path / "sitecustomize.py").write_text(LOADED)
    environment = {"PYTHONPATH": str(tmp_path), "LOADED_MODULES": str(tmp_path / "loaded")}
    with ControlServer(one(cloud)) as control, process(*control.flags, environment=environment) as proxy:
        proxy.event("configuration applied")
        assert proxy.chat().status == 200
        assert proxy.ask("GET", "/metrics").status == 200
        number = proxy.popen.pid
        assert proxy.end() == 0
    loaded = {name.partition(".")[0] for name in (tmp_path / f"loaded.{number}").read_text().splitlines()}
    assert "pilothouse_proxy" in loaded
    assert not loaded & (FORBIDDEN | {"pilothouse_operator"})


def test_a_proxy_without_tokens_to_check_loads_no_cryptography(cloud: Upstream, tmp_path: Path) -> None:
    (tmp_path / "sitecustomize.py").write_text(LOADED)
    environment = {"PYTHONPATH": str(tmp_path), "LOADED_MODULES": str(tmp_path / "loaded")}
    with ControlServer(one(cloud)) as control, process(*control.flags, environment=environment) as proxy:
        proxy.event("configuration applied")
        assert proxy.chat().status == 200
        number = proxy.popen.pid
        assert proxy.end() == 0
    loaded = {name.partition(".")[0] for name in (tmp_path / f"loaded.{number}").read_text().splitlines()}
    assert not loaded & {"jwt", "cryptography", "prometheus_client"}


def test_counters_survive_a_new_configuration_and_are_reported(cloud: Upstream) -> None:
    cloud.otherwise = whole(completion())
    two = {"q": quota(limit(Resource.REQUESTS, 2))}
    with ControlServer(one(cloud, quotas=two)) as control, process(*control.flags) as proxy:
        proxy.event("configuration applied")
        assert proxy.chat().status == 200
        three = {"q": quota(limit(Resource.REQUESTS, 3))}
        control.wait_for_ack(control.publish(one(cloud, quotas=three)))
        assert [proxy.chat().status for _ in range(3)] == [200, 200, 429]

        def told() -> bool:
            uses = [use for report in control.reports for quota_uses in report.quotas.values() for use in quota_uses]
            return any((use.used, use.exceeded, use.top) == (3, 1, (("user:apps/alice", 3),)) for use in uses)

        proxy.until(told, "no report of it")


def test_an_address_that_is_taken_is_told(cloud: Upstream) -> None:
    with (
        socket.create_server(("127.0.0.1", 0)) as taken,
        ControlServer(one(cloud)) as control,
        process(*control.flags, f"--listen=127.0.0.1:{taken.getsockname()[1]}") as proxy,
    ):
        assert proxy.ended() == 1
        (line,) = proxy.err.read_text().splitlines()
    assert "cannot start" in line


def test_an_idle_proxy_is_small(cloud: Upstream) -> None:
    with ControlServer(one(cloud)) as control, process(*control.flags) as proxy:
        proxy.event("configuration applied")
        assert proxy.chat().status == 200
        resident = Path(f"/proc/{proxy.popen.pid}/status").read_text().partition("VmRSS:")[2].split()
    assert resident[1] == "kB"
    assert int(resident[0]) < 45 * 1024
