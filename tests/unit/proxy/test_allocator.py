"""What large requests leave behind is kept for the next: asked of the system, in processes of their own."""

import os
import platform
import subprocess
import sys

import pytest

pytestmark = pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc's allocator is told anything")

SCRIPT = """
import resource
from pilothouse_proxy import allocator
allocator.keep()
def work(times):
    for _ in range(times):
        parts = [b"x" * (120_000 + at) for at in range(40)]
        del parts
work(20)
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
work(20)
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""
PAGES_OF_A_ROUND = 40 * 120_000 // 4_096


def faults(**environment: str) -> int:
    """How many pages twenty rounds of work take anew from the system."""
    own = {name: value for name, value in os.environ.items() if not name.startswith("MALLOC_")}
    said = subprocess.run(
        [sys.executable, "-c", SCRIPT], env={**own, **environment}, capture_output=True, text=True, check=True
    )
    return int(said.stdout)


def test_memory_of_large_bodies_is_not_taken_anew_for_each() -> None:
    assert faults() < PAGES_OF_A_ROUND


def test_who_sets_the_allocator_himself_is_heeded() -> None:
    assert faults(MALLOC_MMAP_THRESHOLD_="65536") > 10 * PAGES_OF_A_ROUND
