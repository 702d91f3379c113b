"""PEM bundles of manifests, in the one form that every TLS library loads."""

from functools import lru_cache

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from pilothouse_api.conditions import Problem, Reason


def bundle(text: str, field: str) -> str | Problem:
    """The certificates of a bundle, or what is wrong with its field: proxies would refuse a whole snapshot for it."""
    found = _certificates(text)
    if not found:
        return Problem(
            reason=Reason.INVALID,
            message="holds no certificates in PEM form, or a damaged one: paste the CA's file unchanged",
            field=field,
        )
    return found


@lru_cache(maxsize=1_024)
def _certificates(text: str) -> str:
    """The certificates alone, written anew; empty where they cannot be read.

    Parsers of PEM differ in what else they put up with (indented lines, an unfinished block at the end), and the one
    of the proxies' TLS library with less than ours: what it would refuse must not reach it.
    """
    try:
        found = x509.load_pem_x509_certificates(text.encode("ascii"))
    except ValueError:
        return ""
    return "".join(certificate.public_bytes(Encoding.PEM).decode() for certificate in found)
