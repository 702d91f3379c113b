"""What surrounds a gateway under measurement: the canned upstream, the load client, and nginx beside it."""

import contextlib
import http.client
import json
import pathlib
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

from tests.cluster.controlplane.plane import free_port
from tests.load.bench import payloads
from tests.load.bench.processes import Pinned
from tests.load.bench.works import CHAT, Upstream, Work, write_body

HERE = pathlib.Path(__file__).parent
ROOT = HERE.parents[2]
WORK = ROOT / ".cache" / "bench"
GATEWAY_CORE, CLIENT_CORE = 1, 0
CONNECTIONS = 32
PATH = "/v1/chat/completions"
PAYLOADS = WORK / "payloads"


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """How a client asks a gateway for a model: its name there, and the header lines that go with it."""

    model: str
    headers: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Gateway:
    """Something to measure. `start` is given a port of loopback and an empty folder."""

    name: str
    about: str
    """Version and what it ran on, for the report."""
    start: Callable[[int, pathlib.Path], Pinned]
    targets: Mapping[Upstream, Target]
    patience_s: float = 30.0
    """How long it may take to its first answer."""
    cannot: Mapping[Upstream, str] = field(default_factory=dict)
    """Why an upstream is missing in `targets`."""


class Running:
    """A gateway's process, from the start of the block to its end."""

    def __init__(self, gateway: Gateway) -> None:
        self.gateway = gateway
        self.port = free_port()
        self._folder = tempfile.TemporaryDirectory(prefix=f"{gateway.name}-", dir=WORK)
        self.process = gateway.start(self.port, pathlib.Path(self._folder.name))

    @property
    def pid(self) -> int:
        return self.process.pid

    def __enter__(self) -> "Running":
        return self

    def __exit__(self, *_: object) -> None:
        self.process.stop()
        self._folder.cleanup()

    def ask(self, work: Work) -> tuple[int, bytes]:
        """One request, read whole."""
        target = self.gateway.targets[work.upstream]
        body = write_body(work, target.model, PAYLOADS).read_bytes()
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
        try:
            headers = {"Content-Type": "application/json", **dict(line.split(": ", 1) for line in target.headers)}
            connection.request("POST", PATH, body, headers)
            answer = connection.getresponse()
            return answer.status, answer.read()
        finally:
            connection.close()

    def until_answer(self) -> float:
        """Seconds from exec to the first whole 200."""
        patience_s = self.gateway.patience_s
        while time.monotonic() - self.process.started < patience_s:
            self.process.check()
            with contextlib.suppress(OSError, http.client.HTTPException):
                if self.ask(CHAT)[0] == 200:
                    return time.monotonic() - self.process.started
            time.sleep(0.003)
        raise RuntimeError(f"{self.gateway.name}: no answer within {patience_s:g} s: {self.process.tail()}")

    def load(self, work: Work, *, seconds: float, rate: float = 0, connections: int = CONNECTIONS) -> dict[str, float]:
        """One window of load."""
        target = self.gateway.targets[work.upstream]
        body = write_body(work, target.model, PAYLOADS)
        return load(self.port, body, target.headers, seconds=seconds, rate=rate, connections=connections)


def load(
    port: int,
    body: pathlib.Path,
    headers: tuple[str, ...] = (),
    *,
    seconds: float,
    rate: float = 0,
    connections: int = CONNECTIONS,
) -> dict[str, float]:
    """One window of load. `rate` 0 is a closed loop."""
    client = ["taskset", "-c", str(CLIENT_CORE), str(WORK / "load"), str(port), PATH, str(body)]
    window = [str(seconds), str(connections), str(rate)]
    done = subprocess.run(
        [*client, *window, *headers], capture_output=True, text=True, check=True, timeout=seconds + 60
    )
    answer: dict[str, float] = json.loads(done.stdout)
    return answer


def build() -> None:
    """Compiles the mock and the load client, writes the payloads. Raises SystemExit that names what is missing."""
    for program, package in (("cc", "gcc"), ("nginx", "nginx-light"), ("taskset", "util-linux")):
        if shutil.which(program) is None:
            raise SystemExit(f"the benchmark needs {program}: install the package {package} of your distribution")
    WORK.mkdir(parents=True, exist_ok=True)
    for tool in ("mock", "load"):
        source, target = HERE / f"{tool}.c", WORK / tool
        if not target.exists() or target.stat().st_mtime < source.stat().st_mtime:
            subprocess.run(["cc", "-O2", "-Wall", "-Wextra", "-o", str(target), str(source)], check=True)
    payloads.write(PAYLOADS)


@contextlib.contextmanager
def upstream(*, seconds: int) -> Iterator[int]:
    """The canned upstream, by its port; ends by itself after `seconds`."""
    port = free_port()
    process = Pinned(
        [str(WORK / "mock"), str(port), str(PAYLOADS), str(seconds)], core=CLIENT_CORE, log=WORK / "mock.log"
    )
    try:
        yield port
        process.check()
    finally:
        process.stop()


def nginx(upstream_port: int) -> Gateway:
    """The reference: a bare reverse proxy with pooled upstream connections, one worker, unbuffered, without a log."""

    def start(port: int, folder: pathlib.Path) -> Pinned:
        config = folder / "nginx.conf"
        config.write_text(
            (HERE / "nginx.conf.in")
            .read_text()
            .replace("@RUN@", str(folder))
            .replace("@PORT@", str(port))
            .replace("@MOCK_PORT@", str(upstream_port))
        )
        return Pinned(["nginx", "-c", str(config)], core=GATEWAY_CORE, log=WORK / "nginx.log")

    said = subprocess.run(["nginx", "-v"], capture_output=True, text=True, check=True).stderr
    return Gateway(
        name="nginx",
        about=said.strip().rpartition("/")[2],
        start=start,
        targets={Upstream.OPENAI: Target(model="gpt-4o-mini")},
        cannot={Upstream.BEDROCK: "nginx does not translate"},
    )
