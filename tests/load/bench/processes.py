"""CPU and memory of what is measured, read from /proc: a busy neighbour costs requests a second, not these figures."""

import os
import pathlib
import subprocess
import time
from collections.abc import Mapping

TICK = os.sysconf("SC_CLK_TCK")


def cpu_s(pid: int) -> float:
    """User and system seconds that a process and its reaped children have used."""
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return sum(int(field) for field in fields[11:15]) / TICK


def rss_mib(pid: int) -> float:
    """Resident memory of one process in MiB."""
    for line in pathlib.Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
        if line.startswith("Rss:"):
            return int(line.split()[1]) / 1024
    raise RuntimeError(f"no Rss in the memory map of {pid}")


def children(pid: int) -> list[int]:
    """The direct children of a process."""
    return [int(child) for child in pathlib.Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


class Pinned:
    """A process on one core, ended by `stop`, its output in a file."""

    def __init__(self, argv: list[str], *, core: int, log: pathlib.Path, env: Mapping[str, str] | None = None) -> None:
        self.log = log
        with log.open("wb") as out:
            self._process = subprocess.Popen(
                ["taskset", "-c", str(core), *argv],
                stdout=out,
                stderr=out,
                stdin=subprocess.DEVNULL,
                env=None if env is None else dict(env),
            )
        self.started = time.monotonic()

    @property
    def pid(self) -> int:
        # taskset replaces itself with the command.
        return self._process.pid

    def check(self) -> None:
        """Raises if it has ended."""
        if self._process.poll() is not None:
            raise RuntimeError(f"{self._process.args} ended: {self.log.read_text(errors='replace')[-2000:]}")

    def stop(self) -> None:
        """SIGTERM, then SIGKILL after ten seconds."""
        if self._process.poll() is None:
            self._process.terminate()
            try:
                self._process.wait(10)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
