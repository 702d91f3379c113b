"""What an answer says, in words that all APIs share."""

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Said:
    """`tokens`: all that were counted. `pieces`: events of a stream that showed something."""

    text: str = ""
    calls: tuple[tuple[str, Any], ...] = ()
    thought: bool = False
    finish: str = ""
    tokens: int = 0
    pieces: int = 1
    vectors: tuple[tuple[float, ...], ...] = ()
    ranks: tuple[int, ...] = ()
