"""TLS contexts for both sides."""

import ssl
from functools import lru_cache


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
