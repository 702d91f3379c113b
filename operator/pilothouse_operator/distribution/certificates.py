"""The operator's own certification authority, and the leaf that the control stream shows. No cert-manager needed."""

import datetime
import ipaddress
import os
import ssl
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from pilothouse_api.secret import Secret

_AUTHORITY_DAYS = 1_095
"""So short that its succession is nothing rare, and so long that a release that stood still for a year lives on."""
_LEAF_DAYS = 90
_RENEW_DAYS_LEFT = 30
_SKEW = datetime.timedelta(days=1)
"""Certificates begin a day ago, so that a clock that is late does not refuse them."""
_CHAIN = 8
_DAY_S = 86_400.0


class CertificateFault(ValueError):
    """Key material that cannot be used, and why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyPair:
    """A certificate, with those between it and its authority behind it, and its key; PEM."""

    certificate: str
    key: Secret


@dataclass(frozen=True, slots=True, kw_only=True)
class Authority:
    """Who issues leaves: a certificate to trust (PEM), and its key, which is None where somebody else issues."""

    certificate: str
    key: Secret | None = None


def make_authority(*, name: str, now: float) -> Authority:
    """A new self-signed authority, good for three years."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    certificate = (
        _builder(subject=subject, issuer=subject, key=key, now=now, days=_AUTHORITY_DAYS)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_usage(certificates=True), critical=True)
        .sign(key, hashes.SHA256())
    )
    pair = _pair(certificate, key)
    return Authority(certificate=pair.certificate, key=pair.key)


def make_leaf(*, authority: Authority, names: Iterable[str], now: float) -> KeyPair:
    """A server certificate for DNS names and IP addresses, good for ninety days, but no longer than its authority.

    Raises:
        CertificateFault: the authority's key is not here, or is none that it can sign with.
    """
    signer = _chain(authority.certificate)[0]
    signer_key = _signing_key(authority)
    key = ec.generate_private_key(ec.SECP256R1())
    names = list(names)
    certificate = (
        _builder(
            subject=x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, names[0][:64])]),
            issuer=signer.subject,
            key=key,
            now=now,
            days=_LEAF_DAYS,
            until=signer.not_valid_after_utc,
        )
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(certificates=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(x509.SubjectAlternativeName([_general_name(name) for name in names]), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(signer_key.public_key()), critical=False)
        .sign(signer_key, hashes.SHA256())
    )
    return _pair(certificate, key)


def leaf_is_due(leaf: KeyPair, *, authority: Authority, names: Iterable[str], now: float) -> bool:
    """Whether it ends within thirty days and a new one would last longer, or lacks a name."""
    end = ends(leaf.certificate)
    later = min(now + _LEAF_DAYS * _DAY_S, ends(authority.certificate))
    if later < now + _DAY_S:
        return False  # another authority is due
    return bool(lacking(leaf, names=names)) or (end - now < _RENEW_DAYS_LEFT * _DAY_S and later > end + _DAY_S)


def authority_is_due(authority: Authority, *, now: float) -> bool:
    """Whether less than a third of its life is left."""
    certificate = _chain(authority.certificate)[0]
    begin, end = certificate.not_valid_before_utc.timestamp(), certificate.not_valid_after_utc.timestamp()
    return end - now < (end - begin) / 3


def ends(certificate: str) -> float:
    """When the (first) certificate of a PEM text ends, in Unix seconds. Raises CertificateFault."""
    return _chain(certificate)[0].not_valid_after_utc.timestamp()


def lacking(leaf: KeyPair, *, names: Iterable[str]) -> list[str]:
    """The names that a leaf is not good for."""
    try:
        found = _chain(leaf.certificate)[0].extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return list(names)
    except (ValueError, x509.DuplicateExtension, x509.UnsupportedGeneralNameType) as fault:
        raise CertificateFault("a certificate has extensions that cannot be read") from fault
    present = {str(name.value) for name in found}
    return [name for name in names if name not in present and f"*.{name.partition('.')[2]}" not in present]


def check(*, trust: str, leaf: KeyPair, now: float) -> None:
    """Whether somebody who trusts the certificates of `trust` (PEM) accepts this leaf now; names are another matter.

    Raises:
        CertificateFault: not PEM, not issued by one of these, a key that does not fit, or out of its time.
    """
    certificate, *between = _chain(leaf.certificate)
    if _private_key(leaf.key).public_key() != certificate.public_key():
        raise CertificateFault("a certificate and its key do not belong together")
    anchors = _chain(trust)
    path = [certificate]
    # OpenSSL, as proxies use it, trusts nothing but a root.
    while path[-1] not in anchors or path[-1].issuer != path[-1].subject:
        issuer = next((each for each in (*anchors, *between) if _issued(path[-1], by=each)), None)
        if issuer is None and path[-1] in anchors:
            raise CertificateFault(
                "the authority beside the certificate is not a root: add those above it, up to the root"
            )
        if issuer is None or len(path) >= _CHAIN:
            raise CertificateFault("the certificate was not issued by the authority beside it")
        path.append(issuer)
    moment = datetime.datetime.fromtimestamp(now, datetime.UTC)
    for found in path:
        if not found.not_valid_before_utc <= moment <= found.not_valid_after_utc:
            raise CertificateFault(f"{found.subject.rfc4514_string()} is not valid at this time; is the clock right?")


def check_authority(authority: Authority) -> None:
    """Whether its key, if it is here, is its own. Raises CertificateFault."""
    if authority.key is None:
        _chain(authority.certificate)
    elif _signing_key(authority).public_key() != _chain(authority.certificate)[0].public_key():
        raise CertificateFault("a certificate and its key do not belong together")


def server_context(leaf: KeyPair) -> ssl.SSLContext:
    """For the control server; `serve` replaces the leaf later without a restart. Raises CertificateFault as it does."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    serve(context, leaf)
    return context


def serve(context: ssl.SSLContext, leaf: KeyPair) -> None:
    """New handshakes show this leaf; open connections stay as they are. Raises CertificateFault: OpenSSL refuses it."""
    # OpenSSL's binding reads files only. mkstemp makes them 0600.
    descriptor, name = tempfile.mkstemp(prefix="pilothouse-leaf-")
    try:
        with os.fdopen(descriptor, "w") as file:
            file.write(leaf.key.reveal().rstrip() + "\n" + leaf.certificate)
        context.load_cert_chain(name)
    except ssl.SSLError as fault:
        raise CertificateFault(f"OpenSSL does not serve a certificate like this: {fault.reason}") from fault
    finally:
        Path(name).unlink()


def _builder(
    *,
    subject: x509.Name,
    issuer: x509.Name,
    key: ec.EllipticCurvePrivateKey,
    now: float,
    days: int,
    until: datetime.datetime | None = None,
) -> x509.CertificateBuilder:
    moment = datetime.datetime.fromtimestamp(now, datetime.UTC)
    end = moment + datetime.timedelta(days=days)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(moment - _SKEW)
        .not_valid_after(min(end, until or end))
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    )


def _usage(*, certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=certificates,
        crl_sign=certificates,
        encipher_only=False,
        decipher_only=False,
    )


def _general_name(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def _pair(certificate: x509.Certificate, key: ec.EllipticCurvePrivateKey) -> KeyPair:
    pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    return KeyPair(certificate=certificate.public_bytes(serialization.Encoding.PEM).decode(), key=Secret(pem.decode()))


def _chain(text: str) -> list[x509.Certificate]:
    try:
        return x509.load_pem_x509_certificates(text.encode())
    except ValueError as fault:
        raise CertificateFault("a certificate is not PEM") from fault


def _issued(certificate: x509.Certificate, *, by: x509.Certificate) -> bool:
    try:
        certificate.verify_directly_issued_by(by)
    except (ValueError, TypeError, InvalidSignature, UnsupportedAlgorithm):
        return False
    return True


def _private_key(key: Secret) -> PrivateKeyTypes:
    try:
        return serialization.load_pem_private_key(key.reveal().encode(), password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm) as fault:
        raise CertificateFault("a key is not PEM") from fault


def _signing_key(authority: Authority) -> ec.EllipticCurvePrivateKey:
    if authority.key is None:
        raise CertificateFault("the key of the authority is not here: somebody else issues with it")
    key = _private_key(authority.key)
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise CertificateFault("a key is not of the kind that the operator makes (ECDSA)")
    return key
