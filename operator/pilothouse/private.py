"""A directory that nobody else can read, gone when we are."""

import contextlib
import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path

_PREFIX = "pilothouse-up-"


@contextlib.contextmanager
def directory(environ: Mapping[str, str]) -> Iterator[Path]:
    """Mode 0700, in the user's memory-backed run-time directory where there is one.

    It holds a token and the last snapshot with its credentials; what a killed process left behind is removed first.
    """
    runtime = environ.get("XDG_RUNTIME_DIR", "")
    parent = Path(runtime if runtime and os.access(runtime, os.W_OK) else tempfile.gettempdir())
    _sweep(parent)
    made = Path(tempfile.mkdtemp(prefix=f"{_PREFIX}{os.getpid()}-", dir=parent))
    try:
        yield made
    finally:
        shutil.rmtree(made, ignore_errors=True)


def write(path: Path, content: str) -> Path:
    """Creates a file of mode 0600."""
    with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(content)
    return path


def _sweep(parent: Path) -> None:
    for left in parent.glob(f"{_PREFIX}*-*"):
        pid = left.name.removeprefix(_PREFIX).partition("-")[0]
        try:
            ours = left.lstat().st_uid == os.getuid() and not left.is_symlink()
        except OSError:
            continue
        if ours and pid.isdigit() and not _lives(int(pid)):
            shutil.rmtree(left, ignore_errors=True)


def _lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
