"""The parts of a measurement: mock upstream, load client, nginx and the proxy, each on its core."""

import contextlib
import hashlib
import http.client
import json
import pathlib
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass

from pilothouse_api.names import GATEWAY_SCOPE, ModelName, ProviderKey, QuotaKey, RouteKey, UpstreamModel
from pilothouse_api.secret import Secret
from pilothouse_api.snapshot import credentials, identity, providers, quotas, routes, snapshot
from pilothouse_api.snapshot.endpoints.bedrock import BedrockEndpoint
from pilothouse_api.snapshot.endpoints.openai import OpenAIEndpoint
from tests.integration.proxy.control import ControlServer
from tests.load.bench import payloads
from tests.load.bench.processes import Pinned

HERE = pathlib.Path(__file__).parent
ROOT = HERE.parents[2]
WORK = ROOT / ".cache" / "bench"
PROXY_CORE, CLIENT_CORE = 1, 0
CONNECTIONS = 32
API_KEY = "bench-key-0123456789abcdef"
PAYLOADS = WORK / "payloads"


@dataclass(frozen=True, slots=True)
class Work:
    """One kind of load. nginx does not translate: beside Bedrock it does the same work in one dialect (`reference`)."""

    name: str
    body: str
    model: str
    reference: str
    events: int = 0


WORKS = (
    Work("chat", "chat.json", "gpt", "chat.json"),
    Work("chat_100k", "big.json", "gpt", "big.json"),
    Work("sse", "sse.json", "gpt", "sse.json", payloads.EVENTS),
    Work("sse_paced", "paced.json", "gpt", "paced.json", payloads.EVENTS),
    Work("bedrock", "chat.json", "claude", "chat.json"),
    Work("bedrock_paced", "paced.json", "claude", "paced.json", payloads.EVENTS),
)


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


def body_for(work: Work, model: str) -> pathlib.Path:
    """The request body of some work, asking for one model."""
    body = work.body if model == work.model else work.reference
    target = WORK / f"{model}-{body}"
    target.write_text((PAYLOADS / body).read_text().replace('"MODEL"', json.dumps(model)))
    return target


def load(
    port: int, body: pathlib.Path, *, seconds: float, rate: float = 0, connections: int = CONNECTIONS
) -> dict[str, float]:
    """One window of load. `rate` 0 is a closed loop."""
    client = ["taskset", "-c", str(CLIENT_CORE), str(WORK / "load")]
    window = [str(seconds), str(connections), str(rate)]
    done = subprocess.run(
        [*client, str(port), "/v1/chat/completions", str(body), *window, f"Authorization: Bearer {API_KEY}"],
        capture_output=True,
        text=True,
        check=True,
        timeout=seconds + 60,
    )
    answer: dict[str, float] = json.loads(done.stdout)
    return answer


def ask(port: int, body: bytes) -> tuple[int, bytes]:
    """One request, read whole."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    try:
        headers = {"Content-Type": "application/json", "Authorization": f"Bearer {API_KEY}"}
        connection.request("POST", "/v1/chat/completions", body, headers)
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()


def until_answer(port: int, body: bytes, process: Pinned) -> float:
    """Seconds from the start of a process to its first whole 200."""
    while time.monotonic() - process.started < 30:
        process.check()
        with contextlib.suppress(OSError, http.client.HTTPException):
            if ask(port, body)[0] == 200:
                return time.monotonic() - process.started
        time.sleep(0.003)
    raise RuntimeError(f"no answer on port {port} within 30 s: {process.log.read_text(errors='replace')[-2000:]}")


def configuration(mock_port: int) -> snapshot.Snapshot:
    """Everything on: API keys, two providers, two routes, quotas on requests and tokens."""
    upstream = f"http://127.0.0.1:{mock_port}"
    compatible, bedrock = ProviderKey("bench/compatible"), ProviderKey("bench/bedrock")
    return snapshot.Snapshot(
        schema=snapshot.SCHEMA,
        scope=GATEWAY_SCOPE,
        providers={
            compatible: providers.Provider(
                endpoint=OpenAIEndpoint(url=f"{upstream}/v1"),
                models={ModelName("gpt"): providers.Model(upstream=UpstreamModel("gpt-4o-mini"))},
            ),
            bedrock: providers.Provider(
                endpoint=BedrockEndpoint(url=upstream, region="us-east-1"),
                models={
                    ModelName("claude"): providers.Model(
                        upstream=UpstreamModel("anthropic.claude-3-haiku-20240307-v1:0"), max_output_tokens=4096
                    )
                },
            ),
        },
        credentials={
            compatible: credentials.APIKey(key=Secret("sk-upstream")),
            bedrock: credentials.AccessKey(access_key_id="AKIABENCH", secret_access_key=Secret("bench-secret")),
        },
        routes={
            RouteKey(f"bench/{model}"): routes.Route(
                models=(model,),
                created="2026-01-01T00:00:00Z",
                generation=1,
                targets=(routes.Target(provider=provider, model=model),),
            )
            for model, provider in (("gpt", compatible), ("claude", bedrock))
        },
        quotas={
            QuotaKey("bench/all"): quotas.Quota(
                namespace="bench",
                generation=1,
                per=quotas.Per.SUBJECT,
                limits=tuple(
                    quotas.Limit(resource=resource, amount=10**12, window="1m", window_s=60)
                    for resource in (quotas.Resource.REQUESTS, quotas.Resource.TOKENS)
                ),
            )
        },
        identity=identity.Identity(
            api_keys={
                hashlib.sha256(API_KEY.encode()).hexdigest(): identity.KeyHolder(
                    namespace="bench", user="load", team="bench", tier="gold"
                )
            }
        ),
    )


@contextlib.contextmanager
def mock(port: int, *, seconds: int) -> Iterator[Pinned]:
    """The canned upstream; ends by itself after `seconds`."""
    process = Pinned(
        [str(WORK / "mock"), str(port), str(PAYLOADS), str(seconds)], core=CLIENT_CORE, log=WORK / "mock.log"
    )
    try:
        yield process
    finally:
        process.stop()


@contextlib.contextmanager
def nginx(port: int, mock_port: int) -> Iterator[Pinned]:
    """The reference: a bare reverse proxy with pooled upstream connections, unbuffered, without a log."""
    run = WORK / "nginx"
    run.mkdir(exist_ok=True)
    config = run / "nginx.conf"
    config.write_text(
        (HERE / "nginx.conf.in")
        .read_text()
        .replace("@RUN@", str(run))
        .replace("@PORT@", str(port))
        .replace("@MOCK_PORT@", str(mock_port))
    )
    process = Pinned(["nginx", "-c", str(config)], core=PROXY_CORE, log=WORK / "nginx.log")
    try:
        yield process
    finally:
        process.stop()


def start_proxy(port: int, control: ControlServer, state: pathlib.Path) -> Pinned:
    """The proxy as it runs in a gateway: configuration over TLS, everything on, access log off."""
    command = [sys.executable, "-m", "pilothouse", "proxy"]
    flags = ["--role=gateway", f"--listen=127.0.0.1:{port}", "--access-log=off", f"--state-dir={state}"]
    return Pinned(
        [*command, *flags, *control.flags],
        core=PROXY_CORE,
        log=WORK / "proxy.log",
    )
