"""Client assertions, really verified: signed by a certificate of the application, or by a federated issuer.

https://learn.microsoft.com/entra/identity-platform/certificate-credentials and
https://learn.microsoft.com/entra/workload-id/workload-identity-federation.
"""

from __future__ import annotations

import base64
from collections.abc import Collection
from typing import Any

import jwt
from cryptography import x509
from cryptography.hazmat.primitives import hashes

from tests.simulators.entra.directory import Application, Directory, Federated
from tests.simulators.entra.refusals import Refused

_SKEW_S = 300


def check(
    assertion: str, application: Application, *, directory: Directory, audiences: Collection[str], now: float
) -> None:
    """Raises Refused. `audiences`: what a certificate's assertion may be for."""
    try:
        header = jwt.get_unverified_header(assertion)
        claims = jwt.decode(assertion, options={"verify_signature": False})
    except jwt.InvalidTokenError:
        raise Refused(50027) from None
    if claims.get("iss") == application.client_id:
        _check_certified(assertion, header, claims, application, audiences)
    else:
        _check_federated(assertion, claims, application, directory)
    end, start = claims.get("exp", 0), claims.get("nbf", claims.get("iat", 0))
    if end <= now or start > now + _SKEW_S:
        raise Refused(700024, now=int(now), end=int(end))


def _check_certified(
    assertion: str, header: dict[str, Any], claims: dict[str, Any], application: Application, audiences: Collection[str]
) -> None:
    certificate = _registered(header, application) or _trusted(header, application)
    if certificate is None:
        raise Refused(700027, reason="The key was not found.")
    if header.get("alg") not in ("RS256", "PS256"):
        raise Refused(700027, reason="The algorithm is not supported.")
    _check_signature(assertion, certificate.public_key(), [header["alg"]])
    if claims.get("sub") != application.client_id or claims.get("aud") not in audiences or "exp" not in claims:
        raise Refused(700023)


def _registered(header: dict[str, Any], application: Application) -> x509.Certificate | None:
    for name, algorithm in (("x5t#S256", hashes.SHA256()), ("x5t", hashes.SHA1())):
        wanted = str(header.get(name, "")).rstrip("=")
        for certificate in application.certificates:
            found = base64.urlsafe_b64encode(certificate.fingerprint(algorithm)).decode().rstrip("=")
            if wanted == found:
                return certificate
    return None


def _trusted(header: dict[str, Any], application: Application) -> x509.Certificate | None:
    """By the chain that came along; its first is the signer's."""
    chain = [x509.load_der_x509_certificate(base64.b64decode(text)) for text in header.get("x5c", [])]
    if not chain:
        return None
    leaf = chain[0]
    names = [attribute.value for attribute in leaf.subject.get_attributes_for_oid(x509.NameOID.COMMON_NAME)]
    for trusted in application.trusted_names:
        if trusted.common_name not in names:
            continue
        try:
            leaf.verify_directly_issued_by(trusted.authority)
        except Exception:  # cryptography raises three kinds for one meaning
            continue
        return leaf
    return None


def _check_federated(assertion: str, claims: dict[str, Any], application: Application, directory: Directory) -> None:
    audience = claims.get("aud")
    audiences = audience if isinstance(audience, list) else [audience]
    presented = [Federated(str(claims.get("iss")), str(claims.get("sub")), str(one)) for one in audiences]
    if not any(one in application.federated for one in presented):
        told = {"issuer": presented[0].issuer, "subject": presented[0].subject, "audience": presented[0].audience}
        # As the service does: one code if the issuer is known to the application, another if nothing is.
        known = presented[0].issuer in {one.issuer for one in application.federated}
        raise Refused(700213 if known else 70021, **told)
    key = directory.issuers.get(presented[0].issuer)
    if key is None:
        raise Refused(700027, reason="The issuer's keys cannot be read.")
    _check_signature(assertion, key, ["RS256"])


def _check_signature(assertion: str, key: Any, algorithms: list[str]) -> None:
    options = {"verify_exp": False, "verify_nbf": False, "verify_iat": False, "verify_aud": False}
    try:
        jwt.decode(assertion, key, algorithms=algorithms, options=options)
    except jwt.InvalidTokenError:
        raise Refused(700027, reason="The signature is not valid.") from None


def issuer(assertion: str) -> str:
    """As it says itself. Raises Refused."""
    try:
        return str(jwt.decode(assertion, options={"verify_signature": False}).get("iss"))
    except jwt.InvalidTokenError:
        raise Refused(50027) from None
