"""One line in the log for every credential that a proxy is given: who, which provider, until when. Never the value."""

import logging

from pilothouse_api.snapshot import canonical
from pilothouse_api.snapshot.credentials import AccessKey, BearerToken, Credential, ProxyCredential
from pilothouse_operator.distribution.handing import Held, Shows
from pilothouse_operator.ports import ProxyIdentity
from pilothouse_operator.timestamps import timestamp

_log = logging.getLogger(__name__)

_WHAT = {Shows.PROVIDER: "the credential", Shows.FORWARD_PROXY: "the user and password for the forward proxy"}


def handed_out(identity: ProxyIdentity, held: Held) -> None:
    """Logs each."""
    for (provider, shows), credential in held.items():
        _log.info(
            "handed out %s of %s to pod %s/%s (ServiceAccount %s, %s), %s",
            _WHAT[shows],
            provider,
            identity.subject.namespace,
            identity.pod,
            identity.subject.service_account,
            identity.scope,
            _until(credential),
        )


def _until(credential: Credential | ProxyCredential) -> str:
    """With its fingerprint, if it ends: of a key that lasts a hash would be there to be guessed at."""
    if not isinstance(credential, AccessKey | BearerToken) or (ends := credential.expires_at) is None:
        return "which does not end by itself"
    return f"until {timestamp(ends)} ({canonical.fingerprint(credential)})"
