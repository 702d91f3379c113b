"""Golden files: what a translation or a table makes of an input, kept as text beside it for a reader to judge."""

import json
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Goldens:
    """`pytest --write-golden` (or `make golden`) writes; otherwise a difference fails with both texts."""

    folder: Path
    write: bool

    def check(self, name: str, got: str) -> None:
        """`got` equals the file `name`, to the byte."""
        path = self.folder / name
        if self.write:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(got, encoding="utf-8", newline="")
        assert path.exists(), f"{path} is missing: run `make golden` and judge what it writes"
        assert got == path.read_bytes().decode(), f"{path} differs: run `make golden` and judge the difference"

    def check_json(self, name: str, got: object) -> None:
        """`check` of a value as indented JSON."""
        self.check(name, json.dumps(got, indent=2, ensure_ascii=False) + "\n")

    def check_complete(self, pattern: str, expected: set[str]) -> None:
        """The files that fit `pattern` are those `expected`; stale ones are deleted when writing."""
        found = {str(path.relative_to(self.folder)) for path in self.folder.glob(pattern)}
        if self.write:
            for stale in found - expected:
                (self.folder / stale).unlink()
            found &= expected
        assert found == expected, "golden files without an input, or inputs without one: run `make golden`"
