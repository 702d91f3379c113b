"""A proxy process that callers reach over TLS."""

import contextlib
import http.client
import os
import socket
import ssl
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.proxy.configurations import KEY, provider, route, snapshot, target
from tests.integration.proxy.control import ControlServer
from tests.integration.proxy.process import Process, process
from tests.integration.proxy.upstream import Upstream
from tests.unit.proxy.http.certificates import Authority

ASKED = b'{"model": "chat", "messages": [{"role": "user", "content": "Ahoy"}]}'


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path, "throw-away")


def put(authority: Authority, folder: Path, *hosts: str) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    leaf = authority.leaf(*hosts)
    os.replace(leaf.cert_file, folder / "tls.crt")
    os.replace(leaf.key_file, folder / "tls.key")


def flags(folder: Path) -> list[str]:
    return [f"--tls-cert={folder / 'tls.crt'}", f"--tls-key={folder / 'tls.key'}", "--admin-listen=127.0.0.1:0"]


@contextlib.contextmanager
def proxy_of(cloud: Upstream, *more: str) -> Iterator[Process]:
    configured = snapshot({"a": provider(cloud.url)}, {"r": route(target("a"))})
    with ControlServer(configured) as control, process(*control.flags, *more) as running:
        running.event("configuration applied")
        yield running


def chat(proxy: Process, context: ssl.SSLContext) -> int:
    """The status of a request to `localhost`."""
    connection = http.client.HTTPSConnection("localhost", proxy.port, timeout=30, context=context)
    with contextlib.closing(connection):
        connection.request("POST", "/v1/chat/completions", ASKED, {"authorization": f"Bearer {KEY}"})
        return connection.getresponse().status


def test_callers_are_served_over_tls_and_the_kubelet_is_not(
    cloud: Upstream, authority: Authority, tmp_path: Path
) -> None:
    put(authority, tmp_path / "main", "localhost")
    context = ssl.create_default_context(cadata=authority.pem)
    with proxy_of(cloud, *flags(tmp_path / "main")) as proxy:
        assert proxy.event("listening")["tls"] is True
        assert chat(proxy, context) == 200
        assert proxy.ask("GET", "/readyz", port=proxy.admin_port).status == 200
        with socket.create_connection(("127.0.0.1", proxy.port), timeout=30) as plain:
            plain.sendall(b"GET / HTTP/1.1\r\nHost: h\r\n\r\n")
            with contextlib.suppress(ConnectionError):
                while plain.recv(1_000):
                    pass
        metrics = proxy.ask("GET", "/metrics", port=proxy.admin_port).body.decode()
        assert "pilothouse_tls_handshake_failures_total 1.0" in metrics
        assert 'pilothouse_tls_certificate_expiry_timestamp_seconds{certificate="main"} 4733510400.0' in metrics
        assert 'pilothouse_tls_certificate_broken{certificate="main"} 0.0' in metrics


def test_a_certificate_is_rotated_under_load_without_a_failed_request(
    cloud: Upstream, authority: Authority, tmp_path: Path
) -> None:
    renewed = Authority(tmp_path, "the next one")
    put(authority, tmp_path / "main", "localhost")
    contexts = [ssl.create_default_context(cadata=each.pem) for each in (authority, renewed)]
    both = ssl.create_default_context(cadata=authority.pem + renewed.pem)
    with proxy_of(cloud, *flags(tmp_path / "main")) as proxy:
        assert chat(proxy, contexts[0]) == 200
        (tmp_path / "main/tls.key").write_text("half a key")
        proxy.until(lambda: "main cannot be used" in proxy.told(), "a broken pair is not told")
        assert chat(proxy, contexts[0]) == 200
        put(renewed, tmp_path / "main", "localhost")

        def renewed_is_served() -> bool:
            assert chat(proxy, both) == 200
            time.sleep(0.05)
            try:
                return chat(proxy, contexts[1]) == 200
            except ssl.SSLCertVerificationError:
                return False

        proxy.until(renewed_is_served, "the new pair is not served")
        assert "half a key" not in proxy.told()
        assert proxy.end() == 0


def test_without_a_usable_pair_it_does_not_start_and_says_why(
    cloud: Upstream, authority: Authority, tmp_path: Path
) -> None:
    put(authority, tmp_path / "main", "localhost")
    (tmp_path / "main/tls.key").write_text("no key")
    with ControlServer(None) as control, process(*control.flags, *flags(tmp_path / "main")) as proxy:
        assert proxy.ended() == 1
        (line,) = proxy.err.read_text().splitlines()
    assert "cannot start" in line
    assert str(tmp_path / "main/tls.key") in line
    assert "no key" not in line
