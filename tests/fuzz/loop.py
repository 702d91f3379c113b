"""One event loop for all inputs."""

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")

_unhandled: list[dict[str, Any]] = []
_LOOP = asyncio.new_event_loop()
_LOOP.set_exception_handler(lambda _, context: _unhandled.append(context))


def run(scenario: Coroutine[Any, Any, T]) -> T:
    """What the scenario gives. What the loop is told of as unhandled is a finding."""
    _unhandled.clear()
    result = _LOOP.run_until_complete(scenario)
    assert not _unhandled, _unhandled
    return result
