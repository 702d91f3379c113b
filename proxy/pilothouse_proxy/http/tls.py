"""TLS contexts for both sides."""

import ssl
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple, NoReturn


class Unusable(Exception):
    """A certificate and its key cannot be used. The text names the file and never holds what is in it."""


class Pair(NamedTuple):
    """A certificate with its key, ready for handshakes."""

    context: ssl.SSLContext
    names: tuple[str, ...]
    """DNS names in it, in lower case; of a wildcard with its asterisk."""
    ends_at: float
    """In Unix seconds."""


_NAME_IT = "put the CA that signed it, or itself if nobody did, into the caBundle"
_OTHER_NAME = "call the server by a name that stands in its certificate, or have that issued for this name"
# X509_V_ERR_… of OpenSSL's x509_vfy.h.
_REMEDIES = {
    9: "its time is still to come: compare the clocks",
    10: "have it renewed on the server",
    18: _NAME_IT,
    19: _NAME_IT,
    20: _NAME_IT,
    21: _NAME_IT,
    62: _OTHER_NAME,
    64: _OTHER_NAME,
}
"""What to do, by the reason for which a certificate is not trusted."""


@lru_cache(maxsize=64)
def client_context(ca_bundle: str | None) -> ssl.SSLContext:
    """Trust in the system's roots, or in those of `ca_bundle` (PEM text) alone. The same one for the same bundle: to
    read the system's takes a tenth of a second.

    Raises:
        ssl.SSLError: the bundle holds no certificate that can be read.
    """
    context = ssl.create_default_context(cadata=ca_bundle)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["http/1.1"])
    return context


def fault(error: ssl.SSLError, where: str) -> str:
    """What has kept TLS with `where` from coming about, and what to do."""
    if not isinstance(error, ssl.SSLCertVerificationError):
        return f"TLS with {where} failed: {error.reason or error.strerror or 'handshake broken off'}"
    told = (error.verify_message or "verification failed").rstrip(".")
    remedy = _REMEDIES.get(error.verify_code)
    return f"the certificate of {where} is not trusted: {told}" + (f"; {remedy}" if remedy else "")


def server_context(cert_file: str, key_file: str) -> ssl.SSLContext:
    """A server's certificate chain and key from PEM files.

    Raises:
        Unusable: a file cannot be read, is not PEM, or they do not belong together; or the key is encrypted.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    # A client that speaks none of these agrees on nothing, and gets HTTP/1.1 all the same.
    context.set_alpn_protocols(["http/1.1"])
    for file in (cert_file, key_file):
        try:
            open(file, "rb").close()
        except OSError as error:
            raise Unusable(f"{file}: {error.strerror}") from None
    try:
        context.load_cert_chain(cert_file, key_file, password=_no_password)
    except ssl.SSLError as error:
        if error.reason == "KEY_VALUES_MISMATCH":
            raise Unusable(f"the key in {key_file} does not belong to the certificate in {cert_file}") from None
        raise Unusable(f"{cert_file} or {key_file} is no PEM file of a certificate and of its key") from None
    return context


def read_pair(cert_file: Path, key_file: Path) -> Pair:
    """With what the certificate says of itself.

    Raises:
        Unusable: as with `server_context`.
    """
    # 15 MB, which a proxy without certificates does without.
    from cryptography import x509  # noqa: PLC0415

    context = server_context(str(cert_file), str(key_file))
    try:
        certificate = x509.load_pem_x509_certificate(cert_file.read_bytes())
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        hosts = tuple(name.lower() for name in names.get_values_for_type(x509.DNSName))
    except x509.ExtensionNotFound:
        hosts = ()
    except (OSError, ValueError) as error:
        raise Unusable(f"the certificate in {cert_file} cannot be read: {error}") from None
    return Pair(context, hosts, certificate.not_valid_after_utc.timestamp())


def _no_password() -> NoReturn:
    """OpenSSL would ask for one at the terminal."""
    raise Unusable("the key is encrypted; store it without a password")
