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
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from pilothouse_api.secret import Secret

_AUTHORITY_DAYS = 3_650
_LEAF_DAYS = 90
_RENEW_DAYS_LEFT = 30
_SKEW = datetime.timedelta(days=1)
"""Certificates begin a day ago, so that a clock that is late does not refuse them."""


class CertificateFault(ValueError):
    """Key material that cannot be used, and why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyPair:
    """A certificate and its key, PEM."""

    certificate: str
    key: Secret


def make_authority(*, name: str, now: float) -> KeyPair:
    """A new self-signed authority, good for ten years."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    certificate = (
        _builder(subject=subject, issuer=subject, key=key, now=now, days=_AUTHORITY_DAYS)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_usage(certificates=True), critical=True)
        .sign(key, hashes.SHA256())
    )
    return _pair(certificate, key)


def make_leaf(*, authority: KeyPair, names: Iterable[str], now: float) -> KeyPair:
    """A server certificate for DNS names and IP addresses, good for ninety days."""
    signer = x509.load_pem_x509_certificate(authority.certificate.encode())
    signer_key = _private_key(authority)
    key = ec.generate_private_key(ec.SECP256R1())
    names = list(names)
    certificate = (
        _builder(
            subject=x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, names[0][:64])]),
            issuer=signer.subject,
            key=key,
            now=now,
            days=_LEAF_DAYS,
        )
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(certificates=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(x509.SubjectAlternativeName([_general_name(name) for name in names]), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(signer_key.public_key()), critical=False)
        .sign(signer_key, hashes.SHA256())
    )
    return _pair(certificate, key)


def leaf_is_due(leaf: KeyPair, *, names: Iterable[str], now: float) -> bool:
    """Whether it ends within thirty days, or lacks a name."""
    certificate = _certificate(leaf)
    alternatives = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    present = {str(name.value) for name in alternatives}
    left = certificate.not_valid_after_utc - datetime.datetime.fromtimestamp(now, datetime.UTC)
    return left < datetime.timedelta(days=_RENEW_DAYS_LEFT) or not present.issuperset(names)


def check(*, authority: KeyPair, leaf: KeyPair, now: float) -> None:
    """Whether this leaf can be served now.

    Raises:
        CertificateFault: not PEM, not issued by this authority, keys that do not fit, or out of its time.
    """
    issuer, certificate = _certificate(authority), _certificate(leaf)
    try:
        certificate.verify_directly_issued_by(issuer)
    except Exception as fault:
        raise CertificateFault("the certificate was not issued by the authority beside it") from fault
    for pair, found in ((authority, issuer), (leaf, certificate)):
        if _private_key(pair).public_key() != found.public_key():
            raise CertificateFault("a certificate and its key do not belong together")
    moment = datetime.datetime.fromtimestamp(now, datetime.UTC)
    for found in (issuer, certificate):
        if not found.not_valid_before_utc <= moment <= found.not_valid_after_utc:
            raise CertificateFault(f"{found.subject.rfc4514_string()} is not valid at this time; is the clock right?")


def server_context(leaf: KeyPair) -> ssl.SSLContext:
    """For the control server; `serve` replaces the leaf later without a restart."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    serve(context, leaf)
    return context


def serve(context: ssl.SSLContext, leaf: KeyPair) -> None:
    """New handshakes show this leaf; open connections stay as they are."""
    # OpenSSL's binding reads files only. mkstemp makes them 0600.
    descriptor, name = tempfile.mkstemp(prefix="pilothouse-leaf-")
    try:
        with os.fdopen(descriptor, "w") as file:
            file.write(leaf.key.reveal() + leaf.certificate)
        context.load_cert_chain(name)
    finally:
        Path(name).unlink()


def _builder(
    *, subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePrivateKey, now: float, days: int
) -> x509.CertificateBuilder:
    moment = datetime.datetime.fromtimestamp(now, datetime.UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(moment - _SKEW)
        .not_valid_after(moment + datetime.timedelta(days=days))
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


def _certificate(pair: KeyPair) -> x509.Certificate:
    try:
        return x509.load_pem_x509_certificate(pair.certificate.encode())
    except ValueError as fault:
        raise CertificateFault("a certificate is not PEM") from fault


def _private_key(pair: KeyPair) -> ec.EllipticCurvePrivateKey:
    try:
        key = serialization.load_pem_private_key(pair.key.reveal().encode(), password=None)
    except (ValueError, TypeError) as fault:
        raise CertificateFault("a key is not PEM") from fault
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise CertificateFault("a key is not of the kind that the operator makes (ECDSA)")
    return key
