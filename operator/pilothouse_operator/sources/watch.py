"""kopf, and all that is done to live with it: it watches our kinds, and does nothing else.

It has a thread and an event loop of its own, where every task is kopf's and ends with it. It ends for good on errors
that pass (an ERROR in a stream, a CRD that is gone), so whoever runs it must be ready to run it again.
"""

import asyncio
import logging
import random
import threading
import weakref
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import kopf
from kopf._cogs.structs.credentials import Vault  # kopf.spawn_tasks takes one; it has no public name
from kopf._cogs.structs.references import Insights  # likewise
from kopf._core.engines.peering import Identity  # likewise

from pilothouse_api.names import GROUP
from pilothouse_operator.compile.world import Kind
from pilothouse_operator.kube import resources
from pilothouse_operator.kube.connection import Connection, ProxyEnv

_log = logging.getLogger(__name__)

# How long kopf may take to end by itself, per group of its tasks; it waits two seconds for handlers.
_ENDING_S = 5.0
# How kopf begins the names of the tasks that watch.
_WATCHER = "watcher for "

Heard = tuple[Kind, Mapping[str, Any]]
"""One event: `{"type": ADDED | MODIFIED | DELETED | None, "object": …}`; None while kopf lists."""

Deliver = Callable[[list[Heard]], None]
"""Called on the main loop, with all that has come since."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WatchScope:
    """Which resources are ours: those of all namespaces when none are named, and that the label selector chooses."""

    namespaces: tuple[str, ...] = ()
    selector: str = ""


class Backoffs:
    """Endless pauses with full jitter, begun anew by each iteration: from at most 0.2 s to at most 5 s."""

    def __iter__(self) -> Iterator[float]:
        longest = 0.2
        while True:
            yield random.uniform(0, longest)  # noqa: S311 - jitter, not a secret
            longest = min(longest * 2, 5.0)


def settings(scope: WatchScope) -> kopf.OperatorSettings:
    """How kopf is to behave. Each value answers something that it did otherwise."""
    chosen = kopf.OperatorSettings()
    # Another team's KopfPeering object named "default" would pause us.
    chosen.peering.standalone = True
    # Else it retries for a minute to list CRDs and Namespaces when it may not; we look for our CRDs ourselves.
    chosen.scanning.disabled = True
    chosen.posting.enabled = False
    # Else it sends SIGKILL to the process ten minutes after it ended by itself.
    chosen.process.ultimate_exiting_timeout = None
    chosen.networking.connect_timeout = 5
    chosen.networking.request_timeout = 30
    chosen.networking.error_backoffs = Backoffs()
    chosen.watching.connect_timeout = 5
    chosen.watching.server_timeout = 600
    chosen.watching.client_timeout = 660
    # Bookmarks come each minute; below 62 s it would reconnect for ever.
    chosen.watching.inactivity_timeout = 70
    # A stream of initial objects that is cut half-way goes on past those that were not sent.
    chosen.watching.initial_streaming = False
    # A continue token that expires ends kopf.
    chosen.watching.chunk_size = None
    chosen.queueing.idle_timeout = 1
    chosen.queueing.error_delays = (1, 2, 5, 10)
    # Never used by `on.event`; should a mistake use them, they bear our name.
    chosen.persistence.finalizer = f"{GROUP}/finalizer"
    chosen.persistence.progress_storage = kopf.AnnotationsProgressStorage(prefix=GROUP)
    chosen.persistence.diffbase_storage = kopf.AnnotationsDiffBaseStorage(prefix=GROUP)
    if scope.selector:
        for kind in Kind:
            chosen.watching.label_selectors[GROUP, kind.plural] = scope.selector
    return chosen


class Watch:
    """Runs kopf, once for each call of `run`."""

    def __init__(self, *, connection: Connection, scope: WatchScope, deliver: Deliver) -> None:
        self._connection = connection
        self._scope = scope
        self._deliver = deliver
        # One INFO line for each event otherwise.
        logging.getLogger("kopf.objects").setLevel(logging.WARNING)
        # One ERROR for each try of each kind, of which an outage has hundreds, and two with tracebacks when it ends:
        # our own lists tell what is not seen, and `_Turn` why it ended.
        for name in ("kopf._cogs.clients", "kopf._core.reactor"):
            logging.getLogger(name).setLevel(logging.CRITICAL)

    async def run(self, kinds: frozenset[Kind]) -> str:
        """Until kopf ends, and why it did (the name of what it raised). Cancelled, it tells kopf to stop."""
        ended: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        turn = _Turn(self._connection, self._scope, self._deliver, kinds, ended)
        thread = threading.Thread(target=turn.run, name="kopf", daemon=True)
        thread.start()
        try:
            return await asyncio.shield(ended)
        finally:
            turn.stop()


class _Loop(asyncio.SelectorEventLoop):
    """Knows the connections that it opened.

    A response that is closed goes on to wait for the server's last word in TLS, for up to 30 s and in nobody's sight.
    """

    def __init__(self) -> None:
        super().__init__()
        self._opened: weakref.WeakSet[asyncio.BaseTransport] = weakref.WeakSet()

    async def create_connection(self, *args: Any, **kwargs: Any) -> Any:
        """As its parent."""
        transport, protocol = await super().create_connection(*args, **kwargs)
        self._opened.add(transport)
        return transport, protocol

    def abort_connections(self) -> None:
        """Those that are still open; they are closed when the loop has gone round once."""
        for transport in list(self._opened):
            if isinstance(transport, asyncio.WriteTransport):
                transport.abort()


class _Turn:
    """One life of kopf."""

    def __init__(
        self,
        connection: Connection,
        scope: WatchScope,
        deliver: Deliver,
        kinds: frozenset[Kind],
        ended: asyncio.Future[str],
    ) -> None:
        self._connection = connection
        self._scope = scope
        self._deliver = deliver
        self._kinds = kinds
        self._ended = ended
        self._main = asyncio.get_running_loop()
        self._reason = "Ended"
        self._told = False
        self._stopped = threading.Event()
        self._own: tuple[asyncio.AbstractEventLoop, asyncio.Event] | None = None
        self._inbox: list[Heard] = []
        self._lock = threading.Lock()

    def run(self) -> None:
        """The thread."""
        loop = _Loop()
        try:
            with asyncio.Runner(loop_factory=lambda: loop) as runner:
                runner.run(self._watch(loop))
        except Exception as error:
            self._tell(error)

    def stop(self) -> None:
        """From the main loop. kopf takes some seconds; nothing that it still hears is delivered."""
        self._stopped.set()
        own, self._own = self._own, None
        if own is not None:
            loop, flag = own
            try:
                loop.call_soon_threadsafe(flag.set)
            except RuntimeError:
                pass  # its loop is closed already: it has ended by itself

    def _tell(self, error: BaseException | None) -> None:
        """That kopf ends: said when it begins to, for it may take long."""
        if error is not None:
            _log.warning("the watch for resources ended: %s: %s", type(error).__name__, error)
            self._reason = type(error).__name__
        if not self._told and not self._stopped.is_set():
            self._told = True
            self._main.call_soon_threadsafe(self._ended.set_result, self._reason)

    async def _watch(self, loop: _Loop) -> None:
        # Not a threading.Event: kopf would park a thread on it, and the loop would wait for that thread for ever.
        flag = asyncio.Event()
        self._own = (loop, flag)
        if self._stopped.is_set():
            return
        insights, vault = Insights(), Vault()
        roots = await kopf.spawn_tasks(
            registry=self._registry(),
            settings=settings(self._scope),
            clusterwide=not self._scope.namespaces,
            namespaces=self._scope.namespaces,
            # Peers, which we have none of, would know it by this. Left out, kopf asks for the name of the user who
            # runs the process: in a container that is a bare number, and kopf would end.
            identity=Identity("pilothouse"),
            insights=insights,
            stop_flag=flag,
            vault=vault,
        )
        check = asyncio.create_task(self._check(insights, flag))
        ended, _ = await asyncio.wait(roots, return_when=asyncio.FIRST_COMPLETED)
        check.cancel()
        self._tell(next((error for task in ended if not task.cancelled() and (error := task.exception())), None))
        # What its tasks say as they go is no news.
        loop.set_exception_handler(lambda _, context: _log.debug("kopf, ending: %s", context["message"]))
        await _end(roots)
        await vault.close()
        loop.abort_connections()

    async def _check(self, insights: Insights, flag: asyncio.Event) -> None:
        """Ends a kopf that has not found our kinds.

        It looks for them once, and an API server that has just started does not serve CRDs yet: kopf would live on
        and watch nothing.
        """
        await insights.ready_resources.wait()
        found = {resource.plural for resource in insights.watched_resources}
        if not found >= {kind.plural for kind in self._kinds}:
            self._reason = "Unresolved"
            flag.set()

    def _registry(self) -> kopf.OperatorRegistry:
        registry = kopf.OperatorRegistry()
        kopf.on.login(registry=registry)(self._login)
        for kind in sorted(self._kinds):
            kopf.on.event(GROUP, resources.VERSION, kind.plural, registry=registry, id=kind.plural)(self._handler(kind))
        return registry

    def _handler(self, kind: Kind) -> Callable[..., Any]:
        # kopf would write a returned value into the status of the user's object.
        async def heard(event: Mapping[str, Any], **_: object) -> None:
            with self._lock:
                self._inbox.append((kind, event))
                first = len(self._inbox) == 1
            if first and not self._stopped.is_set():
                self._main.call_soon_threadsafe(self._empty)

        return heard

    def _empty(self) -> None:
        """On the main loop."""
        with self._lock:
            heard, self._inbox = self._inbox, []
        if not self._stopped.is_set():
            self._deliver(heard)

    async def _login(self, **_: object) -> kopf.ConnectionInfo:
        if self._stopped.is_set():
            raise kopf.LoginError("the operator is stopping")
        renewed = asyncio.run_coroutine_threadsafe(self._connection.sign_in(), self._main)
        sign_in = await asyncio.wrap_future(renewed)
        return kopf.ConnectionInfo(
            server=sign_in.server,
            scheme=sign_in.scheme,
            token=sign_in.token.reveal() if sign_in.token else None,
            ca_path=sign_in.ca,
            certificate_path=sign_in.certificate,
            private_key_path=sign_in.private_key,
            insecure=sign_in.insecure or None,
            proxy_url=sign_in.proxy_url,
            trust_env=sign_in.proxy_env is ProxyEnv.USE,
        )


async def _end(roots: Collection["asyncio.Task[Any]"]) -> None:
    """What `kopf.run_tasks` should do, but may hang in for ever when a watch failed.

    That leaves the other watches, closes their session under them and then cancels all that runs in one go: a watch
    that is about to connect takes the end of its helper for the reason, goes on, and waits for credentials that nobody
    brings any more. So first the watches end, each by its own means and with its helpers, then the rest.
    """
    watchers = {task for task in asyncio.all_tasks() if task.get_name().startswith(_WATCHER)}
    await _cancel(watchers)
    await _cancel(roots)
    await _cancel(asyncio.all_tasks() - {asyncio.current_task()})


async def _cancel(tasks: Collection["asyncio.Task[Any]"]) -> None:
    for task in tasks:
        task.cancel()
    if tasks:
        done, _ = await asyncio.wait(tasks, timeout=_ENDING_S)
        for task in done:
            # Else asyncio would tell of errors that nobody asked for.
            _ = task.cancelled() or task.exception()
