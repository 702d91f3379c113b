"""The page that describes the proxy names everything that it has."""

import re
from pathlib import Path

from pilothouse import run_proxy

ROOT = Path(__file__).parents[4]
PAGE = (ROOT / "docs/proxy.md").read_text()


def test_every_flag_is_described_and_no_other() -> None:
    flags = set(re.findall(r"^ +(--[a-z-]+) ", run_proxy._parser({}).format_help(), re.MULTILINE))
    assert set(re.findall(r"^\| `(--[a-z-]+)` ", PAGE, re.MULTILINE)) == flags
    assert len(flags) > 8


def test_every_metric_is_described_and_no_other() -> None:
    golden = (ROOT / "tests/golden/metrics.txt").read_text()
    metrics = set(re.findall(r"^# TYPE (pilothouse_\w+) ", golden, re.MULTILINE))
    assert set(re.findall(r"^\| `(pilothouse_\w+)` ", PAGE, re.MULTILINE)) == metrics
    assert len(metrics) > 10
