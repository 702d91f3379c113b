"""A proxy process with its control server, and the configurations that the tests give it."""

import itertools
import time
from pathlib import Path
from typing import Any

from pilothouse_api.names import ProviderKey, UpstreamModel
from pilothouse_api.secret import Secret
from pilothouse_api.snapshot.credentials import AccessKey
from pilothouse_api.snapshot.endpoints.bedrock import BedrockEndpoint
from pilothouse_api.snapshot.providers import Connection, Model, Provider
from pilothouse_api.snapshot.quotas import Quota, Resource
from pilothouse_api.snapshot.routes import FailureClass, Retry, Timeouts
from tests.integration.proxy.configurations import limit, provider, quota, route, snapshot, target
from tests.integration.proxy.control import ControlServer
from tests.integration.proxy.faults.wire import Caller
from tests.integration.proxy.process import Process

NO_RETRY = Retry(attempts=1)
SHORT = Timeouts(first_token_ms=500, idle_ms=500, total_ms=20_000)
"""For those that are silent on purpose."""
LONG = Timeouts(first_token_ms=60_000, idle_ms=60_000, total_ms=120_000)
"""For all others: whatever fails must not fail by the clock."""
TOKENS = 10**9
_ACCESS = AccessKey(access_key_id="AKIATEST", secret_access_key=Secret("test-secret"))
# Each configuration is about another place: what a test does to a provider is not held against the next one.
_POOL_SIZES = itertools.count(2_000)


class Stand:
    """What a test has to do with."""

    def __init__(self, control: ControlServer, process: Process) -> None:
        self.control = control
        self.process = process
        self._callers: list[Caller] = []

    def serve(
        self,
        *ports: int,
        dialect: str = "openai",
        timeouts: Timeouts = LONG,
        retry: Retry = NO_RETRY,
        quotas: dict[str, Quota] | None = None,
        **more: Any,
    ) -> None:
        """The model `chat`, from the providers at these ports, one after the other; `more` about how to reach them."""
        connection = {"pool_size": next(_POOL_SIZES), **more}
        names = [f"{dialect}-{number}" for number, _ in enumerate(ports)]
        made = snapshot(
            {name: _provider(dialect, port, connection) for name, port in zip(names, ports, strict=True)},
            {
                "r": route(
                    *(target(name, model="chat", priority=at) for at, name in enumerate(names)),
                    timeouts=timeouts,
                    retry=retry,
                    fallback_on=tuple(FailureClass),
                )
            },
            quotas=quotas if quotas is not None else {"q": quota(limit(Resource.TOKENS, TOKENS))},
        )
        if dialect == "bedrock":
            made.credentials.update({ProviderKey(f"clouds/{name}"): _ACCESS for name in names})
        self.control.wait_for_ack(self.control.publish(made))

    def caller(self, **more: Any) -> Caller:
        """A new one, until the end of the test."""
        caller = Caller(self.process.port, **more)
        self._callers.append(caller)
        return caller

    def release(self) -> None:
        """Close what the callers of a test have left open."""
        while self._callers:
            self._callers.pop().close()

    def metric(self, name: str, labels: str = "") -> float:
        """The value of the first series with these labels, 0 before there is one."""
        told = self.process.ask("GET", "/metrics", port=self.process.admin_port).body.decode().splitlines()
        found = (line for line in told if line.startswith(name) and labels in line)
        return next((float(line.rpartition(" ")[2]) for line in found), 0.0)

    def rss_kib(self) -> int:
        return resident_kib(self.process.popen.pid)

    def settled_kib(self, *, samples: int = 4) -> int:
        """The same, once it has not grown for so many tenths of a second."""
        found = [self.rss_kib()]
        while len(found) < samples or max(found[-samples:]) - min(found[-samples:]) > 512:
            time.sleep(0.1)
            found.append(self.rss_kib())
        return found[-1]


def resident_kib(pid: int) -> int:
    """Resident memory of a process."""
    return int(Path(f"/proc/{pid}/status").read_text().partition("VmRSS:")[2].split()[0])


def _provider(dialect: str, port: int, connection: dict[str, Any]) -> Provider:
    scheme = "https" if "ca_bundle" in connection else "http"
    if dialect == "openai":
        return provider(f"{scheme}://127.0.0.1:{port}/v1", models={"chat": "upstream-chat"}, **connection)
    return Provider(
        endpoint=BedrockEndpoint(url=f"{scheme}://127.0.0.1:{port}", region="us-east-1"),
        models={"chat": Model(upstream=UpstreamModel("anthropic.claude-3-haiku-20240307-v1:0"))},
        connection=Connection(**connection),
    )
