import resource
import subprocess
import sys
from pathlib import Path

import pytest

from pilothouse_proxy.http import grants
from pilothouse_proxy.http.limits import MIB

POD = "kubepods.slice/pod1/container1"


def system(root: Path, cgroup: str, **limits: str) -> Path:
    """A root with these limits, by file."""
    (root / "proc/self").mkdir(parents=True)
    (root / "proc/self/cgroup").write_text(cgroup)
    for place, text in limits.items():
        file = root / "sys/fs/cgroup" / place
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text + "\n")
    return root


@pytest.mark.parametrize(
    ("cgroup", "limits", "expected"),
    [
        ("0::/\n", {"memory.max": "536870912"}, 512 * MIB),
        ("0::/\n", {"memory.max": "max"}, None),
        ("0::/\n", {}, None),
        (f"0::/{POD}\n", {f"{POD}/memory.max": "max", "kubepods.slice/pod1/memory.max": "1048576"}, MIB),
        (f"0::/{POD}\n", {"memory.max": "2097152"}, 2 * MIB),
        (f"4:memory:/{POD}\n0::/\n", {f"memory/{POD}/memory.limit_in_bytes": "3145728"}, 3 * MIB),
        (f"5:cpu,memory:/{POD}\n", {"memory/memory.limit_in_bytes": "4194304"}, 4 * MIB),
        ("4:memory:/\n", {"memory/memory.limit_in_bytes": "9223372036854771712"}, None),
    ],
)
def test_the_tightest_limit_of_the_cgroups_counts(
    cgroup: str, limits: dict[str, str], expected: int | None, tmp_path: Path
) -> None:
    assert grants.memory_limit_bytes(system(tmp_path, cgroup, **limits)) == expected


def test_a_system_without_cgroups_has_no_limit(tmp_path: Path) -> None:
    assert grants.memory_limit_bytes(tmp_path) is None


@pytest.mark.parametrize(
    ("limit", "budget"),
    [("max", 256 * MIB), (str(512 * MIB), 224 * MIB), (str(64 * MIB), 16 * MIB), (str(8_192 * MIB), 4_064 * MIB)],
)
def test_messages_get_half_of_what_is_left(limit: str, budget: int, tmp_path: Path) -> None:
    assert grants.budget_bytes(system(tmp_path, "0::/\n", **{"memory.max": limit})) == budget


def test_the_limit_of_open_files_is_raised_as_far_as_it_may_be() -> None:
    program = (
        "import resource; from pilothouse_proxy.http import grants;"
        "resource.setrlimit(resource.RLIMIT_NOFILE, (100, 400));"
        "print(grants.raise_descriptors(), *resource.getrlimit(resource.RLIMIT_NOFILE))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["136", "400", "400"]


def test_what_is_raised_already_is_left() -> None:
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    assert grants.raise_descriptors() >= 1
    assert resource.getrlimit(resource.RLIMIT_NOFILE)[1] == before[1]
