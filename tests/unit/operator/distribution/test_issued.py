"""A certificate that somebody else keeps: used when it can be, refused in words when not."""

import base64
from typing import cast

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from pilothouse_api.secret import Secret
from pilothouse_operator.distribution import certificates
from pilothouse_operator.distribution.certificates import Authority, KeyPair
from pilothouse_operator.distribution.issued import IssuedSecret
from pilothouse_operator.distribution.succession import Issued
from pilothouse_operator.kube import errors, resources
from pilothouse_operator.kube.requests import Api
from tests.unit.operator.distribution.api import Objects
from tests.unit.operator.distribution.test_keyring import KEY, NAMES, Clock, keyring, look, turn

SECRET = ("secrets", "pilothouse", "control-cert")
DAY = 86_400


def issue(authority: Authority, clock: Clock, names: tuple[str, ...] = NAMES) -> Issued:
    leaf = certificates.make_leaf(authority=authority, names=names, now=clock.now)
    return Issued(authority=authority.certificate, leaf=leaf)


def another(clock: Clock) -> Authority:
    return certificates.make_authority(name="somebody else", now=clock.now)


def write(objects: Objects, issued: Issued, **more: str) -> None:
    plain = {
        "tls.crt": issued.leaf.certificate,
        "tls.key": issued.leaf.key.reveal(),
        "ca.crt": issued.authority,
        **more,
    }
    data = {name: base64.b64encode(text.encode()).decode() for name, text in plain.items() if text}
    objects.add(resources.SECRETS, "pilothouse", "control-cert", data=data)


def reader(objects: Objects, clock: Clock) -> IssuedSecret:
    return IssuedSecret(
        api=cast(Api, objects), namespace="pilothouse", secret="control-cert", name=NAMES[0], clock=clock
    )


async def test_it_is_read_and_never_written() -> None:
    objects, clock = Objects(), Clock()
    issued = issue(another(clock), clock)
    write(objects, issued)
    ring = keyring(objects, clock, issued=reader(objects, clock))
    await ring.ready()
    assert ring.keys is not None
    assert (ring.keys.leaf, ring.keys.trust) == (issued.leaf, issued.authority)
    assert objects.writes == [SECRET, KEY]


async def test_until_there_is_one_nothing_is_served_and_the_log_says_so_once(caplog: pytest.LogCaptureFixture) -> None:
    objects, clock = Objects(), Clock()
    ring = keyring(objects, clock, issued=reader(objects, clock))
    for _ in range(3):
        await look(ring)
    assert ring.keys is None
    assert caplog.text.count("pilothouse/control-cert cannot be used: it does not exist yet") == 1


async def test_a_renewed_one_is_shown_by_every_replica() -> None:
    objects, clock = Objects(), Clock()
    authority = another(clock)
    write(objects, issue(authority, clock))
    leader = keyring(objects, clock, issued=reader(objects, clock))
    follower = keyring(objects, clock, leads=False, issued=reader(objects, clock))
    await leader.ready()
    await follower.ready()
    renewed = issue(authority, clock)
    write(objects, renewed)
    await look(leader)
    await look(follower)
    assert leader.keys is not None
    assert follower.keys == leader.keys
    assert leader.keys.leaf == renewed.leaf


async def test_one_of_another_authority_is_shown_once_that_is_trusted_even_by_another_leader() -> None:
    objects, clock = Objects(), Clock()
    first, second = issue(another(clock), clock), issue(another(clock), clock)
    write(objects, first)
    leader = keyring(objects, clock, issued=reader(objects, clock))
    await leader.ready()
    write(objects, second)
    announced = await turn(leader, clock)
    assert announced.leaf == first.leaf
    assert {first.authority, second.authority} == {announced.authority.certificate, announced.successor.certificate}  # type: ignore[union-attr]
    await turn(leader, clock)
    next_leader = keyring(objects, clock, issued=reader(objects, clock))
    await next_leader.ready()
    assert (await turn(next_leader, clock, minutes=30)).leaf == second.leaf
    assert (await turn(next_leader, clock, minutes=30)).trust == second.authority


async def test_from_our_own_to_somebody_elses_and_back() -> None:
    objects, clock = Objects(), Clock()
    own = keyring(objects, clock)
    await own.ready()
    assert own.keys is not None
    before = own.keys
    issued = issue(another(clock), clock)
    write(objects, issued)
    theirs = keyring(objects, clock, issued=reader(objects, clock))
    await theirs.ready()
    assert theirs.keys is not None
    assert theirs.keys.leaf == before.leaf
    await turn(theirs, clock)
    assert (await turn(theirs, clock, minutes=30)).leaf == issued.leaf
    back = keyring(objects, clock)
    await back.ready()
    assert back.keys is not None
    assert back.keys.leaf == issued.leaf
    for _ in range(4):
        await turn(back, clock, minutes=30)
    assert back.keys.authority.key is not None


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        ({"ca.crt": ""}, "it has no key 'ca.crt', by which proxies know the operator"),
        ({"tls.key": ""}, "it has no key 'tls.key'"),
        ({"tls.crt": "rubbish"}, "a certificate is not PEM"),
    ],
)
async def test_what_cannot_be_used_is_told_and_what_was_in_use_stays(
    damage: dict[str, str], said: str, caplog: pytest.LogCaptureFixture
) -> None:
    objects, clock = Objects(), Clock()
    issued = issue(another(clock), clock)
    write(objects, issued)
    ring = keyring(objects, clock, issued=reader(objects, clock))
    await ring.ready()
    write(objects, issued, **damage)
    await look(ring)
    assert said in caplog.text
    assert ring.keys is not None
    assert ring.keys.leaf == issued.leaf


async def test_one_that_is_not_good_for_the_name_says_where_to_add_it(caplog: pytest.LogCaptureFixture) -> None:
    objects, clock = Objects(), Clock()
    write(objects, issue(another(clock), clock, names=("elsewhere.svc",)))
    assert await reader(objects, clock).read() is None
    assert f"not good for the name {NAMES[0]}: add it to dnsNames" in caplog.text


async def test_one_that_its_ca_did_not_issue_is_refused(caplog: pytest.LogCaptureFixture) -> None:
    objects, clock = Objects(), Clock()
    write(objects, issue(another(clock), clock), **{"ca.crt": another(clock).certificate})
    assert await reader(objects, clock).read() is None
    assert "not issued by the authority beside it" in caplog.text


async def test_one_that_openssl_would_not_serve_is_refused_before_it_is_taken_over(
    caplog: pytest.LogCaptureFixture,
) -> None:
    objects, clock = Objects(), Clock()
    authority, weak = another(clock), rsa.generate_private_key(public_exponent=65_537, key_size=1_024)
    strong = issue(authority, clock).leaf
    assert authority.key is not None
    signer = serialization.load_pem_private_key(authority.key.reveal().encode(), password=None)
    model = x509.load_pem_x509_certificate(strong.certificate.encode())
    builder = x509.CertificateBuilder(
        issuer_name=model.issuer,
        subject_name=model.subject,
        public_key=weak.public_key(),
        serial_number=x509.random_serial_number(),
        not_valid_before=model.not_valid_before_utc,
        not_valid_after=model.not_valid_after_utc,
    )
    signed = builder.sign(signer, hashes.SHA256())  # type: ignore[arg-type]
    form = (serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    leaf = KeyPair(
        certificate=signed.public_bytes(serialization.Encoding.PEM).decode(),
        key=Secret(weak.private_bytes(*form).decode()),
    )
    write(objects, Issued(authority=authority.certificate, leaf=leaf))
    assert await reader(objects, clock).read() is None
    assert "OpenSSL does not serve a certificate like this: EE_KEY_TOO_SMALL" in caplog.text


async def test_a_missing_right_is_told(caplog: pytest.LogCaptureFixture) -> None:
    objects, clock = Objects(), Clock()
    objects.fail["secrets"] = errors.Forbidden("get secrets: no")
    assert await reader(objects, clock).read() is None
    assert "get secrets: no" in caplog.text


async def test_no_key_is_ever_told(caplog: pytest.LogCaptureFixture) -> None:
    objects, clock = Objects(), Clock()
    issued = issue(another(clock), clock)
    mixed = Issued(authority=issued.authority, leaf=KeyPair(certificate=issued.leaf.certificate, key=Secret("hush")))
    write(objects, mixed)
    assert await reader(objects, clock).read() is None
    assert "a key is not PEM" in caplog.text
    assert "hush" not in caplog.text
