"""One line in the log for every credential that a proxy is given: who, which provider, until when. Never the value."""

import logging
from collections.abc import Mapping
from datetime import UTC, datetime

from pilothouse_api.names import ProviderKey
from pilothouse_api.snapshot import canonical
from pilothouse_api.snapshot.credentials import AccessKey, BearerToken, Credential
from pilothouse_operator.ports import ProxyIdentity

_log = logging.getLogger(__name__)


def handed_out(identity: ProxyIdentity, credentials: Mapping[ProviderKey, Credential]) -> None:
    """Logs each."""
    for provider, credential in credentials.items():
        _log.info(
            "handed out the credential of %s to pod %s/%s (ServiceAccount %s, %s), %s",
            provider,
            identity.subject.namespace,
            identity.pod,
            identity.subject.service_account,
            identity.scope,
            _until(credential),
        )


def _until(credential: Credential) -> str:
    """With its fingerprint, if it ends: of a key that lasts a hash would be there to be guessed at."""
    ends = credential.expires_at if isinstance(credential, AccessKey | BearerToken) else None
    if ends is None:
        return "which does not end by itself"
    at = datetime.fromtimestamp(ends, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    return f"until {at} ({canonical.fingerprint(credential)})"
