"""A real proxy process, and its output."""

import contextlib
import http.client
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from tests import planted, sweeps
from tests.integration.proxy.configurations import KEY
from tests.integration.proxy.gateway import Answer

Environment = dict[str, str]
PATIENCE_S = 30.0
"""For what comes at once on a machine that has nothing else to do."""


class Process:
    """One that runs, or has run."""

    def __init__(self, flags: list[str], environment: Environment | None = None, ulimit: str = "") -> None:
        self._directory = tempfile.TemporaryDirectory(prefix="proxy-")
        self.out = Path(self._directory.name) / "out"
        self.err = Path(self._directory.name) / "err"
        self.started = time.monotonic()
        command = [sys.executable, "-m", "pilothouse", "proxy", "--listen=127.0.0.1:0", "--log-format=json", *flags]
        self._given = environment or {}
        self._states = [Path(flag.partition("=")[2]) for flag in flags if flag.startswith("--state-dir=")]
        if ulimit:
            command = ["sh", "-c", f'ulimit {ulimit} && exec "$@"', "sh", *command]
        with self.out.open("wb") as out, self.err.open("wb") as err:
            self.popen = subprocess.Popen(command, stdout=out, stderr=err, env={**os.environ, **(environment or {})})

    @property
    def port(self) -> int:
        return int(self.event("listening")["listen"].rpartition(":")[2])

    @property
    def admin_port(self) -> int:
        return int(self.event("listening")["admin_listen"].rpartition(":")[2])

    def events(self, name: str) -> list[dict[str, Any]]:
        whole = self.out.read_bytes().rpartition(b"\n")[0].splitlines()
        return [line for line in map(json.loads, whole) if line["event"] == name]

    def event(self, name: str, *, count: int = 1, seconds: float = PATIENCE_S) -> dict[str, Any]:
        """The count-th such line of its output, as soon as it is there."""
        self.until(lambda: len(self.events(name)) >= count, f"no {name!r} number {count}", seconds=seconds)
        return self.events(name)[count - 1]

    def request(self, named: str) -> dict[str, Any]:
        """The line of one request."""
        found: list[dict[str, Any]] = []

        def there() -> bool:
            found[:] = [line for line in self.events("request") if line["request_id"] == named]
            return bool(found)

        self.until(there, f"no request {named!r}")
        return found[0]

    def until(self, condition: Callable[[], object], complaint: str, *, seconds: float = PATIENCE_S) -> None:
        deadline = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < deadline, f"{complaint}\n{self.told()}"
            assert self.popen.poll() is None or condition(), f"it has exited\n{self.told()}"
            time.sleep(0.01)

    def told(self) -> str:
        return self.out.read_text() + self.err.read_text()

    def ask(
        self, method: str = "POST", path: str = "/v1/chat/completions", body: Any = None, *, port: int | None = None
    ) -> Answer:
        """One request over a connection of its own."""
        connection = http.client.HTTPConnection("127.0.0.1", port or self.port, timeout=PATIENCE_S)
        with contextlib.closing(connection):
            encoded = None if body is None else json.dumps(body).encode()
            connection.request(method, path, encoded, {"authorization": f"Bearer {KEY}"})
            answer = connection.getresponse()
            headers = {name.lower(): value for name, value in answer.getheaders()}
            return Answer(answer.status, headers, answer.read()).swept()

    def chat(self, **more: Any) -> Answer:
        return self.ask(body={"model": "chat", "messages": [{"role": "user", "content": "Ahoy"}], **more})

    def end(self, number: int = signal.SIGTERM, *, seconds: float = PATIENCE_S) -> int:
        """Its exit code after a signal."""
        self.popen.send_signal(number)
        return self.ended(seconds=seconds)

    def ended(self, *, seconds: float = PATIENCE_S) -> int:
        """Its exit code, as soon as it has one."""
        return self.popen.wait(seconds)

    def close(self) -> None:
        """Gone, whatever it has done; and nothing that it showed is a planted secret."""
        try:
            for state in self._states:
                sweeps.plant_state(state)
            planted.sweep(self._shown())
        finally:
            if self.popen.poll() is None:
                self.popen.kill()
                self.popen.wait()
            self._directory.cleanup()

    def _shown(self) -> Iterator[sweeps.Place]:
        yield "the proxy's output", self.out.read_bytes()
        yield "the proxy's log", self.err.read_bytes()
        if self.popen.poll() is None:
            yield from sweeps.of_process(self.popen.pid, "the proxy", given=self._given)
            if any("admin_listen" in line for line in self.events("listening")) and not self.events("draining"):
                yield from sweeps.of_pages(self.admin_port, "the proxy")


@contextlib.contextmanager
def process(*flags: str, environment: Environment | None = None, ulimit: str = "") -> Iterator[Process]:
    """Running at the start of the block; gone at its end, whatever happened."""
    running = Process(list(flags), environment, ulimit)
    try:
        yield running
    finally:
        running.close()
