"""Child processes of `pilothouse up`: started tied to this one, watched, restarted, ended in order."""

import asyncio
import contextlib
import os
import signal
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from pilothouse import leash

_LINE_BYTES = 1_048_576
_KILL_GRACE_S = 5.0
_LAST_LINES_S = 1.0
_BACKOFF_S = (0.2, 5.0)
_SETTLED_S = 30.0
"""A child that lived so long is restarted at once when it dies."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """What to run. `name` for messages. `ends_within_s`: how long it may take after SIGTERM before it is killed."""

    name: str
    argv: Sequence[str]
    environ: Mapping[str, str]
    ends_within_s: float


class Ended(Exception):
    """A child that should go on has ended by itself."""


class Children:
    """All of them. `output` gets each line of a child's stdout and stderr, with the child's name."""

    def __init__(self, *, output: Callable[[str, str], None]) -> None:
        self._output = output
        self._living: dict[int, asyncio.subprocess.Process] = {}

    async def keep(self, command: Command, *, died: Callable[[str], None]) -> None:
        """Runs it until cancelled; if it dies it is restarted, with back-off."""
        backoff_s = _BACKOFF_S[0]
        loop = asyncio.get_running_loop()
        while True:
            began = loop.time()
            status = await self._run(command)
            if loop.time() - began > _SETTLED_S:
                backoff_s = _BACKOFF_S[0]
            died(f"{command.name} {_ending(status)}; starting it again in {backoff_s:g} s")
            await asyncio.sleep(backoff_s)
            backoff_s = min(backoff_s * 2, _BACKOFF_S[1])

    async def accompany(self, command: Command) -> None:
        """Runs it until cancelled.

        Raises:
            Ended: it did not wait for that.
        """
        raise Ended(f"{command.name} {_ending(await self._run(command))}")

    def kill(self) -> None:
        """Ends all of them at once, without draining."""
        for pid in self._living:
            _signal_session(pid, signal.SIGKILL)

    async def _run(self, command: Command) -> int:
        # A session of its own: Ctrl-C in the terminal reaches this process alone, which ends its children in order.
        child = await asyncio.create_subprocess_exec(
            sys.executable,
            *leash.ARGUMENTS,
            str(os.getpid()),
            *command.argv,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            env=dict(command.environ),
            start_new_session=True,
            limit=_LINE_BYTES,
        )
        self._living[child.pid] = child
        reading = asyncio.create_task(self._read(child, command.name))
        try:
            return await child.wait()
        finally:
            await _end(child, command.ends_within_s)
            del self._living[child.pid]
            # What was forked off and still holds the pipe must not hold us.
            await asyncio.wait([reading], timeout=_LAST_LINES_S)
            reading.cancel()

    async def _read(self, child: asyncio.subprocess.Process, name: str) -> None:
        while child.stdout is not None:
            try:
                line = await child.stdout.readline()
            except ValueError:
                continue  # longer than the limit: dropped
            if not line:
                return
            self._output(name, line.decode(errors="replace").rstrip("\n"))


async def _end(child: asyncio.subprocess.Process, within_s: float) -> None:
    """SIGTERM, then SIGKILL, to the whole session: nothing that the child started outlives it."""
    if child.returncode is None:
        _signal_session(child.pid, signal.SIGTERM)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(within_s + _KILL_GRACE_S):
                await child.wait()
    _signal_session(child.pid, signal.SIGKILL)
    await child.wait()


def _signal_session(pid: int, number: signal.Signals) -> None:
    # The session's leader may be gone while others of it live; macOS then answers with a PermissionError.
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, number)


def _ending(status: int) -> str:
    return f"was ended by {signal.Signals(-status).name}" if status < 0 else f"ended with status {status}"
