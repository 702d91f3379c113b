"""Shows `pilothouse up` at work: a StatusSink whose status is lines on a terminal."""

import asyncio
import json
import logging
import os
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from pilothouse import console
from pilothouse_api.names import GATEWAY_SCOPE
from pilothouse_api.snapshot.snapshot import Snapshot
from pilothouse_operator.compile.world import ResourceKey
from pilothouse_operator.distribution.hub import Hub
from pilothouse_operator.ports import Clock, Observation
from pilothouse_operator.sources import directory as directory_module
from pilothouse_operator.sources.directory import Directory

PROXY = "proxy"
"""The name of the child whose lines are the proxy's log."""
_EDIT_AGE_S = 10.0
"""A file older than that was not edited just now: moved here, or copied with its times."""
DIRECTORY_LOG = directory_module.__name__


class Terminal:
    """Prints what is served once the proxy serves it, then what changes. `write` gets whole lines."""

    def __init__(
        self, *, directory: Directory, root: Path, url: str, hub: Hub, clock: Clock, write: Callable[[str], None]
    ) -> None:
        self._directory = directory
        self._root = root
        self._url = url
        self._hub = hub
        self._clock = clock
        self._write = write
        self._live: Snapshot | None = None
        self._faults: dict[ResourceKey, tuple[str, ...]] = {}
        self._rejection = ""

    @property
    def live(self) -> bool:
        """Whether the proxy serves, and the banner was shown."""
        return self._live is not None

    def update(self, observation: Observation) -> None:
        """Shows the differences to what was shown before."""
        live_since = self._hub.live_since(GATEWAY_SCOPE)
        history = self._hub.histories.get(GATEWAY_SCOPE)
        if live_since is not None and history is not None and history.snapshot is not None:
            if self._live is None:
                self._faults = console.faults(observation.verdicts)
                self._banner(history.snapshot)
            elif history.snapshot is not self._live:
                self._changed(self._live, history.snapshot, live_since)
            self._live = history.snapshot
        if self._live is not None:
            self._show_faults(console.faults(observation.verdicts))
        self._show_rejection(observation)

    async def run(self) -> None:
        """Nothing is written but what `update` writes."""
        await asyncio.Event().wait()

    def line(self, text: str) -> None:
        """One line with the time before it."""
        moment = datetime.fromtimestamp(self._clock.wall(), UTC).astimezone()
        self._write(f"{moment:%H:%M:%S}  {text}")

    def child_line(self, child: str, text: str) -> None:
        """What a child process has written: requests as one short line each, all else as it is."""
        try:
            record = json.loads(text)
        except ValueError:
            record = None
        if not isinstance(record, dict) or child != PROXY:
            self.line(f"{child}: {text}")
        elif record.get("event") == "request":
            self.line(console.request_line(record))
        elif str(record.get("level", "")).lower() in ("warning", "error", "critical"):
            self.line(f"{child}: {record.get('message') or record.get('event') or text}")

    def _banner(self, snapshot: Snapshot) -> None:
        lines = [f"Pilothouse serves {self._root} on {self._url}", "", *console.served(snapshot), ""]
        lines.append(f"  callers: {console.callers(snapshot.identity)}")
        problems = list(self._directory.troubles)
        problems += [self._fault(key, message) for key, messages in self._faults.items() for message in messages]
        if problems:
            lines += ["", "Problems", *console.bulleted(problems)]
        for route_key, route in sorted(snapshot.routes.items()):
            model = next((name for name in route.models if not name.endswith("*")), None)
            if model is not None:
                namespace, _, name = route_key.partition("/")
                location = self._directory.location(console.route(namespace, name))
                place = str(self._root / location) if location else str(self._root)
                to_try = console.Place(
                    file=place, model=model, url=self._url, key_needed=snapshot.identity.anonymous is None
                )
                lines += ["", "Try", *console.things_to_try(to_try)]
                break
        lines += ["", "Configuration changes and requests appear below. Ctrl-C ends it.", ""]
        for text in lines:
            self._write(text)

    def _changed(self, before: Snapshot, after: Snapshot, live_since: float) -> None:
        for key, text in console.changes(before, after).items():
            delay_s = self._delay_s(key, live_since)
            self.line(text if delay_s is None else f"{text}; live in {1_000 * delay_s:.0f} ms")
        if before.identity != after.identity:
            self.line(f"callers: {console.callers(after.identity)}")

    def _delay_s(self, key: ResourceKey, live_since: float) -> float | None:
        """From the writing of the resource's file until now; None if it was not that what changed it."""
        location = self._directory.location(key)
        if location is None:
            return None
        try:
            modified = os.stat(self._root / location.rpartition(":")[0]).st_mtime
        except OSError:
            return None
        delay_s = live_since - (self._clock.monotonic() - (self._clock.wall() - modified))
        return delay_s if 0 <= delay_s <= _EDIT_AGE_S else None

    def _show_faults(self, faults: dict[ResourceKey, tuple[str, ...]]) -> None:
        for key, messages in faults.items():
            for message in messages:
                if message not in self._faults.get(key, ()):
                    self.line(f"! {self._fault(key, message)}")
        for key in self._faults.keys() - faults.keys():
            self.line(f"solved: {key}")
        self._faults = faults

    def _fault(self, key: ResourceKey, message: str) -> str:
        location = self._directory.location(key)
        return f"{self._root / location}: {key}: {message}" if location else f"{key}: {message}"

    def _show_rejection(self, observation: Observation) -> None:
        rejections = [rollout.rejection for rollout in observation.rollouts.values() if rollout.rejection]
        text = f"{rejections[0].path} {rejections[0].reason}".strip() if rejections else ""
        if text and text != self._rejection:
            self.line(f"! the proxy keeps its last configuration, it cannot build the new one: {text}")
        self._rejection = text


class LogLines(logging.Handler):
    """Sends the operator's own log to the terminal, in its form."""

    def __init__(self, terminal: Terminal) -> None:
        super().__init__()
        self._terminal = terminal

    def emit(self, record: logging.LogRecord) -> None:
        """A line for each of the record's. What files lack is in the banner until that was shown."""
        if record.name == DIRECTORY_LOG and not self._terminal.live:
            return
        mark = "! " if record.levelno >= logging.WARNING else ""
        for text in self.format(record).splitlines():
            self._terminal.line(mark + text)


def to_stdout(text: str) -> None:
    """At once, also into a pipe."""
    sys.stdout.write(text + "\n")
    sys.stdout.flush()
