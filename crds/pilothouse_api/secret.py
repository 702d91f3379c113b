"""A secret value that shows itself nowhere by accident."""

import hmac
from typing import NoReturn, final

REDACTED = "[redacted]"


@final
class Secret:
    """Text that `repr`, `str`, `format`, encoders and pickle never show; `reveal()` is the one way out."""

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value

    def reveal(self) -> str:
        """The value itself. Call it only where the value is put to use, never on the way to a reader."""
        return self._value

    def __repr__(self) -> str:
        return REDACTED

    def __str__(self) -> str:
        return REDACTED

    def __format__(self, spec: str) -> str:
        return REDACTED

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and hmac.compare_digest(_bytes(self._value), _bytes(other._value))

    def __hash__(self) -> int:
        return hash((Secret, self._value))

    def __bool__(self) -> bool:
        return bool(self._value)

    def __reduce_ex__(self, protocol: object) -> NoReturn:
        raise TypeError("a Secret is never pickled or copied to another process")


def _bytes(value: str) -> bytes:
    """Also of what is no text, which JSON can hold all the same: half of a surrogate pair."""
    return value.encode(errors="surrogatepass")
