"""TLS contexts for both sides."""

import ssl
from functools import lru_cache

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

    To change the certificate of a running server call `load_cert_chain` on the context again: the next handshake uses
    it.

    Raises:
        OSError: a file cannot be read.
        ssl.SSLError: certificate and key do not belong together, or are not PEM.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["http/1.1"])
    context.load_cert_chain(cert_file, key_file)
    return context
