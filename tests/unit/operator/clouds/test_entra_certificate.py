"""Assertions of an application's certificate."""

import base64
import time
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from pilothouse_api.secret import Secret
from pilothouse_operator.clouds.entra_certificate import ApplicationCertificate
from tests.simulators.entra import pems

URL = "https://login.example/t/oauth2/v2.0/token"


@pytest.fixture(scope="module")
def chain() -> tuple[pems.Identity, pems.Identity]:
    """A certificate and who issued it."""
    authority = pems.made("Corporate CA", authority=True)
    return pems.made("pilothouse.example", issuer=authority), authority


def asserted(pem: str, *, send_chain: bool) -> str:
    certificate = ApplicationCertificate(Secret(pem), None)
    return certificate.assertion(client_id="c-1", token_url=URL, send_chain=send_chain)


def test_an_assertion_is_signed_for_one_application_and_endpoint(chain: tuple[pems.Identity, pems.Identity]) -> None:
    own, _ = chain
    claims: dict[str, Any] = jwt.decode(
        asserted(own.pem(), send_chain=False), own.key.public_key(), algorithms=["PS256"], audience=URL
    )
    assert (claims["iss"], claims["sub"]) == ("c-1", "c-1")
    assert claims["nbf"] <= time.time() < claims["exp"] <= time.time() + 600


def test_no_two_assertions_are_the_same(chain: tuple[pems.Identity, pems.Identity]) -> None:
    certificate = ApplicationCertificate(Secret(chain[0].pem()), None)
    ids = {
        jwt.decode(
            certificate.assertion(client_id="c", token_url=URL, send_chain=False), options={"verify_signature": False}
        )["jti"]
        for _ in range(3)
    }
    assert len(ids) == 3


def test_the_thumbprint_is_that_of_the_certificate(chain: tuple[pems.Identity, pems.Identity]) -> None:
    header = jwt.get_unverified_header(asserted(chain[0].pem(), send_chain=False))
    assert base64.urlsafe_b64decode(header["x5t#S256"] + "=") == chain[0].certificate.fingerprint(hashes.SHA256())
    assert "x5c" not in header


@pytest.mark.parametrize("first", ["own", "authority"])
def test_a_chain_starts_with_the_certificate_of_the_key(chain: tuple[pems.Identity, pems.Identity], first: str) -> None:
    own, authority = chain
    certificates = [own.certificate_pem, authority.certificate_pem]
    if first == "authority":
        certificates.reverse()
    header = jwt.get_unverified_header(asserted(own.key_pem() + "".join(certificates), send_chain=True))
    sent = [base64.b64decode(text) for text in header["x5c"]]
    der = serialization.Encoding.DER
    assert sent == [own.certificate.public_bytes(der), authority.certificate.public_bytes(der)]


def test_an_elliptic_curve_is_refused() -> None:
    key = ec.generate_private_key(ec.SECP256R1()).private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    with pytest.raises(ValueError, match="RSA"):
        ApplicationCertificate(Secret(key.decode() + pems.made("app").certificate_pem), None)
