"""`pilothouse up DIR`: the operator's core on a directory of manifests, and a proxy, in one process tree.

The very code that runs in a cluster: snapshots go over TLS to a proxy process. Only who may open the stream differs: a
token made for this run instead of a ServiceAccount's.
"""

import argparse
import asyncio
import contextlib
import errno
import ipaddress
import logging
import math
import os
import secrets
import shlex
import signal
import socket
import sys
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from random import SystemRandom
from typing import Any

import uvloop

from pilothouse import private
from pilothouse.children import Children, Command, Ended
from pilothouse.clock import SystemClock
from pilothouse.terminal import DIRECTORY_LOG, PROXY, LogLines, Terminal, to_stdout
from pilothouse_api.names import GATEWAY_SCOPE
from pilothouse_api.secret import Secret
from pilothouse_api.snapshot.identity import KeyHolder
from pilothouse_api.snapshot.stream import Subject
from pilothouse_operator.compile.world import IdentityAccess
from pilothouse_operator.distribution import certificates
from pilothouse_operator.distribution.hub import Hub
from pilothouse_operator.distribution.identity import RunToken
from pilothouse_operator.distribution.server import ControlServer
from pilothouse_operator.observe import Metrics
from pilothouse_operator.outside import Outside
from pilothouse_operator.ports import ProxyIdentity
from pilothouse_operator.reconciler import Reconciler, Sources
from pilothouse_operator.sources.directory import Directory

_NAMESPACE = "default"
_DRAIN_S = 10
_COMPANION_END_S = 5.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What the command line says."""

    root: Path
    host: str
    port: int
    companions: tuple[str, ...]

    @property
    def url(self) -> str:
        """Where clients call."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"http://{host}:{self.port}/v1"


class CannotStart(Exception):
    """Why not, and what to do."""


def run(argv: list[str]) -> int:
    """Until Ctrl-C or SIGTERM. 0: ended as asked; 1: something that it needs has ended; 2: it could not start."""
    try:
        return uvloop.run(_up(_settings(argv)))
    except CannotStart as reason:
        print(f"pilothouse up: {reason}", file=sys.stderr)
        return 2


def _settings(argv: list[str]) -> Settings:
    parser = argparse.ArgumentParser(
        prog="pilothouse up",
        description="Serve a directory of manifests on this machine; edits are live at once.",
    )
    parser.add_argument("directory", metavar="DIR", type=Path, help="*.yaml, *.yml and *.json, read recursively")
    parser.add_argument(
        "--listen", metavar="HOST:PORT", default="127.0.0.1:8080", help="where clients call (default: %(default)s)"
    )
    parser.add_argument(
        "--exec",
        metavar="CMD",
        action="append",
        default=[],
        dest="companions",
        help="a command to run beside it, without a shell; started before the proxy and ended with it (repeatable)",
    )
    found = parser.parse_args(argv)
    host, colon, port = found.listen.rpartition(":")
    if not colon or not port.isdigit() or int(port) > 65_535:
        parser.error(f"--listen {found.listen}: not HOST:PORT, such as 127.0.0.1:8080")
    if not found.directory.is_dir():
        raise CannotStart(f"{found.directory} is not a directory; name one with manifests, such as examples/quickstart")
    host = host.strip("[]") or "0.0.0.0"  # noqa: S104 - asked for by `--listen :8080`
    return Settings(root=found.directory, host=host, port=_free(host, int(port)), companions=tuple(found.companions))


def _free(host: str, port: int) -> int:
    """The port, or one that is free for 0; tells now, in words, what the proxy could only say by dying."""
    try:
        family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
            chosen: int = probe.getsockname()[1]
            return chosen
    except OSError as error:
        advice = "Choose an address of this machine: --listen 127.0.0.1:8080"
        if error.errno == errno.EADDRINUSE:
            other = port + 1 if port < 65_535 else 8080
            advice = f"Is another `pilothouse up` running? End it, or choose another port: --listen {host}:{other}"
        elif error.errno == errno.EACCES:
            advice = "Ports below 1024 take special rights; choose a higher one: --listen 127.0.0.1:8080"
        raise CannotStart(f"cannot listen on {host}:{port} ({error.strerror}). {advice}") from error


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


async def _up(settings: Settings) -> int:
    ended = asyncio.Event()
    with private.directory(os.environ) as state:
        hub = Hub(replica="local", boot=secrets.token_hex(4))
        clock = SystemClock()
        # Without a key only whoever is on this machine is let in.
        anonymous = KeyHolder(namespace=_NAMESPACE, user="local") if _is_loopback(settings.host) else None
        directory = Directory(root=settings.root, environ=os.environ, clock=clock, anonymous=anonymous)
        metrics = Metrics()
        # Whoever writes the manifests here may use whatever this user's own identity opens.
        beyond = Outside(clock=clock, rng=SystemRandom(), metrics=metrics)
        terminal = Terminal(
            directory=directory, root=settings.root, url=settings.url, hub=hub, clock=clock, write=to_stdout
        )
        logging.getLogger().addHandler(LogLines(terminal))
        logging.getLogger(DIRECTORY_LOG).setLevel(logging.INFO)
        reconciler = Reconciler(
            sources=Sources(
                resources=directory.source,
                secrets=directory.secrets,
                stored=beyond.stored,
                broker=beyond.broker,
                accounts=beyond.accounts,
                callers=directory.callers,
                access=IdentityAccess(),
            ),
            distribution=hub,
            status=terminal,
            clock=clock,
            metrics=metrics,
        )
        children = Children(output=terminal.child_line)
        _end_on_signals(ended, children, terminal.line)
        failure: list[str] = []

        def failed(why: str) -> None:
            failure.append(why)
            ended.set()

        async with (
            _running(directory.source.run(reconciler.changed), failed),
            _running(reconciler.run(), failed),
            _running(beyond.stored.run(reconciler.changed), failed),
            _running(beyond.broker.run(reconciler.changed, reconciler.renewed), failed),
            _running(beyond.accounts.run(reconciler.changed, reconciler.moved), failed),
            _control(hub, state) as flags,
            contextlib.AsyncExitStack() as companions,
            contextlib.aclosing(beyond),
        ):
            for text in settings.companions:
                await companions.enter_async_context(_running(children.accompany(_companion(text)), failed))
            proxy = children.keep(_proxy(settings, state, flags), died=terminal.line)
            async with _running(proxy, failed):
                await ended.wait()
                terminal.line("ending: requests in flight may finish (Ctrl-C again ends them)")
        if failure:
            print(f"pilothouse up: {failure[0]}", file=sys.stderr)
        return 1 if failure else 0


def _end_on_signals(ended: asyncio.Event, children: Children, line: Callable[[str], None]) -> None:
    def asked() -> None:
        if ended.is_set():
            line("ending at once")
            children.kill()
        ended.set()

    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, asked)


@contextlib.asynccontextmanager
async def _running(work: Coroutine[Any, Any, None], failed: Callable[[str], None]) -> AsyncIterator[None]:
    """Runs `work` beside the block, and ends it with the block. `failed` hears if it ends before."""
    task = asyncio.create_task(work)

    def done(finished: asyncio.Task[None]) -> None:
        if not finished.cancelled():
            error = finished.exception()
            failed(str(error) if isinstance(error, Ended) else f"{type(error).__name__}: {error}")

    task.add_done_callback(done)
    try:
        yield
    finally:
        task.cancel()
        await asyncio.wait([task])


@contextlib.asynccontextmanager
async def _control(hub: Hub, state: Path) -> AsyncIterator[list[str]]:
    """The control server on loopback; gives the proxy's flags for it."""
    clock = SystemClock()
    token = Secret(secrets.token_urlsafe(32))
    authority = certificates.make_authority(name="pilothouse up", now=clock.wall())
    leaf = certificates.make_leaf(authority=authority, names=["127.0.0.1", "localhost"], now=clock.wall())
    identity = ProxyIdentity(
        scope=GATEWAY_SCOPE,
        subject=Subject(namespace=_NAMESPACE, service_account="local"),
        pod="local",
        pod_uid="local",
        expires=math.inf,
    )
    server = ControlServer(hub=hub, verifier=RunToken(token=token, identity=identity), clock=clock, rng=SystemRandom())
    ca = private.write(state / "ca.crt", authority.certificate)
    token_file = private.write(state / "token", token.reveal())
    async with server.listening(host="127.0.0.1", port=0, tls=certificates.server_context(leaf)) as port:
        yield [
            f"--control-url=https://127.0.0.1:{port}",
            f"--control-ca={ca}",
            f"--control-token={token_file}",
        ]


def _proxy(settings: Settings, state: Path, control: list[str]) -> Command:
    host = f"[{settings.host}]" if ":" in settings.host else settings.host
    snapshots = state / "proxy"
    snapshots.mkdir(mode=0o700)
    return Command(
        name=PROXY,
        argv=[
            *(sys.executable, "-P", "-m", "pilothouse", "proxy"),
            "--role=gateway",
            f"--listen={host}:{settings.port}",
            *control,
            f"--state-dir={snapshots}",
            f"--drain-timeout={_DRAIN_S}s",
            "--log-format=json",
        ],
        environ=_without_flags(os.environ),
        ends_within_s=_DRAIN_S,
    )


def _companion(text: str) -> Command:
    try:
        argv = shlex.split(text)
    except ValueError as error:
        raise CannotStart(f"--exec {text}: {error}") from error
    if not argv:
        raise CannotStart("--exec needs a command")
    return Command(name=_called(argv), argv=argv, environ=os.environ, ends_within_s=_COMPANION_END_S)


def _called(argv: Sequence[str]) -> str:
    """What to call a command: `python -m tests.simulators` is `simulators`."""
    if "-m" in argv[1:-1]:
        return argv[argv.index("-m") + 1].rpartition(".")[2]
    return Path(argv[0]).name


def _without_flags(environ: Mapping[str, str]) -> dict[str, str]:
    """The proxy's flags can be set by environment too; here the command line alone decides."""
    return {name: value for name, value in environ.items() if not name.startswith("PILOTHOUSE_")}
