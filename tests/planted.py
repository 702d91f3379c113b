"""The secrets that the tests have planted, and the search for them where anybody may read: logs, metrics, statuses, …

Planted are the keys that the simulators take, whatever became a `Secret` in this process, and what tests and fixtures
plant by name: tokens as they are issued, values of Secrets in the API server, a proxy's credentials on its disk.
"""

import base64
import json
import re
from collections.abc import Iterable, Iterator
from functools import lru_cache
from typing import Any
from urllib.parse import quote, quote_plus

from pilothouse_api.secret import Secret
from tests.simulators import credentials

SHORTEST = 12
"""Shorter texts are found by chance."""

_PUBLIC = re.compile(r"-----BEGIN (CERTIFICATE|PUBLIC KEY)-----.*?-----END \1-----", re.DOTALL)
_RULE = re.compile(r"-----(BEGIN|END) [A-Z0-9 ]+-----")


class Leaked(AssertionError):
    """Where which planted secrets are shown, without them."""


class Planted:
    """Names of secrets by value, the newest last."""

    def __init__(self) -> None:
        self._names: dict[str, str] = {}

    def plant(self, name: str, *values: str) -> None:
        """From now on these are searched for: each line of PEM on its own, without what is public in it."""
        for value in values:
            for part in _parts(value):
                self._names.setdefault(part, name)

    def found(self, content: str | bytes) -> list[str]:
        """Names of those that are in there, in any of their forms."""
        shown = content.encode(errors="surrogateescape") if isinstance(content, str) else content
        if not shown:
            return []
        # A copy: other threads plant meanwhile.
        found = (name for value, name in list(self._names.items()) if any(form in shown for form in forms(value)))
        return sorted(set(found))

    def mark(self) -> int:
        """For `forget`."""
        return len(self._names)

    def forget(self, mark: int) -> None:
        """What was planted since."""
        for value in list(self._names)[mark:]:
            del self._names[value]


PLANTED = Planted()


def plant(name: str, *values: str) -> None:
    """In the suite's registry."""
    PLANTED.plant(name, *values)


def sweep(places: Iterable[tuple[str, str | bytes]], *, planted: Planted | None = None) -> None:
    """Raises Leaked if one of the contents, each with what its place is called, shows a planted secret."""
    registry = planted or PLANTED
    leaks = [f"{place} shows {name}" for place, content in places for name in registry.found(content)]
    if leaks:
        raise Leaked("; ".join(leaks))


@lru_cache(maxsize=4_096)
def forms(value: str) -> tuple[bytes, ...]:
    """As it stands, as JSON, Python, URLs and base64 write it, whatever stands around it there."""
    data = value.encode()
    texts = {value, json.dumps(value)[1:-1], json.dumps(value, ensure_ascii=False)[1:-1], repr(value)[1:-1]}
    texts |= {quote(value, safe=""), quote(value), quote_plus(value)}
    return (*(text.encode() for text in texts), *_in_base64(data))


def _in_base64(data: bytes) -> Iterator[bytes]:
    """Three groups of letters, by how many bytes stand before it, without the letters that its neighbours share."""
    for before in range(3):
        begin = (before * 8 + 5) // 6
        end = (before + len(data)) * 8 // 6
        for encode in (base64.b64encode, base64.urlsafe_b64encode):
            yield encode(bytes(before) + data + bytes(2))[begin:end]


def _parts(value: str) -> Iterator[str]:
    secret = _PUBLIC.sub("", value)
    lines = _RULE.sub("", secret).splitlines() if _RULE.search(secret) else [secret]
    for line in lines:
        if len(line.strip()) >= SHORTEST:
            yield line.strip()


def plant_every_secret() -> None:
    """Whatever becomes a Secret in this process is planted from now on. Not where the class is compiled."""
    make = Secret.__init__

    def planting(self: Secret, value: str) -> None:
        make(self, value)
        PLANTED.plant("a Secret of the test's process", value)

    try:
        Secret.__init__ = planting  # type: ignore[method-assign]
    except TypeError:
        return


def _published() -> dict[str, Any]:
    return {name: value for name, value in vars(credentials).items() if name.isupper() and isinstance(value, str)}


for _name, _value in _published().items():
    plant(f"the simulators' {_name}", _value)
