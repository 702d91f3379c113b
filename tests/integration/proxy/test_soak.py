"""`make soak` in small: its mixture of callers, failing upstreams and new configurations, for a few seconds."""

import json
import subprocess
import sys


def test_every_answer_of_the_mixture_is_what_it_must_be() -> None:
    said = subprocess.run(
        [sys.executable, "-m", "tests.load.soak", "--minutes", "0.12"],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )

    assert said.returncode == 0, said.stderr[-4_000:]
    last = json.loads(said.stdout.splitlines()[-1])
    assert last["failed"] == 0, said.stderr[-4_000:]
    assert last["requests"] > 100
