"""Scopes, their published lines, and the proxies that read them. No I/O and no clock: `now` is an argument.

Publishing puts one shared `bytes` object before every stream of the scope; a stream that is slow finds the newest one
when it comes back, never a queue. Credentials that end go beside it, in lines of their own: a stream gets those that
have come since it last took some.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

import msgspec

from pilothouse_api.names import GATEWAY_SCOPE, ProviderKey, Scope, SnapshotVersion
from pilothouse_api.snapshot import canonical
from pilothouse_api.snapshot.credentials import Credential
from pilothouse_api.snapshot.snapshot import Snapshot
from pilothouse_api.snapshot.stream import Ack, AckState, Publication, Refusal, Report
from pilothouse_operator.distribution.fleet import FleetView, ProxyView, ReportsView
from pilothouse_operator.distribution.handing import Handing, Held
from pilothouse_operator.distribution.history import ScopeHistory
from pilothouse_operator.ports import ProxyIdentity

_SCOPE_KEPT_S = 600
"""A scope without streams is compiled on for so long: its proxies may only be reconnecting."""
_PROXY_KEPT_S = 600
_REPORT_KEPT_S = 180
"""Three times as long as a proxy may leave an unchanged report unrepeated."""
_PROXIES_KEPT = 50_000
_PATH_CHARS = 256
_REASON_CHARS = 512


@dataclass(frozen=True, slots=True, kw_only=True)
class Prepared:
    """A snapshot ready to be sent; made off the main loop."""

    snapshot: Snapshot = field(repr=False)
    version: SnapshotVersion
    encoded: bytes = field(repr=False)


def prepare(snapshot: Snapshot) -> Prepared:
    """Canonical bytes and their hash."""
    encoded = canonical.encode(snapshot)
    return Prepared(snapshot=snapshot, version=canonical.version(encoded), encoded=encoded)


@dataclass(frozen=True, slots=True)
class Taken:
    """What goes down a stream next. `lines` end in a newline each; `handed`: the credentials in them, for the audit."""

    lines: tuple[bytes, ...] = field(repr=False)
    handed: Held = field(repr=False)


class Subscription:
    """One stream's place in its scope. `wake` is called when `take` has something new."""

    def __init__(self, identity: ProxyIdentity, handing: Handing, wake: Callable[[], None]) -> None:
        self.identity = identity
        self.wake = wake
        self.closed = False
        self._handing = handing
        self._handed = 0
        self._pending: bytes | None = None

    def put(self, line: bytes) -> None:
        """Replaces what was not taken yet."""
        self._pending = line
        self.wake()

    def take(self) -> Taken | None:
        """What is new since it was asked last. Renewals come first: the snapshot may need them."""
        since, self._handed = self._handed, self._handing.number
        line, self._pending = self._pending, None
        renewal = self._handing.renewal(since)
        lines = tuple(each for each in (renewal, line) if each is not None)
        return Taken(lines, self._handing.handed(since)) if lines else None


@dataclass(slots=True)
class _Channel:
    history: ScopeHistory
    seen: dict[str, str] = field(default_factory=dict)
    encoded: bytes = field(default=b"", repr=False)
    line: bytes | None = field(default=None, repr=False)
    handing: Handing = field(default_factory=Handing, repr=False)
    streams: set[Subscription] = field(default_factory=set)
    idle_since: float | None = None

    def current_line(self) -> bytes | None:
        if self.line is None and self.history.current is not None:
            publication = Publication(version=self.history.current, snapshot=msgspec.Raw(self.encoded), seen=self.seen)
            self.line = msgspec.json.encode(publication) + b"\n"
        return self.line


@dataclass(slots=True)
class _Proxy:
    scope: Scope
    pod: str
    last_heard: float
    streams: int = 0
    applied: SnapshotVersion | None = None
    applied_at: float = 0.0
    rejected: Ack | None = None
    report: Report | None = None
    reported: float = 0.0


class Hub:
    """All scopes of one replica."""

    def __init__(self, *, replica: str, boot: str) -> None:
        """`boot` is new with every start of the process: revisions of an earlier one mean nothing."""
        self.replica = replica
        self._acks: Counter[str] = Counter()
        self._boot = boot
        self._channels: dict[Scope, _Channel] = {}
        self._proxies: dict[str, _Proxy] = {}
        self._revision = 0
        self._wanted: Callable[[], None] = lambda: None
        self._moved: Callable[[], None] = lambda: None
        self._refused: Callable[[ProviderKey, str], None] = lambda provider, fingerprint: None

    def notify(
        self,
        *,
        wanted: Callable[[], None],
        moved: Callable[[], None],
        refused: Callable[[ProviderKey, str], None] = lambda provider, fingerprint: None,
    ) -> None:
        """What it tells.

        `wanted`: a scope without a snapshot has been asked for. `moved`: acks, streams or reports have changed.
        `refused`: a provider does not take the credential of this fingerprint, which is the newest here.
        """
        self._wanted, self._moved, self._refused = wanted, moved, refused

    @property
    def open(self) -> bool:
        """Whether anything has been published: until then no proxy is served, least of all an empty snapshot."""
        return any(channel.history.current is not None for channel in self._channels.values())

    @property
    def histories(self) -> dict[Scope, ScopeHistory]:
        """What has been published, by scope."""
        return {scope: channel.history for scope, channel in self._channels.items()}

    def scopes(self, now: float, *, elsewhere: Iterable[Scope] = ()) -> frozenset[Scope]:
        """Those to compile: the gateways' always, others while they have streams or had some a short while ago.

        `elsewhere` are those with streams at other replicas: who counts their proxies must know their versions.
        """
        for scope in elsewhere:
            self._hold(scope, now)
        for scope, channel in list(self._channels.items()):
            if channel.idle_since is not None and now - channel.idle_since > _SCOPE_KEPT_S:
                del self._channels[scope]
        return frozenset({GATEWAY_SCOPE, *self._channels})

    def publish(
        self, prepared: Prepared, seen: dict[str, str], renewed: Mapping[ProviderKey, Credential] | None = None
    ) -> bool:
        """Sends it to the scope's streams unless they have this version already. True if it was new.

        `renewed` are the credentials that go beside it: all that the scope may have from now on.
        """
        scope = prepared.snapshot.scope
        channel = self._channel(scope)
        if channel.handing.replace(
            static=prepared.snapshot.credentials,
            proxies=prepared.snapshot.proxy_credentials,
            renewed=renewed or {},
        ):
            for stream in channel.streams:
                stream.wake()
        if channel.history.current == prepared.version:
            if channel.seen != seen:
                # The same snapshot from a later view: only streams that open from now on need to hear of it.
                channel.seen, channel.line = seen, None
            return False
        channel.history.record(prepared.version, prepared.snapshot)
        channel.seen, channel.encoded, channel.line = seen, prepared.encoded, None
        line = channel.current_line()
        if line is not None:
            for stream in channel.streams:
                stream.put(line)
        self._change()
        return True

    def renew(self, provider: ProviderKey, credential: Credential) -> None:
        """Sends another credential to the scopes whose snapshots need this provider's."""
        for channel in self._channels.values():
            if channel.handing.renew(provider, credential):
                for stream in channel.streams:
                    stream.wake()

    def refuse(self, identity: ProxyIdentity, refusal: Refusal) -> None:
        """A proxy's word that a credential is not taken. One that was replaced, or is not the proxy's, says nothing."""
        channel = self._channels.get(identity.scope)
        current = channel.handing.renewed.get(refusal.provider) if channel is not None else None
        if current is not None and canonical.fingerprint(current) == refusal.fingerprint:
            self._refused(refusal.provider, refusal.fingerprint)

    def attach(self, identity: ProxyIdentity, *, wake: Callable[[], None], now: float) -> Subscription:
        """A new stream, with the present line in it if there is one."""
        channel = self._channel(identity.scope)
        subscription = Subscription(identity, channel.handing, wake)
        channel.streams.add(subscription)
        channel.idle_since = None
        self._proxy(identity, now).streams += 1
        self._change()
        line = channel.current_line()
        if line is None:
            self._wanted()
        else:
            subscription.put(line)
        return subscription

    def detach(self, subscription: Subscription, *, now: float) -> None:
        """The stream has ended, for whatever reason."""
        identity = subscription.identity
        channel = self._channels.get(identity.scope)
        if channel is not None:
            channel.streams.discard(subscription)
            if not channel.streams and identity.scope != GATEWAY_SCOPE:
                channel.idle_since = now
        proxy = self._proxies.get(identity.pod_uid)
        if proxy is not None:
            proxy.streams -= 1
            proxy.last_heard = now
        self._change()

    def close(self) -> None:
        """Ends every stream; their proxies turn to another replica."""
        for channel in self._channels.values():
            for stream in channel.streams:
                stream.closed = True
                stream.wake()

    def ack(self, identity: ProxyIdentity, ack: Ack, *, now: float) -> bool:
        """Notes it. False: a version that this replica never published in the proxy's scope; counted and dropped."""
        if not self._hold(identity.scope, now).history.knows(ack.version):
            self._acks["unknown"] += 1
            return False
        self._acks[ack.state] += 1
        proxy = self._proxy(identity, now)
        if ack.state is AckState.APPLIED:
            proxy.applied, proxy.applied_at, proxy.rejected = ack.version, now, None
        else:
            proxy.rejected = Ack(
                version=ack.version,
                state=ack.state,
                path=_plain(ack.path, _PATH_CHARS),
                reason=_plain(ack.reason, _REASON_CHARS),
            )
        self._change()
        return True

    def report(self, identity: ProxyIdentity, report: Report, *, now: float) -> bool:
        """Keeps the newest of each proxy. False: an older one than is known, dropped."""
        proxy = self._proxy(identity, now)
        known = proxy.report
        if known is not None and known.boot == report.boot and known.sequence >= report.sequence:
            return False
        proxy.report, proxy.reported = report, now
        # Kept although this replica may never have published it: perhaps it will, or its peers have.
        self._hold(identity.scope, now)
        if report.applied is not None:
            if proxy.applied != report.applied:
                proxy.applied, proxy.applied_at = report.applied, now
                self._change()
            if proxy.rejected is not None and proxy.rejected.version == report.applied:
                proxy.rejected = None
        self._moved()
        return True

    def fleet(self) -> FleetView:
        """The proxies as this replica sees them."""
        scopes: dict[Scope, dict[str, ProxyView]] = {}
        for uid, proxy in self._proxies.items():
            rejected = proxy.rejected
            scopes.setdefault(proxy.scope, {})[uid] = ProxyView(
                pod=proxy.pod,
                connected=proxy.streams > 0,
                applied=proxy.applied,
                rejected=rejected.version if rejected else None,
                path=rejected.path if rejected else "",
                reason=rejected.reason if rejected else "",
            )
        return FleetView(replica=self.replica, revision=self.revision, scopes=scopes)

    @property
    def revision(self) -> str:
        """Changes with what `fleet` shows."""
        return f"{self._boot}.{self._revision}"

    def reports(self, now: float) -> ReportsView:
        """Reports that are not too old to be believed, of quotas that the proxy has been given."""
        return ReportsView(
            reports={
                uid: self._bounded(proxy.scope, proxy.report)
                for uid, proxy in self._proxies.items()
                if proxy.report is not None and now - proxy.reported <= _REPORT_KEPT_S
            }
        )

    def _bounded(self, scope: Scope, report: Report) -> Report:
        """A sidecar's word counts for what is in its own snapshot only: it must not fill other statuses."""
        channel = self._channels.get(scope)
        given = channel.history.snapshot if channel else None
        if given is None:
            return msgspec.structs.replace(report, quotas={}, unknown={})
        if report.quotas.keys() <= given.quotas.keys() and report.unknown.keys() <= given.providers.keys():
            return report
        quotas = {key: limits for key, limits in report.quotas.items() if key in given.quotas}
        unknown = {key: things for key, things in report.unknown.items() if key in given.providers}
        return msgspec.structs.replace(report, quotas=quotas, unknown=unknown)

    def forget(self, now: float) -> None:
        """Drops what proxies said that have been gone for long. Call it now and then."""
        for proxy in self._proxies.values():
            if now - proxy.reported > _REPORT_KEPT_S:
                proxy.report = None
        gone = [u for u, p in self._proxies.items() if p.streams <= 0 and now - p.last_heard > _PROXY_KEPT_S]
        for uid in gone:
            del self._proxies[uid]

    def connected(self) -> dict[Scope, int]:
        """Open streams by scope."""
        return {scope: len(channel.streams) for scope, channel in self._channels.items()}

    def take_acks(self) -> Counter[str]:
        """How many acks came since this was asked last, by what became of them: applied, rejected, unknown."""
        taken, self._acks = self._acks, Counter()
        return taken

    def live_since(self, scope: Scope) -> float | None:
        """When the last of the scope's connected proxies applied its present version; None while one has not."""
        channel = self._channels.get(scope)
        proxies = [proxy for proxy in self._proxies.values() if proxy.scope == scope and proxy.streams > 0]
        if channel is None or not proxies or any(proxy.applied != channel.history.current for proxy in proxies):
            return None
        return max(proxy.applied_at for proxy in proxies)

    def _hold(self, scope: Scope, now: float) -> _Channel:
        """The channel of a scope whose proxies speak here, or are heard of, though their streams may be elsewhere."""
        channel = self._channel(scope)
        if not channel.streams and scope != GATEWAY_SCOPE:
            channel.idle_since = now
        if channel.history.current is None:
            self._wanted()
        return channel

    def _channel(self, scope: Scope) -> _Channel:
        channel = self._channels.get(scope)
        if channel is None:
            channel = self._channels[scope] = _Channel(ScopeHistory(scope))
        return channel

    def _proxy(self, identity: ProxyIdentity, now: float) -> _Proxy:
        proxy = self._proxies.get(identity.pod_uid)
        if proxy is None:
            if len(self._proxies) >= _PROXIES_KEPT:
                self._evict()
            proxy = self._proxies[identity.pod_uid] = _Proxy(identity.scope, identity.pod, now)
        proxy.last_heard = now
        return proxy

    def _evict(self) -> None:
        oldest = min(self._proxies, key=lambda uid: (self._proxies[uid].streams > 0, self._proxies[uid].last_heard))
        del self._proxies[oldest]

    def _change(self) -> None:
        self._revision += 1
        self._moved()


def _plain(text: str, limit: int) -> str:
    """A proxy's words on their way into a status: one line, bounded."""
    return "".join(c if c.isprintable() else " " for c in text[:limit])
