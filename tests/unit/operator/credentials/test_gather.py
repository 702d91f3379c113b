"""Credentials from Secrets: what is accepted, what is said when it is not, and what outlives a fault."""

import pytest

from pilothouse_api.conditions import Problem, Reason
from pilothouse_api.names import ProviderKey
from pilothouse_api.secret import Secret
from pilothouse_api.snapshot.credentials import AccessKey, APIKey, Basic, NoCredential
from pilothouse_operator.compile.world import SecretRef, SignIn, SignInKind
from pilothouse_operator.credentials.api_key import APIKeyIssuer, NoSignIn
from pilothouse_operator.credentials.aws import AccessKeyIssuer
from pilothouse_operator.credentials.gather import Credentials
from pilothouse_operator.ports import SecretAbsent, SecretContent, SecretState

AZURE = ProviderKey("team-a/azure")
BEDROCK = ProviderKey("team-a/bedrock")
API_KEY = SignIn(
    uid="u1",
    kind=SignInKind.API_KEY,
    path="spec.azureOpenAI.auth.apiKey",
    values={"apiKey": SecretRef("team-a", "azure", "key")},
)
ACCESS_KEY = SignIn(
    uid="u2",
    kind=SignInKind.ACCESS_KEY,
    path="spec.bedrock.auth.accessKey",
    values={
        "accessKeyId": SecretRef("team-a", "aws", "id"),
        "secretAccessKey": SecretRef("team-a", "aws", "secret"),
    },
)


PROXIED = SignIn(
    uid="u3",
    kind=SignInKind.NONE,
    proxy={"username": SecretRef("team-a", "egress", "user"), "password": SecretRef("team-a", "egress", "pass")},
)


class Store:
    """Secrets as a mapping."""

    def __init__(self, **secrets: dict[str, str | None]) -> None:
        self.contents: dict[str, SecretContent | SecretAbsent] = {}
        self.wanted: frozenset[tuple[str, str]] = frozenset()
        for name, values in secrets.items():
            self.put(name, **values)

    def put(self, name: str, **values: str | None) -> None:
        self.contents[name] = SecretContent(values={k: None if v is None else Secret(v) for k, v in values.items()})

    def want(self, references: frozenset[tuple[str, str]]) -> None:
        self.wanted = references

    def read(self, namespace: str, name: str) -> SecretContent | SecretAbsent:
        missing = SecretAbsent(state=SecretState.NOT_FOUND, message=f"there is no Secret {namespace}/{name}")
        return self.contents.get(name, missing)

    async def run(self, changed: object) -> None:
        raise NotImplementedError


def credentials(store: Store) -> Credentials:
    issuers = {
        SignInKind.API_KEY: APIKeyIssuer(),
        SignInKind.ACCESS_KEY: AccessKeyIssuer(),
        SignInKind.NONE: NoSignIn(),
    }
    return Credentials(store=store, issuers=issuers)


def problem(store: Store, sign_in: SignIn) -> Problem:
    state = credentials(store).gather({AZURE: sign_in})[AZURE]
    assert state.credential is None
    assert state.problem is not None
    return state.problem


def test_an_api_key_is_handed_on() -> None:
    state = credentials(Store(azure={"key": "sesame"})).gather({AZURE: API_KEY})[AZURE]
    assert state.credential == APIKey(key=Secret("sesame"))
    assert state.problem is None


def test_an_editors_last_newline_is_no_part_of_a_key() -> None:
    state = credentials(Store(azure={"key": " sesame\r\n"})).gather({AZURE: API_KEY})[AZURE]
    assert state.credential == APIKey(key=Secret("sesame"))


def test_an_access_key_joins_its_parts() -> None:
    store = Store(aws={"id": "AKIAEXAMPLE000000001", "secret": "s3cret/+"})
    state = credentials(store).gather({BEDROCK: ACCESS_KEY})[BEDROCK]
    assert state.credential == AccessKey(access_key_id="AKIAEXAMPLE000000001", secret_access_key=Secret("s3cret/+"))


def test_a_provider_without_sign_in_needs_no_secret() -> None:
    sign_in = SignIn(uid="u", kind=SignInKind.NONE)
    assert credentials(Store()).gather({AZURE: sign_in})[AZURE].credential == NoCredential()


def test_a_missing_secret_is_named() -> None:
    found = problem(Store(), API_KEY)
    assert found.reason is Reason.SECRET_NOT_FOUND
    assert "team-a/azure" in found.message
    assert found.field == "spec.azureOpenAI.auth.apiKey"


def test_a_missing_key_is_named_with_its_secret() -> None:
    found = problem(Store(azure={"other": "x"}), API_KEY)
    assert found.reason is Reason.SECRET_KEY_MISSING
    assert "team-a/azure" in found.message
    assert "'key'" in found.message


@pytest.mark.parametrize(
    ("value", "says"),
    [
        ("", "is empty"),
        (" \n", "is empty"),
        (None, "not UTF-8"),
        ("one\ntwo", "line break"),
        ("a\x00b", "control character"),
        ("schlüssel", "outside ASCII"),
        ("x" * (1 << 20), "longer than any credential"),
    ],
)
def test_a_malformed_value_is_refused_without_being_shown(value: str | None, says: str) -> None:
    found = problem(Store(azure={"key": value}), API_KEY)
    assert found.reason is Reason.SECRET_MALFORMED
    assert says in found.message
    assert not value or not value.strip() or value not in found.message


@pytest.mark.parametrize(
    ("state", "reason"),
    [
        (SecretState.PENDING, Reason.PENDING),
        (SecretState.FORBIDDEN, Reason.SECRET_FORBIDDEN),
        (SecretState.UNAVAILABLE, Reason.STORE_UNAVAILABLE),
    ],
)
def test_a_store_that_cannot_tell_has_a_reason_of_its_own(state: SecretState, reason: Reason) -> None:
    store = Store()
    store.contents["azure"] = SecretAbsent(state=state, message="so it is")
    assert problem(store, API_KEY).reason is reason


def test_swapped_parts_of_an_access_key_are_recognised() -> None:
    store = Store(aws={"id": "wJalr/XUtnFEMI+K7MDENG/bPxRfiCYEXAMPLEKEY", "secret": "AKIAEXAMPLE000000001"})
    found = problem(store, ACCESS_KEY)
    assert "swapped" in found.message
    assert "wJalr" not in found.message


def test_a_temporary_access_key_without_its_token_is_refused() -> None:
    found = problem(Store(aws={"id": "ASIAEXAMPLE000000001", "secret": "s"}), ACCESS_KEY)
    assert found.field == "spec.bedrock.auth.accessKey.sessionToken"


def test_the_last_good_credential_outlives_a_deleted_secret() -> None:
    store = Store(azure={"key": "sesame"})
    kept = credentials(store)
    kept.gather({AZURE: API_KEY})
    del store.contents["azure"]
    for _ in range(2):
        state = kept.gather({AZURE: API_KEY})[AZURE]
        assert state.credential == APIKey(key=Secret("sesame"))
        assert state.problem is not None
        assert state.problem.reason is Reason.SECRET_NOT_FOUND


def test_a_rotated_secret_replaces_the_last_good_credential() -> None:
    store = Store(azure={"key": "old"})
    kept = credentials(store)
    kept.gather({AZURE: API_KEY})
    store.put("azure", key="new")
    assert kept.gather({AZURE: API_KEY})[AZURE].credential == APIKey(key=Secret("new"))


def test_a_recreated_provider_inherits_nothing() -> None:
    store = Store(azure={"key": "sesame"})
    kept = credentials(store)
    kept.gather({AZURE: API_KEY})
    del store.contents["azure"]
    again = SignIn(uid="another", kind=API_KEY.kind, path=API_KEY.path, values=API_KEY.values)
    assert kept.gather({AZURE: again})[AZURE].credential is None


def test_another_reference_inherits_nothing() -> None:
    store = Store(azure={"key": "sesame"})
    kept = credentials(store)
    kept.gather({AZURE: API_KEY})
    moved = SignIn(
        uid="u1", kind=API_KEY.kind, path=API_KEY.path, values={"apiKey": SecretRef("team-a", "elsewhere", "key")}
    )
    assert kept.gather({AZURE: moved})[AZURE].credential is None


def test_only_referenced_secrets_are_wanted() -> None:
    store = Store()
    credentials(store).want({AZURE: API_KEY, BEDROCK: ACCESS_KEY})
    assert store.wanted == {("team-a", "azure"), ("team-a", "aws")}


def test_pending_is_true_until_every_secret_was_looked_at() -> None:
    store = Store()
    store.contents["azure"] = SecretAbsent(state=SecretState.PENDING, message="")
    kept = credentials(store)
    assert kept.pending({AZURE: API_KEY})
    del store.contents["azure"]
    assert not kept.pending({AZURE: API_KEY})


def test_what_a_forward_proxy_asks_for_is_handed_on_beside_the_credential() -> None:
    state = credentials(Store(egress={"user": "aladdin", "pass": "open:sesame\n"})).gather({AZURE: PROXIED})[AZURE]
    assert state.credential == NoCredential()
    assert state.proxy == Basic(username=Secret("aladdin"), password=Secret("open:sesame"))


@pytest.mark.parametrize(
    ("values", "field", "reason"),
    [
        ({"pass": "x"}, "username", Reason.SECRET_KEY_MISSING),
        ({"user": "aladdin"}, "password", Reason.SECRET_KEY_MISSING),
        ({"user": "aladdin", "pass": ""}, "password", Reason.SECRET_MALFORMED),
        ({"user": "aladdin:sesame", "pass": "sesame"}, "username", Reason.SECRET_MALFORMED),
    ],
)
def test_what_is_wrong_with_a_forward_proxys_secret_is_named_by_its_field(
    values: dict[str, str | None], field: str, reason: Reason
) -> None:
    found = problem(Store(egress=values), PROXIED)
    assert (found.reason, found.field) == (reason, f"spec.connection.proxy.auth.basic.{field}")
    assert "sesame" not in found.message


def test_the_last_good_user_and_password_of_a_forward_proxy_serve_on() -> None:
    store = Store(egress={"user": "aladdin", "pass": "sesame"})
    kept = credentials(store)
    good = kept.gather({AZURE: PROXIED})[AZURE]
    del store.contents["egress"]
    state = kept.gather({AZURE: PROXIED})[AZURE]
    assert (state.credential, state.proxy) == (good.credential, good.proxy)
    assert state.problem is not None


def test_a_forward_proxys_secret_is_wanted_and_waited_for() -> None:
    store = Store()
    store.contents["egress"] = SecretAbsent(state=SecretState.PENDING, message="")
    kept = credentials(store)
    kept.want({AZURE: PROXIED})
    assert store.wanted == {("team-a", "egress")}
    assert kept.pending({AZURE: PROXIED})
