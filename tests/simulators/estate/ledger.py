"""Which secret is behind a credential, when its store first showed it, and when who first used it."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from dataclasses import dataclass, field

from tests.simulators.recorder import Record

_MARK = re.compile(rb"\[([a-z0-9-]+)@([a-z0-9-]+)\]")


@dataclass
class Ledger:
    """Times are Unix seconds.

    `[KIND@CALLER]` in a text says which kind of sign-in it is sent through, and by whom. `shown`: secret → when.
    `used`: secret or credential → caller → when. `credentials`: kind → all that it has used, in order.
    """

    shown: dict[str, float] = field(default_factory=dict)
    used: dict[str, dict[str, float]] = field(default_factory=dict)
    credentials: dict[str, list[str]] = field(default_factory=dict)
    _made_of: dict[str, str] = field(default_factory=dict)
    _kept: dict[tuple[str, str], str] = field(default_factory=dict)

    def made(self, credential: str, *, of: str) -> None:
        """A credential was issued to whoever showed `of`: a secret's name, or another credential."""
        self._made_of[credential] = of

    def put(self, store: str, name: str, secret: str) -> None:
        """What a store keeps under a name is now this secret."""
        self._kept[store, name] = secret

    def served(self, store: str, name: str) -> None:
        """A store has given out what it keeps under a name."""
        secret = self._kept.get((store, name))
        if secret is not None:
            self.shown.setdefault(secret, time.time())

    def heard(self, record: Record) -> None:
        """A request for a model was answered."""
        mark = _MARK.search(record.request.body)
        if record.status != 200 or record.credential is None or mark is None:
            return
        kind, caller = mark[1].decode(), mark[2].decode()
        known = self.credentials.setdefault(kind, [])
        if record.credential not in known:
            known.append(record.credential)
        for behind in self.behind(record.credential):
            self.used.setdefault(behind, {}).setdefault(caller, record.request.received_at)

    def behind(self, credential: str) -> Iterator[str]:
        """A credential, what it was made of, and so on."""
        at: str | None = credential
        while at is not None:
            yield at
            at = self._made_of.get(at)
