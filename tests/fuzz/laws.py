"""What must hold for any bytes, by name."""

from collections.abc import Callable
from typing import NamedTuple

from tests.fuzz import server, streams, upstream


class Law(NamedTuple):
    """`check` raises for an input that breaks it; `share` of the time that a run has."""

    check: Callable[[bytes], None]
    seeds: Callable[[], list[bytes]]
    share: int


LAWS = {
    "server": Law(server.check, server.seeds, 3),
    "server-memory": Law(server.check_memory, server.memory_seeds, 1),
    "upstream": Law(upstream.check, upstream.seeds, 2),
    "sse": Law(streams.check_sse, streams.sse_seeds, 1),
    "eventstream": Law(streams.check_eventstream, streams.eventstream_seeds, 1),
    "relay": Law(streams.check_relay, streams.relay_seeds, 2),
    "chat": Law(streams.check_chat, streams.relay_seeds, 2),
    "converse": Law(streams.check_converse, streams.converse_seeds, 2),
}
