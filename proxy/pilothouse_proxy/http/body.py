"""The body of a request on its way to an upstream."""

from typing import Final, TypeAlias

LARGE_BYTES: Final = 64 << 10
"""Up to this size a body is copied behind its head and leaves in the same buffer; beyond it the copy costs more."""


class Pieces:
    """A large body, in pieces that lie where they came from. They are written one after the other, and never joined."""

    def __init__(self, parts: list[bytes | memoryview]) -> None:
        self.parts: Final = parts

    def __len__(self) -> int:
        """In bytes."""
        return sum(len(part) for part in self.parts)


Body: TypeAlias = bytes | Pieces


def whole(body: Body) -> bytes:
    """For who must have all of it in one place, to sign it or to look into it."""
    return b"".join(body.parts) if isinstance(body, Pieces) else body
