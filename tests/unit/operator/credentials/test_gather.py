"""Credentials from Secrets: what is accepted, what is said when it is not, and what outlives a fault."""

from dataclasses import replace

import pytest

from pilothouse_api.conditions import Problem, Reason
from pilothouse_api.names import ProviderKey
from pilothouse_api.secret import Secret
from pilothouse_api.snapshot.credentials import AccessKey, APIKey, Basic, BearerToken, NoCredential
from pilothouse_operator.compile.identities import (
    AWSIdentity,
    AWSSession,
    EntraAccess,
    EntraIdentity,
    EntraWay,
    VaultAddress,
    VaultIdentity,
)
from pilothouse_operator.compile.world import SecretRef, SignIn, SignInKind, StoredRef
from pilothouse_operator.credentials.api_key import APIKeyIssuer, NoSignIn
from pilothouse_operator.credentials.aws import AccessKeyIssuer
from pilothouse_operator.credentials.gather import Credentials
from pilothouse_operator.credentials.reading import Values
from pilothouse_operator.ports import (
    Application,
    Brokered,
    Fault,
    Issued,
    SecretAbsent,
    SecretContent,
    SecretState,
    Stored,
)
from tests.unit.operator.outside import Counter, Storehouse

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


SESSION = AWSSession(identity=AWSIdentity(region="eu-west-1"))
BROKERED = SignIn(uid="u4", kind=SignInKind.DEFAULT, path="spec.bedrock.auth.default", grant=SESSION)
PRINCIPAL = SignIn(
    uid="u5",
    kind=SignInKind.SERVICE_PRINCIPAL,
    path="spec.azureOpenAI.auth.servicePrincipal",
    values={"certificate": SecretRef("team-a", "principal", "pem")},
    grant=EntraAccess(
        identity=EntraIdentity(way=EntraWay.SERVICE_PRINCIPAL, authority="https://login.microsoftonline.com"),
        scope="https://cognitiveservices.azure.com/.default",
    ),
)
VAULT = VaultAddress(identity=VaultIdentity(), server="https://vault:8200", path="openai")
VAULTED = SignIn(
    uid="u6",
    kind=SignInKind.API_KEY,
    path="spec.openAI.auth.apiKey",
    values={
        "apiKey": StoredRef(
            address=VAULT,
            key="key",
            refresh_s=60,
            sign_in=(("token", SecretRef("team-a", "vault", "token")),),
            sign_in_path="spec.secretStores.vault.auth",
        )
    },
)
TOKEN = Issued(credential=BearerToken(token=Secret("issued"), expires_at=2_000), expires_at=2_000.0)
AWAY = Fault("the Vault does not answer.", reason=Reason.STORE_UNAVAILABLE, passing=True)


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


def credentials(store: Store, *, storehouse: Storehouse | None = None, counter: Counter | None = None) -> Credentials:
    issuers = {
        SignInKind.API_KEY: APIKeyIssuer(),
        SignInKind.ACCESS_KEY: AccessKeyIssuer(),
        SignInKind.NONE: NoSignIn(),
    }
    values = Values(secrets=store, stored=storehouse or Storehouse())
    return Credentials(values=values, broker=counter or Counter(), issuers=issuers)


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


def test_what_a_cloud_is_to_issue_is_applied_for_and_handed_on() -> None:
    counter = Counter()
    kept = credentials(Store(), counter=counter)
    kept.want({BEDROCK: BROKERED})
    assert counter.wanted == {BEDROCK: Application(grant=SESSION, values={})}
    counter.brokered[BEDROCK] = Brokered(issued=TOKEN)
    state = kept.gather({BEDROCK: BROKERED})[BEDROCK]
    assert (state.credential, state.issued, state.problem) == (TOKEN.credential, True, None)
    assert kept.issued(BEDROCK) == TOKEN.credential


def test_a_credential_that_was_not_issued_yet_is_waited_for() -> None:
    counter = Counter()
    kept = credentials(Store(), counter=counter)
    kept.want({BEDROCK: BROKERED})
    assert kept.pending({BEDROCK: BROKERED})
    state = kept.gather({BEDROCK: BROKERED})[BEDROCK]
    assert state.credential is None
    assert state.problem is not None
    assert state.problem.reason is Reason.PENDING
    counter.brokered[BEDROCK] = Brokered(fault=AWAY)
    assert not kept.pending({BEDROCK: BROKERED})


def test_why_a_cloud_does_not_issue_is_told_with_the_field_and_since_when() -> None:
    counter = Counter()
    kept = credentials(Store(), counter=counter)
    kept.want({BEDROCK: BROKERED})
    refusal = Fault("the role is not ours", reason=Reason.SIGN_IN_REFUSED, passing=False, field="roles[1].roleArn")
    counter.brokered[BEDROCK] = Brokered(issued=TOKEN, fault=refusal, since=0.0)
    state = kept.gather({BEDROCK: BROKERED})[BEDROCK]
    assert state.credential == TOKEN.credential
    assert state.problem is not None
    assert state.problem.field == "spec.bedrock.auth.assumeRole[1].roleArn"
    assert state.problem.message == "the role is not ours (since 1970-01-01T00:00:00Z)"


def test_a_cloud_that_asks_to_slow_down_is_no_fault_of_a_good_credential() -> None:
    counter = Counter()
    kept = credentials(Store(), counter=counter)
    kept.want({BEDROCK: BROKERED})
    slower = Fault("slow down", reason=Reason.SIGN_IN_UNAVAILABLE, passing=True, throttled=True)
    counter.brokered[BEDROCK] = Brokered(issued=TOKEN, fault=slower)
    assert kept.gather({BEDROCK: BROKERED})[BEDROCK].problem is None


def test_an_application_stands_with_its_last_good_values() -> None:
    store, counter = Store(principal={"pem": "-----BEGIN\nKEY-----"}), Counter()
    kept = credentials(store, counter=counter)
    kept.want({AZURE: PRINCIPAL})
    del store.contents["principal"]
    kept.want({AZURE: PRINCIPAL})
    assert counter.wanted[AZURE].values == {"certificate": Secret("-----BEGIN\nKEY-----")}
    counter.brokered[AZURE] = Brokered(issued=TOKEN)
    state = kept.gather({AZURE: PRINCIPAL})[AZURE]
    assert state.credential == TOKEN.credential
    assert state.problem is not None
    assert state.problem.reason is Reason.SECRET_NOT_FOUND


def test_a_recreated_provider_is_applied_for_anew() -> None:
    counter = Counter()
    told: list[dict[ProviderKey, Application]] = []
    counter.want = lambda applications: told.append(dict(applications))  # type: ignore[method-assign]
    gathering = credentials(Store(principal={"pem": "its certificate"}), counter=counter)
    once = {AZURE: PRINCIPAL, BEDROCK: BROKERED}
    gathering.want(once)
    gathering.want(once)
    gathering.want({AZURE: replace(PRINCIPAL, uid="another"), BEDROCK: BROKERED})
    assert [sorted(each) for each in told] == [[AZURE, BEDROCK], [AZURE, BEDROCK], [BEDROCK], [AZURE, BEDROCK]]


def test_a_sign_in_that_is_not_permitted_is_not_applied_for() -> None:
    counter = Counter()
    refused = Problem(reason=Reason.IDENTITY_NOT_PERMITTED, message="not for this namespace")
    sign_in = SignIn(uid="u", kind=SignInKind.DEFAULT, grant=SESSION, problem=refused)
    kept = credentials(Store(), counter=counter)
    kept.want({BEDROCK: sign_in})
    assert counter.wanted == {}
    assert kept.gather({BEDROCK: sign_in})[BEDROCK].problem == refused


def test_a_store_is_asked_once_the_secrets_that_sign_in_there_are_read() -> None:
    store, storehouse = Store(), Storehouse()
    kept = credentials(store, storehouse=storehouse)
    kept.want({AZURE: VAULTED})
    assert (store.wanted, storehouse.wanted) == ({("team-a", "vault")}, frozenset())
    store.put("vault", token="hvs.1")
    kept.want({AZURE: VAULTED})
    [wish] = storehouse.wanted
    assert (wish.address, wish.refresh_s, wish.sign_in) == (VAULT, 60, (("token", Secret("hvs.1")),))
    assert kept.pending({AZURE: VAULTED})


@pytest.mark.parametrize(
    ("stored", "reason", "says"),
    [
        (Stored(fault=AWAY, since=86_400.0), Reason.STORE_UNAVAILABLE, "since 1970-01-02T00:00:00Z"),
        (Stored(value=Secret("sesame")), Reason.SECRET_MALFORMED, "no JSON object"),
        (Stored(value=Secret("[" * 100_000)), Reason.SECRET_MALFORMED, "no JSON object"),
        (Stored(value=Secret('{"key": "sesame \\ud800"}')), Reason.SECRET_MALFORMED, "outside ASCII"),
        (Stored(value=Secret('{"other": "x"}')), Reason.SECRET_KEY_MISSING, "no member 'key'"),
        (Stored(value=Secret('{"key": {"a": "sesame"}}')), Reason.SECRET_MALFORMED, "is no text"),
        (Stored(value=Secret('{"key": "ses\\name"}')), Reason.SECRET_MALFORMED, "line break"),
        (Stored(), Reason.PENDING, "has not been read yet"),
    ],
)
def test_what_is_wrong_with_a_stored_value_is_told_without_it(stored: Stored, reason: Reason, says: str) -> None:
    storehouse = Storehouse()
    storehouse.stored[VAULT] = stored
    kept = credentials(Store(vault={"token": "hvs.1"}), storehouse=storehouse)
    found = kept.gather({AZURE: VAULTED})[AZURE].problem
    assert found is not None
    assert (found.reason, found.field) == (reason, "spec.openAI.auth.apiKey")
    assert says in found.message
    assert "sesame" not in found.message


def test_the_last_value_of_a_store_that_is_away_serves_and_the_fault_is_told() -> None:
    storehouse = Storehouse()
    kept = credentials(Store(vault={"token": "hvs.1"}), storehouse=storehouse)
    storehouse.stored[VAULT] = Stored(value=Secret('{"key": "sesame"}'), fault=AWAY)
    state = kept.gather({AZURE: VAULTED})[AZURE]
    assert state.credential == APIKey(key=Secret("sesame"))
    assert state.problem is not None
    assert state.problem.reason is Reason.STORE_UNAVAILABLE
    storehouse.stored[VAULT] = Stored(
        value=Secret('{"key": "sesame"}'),
        fault=Fault("slow down", reason=Reason.STORE_UNAVAILABLE, passing=True, throttled=True),
    )
    assert kept.gather({AZURE: VAULTED})[AZURE].problem is None


@pytest.mark.parametrize(
    ("field", "told"),
    [
        ("", "spec.openAI.auth.apiKey"),
        ("server", "spec.secretStores.vault.server"),
        ("token", "spec.secretStores.vault.auth"),
        ("roles[0].roleArn", "spec.secretStores.vault.assumeRole[0].roleArn"),
    ],
)
def test_a_fault_of_signing_in_to_a_store_names_the_field_there(field: str, told: str) -> None:
    storehouse = Storehouse()
    fault = Fault("no", reason=Reason.SECRET_FORBIDDEN, passing=False, field=field)
    storehouse.stored[VAULT] = Stored(fault=fault)
    kept = credentials(Store(vault={"token": "hvs.1"}), storehouse=storehouse)
    found = kept.gather({AZURE: VAULTED})[AZURE].problem
    assert found is not None
    assert found.field == told


def test_what_is_to_be_issued_is_so_even_while_its_values_are_not_there() -> None:
    """Proxies may have a credential that lives, of before this operator began."""
    state = credentials(Store()).gather({AZURE: PRINCIPAL})[AZURE]
    assert (state.credential, state.issued) == (None, True)
    through = replace(PRINCIPAL, proxy=PROXIED.proxy)
    assert not credentials(Store()).gather({AZURE: through})[AZURE].issued


def test_what_accounts_are_listed_with_is_what_proxies_sign_in_with() -> None:
    store = Store(azure={"key": "sesame"}, aws={"id": "AKIA0000000000000001", "secret": "s"}, egress={"user": "u"})
    store.put("principal", pem="PEM")
    it = credentials(store)
    sign_ins = {AZURE: API_KEY, BEDROCK: ACCESS_KEY, ProviderKey("p"): PRINCIPAL, ProviderKey("x"): PROXIED}
    it.want(sign_ins)
    assert it.values(AZURE) == {"apiKey": Secret("sesame")}
    assert it.values(BEDROCK) == {"accessKeyId": Secret("AKIA0000000000000001"), "secretAccessKey": Secret("s")}
    assert it.values(ProviderKey("p")) == {"certificate": Secret("PEM")}
    assert it.values(ProviderKey("x")) is None
    store.put("egress", user="u", **{"pass": "p"})
    it.want(sign_ins)
    assert it.values(ProviderKey("x")) == {"username": Secret("u"), "password": Secret("p")}
    assert it.values(ProviderKey("nobody")) is None
