import hashlib
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from pilothouse_api.snapshot.identity import Identity, Issuer, KeyHolder
from pilothouse_proxy.auth import subject
from pilothouse_proxy.auth.callers import Callers
from pilothouse_proxy.errors import GatewayError, Kind
from pilothouse_proxy.http.request import Memory

NOW = 1_800_000_000.0
KEY = "key-of-alice-0123456789"
HOLDER = KeyHolder(namespace="team-a", user="alice", team="ml", tier="gold")
API_KEYS = {hashlib.sha256(KEY.encode()).hexdigest(): HOLDER}
ISSUER = "https://kubernetes.default.svc"

RSA = rsa.generate_private_key(65_537, 2_048)
OTHER_RSA = rsa.generate_private_key(65_537, 2_048)
EC = ec.generate_private_key(ec.SECP256R1())


def jwk(key: Any, kid: str) -> dict[str, Any]:
    algorithm = jwt.algorithms.RSAAlgorithm if isinstance(key, rsa.RSAPrivateKey) else jwt.algorithms.ECAlgorithm
    return {**algorithm.to_jwk(key.public_key(), as_dict=True), "kid": kid, "use": "sig"}


ISSUERS = (Issuer(issuer=ISSUER, audience="pilothouse", keys=(jwk(RSA, "rsa"), jwk(EC, "ec"))),)


def token(key: Any = RSA, *, kid: str = "rsa", algorithm: str = "RS256", **changed: Any) -> str:
    claims = {
        "iss": ISSUER,
        "sub": "system:serviceaccount:team-a:app",
        "aud": ["pilothouse"],
        "exp": NOW + 600,
        "nbf": NOW - 10,
        **changed,
    }
    return jwt.encode(
        {name: value for name, value in claims.items() if value is not None}, key, algorithm, headers={"kid": kid}
    )


def callers(**identity: Any) -> Callers:
    return Callers(Identity(**identity))


def caller(of: Callers, key: str | None, *, header: bytes = b"authorization", now: float = NOW) -> subject.Subject:
    headers = [(b"host", b"x")]
    if key is not None:
        headers.append((header, (f"Bearer {key}" if header == b"authorization" else key).encode()))
    return of.authenticate(headers, now=now)


def refusal(of: Callers, key: str | None, *, now: float = NOW) -> str:
    with pytest.raises(GatewayError) as raised:
        caller(of, key, now=now)
    assert raised.value.kind is Kind.UNAUTHENTICATED
    if key:
        assert key not in raised.value.message
    return raised.value.message


@pytest.mark.parametrize("header", [b"authorization", b"api-key", b"x-api-key"])
def test_an_api_key_is_known_by_its_hash_in_every_header(header: bytes) -> None:
    found = caller(callers(api_keys=API_KEYS), KEY, header=header)
    assert (found.namespace, found.user, found.team, found.tier) == ("team-a", "alice", "ml", "gold")
    assert found.principal == "user:team-a/alice"


@pytest.mark.parametrize("name", [b"api-key", b"x-api-key"])
def test_the_same_key_may_come_twice(name: bytes) -> None:
    headers = [(name, KEY.encode()), (b"authorization", f"bearer {KEY}".encode())]
    assert callers(api_keys=API_KEYS).authenticate(headers, now=NOW).user == "alice"


@pytest.mark.parametrize("name", [b"api-key", b"x-api-key"])
def test_of_two_keys_that_differ_none_is_taken(name: bytes) -> None:
    headers = [(name, b"something else"), (b"authorization", f"bearer {KEY}".encode())]
    for order in (headers, headers[::-1]):
        with pytest.raises(GatewayError, match="not the same") as raised:
            callers(api_keys=API_KEYS).authenticate(order, now=NOW)
        assert raised.value.kind is Kind.UNAUTHENTICATED


@pytest.mark.parametrize("empty", [(b"authorization", b"Bearer "), (b"x-api-key", b"")])
def test_an_empty_header_is_no_key(empty: tuple[bytes, bytes]) -> None:
    headers = [empty, (b"api-key", KEY.encode())]
    assert callers(api_keys=API_KEYS).authenticate(headers, now=NOW).user == "alice"


def test_another_scheme_is_refused() -> None:
    with pytest.raises(GatewayError, match="Bearer"):
        callers(api_keys=API_KEYS).authenticate([(b"authorization", b"Basic eDp5")], now=NOW)


def test_without_a_key_nobody_comes_in() -> None:
    assert "no API key" in refusal(callers(api_keys=API_KEYS, issuers=ISSUERS), None)


def test_an_unknown_key_is_refused() -> None:
    refusal(callers(api_keys=API_KEYS, issuers=ISSUERS), "key-of-nobody-0123456789")


def test_an_empty_identity_lets_nobody_in() -> None:
    refusal(callers(), KEY)


def test_the_resident_of_a_sidecar_needs_no_key_and_none_is_read() -> None:
    resident = subject.of_service_account(namespace="team-a", name="app")
    of = Callers(Identity(api_keys=API_KEYS), resident=resident)
    assert caller(of, None) is resident
    assert caller(of, KEY) is resident


def test_the_anonymous_caller_comes_in_without_a_key() -> None:
    found = caller(callers(anonymous=KeyHolder(namespace="default", user="you")), None)
    assert (found.principal, found.namespace) == ("anonymous", "default")


def test_with_nothing_to_check_against_any_key_is_that_of_the_anonymous_caller() -> None:
    assert caller(callers(anonymous=HOLDER), "sk-whatever").principal == "anonymous"


@pytest.mark.parametrize("origin", ["http://localhost:3000", "http://127.0.0.1", "https://[::1]:8443"])
def test_a_page_that_this_machine_serves_may_be_the_anonymous_caller(origin: str) -> None:
    headers = [(b"host", b"127.0.0.1:8080"), (b"origin", origin.encode())]
    assert callers(anonymous=HOLDER).authenticate(headers, now=NOW).principal == "anonymous"


@pytest.mark.parametrize("key", [None, b"Bearer sk-whatever"])
@pytest.mark.parametrize(
    "origin", ["https://evil.example", "http://localhost.evil.example", "http://evil.example:127", "null", ""]
)
def test_a_page_of_another_origin_is_not(origin: str, key: bytes | None) -> None:
    headers = [(b"host", b"127.0.0.1:8080"), (b"origin", origin.encode())]
    if key is not None:
        headers.append((b"authorization", key))
    with pytest.raises(GatewayError, match="another origin"):
        callers(anonymous=HOLDER).authenticate(headers, now=NOW)


def test_a_known_key_counts_wherever_the_page_came_from() -> None:
    headers = [(b"origin", b"https://chat.example"), (b"authorization", f"Bearer {KEY}".encode())]
    found = callers(anonymous=HOLDER, api_keys=API_KEYS).authenticate(headers, now=NOW)
    assert found.principal == "user:team-a/alice"


def test_a_wrong_key_is_refused_although_none_would_do() -> None:
    refusal(callers(anonymous=HOLDER, api_keys=API_KEYS), "key-of-nobody-0123456789")


@pytest.mark.parametrize(
    ("key", "kid", "algorithm"), [(RSA, "rsa", "RS256"), (RSA, "rsa", "RS512"), (EC, "ec", "ES256")]
)
def test_a_token_names_the_service_account(key: Any, kid: str, algorithm: str) -> None:
    found = caller(callers(issuers=ISSUERS), token(key, kid=kid, algorithm=algorithm))
    assert found.principal == "serviceaccount:team-a/app"
    assert (found.namespace, found.service_account) == ("team-a", "app")


def test_a_token_that_was_checked_is_the_same_subject_again() -> None:
    of, one = callers(issuers=ISSUERS), token()
    assert caller(of, one) is caller(of, one)


def test_a_checked_token_ends_with_its_expiry() -> None:
    of, one = callers(issuers=ISSUERS), token()
    caller(of, one)
    assert "expired" in refusal(of, one, now=NOW + 700)


@pytest.mark.parametrize(
    ("claims", "reason"),
    [
        ({"exp": NOW - 31}, "expired"),
        ({"nbf": NOW + 31}, "not valid yet"),
        ({"aud": ["control.pilothouse.dev"]}, "audience"),
        ({"aud": None}, "malformed|audience"),
        ({"exp": None}, "malformed"),
        ({"iss": "https://elsewhere"}, "issuer"),
        ({"iss": None}, "issuer"),
        ({"sub": "alice"}, "ServiceAccount"),
        ({"sub": "system:serviceaccount:team-a:app:more"}, "ServiceAccount"),
        ({"sub": None}, "ServiceAccount"),
    ],
)
def test_a_token_with_wrong_claims_is_refused_and_told_why(claims: dict[str, Any], reason: str) -> None:
    message = refusal(callers(issuers=ISSUERS), token(**claims))
    assert any(word in message for word in reason.split("|")), message


def test_clocks_may_differ_a_little() -> None:
    caller(callers(issuers=ISSUERS), token(exp=NOW - 20))
    caller(callers(issuers=ISSUERS), token(nbf=NOW + 20))


def test_a_key_that_the_cluster_does_not_use_is_refused() -> None:
    assert "does not use" in refusal(callers(issuers=ISSUERS), token(kid="gone"))


def test_a_forged_signature_is_refused() -> None:
    assert "signature" in refusal(callers(issuers=ISSUERS), token(OTHER_RSA))


@pytest.mark.filterwarnings("ignore::jwt.warnings.InsecureKeyLengthWarning")
def test_the_public_key_is_no_hmac_secret() -> None:
    secret = b"0123456789abcdef0123456789abcdef"
    forged = jwt.encode({"iss": ISSUER, "aud": "pilothouse", "exp": NOW + 60}, secret, "HS256", headers={"kid": "rsa"})
    refusal(callers(issuers=ISSUERS), forged)


def test_an_unsigned_token_is_refused() -> None:
    unsigned = jwt.encode({"iss": ISSUER, "aud": "pilothouse", "exp": NOW + 60}, None, "none", headers={"kid": "rsa"})
    refusal(callers(issuers=ISSUERS), unsigned)


@pytest.mark.parametrize("garbage", ["a.b.c", "..", "ey.ey.ey", "x" * 20_000, "é.é.é"])
def test_garbage_is_refused_without_a_fault(garbage: str) -> None:
    refusal(callers(issuers=ISSUERS), garbage)


def test_a_key_that_cannot_be_used_does_not_spoil_the_others(caplog: pytest.LogCaptureFixture) -> None:
    broken = {"kty": "RSA", "n": "AQAB", "kid": "broken"}
    unknown = {"kty": "oct", "k": "c2VjcmV0", "kid": "secret"}
    nonsense: tuple[dict[str, Any], ...] = (
        {},
        {"kty": ["RSA"]},
        {"kty": "RSA", "crv": {}},
        {**jwk(RSA, "x"), "kid": {}},
    )
    keys = (broken, unknown, *nonsense, jwk(RSA, "rsa"))
    issuers = (Issuer(issuer=ISSUER, audience="pilothouse", keys=keys),)
    assert caller(callers(issuers=issuers), token()).service_account == "app"
    assert "broken" in caplog.text


def test_a_hash_that_is_none_is_no_identity() -> None:
    with pytest.raises(ValueError, match="64 hexadecimal"):
        callers(api_keys={"abcd": HOLDER})


def bearer(key: str) -> list[tuple[bytes, bytes]]:
    return [(b"authorization", b"Bearer " + key.encode())]


def test_a_key_that_was_known_by_the_same_headers_is_not_looked_up_again() -> None:
    known, memory = callers(api_keys=API_KEYS), Memory()
    first = known.authenticate(bearer(KEY), now=NOW, memory=memory)

    assert known.authenticate([], now=NOW, memory=memory) is first


def test_what_one_snapshot_knew_is_nothing_to_the_next() -> None:
    memory = Memory()
    callers(api_keys=API_KEYS).authenticate(bearer(KEY), now=NOW, memory=memory)
    revoked = callers(api_keys={})

    with pytest.raises(GatewayError) as refused:
        revoked.authenticate(bearer(KEY), now=NOW, memory=memory)

    assert refused.value.kind is Kind.UNAUTHENTICATED


def test_a_token_is_asked_for_its_end_each_time() -> None:
    known, memory = callers(issuers=ISSUERS), Memory()
    headers = bearer(token())
    known.authenticate(headers, now=NOW, memory=memory)

    with pytest.raises(GatewayError) as refused:
        known.authenticate(headers, now=NOW + 7_200, memory=memory)

    assert refused.value.kind is Kind.UNAUTHENTICATED


def test_who_was_refused_is_not_remembered_as_known() -> None:
    known, memory = callers(api_keys=API_KEYS), Memory()
    for _ in range(2):
        with pytest.raises(GatewayError):
            known.authenticate(bearer("not-a-key"), now=NOW, memory=memory)
