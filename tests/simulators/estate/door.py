"""In front of a service: who comes by is seen, and the service can be away."""

from __future__ import annotations

import enum
from collections.abc import Callable

from tests.simulators.wire import replies
from tests.simulators.wire.replies import Ending, Reply
from tests.simulators.wire.server import Request, Service

_TEXT = [("content-type", "text/plain")]


class State(enum.StrEnum):
    OPEN = "open"
    FAILING = "failing"
    """503, as a load balancer says it."""
    SILENT = "silent"


Seen = Callable[[Request, int, bytes], None]
"""A request, and the status and body that it was answered with."""


class Door:
    def __init__(self, service: Service, seen: Seen) -> None:
        self.state = State.OPEN
        self._service = service
        self._seen = seen

    def __call__(self, request: Request) -> Reply:
        if self.state is State.SILENT:
            return Reply([], Ending.HANG)
        if self.state is State.FAILING:
            return Reply([(0.0, replies.whole(503, _TEXT, b"upstream connect error"))])
        reply = self._service(request)
        head, _, body = b"".join(piece for _, piece in reply.steps).partition(b"\r\n\r\n")
        if head:
            self._seen(request, int(head.split(b" ", 2)[1]), body)
        return reply
