"""An operator's control stream, as small as it can be: serves what it is given, over TLS, in a thread of its own."""

import contextlib
import json
import ssl
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import TracebackType
from typing import Any

import msgspec

from pilothouse_api.names import ProviderKey, SnapshotVersion
from pilothouse_api.snapshot import canonical
from pilothouse_api.snapshot.credentials import Credential
from pilothouse_api.snapshot.snapshot import Snapshot
from pilothouse_api.snapshot.stream import Ack, Heartbeat, Hello, Publication, Refusal, Renewal, Report, Subject
from pilothouse_operator.distribution import certificates
from tests import planted
from tests.integration.proxy.process import PATIENCE_S

TOKEN = "control-token-of-a-pod"
HEARTBEAT_S = 1.0


class ControlServer:
    """Between `with` and its end it serves the newest snapshot to whoever sends the token."""

    def __init__(self, snapshot: Snapshot | None, *, subject: Subject | None = None) -> None:
        self.acks: list[Ack] = []
        self.reports: list[Report] = []
        self.refusals: list[Refusal] = []
        self.on_refusal: Callable[[Refusal], None] = lambda refusal: None
        self.untaken_refusals = 0
        """So many refusals are still answered as by a replica that is overloaded."""
        self.streams = 0
        self.unknown_acks = 0
        """So many acknowledgements are still answered as by a replica that does not know the version yet."""
        self.token = TOKEN
        self._changed = threading.Condition()
        self._closed = False
        self._hello_subject = subject or Subject(namespace="pilothouse", service_account="gateway")
        self._lines: list[bytes] = []
        self._begin = 0
        """The line of the newest publication: what a new stream begins with."""
        self._credentials: dict[ProviderKey, Credential] = {}
        self._scope = "gateway"
        self._port = 0
        self._directory = tempfile.TemporaryDirectory(prefix="control-")
        if snapshot is not None:
            self.publish(snapshot)

    @property
    def directory(self) -> Path:
        return Path(self._directory.name)

    @property
    def url(self) -> str:
        return f"https://127.0.0.1:{self._port}"

    @property
    def flags(self) -> list[str]:
        """What `pilothouse proxy` needs to come here."""
        return [
            f"--control-url={self.url}",
            f"--control-ca={self.directory / 'ca.pem'}",
            f"--control-token={self.directory / 'token'}",
        ]

    def publish(self, snapshot: Snapshot, *, seen: Mapping[str, str] | None = None) -> SnapshotVersion:
        """Send it to everybody who listens, now and later."""
        encoded = canonical.encode(snapshot)
        version = canonical.version(encoded)
        self.send(Publication(version=version, snapshot=msgspec.Raw(encoded), seen=dict(seen or {})), snapshot.scope)
        return version

    def send(self, publication: Publication, scope: str = "gateway") -> None:
        with self._changed:
            self._scope = scope
            self._begin = len(self._lines)
            self._lines.append(msgspec.json.encode(publication) + b"\n")
            self._changed.notify_all()

    def renew_credentials(self, credentials: Mapping[ProviderKey, Credential]) -> None:
        """Issue them to everybody who listens; later streams get all that were issued, before their snapshot."""
        with self._changed:
            self._credentials |= credentials
            self._lines.append(canonical.encode_renewal(Renewal(credentials=dict(credentials))) + b"\n")
            self._changed.notify_all()

    def wait_for_refusal(self, provider: ProviderKey) -> Refusal:
        """The first refusal of its credential."""
        with self._changed:
            found = self._changed.wait_for(
                lambda: next((refusal for refusal in self.refusals if refusal.provider == provider), None), PATIENCE_S
            )
        assert found is not None, f"no refusal of {provider}, only {self.refusals}"
        return found

    def wait_for_ack(self, version: SnapshotVersion) -> Ack:
        """The first acknowledgement of a version."""
        with self._changed:
            found = self._changed.wait_for(
                lambda: next((ack for ack in self.acks if ack.version == version), None), PATIENCE_S
            )
        assert found is not None, f"no acknowledgement of {version}, only {self.acks}"
        return found

    def renew(self, *, token: str, snapshot: Snapshot) -> None:
        """Go away and come back at the same address, with another certification authority, token and snapshot."""
        self._stop()
        self.token = token
        self.publish(snapshot)
        self._start()

    def __enter__(self) -> "ControlServer":
        self._start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._stop()
        self._directory.cleanup()

    def _start(self) -> None:
        authority = certificates.make_authority(name="test", now=time.time())
        leaf = certificates.make_leaf(authority=authority, names=["127.0.0.1"], now=time.time())
        planted.plant("the token of the control stream", self.token)
        (self.directory / "ca.pem").write_text(authority.certificate)
        (self.directory / "token").write_text(self.token + "\n")
        self._closed = False
        self._server = _Server(("127.0.0.1", self._port), _Answer)
        self._server.control = self
        self._server.tls = certificates.server_context(leaf)
        self._port = self._server.server_port
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05})
        self._thread.start()

    def _stop(self) -> None:
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    # The connections' calls.

    def hello(self) -> bytes:
        hello = Hello(scope=self._scope, subject=self._hello_subject, replica="test")  # type: ignore[arg-type] # NewType
        return msgspec.json.encode(hello) + b"\n"

    def lines(self) -> Iterator[bytes]:
        """All credentials, the newest publication, then each new line as it comes, with heartbeats between them."""
        sent = self._begin
        self.streams += 1
        if self._credentials:
            yield canonical.encode_renewal(Renewal(credentials=dict(self._credentials))) + b"\n"
        while True:
            with self._changed:
                while not self._closed and len(self._lines) == sent and self._changed.wait(HEARTBEAT_S):
                    pass
                if self._closed:
                    return
                fresh = self._lines[sent:]
            sent += len(fresh)
            yield from fresh or [msgspec.json.encode(Heartbeat()) + b"\n"]

    def told(self, path: str, body: bytes) -> int:
        if path == "/v1/refusals":
            return self._refused(msgspec.json.decode(body, type=Refusal))
        with self._changed:
            if path == "/v1/acks":
                if self.unknown_acks:
                    self.unknown_acks -= 1
                    return 409
                self.acks.append(msgspec.json.decode(body, type=Ack))
            elif path == "/v1/reports":
                self.reports.append(msgspec.json.decode(body, type=Report))
            else:
                return 404
            self._changed.notify_all()
        return 204

    def _refused(self, refusal: Refusal) -> int:
        with self._changed:
            if self.untaken_refusals:
                self.untaken_refusals -= 1
                return 503
            self.refusals.append(refusal)
            self._changed.notify_all()
        self.on_refusal(refusal)
        return 204


class _Server(ThreadingHTTPServer):
    control: ControlServer
    tls: ssl.SSLContext

    def finish_request(self, request: Any, client_address: Any) -> None:
        # The handshake belongs to the connection's own thread, not to the one that accepts.
        with contextlib.suppress(OSError), self.tls.wrap_socket(request, server_side=True) as secured:
            super().finish_request(secured, client_address)


class _Answer(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server

    def do_GET(self) -> None:
        if not self._admitted():
            return
        self.send_response(200)
        self.send_header("content-type", "application/x-ndjson")
        self.send_header("transfer-encoding", "chunked")
        self.end_headers()
        with contextlib.suppress(OSError):
            self._chunk(self.server.control.hello())
            for line in self.server.control.lines():
                self._chunk(line)
            self._chunk(b"")
        self.close_connection = True

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"]))
        if self._admitted():
            self.send_response(self.server.control.told(self.path, body))
            self.send_header("content-length", "0")
            self.send_header("connection", "close")
            self.end_headers()
        # Whoever ends the server waits for its connections: none may linger.
        self.close_connection = True

    def log_message(self, format: str, *args: object) -> None:
        """Quiet."""

    def _admitted(self) -> bool:
        if self.headers.get("authorization") == f"Bearer {self.server.control.token}":
            return True
        answer = json.dumps({"message": "token refused"}).encode()
        self.send_response(401)
        self.send_header("content-length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)
        return False

    def _chunk(self, line: bytes) -> None:
        self.wfile.write(b"%x\r\n%b\r\n" % (len(line), line))
        self.wfile.flush()
