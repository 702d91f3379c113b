"""CPU and memory of what is measured, read from /proc: a busy neighbour costs requests a second, not these figures."""

import contextlib
import ctypes
import os
import pathlib
import signal
import subprocess
import time
from collections.abc import Mapping

_PROC = pathlib.Path("/proc")
_TICK = os.sysconf("SC_CLK_TCK")
_LIBC = ctypes.CDLL(None)


def tree(pid: int) -> list[int]:
    """A process and all its descendants."""
    found, at = [pid], 0
    while at < len(found):
        # A child belongs to the thread that made it.
        for thread in _threads(found[at]):
            with contextlib.suppress(OSError):
                found += [int(child) for child in (thread / "children").read_text().split()]
        at += 1
    return found


def cpu_s(pid: int) -> float:
    """Seconds on a CPU of a process tree, to the nanosecond: each process's own clock, its ended threads included.

    Children that have ended are counted too, in ticks.
    """
    total = 0.0
    for each in tree(pid):
        with contextlib.suppress(OSError):
            clock = ctypes.c_int()
            if _LIBC.clock_getcpuclockid(each, ctypes.byref(clock)) == 0:
                total += time.clock_gettime(clock.value) + sum(_ticks(each)[2:]) / _TICK
    return total


def ticks_s(pid: int) -> float:
    """The same from `/proc/PID/stat`, in ticks of 10 ms: to check `cpu_s` against."""
    total = 0
    for each in tree(pid):
        with contextlib.suppress(OSError):
            total += sum(_ticks(each))
    return total / _TICK


def rss_mib(pid: int) -> float:
    """Resident memory of a process tree in MiB. What several processes share counts for each."""
    total = 0
    for each in tree(pid):
        with contextlib.suppress(OSError):
            lines = (_PROC / str(each) / "smaps_rollup").read_text().splitlines()
            total += sum(int(line.split()[1]) for line in lines if line.startswith("Rss:"))
    return total / 1024


def _ticks(pid: int) -> list[int]:
    """User and system time of a process, and of its children that have ended."""
    fields = (_PROC / str(pid) / "stat").read_text().rpartition(")")[2].split()
    return [int(field) for field in fields[11:15]]


def _threads(pid: int) -> list[pathlib.Path]:
    try:
        return list((_PROC / str(pid) / "task").iterdir())
    except OSError:
        return []


class Pinned:
    """A process on one core, ended with its children by `stop`, its output in a file."""

    def __init__(
        self,
        argv: list[str],
        *,
        core: int,
        log: pathlib.Path,
        env: Mapping[str, str] | None = None,
        folder: pathlib.Path | None = None,
    ) -> None:
        self.log = log
        with log.open("wb") as out:
            self._process = subprocess.Popen(
                ["taskset", "-c", str(core), *argv],
                stdout=out,
                stderr=out,
                stdin=subprocess.DEVNULL,
                env=None if env is None else dict(env),
                cwd=folder,
                start_new_session=True,
            )
        self.started = time.monotonic()

    @property
    def pid(self) -> int:
        # taskset replaces itself with the command.
        return self._process.pid

    def check(self) -> None:
        """Raises if it has ended."""
        if self._process.poll() is not None:
            raise RuntimeError(f"{self._process.args} ended: {self.tail()}")

    def tail(self) -> str:
        """The end of what it has said."""
        return self.log.read_text(errors="replace")[-2000:]

    def stop(self) -> None:
        """SIGTERM, then SIGKILL after ten seconds, to it and to what it has left behind."""
        if self._process.poll() is None:
            self._process.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(10)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)
        self._process.wait()
