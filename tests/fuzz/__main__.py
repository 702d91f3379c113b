"""The fuzzer: `make fuzz`, or one finding again.

python -m tests.fuzz [--seconds 60] [--seed N] [--law NAME]
python -m tests.fuzz --law NAME --replay FILE
"""

import argparse
import hashlib
import os
import secrets
import subprocess
import sys
from pathlib import Path

from tests.fuzz.laws import LAWS, Law

ROOT = Path(__file__).parents[2]
WORK = ROOT / ".cache" / "fuzz"
PYTHON = ROOT / ".cache" / "venv-fuzz" / "bin" / "python"
LONGEST_BYTES = 4096
"""Beyond it inputs get slow, and find nothing that a shorter one does not."""


def main() -> int:
    """The exit code: 1 with a finding."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=60, help="for all laws together")
    parser.add_argument("--seed", type=int, default=None, help="of a run to repeat; else one is drawn, and printed")
    parser.add_argument("--law", choices=LAWS, help="this one alone")
    parser.add_argument("--replay", type=Path, metavar="FILE", help="one input that was found")
    options = parser.parse_args()
    laws = {name: law for name, law in LAWS.items() if options.law in (None, name)}
    if options.replay is not None:
        if len(laws) > 1:
            parser.error("--replay needs the --law that the input was found with")
        for law in laws.values():
            law.check(options.replay.read_bytes())
        print("holds")
        return 0
    seed = options.seed or secrets.randbelow(2**31 - 1) + 1
    print(f"seed {seed}", flush=True)
    shares = sum(law.share for law in laws.values())
    findings = [
        finding
        for name, law in laws.items()
        if (finding := _fuzz(name, law, seed=seed, seconds=max(1, round(options.seconds * law.share / shares))))
    ]
    for law_name, found in findings:
        print(f"{law_name}: {found}; again with: make fuzz FUZZ_LAW={law_name} FUZZ_REPLAY={found.relative_to(ROOT)}")
    return 1 if findings else 0


def _fuzz(name: str, law: Law, *, seed: int, seconds: int) -> tuple[str, Path] | None:
    """One law in a process of its own. Starts from the seeds alone, so that the seed tells the whole run."""
    seeds, findings = WORK / name / "seeds", WORK / name / "findings"
    for folder in (seeds, findings):
        folder.mkdir(parents=True, exist_ok=True)
    for old in seeds.iterdir():
        old.unlink()
    for data in law.seeds():
        (seeds / hashlib.sha256(data).hexdigest()[:16]).write_bytes(data)
    known = set(findings.iterdir())
    flags = [
        f"-seed={seed}",
        f"-max_total_time={seconds}",
        f"-max_len={LONGEST_BYTES}",
        f"-artifact_prefix={findings}/",
        "-timeout=10",
        "-rss_limit_mb=1024",
        "-print_final_stats=1",
        "-verbosity=0",
    ]
    log = WORK / name / "log"
    with log.open("wb") as out:
        command = [str(PYTHON), "-m", "tests.fuzz.guided", name, *flags, str(seeds)]
        done = subprocess.run(command, stdout=out, stderr=subprocess.STDOUT, env=_environment(), check=False)
    text = log.read_text(errors="replace")
    inputs = next((line.split()[-1] for line in text.splitlines() if "number_of_executed_units" in line), "?")
    new = sorted(set(findings.iterdir()) - known)
    print(f"{name}: {inputs} inputs in {seconds} s{', a finding' if done.returncode else ''}", flush=True)
    if not done.returncode:
        return None
    print(text[-4000:])
    if not new:
        raise SystemExit(f"{name}: the fuzzer itself failed, see {log}")
    return name, new[0]


def _environment() -> dict[str, str]:
    rooms = [str(ROOT), *(str(ROOT / folder) for folder in ("crds", "operator", "proxy"))]
    return {**os.environ, "PYTHONPATH": os.pathsep.join(rooms), "PYTHONHASHSEED": "0"}


sys.exit(main())
