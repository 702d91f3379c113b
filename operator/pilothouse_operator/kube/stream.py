"""Watch streams: bytes → lines → events. No I/O.

One JSON object a line, `{"type": …, "object": …}`; an ERROR carries a `v1.Status` in the place of the object.
https://kubernetes.io/docs/reference/using-api/api-concepts/#efficient-detection-of-changes
"""

import enum
import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from pilothouse_operator.kube import errors
from pilothouse_operator.kube.errors import Unavailable

# etcd takes objects of 1.5 MiB by default; managed fields and escapes make them longer on the wire.
_LONGEST_LINE = 16 << 20


class EventType(enum.StrEnum):
    """What happened to an object. A bookmark tells only that everything up to its version was sent."""

    ADDED = "ADDED"
    MODIFIED = "MODIFIED"
    DELETED = "DELETED"
    BOOKMARK = "BOOKMARK"


@dataclass(frozen=True, slots=True)
class Event:
    """One line of a watch."""

    type: EventType
    object: dict[str, Any]

    @property
    def version(self) -> str:
        """The resourceVersion of the object, also of a deleted one: the moment of this event."""
        return str(self.object["metadata"].get("resourceVersion", ""))


class Lines:
    """Cuts a stream into lines, whatever the chunks. `what` names the stream in errors."""

    def __init__(self, what: str) -> None:
        self._what = what
        self._rest = bytearray()

    def feed(self, chunk: bytes) -> Iterator[bytes]:
        """The lines that `chunk` completes. Raises Unavailable when one grows beyond all bounds."""
        *lines, rest = chunk.split(b"\n")
        for line in lines:
            whole = bytes(self._rest) + line
            self._rest.clear()
            if whole.strip():
                yield whole
        self._rest += rest
        if len(self._rest) > _LONGEST_LINE:
            raise Unavailable(f"{self._what}: a line is longer than {_LONGEST_LINE >> 20} MiB")

    def end(self) -> None:
        """The stream has ended. Raises Unavailable when it did so within a line."""
        if self._rest.strip():
            raise Unavailable(f"{self._what}: the stream broke off within a line")


def event(line: bytes, what: str) -> Event:
    """Reads one line. Raises Gone or Unavailable for an ERROR, Unavailable for what is no event."""
    try:
        decoded = json.loads(line)
        kind, content = decoded["type"], decoded["object"]
        if kind == "ERROR":
            raise _in_stream(content, what)
        found = Event(EventType(kind), content)
        _ = found.object["metadata"].get("resourceVersion")
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise Unavailable(f"{what}: a line of the stream is not an event") from error
    return found


def _in_stream(status: object, what: str) -> errors.KubeError:
    content = status if isinstance(status, dict) else {}
    code = content.get("code")
    error = errors.of_status(code if isinstance(code, int) else 500, what, content, str(content.get("message", "")))
    return error if isinstance(error, errors.Gone) else Unavailable(str(error))
