"""The release's key material, and how its Secret holds it."""

import base64
import binascii
from collections.abc import Mapping
from dataclasses import dataclass

from pilothouse_api.secret import Secret
from pilothouse_operator.distribution import certificates
from pilothouse_operator.distribution.certificates import Authority, CertificateFault, KeyPair


@dataclass(frozen=True, slots=True, kw_only=True)
class Keys:
    """What all replicas share. `peer` is what they show one another.

    `leaf` is shown to proxies; `authority` has issued it. `successor` is trusted already, but nothing that it issued is
    shown yet; `predecessor` (PEM, or empty) is trusted still, for replicas that show what it issued. There is one of
    these at most. `since` (Unix s): when the present trust was known to be wherever proxies are; None while it is not.
    """

    authority: Authority
    leaf: KeyPair
    peer: Secret
    successor: Authority | None = None
    predecessor: str = ""
    since: float | None = None

    @property
    def trust(self) -> str:
        """PEM of all authorities that proxies and peers are to trust; the order tells nothing, and does not change."""
        successor = self.successor.certificate if self.successor else ""
        return joined(self.authority.certificate, successor, self.predecessor)


def joined(*texts: str) -> str:
    """PEM texts as one, each once."""
    return "".join(sorted({text.strip() + "\n" for text in texts if text.strip()}))


def encode(keys: Keys) -> dict[str, str]:
    """As the Secret's `data`. A value that is not there is an empty one, so that it replaces what was there."""
    successor = keys.successor or Authority(certificate="")
    plain = {
        "ca.crt": keys.authority.certificate,
        "ca.key": keys.authority.key.reveal() if keys.authority.key else "",
        "tls.crt": keys.leaf.certificate,
        "tls.key": keys.leaf.key.reveal(),
        "peer.key": keys.peer.reveal(),
        "ca-next.crt": successor.certificate,
        "ca-next.key": successor.key.reveal() if successor.key else "",
        "ca-last.crt": keys.predecessor,
        "trusted-since": "" if keys.since is None else str(int(keys.since)),
    }
    return {name: base64.b64encode(value.encode()).decode() for name, value in plain.items()}


def decode(data: Mapping[str, str]) -> Keys:
    """Raises CertificateFault: what is not there, or cannot be used."""
    authority = _authority(data, "ca")
    if authority is None:
        raise CertificateFault("its key 'ca.crt' is empty")
    since = value(data, "trusted-since", required=False)
    if not since.isdecimal() and since:
        raise CertificateFault("its key 'trusted-since' is not a number of seconds")
    keys = Keys(
        authority=authority,
        leaf=KeyPair(certificate=value(data, "tls.crt"), key=Secret(value(data, "tls.key"))),
        peer=Secret(value(data, "peer.key")),
        successor=_authority(data, "ca-next", required=False),
        predecessor=value(data, "ca-last.crt", required=False),
        since=float(since) if since else None,
    )
    certificates.check_authority(authority)
    if keys.successor is not None:
        certificates.check_authority(keys.successor)
    if keys.predecessor:
        certificates.ends(keys.predecessor)
    return keys


def value(data: Mapping[str, str], name: str, *, required: bool = True) -> str:
    """One value of a Secret's `data` as text; empty where it may be missing. Raises CertificateFault."""
    try:
        found = base64.b64decode(data.get(name) or "", validate=True).decode()
    except (binascii.Error, UnicodeDecodeError):
        raise CertificateFault(f"its key {name!r} is not text") from None
    if required and name not in data:
        raise CertificateFault(f"it has no key {name!r}")
    if required and not found:
        raise CertificateFault(f"its key {name!r} is empty")
    return found


def _authority(data: Mapping[str, str], prefix: str, *, required: bool = True) -> Authority | None:
    certificate = value(data, f"{prefix}.crt", required=required)
    key = value(data, f"{prefix}.key", required=False)
    return Authority(certificate=certificate, key=Secret(key) if key else None) if certificate else None
