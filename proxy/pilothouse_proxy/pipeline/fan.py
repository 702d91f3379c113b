"""One attempt that asks its target several times: the parts of a request, a few at a time, until all are answered.

Each part is tried again on its own as the route's policy allows. One that fails for good ends the attempt: the others
are given up, and what follows (another target, or the answer) is the flight's business.
"""

import asyncio
import math
from typing import Final, Protocol

from pilothouse_api.snapshot.credentials import Credential
from pilothouse_proxy import ports, runtime
from pilothouse_proxy.call import Answer, Call
from pilothouse_proxy.errors import Failure, Kind, UpstreamBroken
from pilothouse_proxy.http import messages
from pilothouse_proxy.http.client import Transfer
from pilothouse_proxy.http.origins import Base
from pilothouse_proxy.http.upstream import Stale
from pilothouse_proxy.pipeline.refusal import unanswered
from pilothouse_proxy.pipeline.services import Services

AT_ONCE: Final = 8
"""Parts of one request that are under way: more would only meet the provider's limits sooner."""
MOST_BYTES: Final = 64 << 20
"""Of all answers together."""
ERROR_BODY_S: Final = 10.0
"""How long the rest of an error answer may take: its status has told the most already."""


class Owner(Protocol):
    """The flight."""

    def part_failed(self, failure: Failure) -> Failure:
        """Take note of a failed try of a part; the failure as the client may see it."""
        ...

    def pause_s(self, failure: Failure, tries: int) -> float | None:
        """How long to wait before the same is tried again; None: it is not. One that is counts as a try."""
        ...

    def parts_answered(self) -> None:
        """All of them are."""
        ...

    def parts_failed(self, failure: Failure, *, tries: float, share: float) -> None:
        """One has failed for good, at its last try (inf: any other would be in vain). `share` of what was to be asked
        had been answered.
        """
        ...

    def no_room(self) -> None:
        """Memory does not allow for the rest of the answers."""
        ...

    def fault(self) -> None:
        """A fault of our own: to be called where it was caught."""
        ...


class Asking:
    """How one attempt asks: where its parts go, how they are signed, what their answers are made into."""

    def __init__(
        self,
        target: runtime.Target,
        parted: ports.Parted,
        base: Base,
        credential: Credential,
        call: Call,
    ) -> None:
        self.target = target
        self._parted = parted
        self._base = base
        self._credential = credential
        self._call = call

    def request(self, body: bytes, *, now: float) -> messages.UpstreamRequest:
        """A part, signed; `now` in Unix seconds.

        Raises:
            GatewayError: it cannot be.
        """
        return self.target.provider.prepare(
            endpoint=self.target.endpoint,
            base=self._base,
            credential=self._credential,
            call=self._call,
            body=body,
            now=now,
        )

    def read(self, at: int, headers: messages.Headers, body: bytes) -> ports.Part:
        """The answer to a part, the first being 0.

        Raises:
            UpstreamBroken: it is not what its dialect promises.
        """
        return self._parted.part(self._call, at, headers, body)

    def joined(self, parts: list[ports.Part]) -> Answer:
        """The client's answer, of all parts."""
        return self._parted.joined(self._call, parts)


class Fan:
    """The parts of one attempt. Ends once, by telling its owner, unless it is aborted before.

    `first_byte_s` is how long each answer may take to begin; at `ends`, monotonic, all of them must be there.
    """

    def __init__(
        self,
        services: Services,
        owner: Owner,
        asking: Asking,
        bodies: list[bytes],
        *,
        first_byte_s: float,
        ends: float,
    ) -> None:
        self.services = services
        self.owner = owner
        self.asking = asking
        self._first_byte_s = first_byte_s
        self._ends = ends
        self._asked = sum(len(body) for body in bodies)
        self._parts = [Part(self, at, body) for at, body in enumerate(bodies)]
        self._begun = self._answered = self._size = 0

    def begin(self, first: messages.UpstreamRequest) -> None:
        """Send the first few; the very first is signed already.

        Raises:
            HTTPError: there is no way to the target. Nothing was sent.
        """
        self._begun = 1
        self._parts[0].send(first)
        for _ in range(1, min(AT_ONCE, len(self._parts))):
            self._begin_next()

    def abort(self) -> None:
        """Give up what is under way, and give back the room that answers took. No word to the owner."""
        self.services.ledger.reading_bytes -= self._size
        self._size = 0
        # Parts hold their fan: what both hold is let go now, not when the collector comes by.
        parts, self._parts = self._parts, []
        for part in parts[: self._begun]:
            part.abort()

    def answer(self) -> Answer:
        """The client's, once all parts are answered."""
        return self.asking.joined([part.ready for part in self._parts if part.ready is not None])

    def share_sent(self) -> float:
        """Which share of all that is to be asked has gone out until now: somebody works on it."""
        return sum(len(part.asked) for part in self._parts if part.sent) / self._asked

    # The parts call.

    def first_byte_s(self) -> float:
        """How long an answer may take to begin now."""
        return min(self._first_byte_s, self.left_s())

    def left_s(self) -> float:
        """How long the attempt may take yet."""
        return max(0.0, self._ends - self.services.clock.monotonic())

    def received(self, size: int) -> None:
        """So many bytes of an answer have come; below zero: they have been let go."""
        ledger = self.services.ledger
        self._size += size
        ledger.reading_bytes += size
        if self._size > MOST_BYTES:
            error = messages.TooLarge(f"the upstream's answers are larger than {MOST_BYTES} bytes together")
            failure = unanswered(error, self.asking.target.label)
            # Asked again they would be as large.
            self.failed(self.owner.part_failed(failure), math.inf)
        elif size > 0 and not ledger.has_room():
            self.owner.no_room()

    def done(self) -> None:
        """A part is answered."""
        self._answered += 1
        if self._answered == len(self._parts):
            self.owner.parts_answered()
        elif self._begun < len(self._parts):
            self._begin_next()

    def failed(self, failure: Failure, tries: float) -> None:
        """A part has failed for good."""
        share = sum(len(part.asked) for part in self._parts if part.ready is not None) / self._asked
        self.abort()
        self.owner.parts_failed(failure, tries=tries, share=share)

    def _begin_next(self) -> None:
        part = self._parts[self._begun]
        self._begun += 1
        part.begin()


class Part:
    """One upstream request and its repetitions: a `Receiver`."""

    def __init__(self, fan: Fan, at: int, asked: bytes) -> None:
        self.asked = asked
        self.beat_s = math.inf
        self.ready: ports.Part | None = None
        """The answer, once it is there."""
        self._fan = fan
        self._at = at
        self._headers: messages.Headers = []
        self._status = self._tries = self._size = 0
        self._pieces: list[bytes] = []
        self._request: messages.UpstreamRequest | None = None
        self._transfer: Transfer | None = None
        self._timer: asyncio.TimerHandle | None = None

    @property
    def sent(self) -> bool:
        """Whether the provider may be at work on it, or has been."""
        return self._tries > 1 or (self._request is not None and self._request.sent)

    def begin(self) -> None:
        """Try it, for the first time or again."""
        self._timer = None
        fan = self._fan
        try:
            self.send(fan.asking.request(self.asked, now=fan.services.clock.wall()))
        except messages.HTTPError as error:
            # Not from within the call of another part, or of the flight.
            self._timer = asyncio.get_running_loop().call_later(0.0, self.broke, error)
        except Exception:
            fan.owner.fault()

    def send(self, request: messages.UpstreamRequest) -> None:
        """Try it with this.

        Raises:
            HTTPError: there is no way to the target.
        """
        fan = self._fan
        self._tries += 1
        self._status, self._headers = 0, []
        self._request = request
        self._transfer = fan.services.client.begin(request, self, first_byte_timeout_s=fan.first_byte_s())

    def abort(self) -> None:
        """Give it up, wherever it is."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._transfer is not None:
            self._transfer.abort()
            self._transfer = None

    # The upstream's connection calls.

    def answered(self, status: int, headers: messages.Headers) -> None:
        self._status, self._headers = status, headers
        transfer, left_s = self._transfer, self._fan.left_s()
        if transfer is not None:
            patience_s = left_s if 200 <= status < 300 else min(ERROR_BODY_S, left_s)
            transfer.allow(messages.Phase.TOTAL, patience_s, patience_s)

    def arrived(self, piece: bytes) -> None:
        self._pieces.append(piece)
        self._size += len(piece)
        try:
            self._fan.received(len(piece))
        except Exception:
            self._fan.owner.fault()

    def ended(self) -> None:
        try:
            if 200 <= self._status < 300:
                self._read()
            else:
                self._fail(self._said(b"".join(self._pieces)))
        except Exception:
            self._fan.owner.fault()

    def broke(self, error: messages.HTTPError) -> None:
        if isinstance(error, Stale) and self._transfer is not None and self._transfer.again():
            return
        try:
            if self._status and not 200 <= self._status < 300:
                # What its status tells stands, though not all of the body has come.
                self._fail(self._said(b""))
            else:
                self._fail(unanswered(error, self._fan.asking.target.label))
        except Exception:
            self._fan.owner.fault()

    def waited(self) -> None:
        """Nobody is told that there is somebody at work: these answers are no streams."""

    def _read(self) -> None:
        """The answer is whole."""
        fan = self._fan
        try:
            self.ready = ready = fan.asking.read(self._at, self._headers, b"".join(self._pieces))
        except UpstreamBroken as error:
            note = str(error)
            self._fail(Failure(kind=Kind.PROVIDER_ERROR, message=note, status=self._status, note=note))
            return
        self._transfer = None
        self._keep(sum(len(piece) for piece in ready.pieces))
        fan.done()

    def _fail(self, failure: Failure) -> None:
        """There is no answer, or none that is of use."""
        fan = self._fan
        failure = fan.owner.part_failed(failure)
        self.abort()
        self._keep(0)
        pause = fan.owner.pause_s(failure, self._tries)
        if pause is None:
            fan.failed(failure, self._tries)
        else:
            self._timer = asyncio.get_running_loop().call_later(pause, self.begin)

    def _keep(self, size: int) -> None:
        """What came is let go; so many bytes of it live on in another form."""
        came, self._size = self._size, size
        self._pieces = []
        self._fan.received(size - came)

    def _said(self, body: bytes) -> Failure:
        """What an answer means that says no."""
        target, now = self._fan.asking.target, self._fan.services.clock.wall()
        return target.provider.classify(status=self._status, headers=self._headers, body=body, now=now)
