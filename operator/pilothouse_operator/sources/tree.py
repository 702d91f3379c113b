"""Files under a directory: which changed since the last look, and their text once they keep still."""

import enum
import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from pilothouse_operator.ports import Clock
from pilothouse_operator.sources.manifests import Syntax

_SYNTAX = {".yaml": Syntax.YAML, ".yml": Syntax.YAML, ".json": Syntax.JSON}
_LARGEST_FILE = 8 << 20
# A file is read once it has kept still this long; longer if it does not end in a newline, for it may be half-written.
_SETTLED_S = 0.1
_SETTLED_UNENDED_S = 0.4


@dataclass(frozen=True, slots=True)
class Text:
    """New content of a file. Paths are relative to the root, with `/`."""

    path: str
    text: str
    syntax: Syntax


@dataclass(frozen=True, slots=True)
class Failed:
    """A file or directory (`path` ends in `/`) that is there and cannot be read."""

    path: str
    reason: str


@dataclass(frozen=True, slots=True)
class Gone:
    """What was there is not any more."""

    path: str


Change = Text | Failed | Gone


@dataclass(frozen=True, slots=True)
class _Mark:
    """Differs whenever a file was written or replaced."""

    device: int
    inode: int
    size: int
    modified_ns: int
    changed_ns: int


class _Patience(enum.Enum):
    """Whether to wait until a file keeps still."""

    NONE = "none"
    SETTLE = "settle"


_Sight = _Mark | Failed


class Tree:
    """`*.yaml`, `*.yml` and `*.json` below `root`; names that begin with a dot are left out, links are followed."""

    def __init__(self, *, root: Path, clock: Clock) -> None:
        self._root = root
        self._clock = clock
        self._taken: dict[str, _Sight] = {}
        self._stirring: dict[str, tuple[_Sight | None, float]] = {}

    @property
    def stirring(self) -> bool:
        """Whether something changed that has not kept still long enough yet: look again soon."""
        return bool(self._stirring)

    def read(self) -> list[Change]:
        """Everything, as it is."""
        return list(self._changes(_Patience.NONE))

    def step(self) -> list[Change]:
        """What changed since the last look and keeps still."""
        return list(self._changes(_Patience.SETTLE))

    def _changes(self, patience: _Patience) -> Iterator[Change]:
        sights = dict(_survey(self._root))
        closed = tuple("" if path == "./" else path for path in sights if path.endswith("/"))
        for path in sorted(self._taken.keys() | self._stirring.keys() | sights.keys()):
            sight = sights.get(path)
            if sight == self._taken.get(path) or (sight is None and path.startswith(closed)):
                self._stirring.pop(path, None)
                continue
            change = self._settled(path, sight, patience)
            if change is not None:
                self._stirring.pop(path, None)
                if sight is None:
                    self._taken.pop(path, None)
                else:
                    self._taken[path] = sight
                yield change

    def _settled(self, path: str, sight: _Sight | None, patience: _Patience) -> Change | None:
        now = self._clock.monotonic()
        before, since = self._stirring.get(path, (None, now))
        if path not in self._stirring or before != sight:
            self._stirring[path] = (sight, now)
            since = now
        if patience is _Patience.SETTLE and now - since < _SETTLED_S:
            return None
        if sight is None:
            return Gone(path)
        if isinstance(sight, Failed):
            return sight
        change = self._open(path)
        unended = isinstance(change, Text) and not change.text.endswith("\n")
        if patience is _Patience.SETTLE and unended and now - since < _SETTLED_UNENDED_S:
            return None
        # Written to while it was read: what was read may be a mixture.
        return change if patience is _Patience.NONE or _look(self._root / path) == sight else None

    def _open(self, path: str) -> Change:
        try:
            with open(self._root / path, "rb") as file:
                content = file.read(_LARGEST_FILE + 1)
        except OSError as error:
            return Failed(path, f"cannot be read ({error.strerror})")
        if len(content) > _LARGEST_FILE:
            return Failed(path, f"is larger than {_LARGEST_FILE >> 20} MiB")
        try:
            return Text(path, content.decode("utf-8-sig"), _SYNTAX[os.path.splitext(path)[1]])
        except UnicodeDecodeError:
            return Failed(path, "is not UTF-8")


def _survey(root: Path) -> Iterator[tuple[str, _Sight]]:
    """Every file of interest below `root`, and every directory that cannot be listed."""
    directories: list[tuple[str, Path]] = [("", root)]
    visited: set[tuple[int, int]] = set()
    while directories:
        prefix, directory = directories.pop()
        try:
            status = os.stat(directory)
            names = sorted(os.listdir(directory))
        except OSError as error:
            yield prefix or "./", Failed(prefix or "./", f"cannot be listed ({error.strerror})")
            continue
        if (status.st_dev, status.st_ino) in visited:
            continue
        visited.add((status.st_dev, status.st_ino))
        for name in names:
            if name.startswith("."):
                continue
            path = directory / name
            if path.is_dir():
                directories.append((f"{prefix}{name}/", path))
            elif path.suffix in _SYNTAX and (sight := _look(path)) is not None:
                yield prefix + name, sight if isinstance(sight, _Mark) else Failed(prefix + name, sight.reason)


def _look(path: Path) -> _Sight | None:
    """None: not there. A link to nothing is a fault of its own, so that a slow swap of links drops no resources."""
    try:
        status = os.stat(path)
    except FileNotFoundError:
        return Failed(str(path), "is a link to a file that is not there") if path.is_symlink() else None
    except OSError as error:
        return Failed(str(path), f"cannot be read ({error.strerror})")
    if not stat.S_ISREG(status.st_mode):
        return Failed(str(path), "is not a regular file")
    return _Mark(status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns)
