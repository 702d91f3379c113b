"""Messages between two that speak it: bytes pass, while usage, finish and failure are read off them.

An ordinary delta is known by how it begins. Everything else is decoded, in part.
"""

import msgspec

from pilothouse_proxy.anthropic import errors, wire
from pilothouse_proxy.anthropic.events import broken
from pilothouse_proxy.errors import Failure, UpstreamBroken
from pilothouse_proxy.exchange.reply import Finish
from pilothouse_proxy.exchange.usage import Usage

_DELTA = b'{"type":"content_block_delta"'
_UNSHOWN = frozenset({"text", "thinking"})
"""Blocks that show nothing when they start."""


class _Reply(msgspec.Struct):
    usage: wire.TokenUsage
    stop_reason: str | None = None


class _Stop(msgspec.Struct):
    stop_reason: str | None = None


class _Event(msgspec.Struct, rename={"metrics": "amazon-bedrock-invocationMetrics"}):
    type: str
    message: wire.StartedMessage | None = None
    content_block: wire.Tag | None = None
    delta: _Stop | None = None
    usage: wire.TokenUsage | None = None
    metrics: wire.Metrics | None = None


_reply = msgspec.json.Decoder(_Reply)
_event = msgspec.json.Decoder(_Event)


def read_reply(body: bytes) -> tuple[Usage, str]:
    """Usage and finish of a whole answer.

    Raises:
        UpstreamBroken: not an answer of Messages.
    """
    try:
        reply = _reply.decode(body)
    except (ValueError, RecursionError) as error:
        raise UpstreamBroken(f"the provider's answer is not one of Messages: {error}") from None
    tokens = wire.Tokens()
    tokens.take(reply.usage)
    return tokens.usage(), _finish(reply.stop_reason)


class Reading:
    """What a stream has told until now; see `ports.StreamRelay` for the members."""

    def __init__(self, request_id: str | None) -> None:
        self.usage: Usage | None = None
        self.finish_reason = ""
        self.content = False
        self.complete = False
        self.failure: Failure | None = None
        self.type = ""
        """Of the event that was read last."""
        self._request_id = request_id
        self._tokens = wire.Tokens()
        self._shown = 0

    @property
    def over(self) -> bool:
        """Whether nothing more is to be read."""
        return self.complete or self.failure is not None

    def read(self, data: bytes) -> bool:
        """Take note of what one event's JSON says; whether the client gets it."""
        self._shown += 1
        if self.content and data.startswith(_DELTA):
            self.type = "content_block_delta"
            return True
        try:
            event = _event.decode(data)
        except (ValueError, RecursionError) as error:
            self.failure = broken(f"the provider's stream holds an event that is not one of Messages: {error}")
            return False
        self.type = event.type
        if event.type == "error":
            self.failure = errors.from_event(data, request_id=self._request_id)
            return False
        self._note(event)
        return True

    def cut(self) -> None:
        """The body has ended."""
        if not self.over:
            self.failure = broken("the provider's stream ended before it was complete (no message_stop)")

    def so_far(self) -> None:
        """Let `usage` tell what is known of a stream that is not whole."""
        if self._tokens.told and not self.complete:
            self.usage = self._tokens.so_far(self._shown)

    def _note(self, event: _Event) -> None:
        if event.type == "content_block_delta":
            self.content = True
        elif event.type == "content_block_start":
            block = event.content_block
            self.content = self.content or (block is not None and block.type not in _UNSHOWN)
        elif event.type == "message_start":
            usage = event.message.usage if event.message is not None else None
            if usage is not None:
                self._tokens.take(usage)
        elif event.type == "message_delta":
            if event.usage is not None:
                self._tokens.take(event.usage)
            if event.delta is not None and event.delta.stop_reason is not None:
                self.finish_reason = _finish(event.delta.stop_reason)
        elif event.type == "message_stop":
            self._stop(event)

    def _stop(self, event: _Event) -> None:
        if event.metrics is not None and not self._tokens.told:
            self._tokens.take(wire.metered(event.metrics))
        self.complete = True
        self.usage = self._tokens.usage() if self._tokens.told else None


def _finish(reason: str | None) -> str:
    return wire.FINISHES.get(reason or "", Finish.STOP).value
