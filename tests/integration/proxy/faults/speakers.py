"""What a provider says, in both kinds of stream."""

from collections.abc import Callable
from dataclasses import dataclass

from tests.integration.proxy.faults.wire import EVENTS, Line, event
from tests.integration.proxy.upstream import ROLE, STOP, USAGE, chunk
from tests.simulators.bedrock import eventstream

DONE = b"data: [DONE]\n\n"


@dataclass(frozen=True)
class Speaker:
    """Of one dialect."""

    dialect: str
    head: bytes
    opening: bytes
    """An event without content."""
    text: Callable[[str], bytes]
    """One event with content."""
    closing: bytes
    """The last events, with the usage of 11 tokens in and 2 out."""

    def begin(self, line: Line, *texts: str) -> None:
        """Head, opening and some content, an event a chunk."""
        line.send(self.head)
        for said in (self.opening, *map(self.text, texts)):
            line.chunk(said)

    def say(self, line: Line, *texts: str) -> None:
        """A whole stream, in one write."""
        events = (self.opening, *map(self.text, texts), self.closing)
        line.send(self.head + b"".join(b"%x\r\n%b\r\n" % (len(one), one) for one in events) + b"0\r\n\r\n")


OPENAI = Speaker(
    dialect="openai",
    head=EVENTS,
    opening=event(ROLE),
    text=lambda said: event(chunk({"content": said})),
    closing=event(STOP) + event(USAGE) + DONE,
)
BEDROCK = Speaker(
    dialect="bedrock",
    head=EVENTS.replace(b"text/event-stream", eventstream.CONTENT_TYPE.encode()),
    opening=eventstream.event("messageStart", {"role": "assistant"}),
    text=lambda said: eventstream.event("contentBlockDelta", {"contentBlockIndex": 0, "delta": {"text": said}}),
    closing=(
        eventstream.event("contentBlockStop", {"contentBlockIndex": 0})
        + eventstream.event("messageStop", {"stopReason": "end_turn"})
        + eventstream.event(
            "metadata",
            {"usage": {"inputTokens": 11, "outputTokens": 2, "totalTokens": 13}, "metrics": {"latencyMs": 1}},
        )
    ),
)
SPEAKERS = (OPENAI, BEDROCK)
