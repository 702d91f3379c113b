"""Which credentials a scope's streams have been given, and which they lack. Pure.

Every credential has the number of its last change; a stream needs to remember one number only, the highest when it last
took something, however many providers there are.
"""

from collections.abc import Mapping

from pilothouse_api.names import ProviderKey
from pilothouse_api.snapshot import canonical
from pilothouse_api.snapshot.credentials import Credential, NoCredential
from pilothouse_api.snapshot.stream import Renewal


class Handing:
    """The credentials of one scope: those of its snapshot, and those that are renewed beside it."""

    def __init__(self) -> None:
        self.number = 0
        """Of the newest change."""
        self.renewed: dict[ProviderKey, Credential] = {}
        self._all: dict[ProviderKey, Credential] = {}
        self._changed: dict[ProviderKey, int] = {}
        self._lines: dict[int, bytes] = {}

    def replace(self, *, static: Mapping[ProviderKey, Credential], renewed: Mapping[ProviderKey, Credential]) -> bool:
        """All that the scope may have from now on. True: streams lack one that is renewed."""
        given = {key: held for key, held in static.items() if not isinstance(held, NoCredential)} | dict(renewed)
        changed = {key for key, held in given.items() if self._all.get(key) != held}
        for key in self._all.keys() - given.keys():
            del self._changed[key]
        self._all, self.renewed = given, dict(renewed)
        self._mark(changed)
        return not changed.isdisjoint(renewed)

    def renew(self, provider: ProviderKey, credential: Credential) -> bool:
        """Another credential for a provider whose are renewed. False: it is none of these, or this is no other one."""
        if provider not in self.renewed or self.renewed[provider] == credential:
            return False
        self.renewed[provider] = self._all[provider] = credential
        self._mark({provider})
        return True

    def renewal(self, since: int) -> bytes | None:
        """The line with every renewed credential of a change after `since`; shared by all streams that ask the same."""
        line = self._lines.get(since)
        if line is None:
            lacking = {key: held for key, held in self.renewed.items() if self._changed[key] > since}
            if not lacking:
                return None
            line = self._lines[since] = canonical.encode_renewal(Renewal(credentials=lacking)) + b"\n"
        return line

    def handed(self, since: int) -> Mapping[ProviderKey, Credential]:
        """Every credential of a change after `since`."""
        return {key: self._all[key] for key, number in self._changed.items() if number > since}

    def _mark(self, providers: set[ProviderKey]) -> None:
        if providers:
            self.number += 1
        for provider in providers:
            self._changed[provider] = self.number
        # Also where one is gone: a line may hold it.
        self._lines.clear()
