"""That the search for planted secrets finds them, in each kind of place and in each form."""

import base64
import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Collection, Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from types import SimpleNamespace
from urllib.parse import quote, urlencode

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pilothouse_api.names import GATEWAY_SCOPE, ProviderKey
from pilothouse_api.secret import Secret
from pilothouse_api.snapshot import canonical
from pilothouse_api.snapshot.credentials import APIKey, Basic, BearerToken
from pilothouse_api.snapshot.snapshot import Snapshot
from pilothouse_api.snapshot.stream import Hello, Publication, Subject
from pilothouse_proxy.config import lastgood
from tests import sweeps
from tests.planted import PLANTED, SHORTEST, Leaked, Planted, sweep
from tests.simulators import credentials

VALUE = 'a/planted+secret="no one else has"'
PRIVATE = "-----BEGIN PRIVATE KEY-----\nMIIEvQIBADANBgkqhkiG9w0BAQEFAASC\n-----END PRIVATE KEY-----\n"
PUBLIC = "-----BEGIN CERTIFICATE-----\nMIIDazCCAlOgAwIBAgIUZm9yIGEgdGVz\n-----END CERTIFICATE-----\n"


@pytest.fixture
def planted() -> Planted:
    registry = Planted()
    registry.plant("the key", VALUE)
    return registry


@given(before=st.binary(max_size=5), value=st.text(min_size=SHORTEST, max_size=60), after=st.binary(max_size=5))
def test_whatever_stands_around_it_base64_hides_nothing(before: bytes, value: str, after: bytes) -> None:
    registry = Planted()
    registry.plant("it", value)
    if len(value.strip()) < SHORTEST or len(value.splitlines()) > 1 or value != value.strip():
        return
    around = before + value.encode() + after
    assert registry.found(base64.b64encode(around)) == ["it"]
    assert registry.found(base64.urlsafe_b64encode(around)) == ["it"]


@pytest.mark.parametrize(
    "shown",
    [
        VALUE,
        json.dumps({"key": VALUE}),
        repr({"key": VALUE}),
        quote(VALUE),
        quote(VALUE, safe=""),
        urlencode({"key": VALUE}),
        base64.b64encode(f"user:{VALUE}".encode()).decode(),
    ],
)
def test_every_way_of_writing_it_is_found(planted: Planted, shown: str) -> None:
    with pytest.raises(Leaked) as leaked:
        sweep([("a line", "nothing"), ("the page", f"… {shown} …")], planted=planted)
    assert str(leaked.value) == "the page shows the key"


def test_what_hides_it_is_clean(planted: Planted) -> None:
    sweep([("a line", f"key: {Secret(VALUE)}"), ("nothing", "")], planted=planted)


def test_of_a_key_with_its_certificate_each_secret_line_is_searched_for() -> None:
    registry = Planted()
    registry.plant("the pair", PUBLIC + PRIVATE)
    assert registry.found(PUBLIC) == []
    assert registry.found(PRIVATE.splitlines()[1]) == ["the pair"]


def test_short_values_are_found_by_chance_and_not_searched_for() -> None:
    registry = Planted()
    registry.plant("short", "x" * (SHORTEST - 1))
    assert registry.found("x" * 100) == []


def test_the_simulators_keys_and_every_secret_are_planted() -> None:
    made = Secret("made in the middle of a test")
    assert PLANTED.found(credentials.AZURE_API_KEY) == ["the simulators' AZURE_API_KEY"]
    assert PLANTED.found(made.reveal()) == ["a Secret of the test's process"]


def test_what_a_test_has_planted_is_forgotten(planted: Planted) -> None:
    mark = planted.mark()
    planted.plant("later", "of one test alone")
    planted.forget(mark)
    assert (planted.found("of one test alone"), planted.found(VALUE)) == ([], ["the key"])


def test_a_log_is_swept_with_its_tracebacks(pytester: pytest.Pytester) -> None:
    pytester.makeini("[pytest]\nasyncio_default_fixture_loop_scope = function")
    pytester.makeconftest("from tests.conftest import *")
    pytester.makepyfile(
        """
        import logging
        from pilothouse_api.secret import Secret

        def test_message():
            logging.getLogger("pilothouse").error("key %s", Secret("a value of the inner test").reveal())

        def test_traceback():
            try:
                raise ValueError(Secret("another of the inner test").reveal())
            except ValueError:
                logging.getLogger("pilothouse").exception("it has failed")

        def test_neither():
            logging.getLogger("pilothouse").error("key %s", Secret("a value of the inner test"))
        """
    )
    pytester.runpytest_inprocess("-p", "no:cacheprovider").assert_outcomes(passed=3, errors=2)


@pytest.mark.skipif(sys.platform != "linux", reason="looks at processes through /proc")
def test_command_line_and_environment_of_a_process_are_swept(planted: Planted) -> None:
    program = "import sys; sys.stdin.read()"
    for argument, variables, place in (
        (f"--key={VALUE}", {}, "the command line of a child"),
        ("", {"KEY": VALUE}, "the environment of a child"),
    ):
        environ = {**os.environ, **variables}
        with subprocess.Popen([sys.executable, "-c", program, argument], stdin=subprocess.PIPE, env=environ) as child:
            with pytest.raises(Leaked, match=f"{place} shows the key"):
                sweep(_running(child, "a child"), planted=planted)
            sweep(sweeps.of_process(os.getpid(), "this one"), planted=planted)


def test_variables_that_were_given_with_secrets_in_them_do_not_count(planted: Planted) -> None:
    environ = {**os.environ, "KEY": VALUE}
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE, env=environ) as child:
        places = list(_running(child, "a child", given={"KEY"}))
        sweep(places, planted=planted)
        child.communicate(b"\n")


def _running(child: subprocess.Popen[bytes], name: str, *, given: Collection[str] = ()) -> list[sweeps.Place]:
    """As soon as it is the program that was asked for: for a moment it has neither arguments nor an environment."""
    while not Path(f"/proc/{child.pid}/environ").read_bytes():
        time.sleep(0.001)
    return list(sweeps.of_process(child.pid, name, given=given))


@pytest.fixture
def metrics_port() -> Iterator[int]:
    """Somebody who tells the secret on its page of metrics."""

    class Page(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(f'keys{{key="{VALUE}"}} 1'.encode() if self.path == "/metrics" else b"ok")

        def log_message(self, format: str, *args: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Page) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        yield server.server_port
        server.shutdown()
        thread.join()


def test_pages_are_swept(planted: Planted, metrics_port: int) -> None:
    registry = Planted()
    registry.plant("the key", VALUE.replace('"', "") + "…")
    with pytest.raises(Leaked, match="/metrics of it shows the key"):
        sweep(sweeps.of_pages(metrics_port, "it"), planted=planted)
    sweep(sweeps.of_pages(metrics_port, "it"), planted=registry)


HELLO = Hello(scope=GATEWAY_SCOPE, subject=Subject(namespace="a", service_account="b"), replica="r")
PROVIDER = ProviderKey("a/b")


def _saved(directory: Path) -> None:
    encoded = canonical.encode(
        Snapshot(
            schema=3,
            scope=GATEWAY_SCOPE,
            credentials={PROVIDER: APIKey(key=Secret("a key that lasts"))},
            proxy_credentials={PROVIDER: Basic(username=Secret("a proxy's user"), password=Secret("a proxy's word"))},
        )
    )
    publication = Publication(version=canonical.version(encoded), snapshot=msgspec.Raw(encoded))
    lastgood.save(directory, hello=msgspec.json.encode(HELLO), publication=msgspec.json.encode(publication))
    lastgood.save_renewed(directory, {PROVIDER: BearerToken(token=Secret("a token that ends"))})


def test_what_a_proxy_was_given_is_planted_from_its_disk(tmp_path: Path) -> None:
    _saved(tmp_path)
    registry = Planted()
    sweeps.plant_state(tmp_path, planted=registry)
    for value in ("a key that lasts", "a proxy's user", "a proxy's word", "a token that ends"):
        assert registry.found(value), value
    assert registry.found(HELLO.scope) == []


def test_a_last_good_configuration_that_others_may_read_is_a_fault(tmp_path: Path) -> None:
    _saved(tmp_path)
    (tmp_path / lastgood.RENEWALS_FILE).chmod(0o640)
    with pytest.raises(AssertionError, match="has mode 640"):
        sweeps.plant_state(tmp_path, planted=Planted())


class Cluster:
    """What kubectl says, by what it is asked for."""

    def __init__(self, audit_log: Path, **shown: str) -> None:
        self.audit_log = audit_log
        self.shown = shown

    def kubectl(self, *arguments: str, check: bool = True) -> SimpleNamespace:
        return SimpleNamespace(stdout=self.shown.get(arguments[1], ""))


@pytest.mark.parametrize("kind", [*sweeps.KINDS.split(","), "events", "events.events.k8s.io"])
def test_every_kind_of_a_cluster_is_swept_for_what_its_secrets_hold(tmp_path: Path, kind: str) -> None:
    data = {"key": base64.b64encode(VALUE.encode()).decode()}
    secrets = json.dumps({"items": [{"metadata": {"namespace": "ns", "name": "it"}, "data": data}]})
    registry = Planted()
    sweeps.plant_cluster(Cluster(tmp_path, secrets=secrets), planted=registry)
    with pytest.raises(Leaked, match=r"get .* -o yaml` shows key of the Secret ns/it"):
        sweep(sweeps.of_cluster(Cluster(tmp_path, **{kind: json.dumps({"message": VALUE})})), planted=registry)


def test_the_audit_log_of_the_api_server_is_swept(tmp_path: Path, planted: Planted) -> None:
    (tmp_path / "audit.log").write_text(f"GET /?key={quote(VALUE)}")
    with pytest.raises(Leaked, match="audit log shows the key"):
        sweep(sweeps.of_cluster(Cluster(tmp_path / "audit.log")), planted=planted)
