"""`pilothouse up` from the outside: a directory, a process, and calls."""

import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.up.process import ROOT, Up, lives, started, until, up
from tests.simulators.fixtures import simulators, simulators_thread
from tests.simulators.fleet import Simulators
from tests.simulators.pacing import Pace

__all__ = ["simulators", "simulators_thread"]

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="looks at processes through /proc")

WEIGHT = "      weight: 50\n"


@pytest.fixture
def manifests(tmp_path: Path, simulators: Simulators) -> Path:
    """The quickstart, at this run's simulators."""
    made = tmp_path / "manifests"
    made.mkdir()
    for source in (ROOT / "examples/quickstart").glob("*.yaml"):
        text = source.read_text()
        text = text.replace("http://127.0.0.1:9101", simulators.bedrock_url)
        (made / source.name).write_text(text.replace("http://127.0.0.1:9102", simulators.azure_url))
    return made


@pytest.fixture
def runtime(tmp_path: Path) -> Path:
    made = tmp_path / "runtime"
    made.mkdir()
    return made


@pytest.fixture
def running(manifests: Path, runtime: Path) -> Iterator[Up]:
    with up(manifests, runtime) as it:
        yield it


def weigh(manifests: Path, bedrock: int, azure: int) -> None:
    """Rewrites the weights of `chat`."""
    source = (ROOT / "examples/quickstart/routes.yaml").read_text()
    text = source.replace(WEIGHT, f"      weight: {bedrock}\n", 1).replace(WEIGHT, f"      weight: {azure}\n", 1)
    assert text.count("weight:") == 2
    (manifests / "routes.yaml").write_text(text)


def test_it_serves_what_the_quickstart_promises(running: Up) -> None:
    for model in ("chat", "claude", "gpt"):
        assert running.chat(model=model).status == 200
    embedding = running.post("/embeddings", {"model": "embed", "input": "a word"})
    assert embedding.status == 200
    assert len(embedding.body["data"][0]["embedding"]) > 100
    assert running.chat(model="unheard-of").status == 404


def test_the_terminal_shows_what_is_served_and_what_to_try(running: Up) -> None:
    shown = "\n".join(running.lines)
    assert "50 % bedrock/claude, 50 % azure/gpt" in shown
    assert "quota default/everybody" in shown
    for thing in ("curl http://127.0.0.1:", "openai.OpenAI(", "edit a weight in"):
        assert thing in shown


def test_requests_appear_as_they_happen(running: Up) -> None:
    running.chat(model="gpt")
    running.wait_for("gpt  → azure/gpt-4o")


def test_an_edited_weight_moves_the_traffic(running: Up, manifests: Path) -> None:
    weigh(manifests, 0, 100)
    running.wait_for("route default/chat: bedrock/claude 50→0, azure/gpt 50→100; live in")
    assert {running.said_by() for _ in range(10)} == {"azure"}
    weigh(manifests, 100, 0)
    running.wait_for("bedrock/claude 0→100")
    assert {running.said_by() for _ in range(10)} == {"bedrock"}


def test_no_request_fails_while_the_configuration_changes(running: Up, manifests: Path) -> None:
    stop = threading.Event()
    statuses: list[int] = []

    def call() -> None:
        while not stop.is_set():
            statuses.append(running.chat().status)

    callers = [threading.Thread(target=call) for _ in range(4)]
    for caller in callers:
        caller.start()
    for weight in range(10, 60, 10):
        weigh(manifests, weight, 100 - weight)
        running.wait_for(f"→{weight},")
    stop.set()
    for caller in callers:
        caller.join()
    assert set(statuses) == {200}


def test_a_half_written_file_changes_nothing(running: Up, manifests: Path) -> None:
    whole = (manifests / "routes.yaml").read_text()
    (manifests / "routes.yaml").write_text(whole[: whole.index("weight: 50") + 3] + '\n  "unclosed')
    running.wait_for(f"! {manifests}/routes.yaml:")
    assert running.chat().status == 200
    assert running.chat(model="embed").status != 404
    (manifests / "routes.yaml").write_text(whole)
    running.wait_for("solved:")


def test_a_bad_manifest_is_named_with_its_line_and_leaves_the_others(running: Up, manifests: Path) -> None:
    (manifests / "bad.yaml").write_text(
        "apiVersion: pilothouse.dev/v1alpha1\nkind: ModelRoute\nmetadata: {name: bad}\nspec: {models: [bad]}\n"
    )
    running.wait_for("bad.yaml:1: ModelRoute default/bad: Invalid: ")
    assert running.chat().status == 200
    assert running.chat(model="bad").status == 404
    (manifests / "bad.yaml").unlink()
    running.wait_for("solved: ModelRoute default/bad")


def test_a_misspelt_field_is_named_and_has_no_effect(running: Up, manifests: Path) -> None:
    weigh(manifests, 0, 100)
    running.wait_for("live in")
    text = (manifests / "routes.yaml").read_text()
    (manifests / "routes.yaml").write_text(text.replace("weight: 0", "wieght: 1"))
    running.wait_for(
        f"! {manifests}/routes.yaml:2: ModelRoute default/chat: spec.targets[0].wieght: is not a known field"
    )
    assert {running.said_by() for _ in range(8)} == {"azure"}
    (manifests / "routes.yaml").write_text(text)
    running.wait_for("solved:")


def test_an_api_key_is_told_when_it_comes_and_when_it_is_none(running: Up, manifests: Path) -> None:
    text = (
        "apiVersion: v1\nkind: Secret\nmetadata:\n  name: ci\n  labels: {pilothouse.dev/type: api-key}\n"
        "stringData: {key: short}\n"
    )
    (manifests / "key.yaml").write_text(text)
    running.wait_for("! Secret default/ci: the API key must be at least 16")
    (manifests / "key.yaml").write_text(text.replace("short", "a-long-enough-key-of-ours"))
    running.wait_for("callers: anybody on this machine, as default/local; 1 API key")


def test_a_missing_secret_is_named_while_its_last_value_serves(running: Up, manifests: Path) -> None:
    text = (manifests / "providers.yaml").read_text()
    (manifests / "providers.yaml").write_text(text.replace("  apiKey: simulator", "  moved: simulator"))
    running.wait_for("SecretKeyMissing")
    assert running.chat(model="gpt").status == 200


def test_a_killed_proxy_is_started_again(running: Up) -> None:
    before = running.proxy()
    os.kill(before, signal.SIGKILL)
    running.wait_for("proxy was ended by SIGKILL; starting it again")
    until(lambda: not lives(before) and len(running.children()) == 1, what="a new proxy")

    def serves() -> bool:
        try:
            return running.chat().status == 200
        except OSError:
            return False

    until(serves, what="an answer of the new proxy")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_it_ends_cleanly(running: Up, number: signal.Signals) -> None:
    proxy = running.proxy()
    assert list(running.runtime.iterdir())
    assert running.end(number) == 0
    assert not lives(proxy)
    assert not list(running.runtime.iterdir())


def test_a_request_in_flight_may_finish(running: Up, simulators: Simulators) -> None:
    status: list[int] = []
    simulators.controls.pacing.set(Pace(provider="azure", first_byte_ms=1_000))
    caller = threading.Thread(target=lambda: status.append(running.chat(model="gpt").status))
    caller.start()
    until(lambda: bool(simulators.controls.recorder.records), what="the request at the simulator")
    assert running.end() == 0
    caller.join()
    assert status == [200]


def test_the_proxy_ends_when_its_parent_is_killed(running: Up) -> None:
    proxy = running.proxy()
    running.process.kill()
    running.process.wait()
    until(lambda: not lives(proxy), what="the end of the orphan")


def test_what_a_killed_run_left_behind_is_removed_by_the_next(manifests: Path, runtime: Path) -> None:
    with up(manifests, runtime) as first:
        first.process.kill()
        first.process.wait()
    left = list(runtime.iterdir())
    assert left
    with up(manifests, runtime):
        assert not left[0].exists()


def test_private_files_are_private(running: Up) -> None:
    (state,) = running.runtime.iterdir()
    assert state.stat().st_mode & 0o777 == 0o700
    for path in state.rglob("*"):
        assert path.stat().st_mode & 0o077 == 0, path


def test_no_secret_is_on_a_command_line_or_the_terminal(running: Up, manifests: Path) -> None:
    running.chat()
    (state,) = running.runtime.iterdir()
    told = "\n".join(running.lines) + Path(f"/proc/{running.proxy()}/cmdline").read_text()
    for secret in ("simulator-azure-key", "simulator/Secret", (state / "token").read_text()):
        assert secret not in told


def test_a_taken_port_is_told_with_a_way_out(manifests: Path, runtime: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with started(manifests, runtime, listen=f"127.0.0.1:{port}") as it:
            assert it.process.wait(timeout=20) == 2
            it.wait_for(f"cannot listen on 127.0.0.1:{port}")
            it.wait_for("--listen")


def test_an_address_of_another_machine_is_told_apart_from_a_taken_one(manifests: Path, runtime: Path) -> None:
    with started(manifests, runtime, listen="192.0.2.1:8080") as it:
        assert it.process.wait(timeout=20) == 2
        it.wait_for("Choose an address of this machine")


def test_a_directory_that_is_not_there_is_told(tmp_path: Path, runtime: Path) -> None:
    with started(tmp_path / "absent", runtime) as it:
        assert it.process.wait(timeout=20) == 2
        it.wait_for("is not a directory")


def test_an_address_for_others_needs_a_key(manifests: Path, runtime: Path) -> None:
    (manifests / "key.yaml").write_text(
        "apiVersion: v1\nkind: Secret\nmetadata:\n  name: ci\n  labels: {pilothouse.dev/type: api-key}\n"
        "stringData: {key: a-long-enough-key-of-ours}\n"
    )
    with up(manifests, runtime, listen="0.0.0.0:0") as it:
        assert it.chat().status == 401
        assert it.chat(key="a-long-enough-key-of-ours").status == 200
        assert it.shows("1 API key")


def test_a_key_names_its_caller_beside_anonymous_ones(manifests: Path, runtime: Path) -> None:
    (manifests / "key.yaml").write_text(
        "apiVersion: v1\nkind: Secret\nmetadata:\n  name: ci\n  labels: {pilothouse.dev/type: api-key}\n"
        "stringData: {key: a-long-enough-key-of-ours}\n"
    )
    with up(manifests, runtime) as it:
        assert it.chat(key="a-long-enough-key-of-ours").status == 200
        it.wait_for("user:default/ci")


def test_a_companion_runs_beside_it_and_ends_with_it(manifests: Path, runtime: Path) -> None:
    command = f"{sys.executable} -c \"import time; print('at work', flush=True); time.sleep(600)\""
    with up(manifests, runtime, "--exec", command) as it:
        it.wait_for("at work")
        children = it.children()
        assert len(children) == 2
        assert it.end() == 0
        assert not any(lives(pid) for pid in children)


def test_a_companion_that_ends_ends_it_all(manifests: Path, runtime: Path) -> None:
    with started(manifests, runtime, "--exec", f"{sys.executable} -c 'raise SystemExit(3)'") as it:
        assert it.process.wait(timeout=30) == 1
        it.wait_for("ended with status 3")


def test_a_companion_is_called_by_its_module(manifests: Path, runtime: Path) -> None:
    with started(manifests, runtime, "--exec", f"{sys.executable} -m json.tool --absent") as it:
        assert it.process.wait(timeout=30) == 1
        it.wait_for("pilothouse up: tool ended with status 2")


def test_an_empty_directory_waits_for_manifests(manifests: Path, runtime: Path, tmp_path: Path) -> None:
    empty = tmp_path / "empty"
    empty.mkdir()
    with up(empty, runtime) as it:
        assert it.shows("no model yet")
        for source in manifests.iterdir():
            (empty / source.name).write_text(source.read_text())
        it.wait_for("route default/chat: added")
        assert it.chat().status == 200


def test_variables_fill_in_secrets(manifests: Path, runtime: Path) -> None:
    path = manifests / "providers.yaml"
    path.write_text(path.read_text().replace("simulator-azure-key-000000000001", "${UP_TEST_KEY}"))
    with up(manifests, runtime, environ={"UP_TEST_KEY": "simulator-azure-key-000000000001"}) as it:
        assert it.chat(model="gpt").status == 200


@pytest.mark.parametrize("example", ["quickstart", "real"])
def test_the_examples_are_valid(example: str) -> None:
    command = [sys.executable, "-m", "pilothouse", "validate", f"examples/{example}"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
