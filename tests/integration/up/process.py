"""`pilothouse up` as a user starts it: a process, its terminal, its children, and requests to it."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests import planted, sweeps

ROOT = Path(__file__).resolve().parents[3]


def until(condition: Callable[[], bool], *, what: str, seconds: float = 20) -> None:
    """Waits for it."""
    ends = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < ends, f"not within {seconds:g} s: {what}"
        time.sleep(0.02)


@dataclass
class Answer:
    """A whole HTTP answer."""

    status: int
    body: Any


@dataclass
class Up:
    """A running one. `lines` is what its terminal shows."""

    process: subprocess.Popen[str]
    runtime: Path
    lines: list[str] = field(default_factory=list)

    @property
    def url(self) -> str:
        return next(line.rpartition(" on ")[2] for line in self.lines if line.startswith("Pilothouse serves"))

    def shows(self, text: str) -> bool:
        return any(text in line for line in self.lines)

    def wait_for(self, text: str) -> None:
        until(lambda: self.shows(text), what=f"a line with {text!r} in\n" + "\n".join(self.lines))

    def post(self, path: str, body: object, *, key: str = "none") -> Answer:
        request = urllib.request.Request(
            self.url.replace("0.0.0.0", "127.0.0.1") + path,
            data=json.dumps(body).encode(),
            headers={"content-type": "application/json", "authorization": f"Bearer {key}"},
        )
        try:
            with urllib.request.urlopen(request, timeout=20) as answer:
                return _swept(answer.status, answer.read())
        except urllib.error.HTTPError as error:
            with error:
                return _swept(error.code, error.read())

    def chat(self, text: str = "Hello", *, model: str = "chat", key: str = "none") -> Answer:
        return self.post(
            "/chat/completions", {"model": model, "messages": [{"role": "user", "content": text}]}, key=key
        )

    def said_by(self) -> str:
        """Which cloud answers `chat` now."""
        answer = self.chat()
        assert answer.status == 200, answer.body
        text = answer.body["choices"][0]["message"]["content"]
        return "azure" if "azure" in text else "bedrock"

    def children(self) -> list[int]:
        path = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children")
        return [int(pid) for pid in path.read_text().split()]

    def proxy(self) -> int:
        """Pid of the proxy."""
        found = [pid for pid in self.children() if b"\0proxy\0" in Path(f"/proc/{pid}/cmdline").read_bytes()]
        assert len(found) == 1
        return found[0]

    def end(self, number: signal.Signals = signal.SIGINT) -> int:
        self.process.send_signal(number)
        return self.process.wait(timeout=30)


def _swept(status: int, body: bytes) -> Answer:
    planted.sweep([("the body of an answer", body)])
    return Answer(status, json.loads(body))


def lives(pid: int) -> bool:
    """Whether there is such a process, and it is not merely waiting to be reaped."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


@contextlib.contextmanager
def up(
    directory: Path, runtime: Path, *flags: str, listen: str = "127.0.0.1:0", environ: dict[str, str] | None = None
) -> Iterator[Up]:
    """Starts it on a free port, waits until it serves, and ends it hard if the test has not."""
    with started(directory, runtime, *flags, listen=listen, environ=environ) as running:
        running.wait_for("Configuration changes and requests appear below")
        yield running


@contextlib.contextmanager
def started(
    directory: Path, runtime: Path, *flags: str, listen: str = "127.0.0.1:0", environ: dict[str, str] | None = None
) -> Iterator[Up]:
    """Starts it; `runtime` becomes its directory for private files."""
    process = subprocess.Popen(
        [sys.executable, "-m", "pilothouse", "up", str(directory), "--listen", listen, *flags],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        cwd=ROOT,
        env={**os.environ, "XDG_RUNTIME_DIR": str(runtime), "PYTHONSAFEPATH": "1", **(environ or {})},
    )
    running = Up(process, runtime)
    assert process.stdout is not None
    output = process.stdout

    def read() -> None:
        for line in output:
            running.lines.append(line.rstrip("\n"))

    reader = threading.Thread(target=read, daemon=True)
    reader.start()
    try:
        yield running
    finally:
        seen = list(_processes(running, environ or {}))
        if process.poll() is None:
            process.kill()
        process.wait(timeout=10)
        reader.join(timeout=20)
        output.close()
        planted.sweep([*seen, ("the terminal", "\n".join(running.lines))])


def _processes(running: Up, given: Mapping[str, str]) -> Iterator[sweeps.Place]:
    """What it and its children show of themselves; what they were given is planted from their private files."""
    for path in running.runtime.rglob("token"):
        planted.plant("the token of the control stream", path.read_text())
    for path in running.runtime.rglob("proxy"):
        sweeps.plant_state(path)
    if lives(running.process.pid):
        for pid in (running.process.pid, *running.children()):
            yield from sweeps.of_process(pid, f"process {pid} of `pilothouse up`", given=given)
