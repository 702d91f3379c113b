"""Follows the operator's control stream for as long as the proxy runs."""

import asyncio
import logging
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

import msgspec

from pilothouse_api.names import ProviderKey
from pilothouse_api.snapshot import canonical
from pilothouse_api.snapshot.credentials import Credential
from pilothouse_api.snapshot.stream import HEARTBEAT_S, AckState, Hello, Publication, Renewal
from pilothouse_proxy import ports
from pilothouse_proxy.config import lastgood
from pilothouse_proxy.config.applier import Applier
from pilothouse_proxy.config.operator import Address, NotReadable, Operator, Refused
from pilothouse_proxy.config.refuser import Refuser
from pilothouse_proxy.config.reporter import Reporter
from pilothouse_proxy.config.rollback import newest, older
from pilothouse_proxy.http.client import UpstreamResponse
from pilothouse_proxy.http.messages import HTTPError

SILENCE_S = 3.0 * HEARTBEAT_S
GUARD_S = 30.0
"""How long a publication made from an older view is held back; after that the view itself has gone back (a restore)."""
MIN_PAUSE_S = 0.2
SPREAD_S = 1.0
"""Over so long the proxies of a replica that has gone spread out on the others."""
STEADY_S = 10.0
"""A stream that ends sooner was no good, even if something was heard: the next one waits longer."""
MAX_PAUSE_S = 10.0
EAGER_PAUSE_S = 1.0
"""The longest pause of a proxy that has nothing to serve yet: each of its callers waits for the operator's return."""
MAX_LINE_BYTES = 64 << 20
REMIND_S = 60.0

_LOST = (HTTPError, Refused, NotReadable, ValueError)

logger = logging.getLogger(__name__)


class Malformed(HTTPError):
    """What came is not the control stream."""


@dataclass(slots=True)
class _Offer:
    """A publication as it came, with the hello of its stream."""

    hello: Hello
    hello_line: bytes
    publication: Publication
    line: bytes = field(repr=False)


class Subscriber:
    """Keeps one stream open, applies what comes, acknowledges it, keeps the last good one on disk."""

    def __init__(
        self,
        *,
        address: Address,
        applier: Applier,
        reporter: Reporter,
        refuser: Refuser,
        state_dir: Path | None,
        clock: ports.Clock,
        rng: Random,
    ) -> None:
        self.connected = False
        self._address = address
        self._applier = applier
        self._reporter = reporter
        self._refuser = refuser
        self._state_dir = state_dir
        self._clock = clock
        self._rng = rng
        self._seen: dict[str, str] = {}
        self._saved: Mapping[ProviderKey, Credential] = {}
        """The renewed credentials that are on disk."""
        self._held: _Offer | None = None
        self._held_until = 0.0
        self._ack: asyncio.Task[None] | None = None

    def start_from_disk(self) -> None:
        """Serve what was saved last, if there is something: the operator may be away."""
        if self._state_dir is None:
            return
        try:
            saved = lastgood.load(self._state_dir)
        except lastgood.Unreadable as error:
            logger.warning("the last good configuration cannot be used, waiting for the operator: %s", error)
            return
        if saved is None:
            return
        try:
            self._saved = lastgood.load_renewed(self._state_dir, now=self._clock.wall())
        except lastgood.Unreadable as error:
            logger.warning("the last credentials cannot be used, waiting for the operator's: %s", error)
        self._applier.renew(self._saved)
        age_s = max(0.0, self._clock.wall() - saved.heard)
        ack = self._applier.apply(saved.hello, saved.publication, heard_at=self._clock.monotonic() - age_s)
        if ack.state is AckState.APPLIED:
            self._seen = dict(saved.publication.seen)

    async def run(self) -> None:
        """Connect, follow, reconnect with full jitter; for ever."""
        failures = 0
        reminded_at = -REMIND_S
        while True:
            heard_before, began = self._applier.heard_at, self._clock.monotonic()
            try:
                await self._follow()
                reason = "the operator has ended it"
            except _LOST as error:
                reason = str(error)
            except Exception:
                # What runs serves on; a fault over here must not end it.
                logger.exception("the control stream has failed on a fault of the proxy's own")
                reason = "a fault of the proxy's own"
            self.connected = False
            now = self._clock.monotonic()
            heard = self._applier.heard_at != heard_before
            failures = 0 if heard and now - began >= STEADY_S else failures + 1
            if not heard and now - reminded_at >= REMIND_S:
                # Ended streams are daily business; only an operator that cannot be reached is worth a warning.
                logger.warning("no configuration from the operator at %s: %s", self._address.url, reason)
                reminded_at = now
            await asyncio.sleep(self._rng.uniform(0, self._longest_pause_s(failures)))

    def _longest_pause_s(self, failures: int) -> float:
        if not failures:
            return SPREAD_S
        longest = EAGER_PAUSE_S if self._applier.running is None else MAX_PAUSE_S
        return min(longest, MIN_PAUSE_S * 2.0 ** min(failures - 1, 16))

    async def _follow(self) -> None:
        """One stream, from its connection to its end."""
        operator = Operator(self._address)
        try:
            response = await operator.subscribe(first_byte_timeout_s=SILENCE_S)
            told = [asyncio.create_task(it.run(operator)) for it in (self._reporter, self._refuser)]
            try:
                await self._listen(response, operator)
            finally:
                response.abort()
                for telling in told:
                    telling.cancel()
                if self._ack is not None:
                    self._ack.cancel()
        finally:
            operator.close()

    async def _listen(self, response: UpstreamResponse, operator: Operator) -> None:
        hello: Hello | None = None
        hello_line = b""
        published = False
        async for line in self._lines(response):
            if line is None:
                await self._settle(self._held, operator)
                continue
            try:
                told = canonical.decode_line(line)
            except msgspec.MsgspecError as error:
                raise Malformed(f"the operator sent a line that is none of the control stream: {error}") from error
            if isinstance(told, Hello):
                hello, hello_line = told, line
                self.connected = True
            elif hello is None:
                raise Malformed("the operator's stream does not begin with a hello")
            elif isinstance(told, Publication):
                published = True
                await self._consider(_Offer(hello, hello_line, told, line), operator)
            elif isinstance(told, Renewal):
                self._applier.renew(told.credentials)
                await self._save_renewed()
                if published:
                    # It stands for the heartbeat that would have come instead.
                    self._confirm()
            else:
                self._confirm()

    def _confirm(self) -> None:
        """The operator lives, and has nothing newer than what runs."""
        if self._held is None and self._applier.running is not None:
            self._applier.confirm(heard_at=self._clock.monotonic())
            if self._state_dir is not None:
                lastgood.touch(self._state_dir, heard=self._clock.wall())

    async def _lines(self, response: UpstreamResponse) -> AsyncIterator[bytes | None]:
        """Whole lines; None when a publication that was held back is due."""
        parts: list[bytes] = []
        waiting_bytes = 0
        silent_at = self._clock.monotonic() + SILENCE_S
        while True:
            now = self._clock.monotonic()
            patience_s = silent_at - now
            if self._held is not None and self._held_until <= now:
                yield None
            chunk = await response.chunk(patience_s)
            if chunk is None:
                return
            silent_at = self._clock.monotonic() + SILENCE_S
            head, *more = chunk.split(b"\n")
            parts.append(head)
            waiting_bytes += len(head)
            if waiting_bytes > MAX_LINE_BYTES:
                raise Malformed(f"the operator sent a line of more than {MAX_LINE_BYTES} bytes")
            if more:
                yield b"".join(parts)
                for line in more[:-1]:
                    yield line
                parts = [more[-1]]
                waiting_bytes = len(more[-1])

    async def _consider(self, offer: _Offer, operator: Operator) -> None:
        """A replica that lags behind the one before must not roll us back."""
        running = self._applier.running
        known = running is not None and offer.publication.version == running.version
        if running is not None and not known and older(offer.publication.seen, self._seen):
            if self._held is None:
                self._held_until = self._clock.monotonic() + GUARD_S
                logger.warning(
                    "configuration %s is made from an older view of the cluster than the one that runs: held back for"
                    " %d s", offer.publication.version, GUARD_S,
                )  # fmt: skip
            self._held = offer
            return
        await self._settle(offer, operator)

    async def _settle(self, offer: _Offer | None, operator: Operator) -> None:
        """Apply, save, acknowledge."""
        self._held = None
        if offer is None:
            return
        running = self._applier.running
        known = running is not None and running.version == offer.publication.version
        ack = self._applier.apply(offer.hello, offer.publication, heard_at=self._clock.monotonic())
        if ack.state is AckState.APPLIED:
            seen = offer.publication.seen
            self._seen = newest(self._seen, seen) if known else dict(seen)
            if self._state_dir is not None:
                await self._save(self._state_dir, offer)
                await self._save_renewed()
        if self._ack is not None:
            # Only the newest matters, and the next report heals what was not taken.
            self._ack.cancel()
        self._ack = asyncio.create_task(self._reporter.acknowledge(operator, ack))

    async def _save(self, directory: Path, offer: _Offer) -> None:
        try:
            await asyncio.to_thread(lastgood.save, directory, hello=offer.hello_line, publication=offer.line)
        except OSError as error:
            logger.warning("the configuration cannot be saved, a restart without the operator would fail: %s", error)

    async def _save_renewed(self) -> None:
        kept = self._applier.renewed
        if self._state_dir is None or kept == self._saved:
            return
        try:
            await asyncio.to_thread(lastgood.save_renewed, self._state_dir, kept)
        except OSError as error:
            logger.warning("renewed credentials cannot be saved, a restart without the operator lacks them: %s", error)
        else:
            self._saved = kept
