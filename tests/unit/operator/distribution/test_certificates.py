"""The operator's own authority, and what OpenSSL makes of it."""

import asyncio
import datetime
import ssl
import time

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from pilothouse_api.secret import Secret
from pilothouse_operator.distribution.certificates import (
    Authority,
    CertificateFault,
    KeyPair,
    check,
    leaf_is_due,
    make_authority,
    make_leaf,
    serve,
    server_context,
)

DAY = 86_400
NAMES = ("localhost", "127.0.0.1", "pilothouse.system.svc")


@pytest.fixture(scope="module")
def authority() -> Authority:
    return make_authority(name="pilothouse", now=time.time())


def leaf(authority: Authority, *, now: float | None = None) -> KeyPair:
    return make_leaf(authority=authority, names=NAMES, now=time.time() if now is None else now)


async def shown_to(client: ssl.SSLContext, server: ssl.SSLContext, name: str) -> bytes:
    """The certificate that a client with these roots sees in a real handshake."""

    async def accept(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.close()

    listener = await asyncio.start_server(accept, "127.0.0.1", 0, ssl=server)
    async with listener:
        port = listener.sockets[0].getsockname()[1]
        reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=client, server_hostname=name)
        certificate: bytes = writer.get_extra_info("ssl_object").getpeercert(binary_form=True)
        await reader.read()
        writer.close()
        await writer.wait_closed()
        return certificate


def trusting(authority: Authority) -> ssl.SSLContext:
    context = ssl.create_default_context(cadata=authority.certificate)
    context.verify_flags |= ssl.VERIFY_X509_STRICT
    return context


@pytest.mark.parametrize("name", NAMES)
async def test_a_strict_client_accepts_every_name(authority: Authority, name: str) -> None:
    assert await shown_to(trusting(authority), server_context(leaf(authority)), name)


async def test_a_client_of_another_authority_refuses(authority: Authority) -> None:
    stranger = make_authority(name="stranger", now=time.time())
    with pytest.raises(ssl.SSLCertVerificationError):
        await shown_to(trusting(stranger), server_context(leaf(authority)), "localhost")


async def test_a_new_leaf_is_shown_without_a_restart(authority: Authority) -> None:
    server = server_context(leaf(authority))
    before = await shown_to(trusting(authority), server, "localhost")
    serve(server, leaf(authority))
    assert await shown_to(trusting(authority), server, "localhost") != before


def test_a_leaf_is_due_thirty_days_before_its_end(authority: Authority) -> None:
    now = time.time()
    fresh = leaf(authority, now=now)
    assert not leaf_is_due(fresh, authority=authority, names=NAMES, now=now + 59 * DAY)
    assert leaf_is_due(fresh, authority=authority, names=NAMES, now=now + 61 * DAY)


def test_a_leaf_that_lacks_a_name_is_due(authority: Authority) -> None:
    assert leaf_is_due(leaf(authority), authority=authority, names=[*NAMES, "another"], now=time.time())


def test_what_belongs_together_is_accepted(authority: Authority) -> None:
    check(trust=authority.certificate, leaf=leaf(authority), now=time.time())


def test_a_leaf_of_another_authority_is_refused(authority: Authority) -> None:
    stranger = make_authority(name="pilothouse", now=time.time())
    with pytest.raises(CertificateFault, match="not issued by the authority"):
        check(trust=stranger.certificate, leaf=leaf(authority), now=time.time())


def test_a_key_of_another_certificate_is_refused(authority: Authority) -> None:
    mixed = KeyPair(certificate=leaf(authority).certificate, key=leaf(authority).key)
    with pytest.raises(CertificateFault, match="belong together"):
        check(trust=authority.certificate, leaf=mixed, now=time.time())


def test_an_expired_leaf_is_refused(authority: Authority) -> None:
    with pytest.raises(CertificateFault, match="clock"):
        check(trust=authority.certificate, leaf=leaf(authority), now=time.time() + 91 * DAY)


@pytest.mark.parametrize("broken", ["", "rubbish", "-----BEGIN CERTIFICATE-----\nAA==\n-----END CERTIFICATE-----\n"])
def test_what_is_not_pem_is_refused(authority: Authority, broken: str) -> None:
    with pytest.raises(CertificateFault, match="not PEM"):
        check(trust=authority.certificate, leaf=KeyPair(certificate=broken, key=Secret(broken)), now=time.time())


def test_a_leaf_with_an_authority_between_is_accepted() -> None:
    now = time.time()
    root, between_key, leaf_key = (ec.generate_private_key(ec.SECP256R1()) for _ in range(3))

    def signed(name: str, key: ec.EllipticCurvePrivateKey, issuer: str, by: ec.EllipticCurvePrivateKey) -> str:
        moment = datetime.datetime.fromtimestamp(now, datetime.UTC)
        builder = x509.CertificateBuilder(
            issuer_name=x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, issuer)]),
            subject_name=x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)]),
            public_key=key.public_key(),
            serial_number=x509.random_serial_number(),
            not_valid_before=moment,
            not_valid_after=moment + datetime.timedelta(days=1),
        )
        return builder.sign(by, hashes.SHA256()).public_bytes(serialization.Encoding.PEM).decode()

    chain = signed("leaf", leaf_key, "between", between_key) + signed("between", between_key, "root", root)
    form = (serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    pair = KeyPair(certificate=chain, key=Secret(leaf_key.private_bytes(*form).decode()))
    check(trust=signed("root", root, "root", root), leaf=pair, now=now + 1)
    with pytest.raises(CertificateFault, match="is not a root"):
        check(trust=signed("between", between_key, "root", root), leaf=pair, now=now + 1)


async def test_either_of_two_authorities_of_one_name_is_told_apart(authority: Authority) -> None:
    namesake = make_authority(name="pilothouse", now=time.time())
    both = Authority(certificate=namesake.certificate + authority.certificate)
    for issuer in (authority, namesake):
        assert await shown_to(trusting(both), server_context(leaf(issuer)), "localhost")


def test_an_authority_whose_key_is_elsewhere_issues_nothing(authority: Authority) -> None:
    with pytest.raises(CertificateFault, match="somebody else issues"):
        leaf(Authority(certificate=authority.certificate))
