"""Which credentials a scope's streams have been given, and which they lack. Pure.

Every credential has the number of its last change; a stream needs to remember one number only, the highest when it last
took something, however many providers there are.
"""

import enum
from collections.abc import Mapping

from pilothouse_api.names import ProviderKey
from pilothouse_api.snapshot import canonical
from pilothouse_api.snapshot.credentials import Credential, NoCredential, ProxyCredential
from pilothouse_api.snapshot.stream import Renewal


class Shows(enum.Enum):
    """Whom a credential is shown to."""

    PROVIDER = enum.auto()
    FORWARD_PROXY = enum.auto()


Held = Mapping[tuple[ProviderKey, Shows], Credential | ProxyCredential]


class Handing:
    """The credentials of one scope: those of its snapshot, and those that are renewed beside it."""

    def __init__(self) -> None:
        self.number = 0
        """Of the newest change."""
        self.renewed: dict[ProviderKey, Credential] = {}
        self._all: dict[tuple[ProviderKey, Shows], Credential | ProxyCredential] = {}
        self._changed: dict[tuple[ProviderKey, Shows], int] = {}
        self._lines: dict[int, bytes] = {}

    def replace(
        self,
        *,
        static: Mapping[ProviderKey, Credential],
        proxies: Mapping[ProviderKey, ProxyCredential],
        renewed: Mapping[ProviderKey, Credential],
    ) -> bool:
        """All that the scope may have from now on. True: streams lack one that is renewed."""
        lasting = {key: held for key, held in static.items() if not isinstance(held, NoCredential)}
        given: dict[tuple[ProviderKey, Shows], Credential | ProxyCredential] = {
            **{(key, Shows.PROVIDER): held for key, held in {**lasting, **renewed}.items()},
            **{(key, Shows.FORWARD_PROXY): held for key, held in proxies.items()},
        }
        changed = {key for key, held in given.items() if self._all.get(key) != held}
        for key in self._all.keys() - given.keys():
            del self._changed[key]
        self._all, self.renewed = given, dict(renewed)
        self._mark(changed)
        return any((key, Shows.PROVIDER) in changed for key in renewed)

    def renew(self, provider: ProviderKey, credential: Credential) -> bool:
        """Another credential for a provider whose are renewed. False: it is none of these, or this is no other one."""
        if provider not in self.renewed or self.renewed[provider] == credential:
            return False
        self.renewed[provider] = self._all[provider, Shows.PROVIDER] = credential
        self._mark({(provider, Shows.PROVIDER)})
        return True

    def renewal(self, since: int) -> bytes | None:
        """The line with every renewed credential of a change after `since`; shared by all streams that ask the same."""
        line = self._lines.get(since)
        if line is None:
            lacking = {key: held for key, held in self.renewed.items() if self._changed[key, Shows.PROVIDER] > since}
            if not lacking:
                return None
            line = self._lines[since] = canonical.encode_renewal(Renewal(credentials=lacking)) + b"\n"
        return line

    def handed(self, since: int) -> Held:
        """Every credential of a change after `since`."""
        return {key: self._all[key] for key, number in self._changed.items() if number > since}

    def _mark(self, changed: set[tuple[ProviderKey, Shows]]) -> None:
        if changed:
            self.number += 1
        for key in changed:
            self._changed[key] = self.number
        # Also where one is gone: a line may hold it.
        self._lines.clear()
