"""The credentials that renewals brought, kept beside the snapshots, which have none of them. Pure."""

from collections.abc import Mapping

from pilothouse_api.names import ProviderKey
from pilothouse_api.snapshot.credentials import Credential
from pilothouse_api.snapshot.snapshot import Snapshot
from pilothouse_proxy import runtime

Credentials = Mapping[ProviderKey, Credential]


class Overlay:
    """`used` is what the running snapshot is signed in with; what came ahead of its snapshot waits for that."""

    def __init__(self) -> None:
        self.used: dict[ProviderKey, Credential] = {}
        self._ahead: dict[ProviderKey, Credential] = {}

    def renew(self, credentials: Credentials, running: Snapshot | None, *, now: float) -> dict[ProviderKey, str]:
        """Take in a renewal; `now` in Unix seconds. For each credential that cannot be used: why; the former stays.

        One that its provider cannot be signed in to with is kept all the same: the next snapshot may have another
        provider of that name.
        """
        reasons = {}
        for key, credential in credentials.items():
            if runtime.ends(credential) <= now:
                reasons[key] = "it had ended when it came (is the clock of this node right?)"
                continue
            self._ahead[key] = credential
            provider = None if running is None or key in running.credentials else running.providers.get(key)
            if provider is None:
                continue
            reason = runtime.unfit(provider, credential)
            if reason:
                reasons[key] = reason
            else:
                self.used[key] = self._ahead.pop(key)
        return reasons

    def fit(self, snapshot: Snapshot) -> tuple[dict[ProviderKey, Credential], dict[ProviderKey, str]]:
        """For each provider that the snapshot has no credential for, the newest that one can sign in with.

        And, for those that came last and cannot be used: why.
        """
        found: dict[ProviderKey, Credential] = {}
        reasons: dict[ProviderKey, str] = {}
        for key, provider in snapshot.providers.items():
            if key in snapshot.credentials:
                continue
            for credential in (self.used.get(key), self._ahead.get(key)):
                if credential is None:
                    continue
                reason = runtime.unfit(provider, credential)
                if reason:
                    reasons[key] = reason
                else:
                    found[key] = credential
                    reasons.pop(key, None)
        return found, reasons

    def settle(self, snapshot: Snapshot, used: Credentials) -> None:
        """The snapshot runs, with these of `fit`. Credentials of providers that it has not are dropped."""
        kept = self.kept
        self._ahead = {key: kept[key] for key in snapshot.credentials if key in kept}
        self.used = dict(used)

    @property
    def kept(self) -> dict[ProviderKey, Credential]:
        """What a restart needs: those in use, and those ahead of their snapshot."""
        return self._ahead | self.used
