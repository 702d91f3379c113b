"""What the system grants this process: memory and descriptors."""

import contextlib
import logging
import resource
from pathlib import Path

from pilothouse_proxy.http.doors import LINGERING
from pilothouse_proxy.http.limits import MIB

BASE_BYTES = 64 * MIB
"""What the process takes without traffic, with room for a configuration."""
LEAST_BUDGET_BYTES = 16 * MIB
UNLIMITED_BUDGET_BYTES = 256 * MIB
"""Of messages, where nothing limits the memory."""
_SPARE_DESCRIPTORS = 96 + LINGERING
"""For listeners, probes, logs, files read anew, the control stream; and for who is told that there is no place."""
_V1_UNLIMITED = 1 << 60

logger = logging.getLogger(__name__)


def budget_bytes(root: Path = Path("/")) -> int:
    """For messages: half of the memory that the cgroup leaves, for what comes on top see `Ledger`."""
    limit = memory_limit_bytes(root)
    if limit is None:
        return UNLIMITED_BUDGET_BYTES
    return max(LEAST_BUDGET_BYTES, (limit - BASE_BYTES) // 2)


def memory_limit_bytes(root: Path = Path("/")) -> int | None:
    """The tightest limit of the process' cgroup and those above it, of either version; None: there is none.

    A container's own cgroup is mostly mounted as the root of the tree, while /proc may tell its name in the host's.
    """
    found: list[int] = []
    for name, folder, file in _places(root):
        for each in (name, *name.parents):
            with contextlib.suppress(OSError, ValueError):
                found.append(int((folder / each / file).read_text()))
    limits = [limit for limit in found if limit < _V1_UNLIMITED]
    return min(limits, default=None)


def _places(root: Path) -> list[tuple[Path, Path, str]]:
    """(name of the cgroup, where its tree is mounted, the limit's file) by version."""
    tree = root / "sys/fs/cgroup"
    places = []
    try:
        lines = (root / "proc/self/cgroup").read_text().splitlines()
    except OSError:
        lines = ["0::/"]
    for line in lines:
        number, _, rest = line.partition(":")
        controllers, _, path = rest.partition(":")
        name = Path(path.lstrip("/"))
        if number == "0" and not controllers:
            places.append((name, tree, "memory.max"))
        elif "memory" in controllers.split(","):
            places.append((name, tree / "memory", "memory.limit_in_bytes"))
    return places


def raise_descriptors() -> int:
    """As many open files as the system allows at most. How many callers' connections that is good for.

    Each may need another one to a provider.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    try:
        # Many systems allow 1,024 to who does not ask, because some programs use select.
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
        soft = hard
    except (OSError, ValueError) as error:
        logger.warning("the limit of open files stays %d: %s", soft, error)
    if soft == resource.RLIM_INFINITY:
        return 1 << 30
    return max(1, (soft - _SPARE_DESCRIPTORS) // 2)
