"""CPU and memory of what is measured, read from /proc: a busy neighbour costs requests a second, not these figures."""

import contextlib
import os
import pathlib
import signal
import subprocess
import time
from collections.abc import Mapping

_PROC = pathlib.Path("/proc")
_TICK = os.sysconf("SC_CLK_TCK")


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
    """Seconds on a CPU of a process tree, exact to the nanosecond: the scheduler's own account.

    Threads and processes that have ended are not in it: nobody here ends any under load (see `ticks_s`).
    """
    total = 0
    for each in tree(pid):
        for thread in _threads(each):
            with contextlib.suppress(OSError):
                total += int((thread / "schedstat").read_text().split()[0])
    return total / 1e9


def ticks_s(pid: int) -> float:
    """The same from the processes' own account, in ticks of 10 ms, with what has ended: to check `cpu_s` against."""
    total = 0
    for each in tree(pid):
        with contextlib.suppress(OSError):
            fields = (_PROC / str(each) / "stat").read_text().rpartition(")")[2].split()
            total += sum(int(field) for field in fields[11:15])
    return total / _TICK


def rss_mib(pid: int) -> float:
    """Resident memory of a process tree in MiB. What several processes share counts for each."""
    total = 0
    for each in tree(pid):
        with contextlib.suppress(OSError):
            lines = (_PROC / str(each) / "smaps_rollup").read_text().splitlines()
            total += sum(int(line.split()[1]) for line in lines if line.startswith("Rss:"))
    return total / 1024


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
