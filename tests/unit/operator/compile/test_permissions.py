"""Who may make use of what the operator itself is, and what may be shown of it."""

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pilothouse_api.conditions import Problem, Reason
from pilothouse_operator.compile.sign_ins import sign_ins
from pilothouse_operator.compile.world import IdentityAccess, SignIn, StoredRef
from tests.unit.api.rule_cases import ACCESS_KEY, GUID, ROLE, SECRET, STORED, VAULT_STORE, Spec
from tests.unit.operator.compile.test_sign_ins import world

NOBODY = IdentityAccess(namespaces=frozenset(), endpoints=frozenset())
OWN_NAMESPACE = IdentityAccess(namespaces=frozenset({"team-a"}), endpoints=frozenset())
PRINCIPAL = {"servicePrincipal": {"tenantId": "contoso.com", "clientId": GUID, "clientSecret": SECRET}}


def bedrock(auth: Spec, **fields: Any) -> Spec:
    return {"bedrock": {"region": "us-east-1", "auth": auth, **fields}}


def azure(auth: Spec, endpoint: str = "https://x.openai.azure.com") -> Spec:
    return {"azureOpenAI": {"endpoint": endpoint, "auth": auth}}


def openai(store: str, stores: Spec, **fields: str) -> Spec:
    value = {store: {**STORED[store], **fields}}
    return {"openAI": {"baseURL": "https://x/v1", "auth": {"apiKey": value}}, "secretStores": stores}


def only(spec: Spec, access: IdentityAccess) -> SignIn:
    [found] = sign_ins(world(spec), access).values()
    return found


def problem(spec: Spec, access: IdentityAccess) -> Problem:
    found = only(spec, access).problem
    assert found is not None
    assert found.reason is Reason.IDENTITY_NOT_PERMITTED
    return found


OWN = {
    "spec.bedrock.auth.default": bedrock({"default": {}}),
    "spec.azureOpenAI.auth.managedIdentity": azure({"managedIdentity": {}}),
    "spec.azureOpenAI.auth.workloadIdentity": azure({"workloadIdentity": {}}),
    "spec.openAI.auth.apiKey.awsSecretsManager": openai("awsSecretsManager", {}),
    "spec.openAI.auth.apiKey.awsParameter": openai("awsParameter", {}),
    "spec.openAI.auth.apiKey.azureKeyVault": openai("azureKeyVault", {}),
    "spec.openAI.auth.apiKey.gcpSecretManager": openai("gcpSecretManager", {}),
    "spec.secretStores.aws.auth.default": openai("awsParameter", {"aws": {"auth": {"default": {}}}}),
    "spec.secretStores.azureKeyVault.auth.managedIdentity": openai(
        "azureKeyVault", {"azureKeyVault": {"auth": {"managedIdentity": {}}}}
    ),
    "spec.secretStores.gcp.auth.default": openai("gcpSecretManager", {"gcp": {"auth": {"default": {}}}}),
    "spec.secretStores.vault.auth.kubernetes": openai("vault", VAULT_STORE),
}


@pytest.mark.parametrize("field", OWN)
def test_the_operator_s_identity_is_only_for_the_namespaces_that_may_have_it(field: str) -> None:
    found = problem(OWN[field], NOBODY)
    assert found.field == field
    assert "namespace team-a" in found.message


@pytest.mark.parametrize("field", OWN)
def test_what_is_not_permitted_asks_for_nothing(field: str) -> None:
    found = only(OWN[field], NOBODY)
    assert (found.references, found.grant) == ((), None)


@pytest.mark.parametrize("field", [field for field in OWN if not field.startswith("spec.secretStores.vault")])
def test_a_namespace_that_may_have_it_may_go_to_every_endpoint_of_the_clouds(field: str) -> None:
    assert only(OWN[field], OWN_NAMESPACE).problem is None


@pytest.mark.parametrize("spec", OWN.values(), ids=OWN)
def test_without_restrictions_everything_is_permitted(spec: Spec) -> None:
    assert only(spec, IdentityAccess()).problem is None


KEYS = {"accessKeyId": SECRET, "secretAccessKey": SECRET}
FOREIGN = {"endpoint": "https://store.example", "stsEndpoint": "https://sts.example"}


@pytest.mark.parametrize(
    "spec",
    [
        bedrock({**ACCESS_KEY, "assumeRole": [ROLE], "stsEndpoint": "https://sts.example", "deliverAs": "APIKey"}),
        bedrock({"apiKey": SECRET}, endpoint="https://bedrock.example"),
        azure({"apiKey": SECRET}, "https://azure.example"),
        azure({**PRINCIPAL, "authorityHost": "https://entra.example"}, "https://azure.example"),
        openai("awsParameter", {"aws": {"auth": {"accessKey": KEYS}, **FOREIGN}}),
        openai("gcpSecretManager", {"gcp": {"auth": {"serviceAccountKey": SECRET}, "endpoint": "https://gcp.example"}}),
        openai("azureKeyVault", {"azureKeyVault": {"auth": PRINCIPAL}}, vaultURL="https://vault.example"),
        openai("vault", {"vault": {"server": "https://vault.example", "auth": {"token": SECRET}}}),
    ],
)
def test_whoever_signs_in_with_credentials_of_their_own_may_go_anywhere(spec: Spec) -> None:
    assert only(spec, NOBODY).problem is None


SHOWN: dict[str, tuple[str, Callable[[str], Spec]]] = {
    "spec.bedrock.auth.stsEndpoint": (
        "https://sts.example:8443",
        lambda url: bedrock({"default": {}, "stsEndpoint": url}),
    ),
    "spec.bedrock.endpoint": (
        "https://bedrock.example",
        lambda url: bedrock({"default": {}, "deliverAs": "APIKey"}, endpoint=url),
    ),
    "spec.azureOpenAI.endpoint": (
        "https://azure.example",
        lambda url: azure({"workloadIdentity": {}}, url),
    ),
    "spec.azureOpenAI.auth.authorityHost": (
        "https://entra.example",
        lambda url: azure({"workloadIdentity": {}, "authorityHost": url}),
    ),
    "spec.openAI.auth.apiKey.azureKeyVault.vaultURL": (
        "https://vault.example",
        lambda url: openai("azureKeyVault", {}, vaultURL=url),
    ),
    "spec.secretStores.azureKeyVault.authorityHost": (
        "https://entra.example",
        lambda url: openai("azureKeyVault", {"azureKeyVault": {"authorityHost": url}}),
    ),
    "spec.secretStores.aws.endpoint": (
        "https://secretsmanager.example",
        lambda url: openai("awsSecretsManager", {"aws": {"endpoint": url}}),
    ),
    "spec.secretStores.aws.stsEndpoint": (
        "https://sts.example",
        lambda url: openai("awsParameter", {"aws": {"stsEndpoint": url}}),
    ),
    "spec.secretStores.gcp.endpoint": (
        "https://google.example",
        lambda url: openai("gcpSecretManager", {"gcp": {"endpoint": url}}),
    ),
    "spec.secretStores.vault.server": (
        "https://vault.example:8200",
        lambda url: openai("vault", {"vault": {**VAULT_STORE["vault"], "server": url}}),
    ),
    "spec.connection.proxy.url": (
        "http://proxy.example:3128",
        lambda url: {
            **azure({"workloadIdentity": {}}),
            "connection": {"proxy": {"url": url}, "tls": {"caBundle": "-----BEGIN CERTIFICATE-----"}},
        },
    ),
}
"""By the field that holds the URL."""


@pytest.mark.parametrize("field", SHOWN)
def test_a_url_of_the_manifest_is_not_shown_the_identity_unless_it_is_permitted(field: str) -> None:
    url, spec = SHOWN[field]
    assert problem(spec(url), OWN_NAMESPACE).field == field


@pytest.mark.parametrize("field", SHOWN)
def test_a_permitted_url_may_be_shown_it_in_whatever_form_it_is_written(field: str) -> None:
    url, spec = SHOWN[field]
    written = url.replace("example", "EXAMPLE")
    access = IdentityAccess(namespaces=frozenset({"team-a"}), endpoints=frozenset({f"{url}/"}))
    assert only(spec(written), access).problem is None


def test_bedrock_is_shown_no_more_of_a_session_than_signatures() -> None:
    assert only(bedrock({"default": {}}, endpoint="https://bedrock.example"), OWN_NAMESPACE).problem is None


@pytest.mark.parametrize(
    "connection",
    [
        {"proxy": {"url": "http://proxy.example:3128"}},
        {"tls": {"caBundle": "-----BEGIN CERTIFICATE-----"}},
    ],
)
def test_a_forward_proxy_that_cannot_end_tls_sees_nothing(connection: Spec) -> None:
    assert only({**azure({"workloadIdentity": {}}), "connection": connection}, OWN_NAMESPACE).problem is None


entrances = st.sampled_from([{"workloadIdentity": {}}, {"managedIdentity": {}}, PRINCIPAL])
stores_of_one_s_own = st.fixed_dictionaries(
    {"vault": st.sampled_from([VAULT_STORE["vault"], {**VAULT_STORE["vault"], "auth": {"token": SECRET}}])},
    optional={
        "aws": st.sampled_from([{}, {"auth": {"default": {}}}, {"auth": {"accessKey": KEYS}, "assumeRole": [ROLE]}]),
        "azureKeyVault": entrances.map(lambda way: {"auth": way}),
        "gcp": st.sampled_from([{"auth": {"default": {}}}, {"auth": {"serviceAccountKey": SECRET}}]),
    },
)
kept = st.sampled_from([SECRET, *({store: ref} for store, ref in STORED.items())])
providers = st.one_of(
    st.sampled_from([{}, {"assumeRole": [ROLE]}]).flatmap(
        lambda roles: st.one_of(
            st.just(bedrock({"default": {}, **roles})),
            kept.map(lambda value: bedrock({"accessKey": {**KEYS, "secretAccessKey": value}, **roles})),
        )
    ),
    kept.map(lambda value: bedrock({"apiKey": value})),
    entrances.map(azure),
    kept.map(lambda value: azure({"servicePrincipal": {**PRINCIPAL["servicePrincipal"], "clientSecret": value}})),
)


@given(providers, stores_of_one_s_own)
def test_nothing_that_is_not_permitted_is_ever_asked_without_values_of_its_own(provider: Spec, stores: Spec) -> None:
    found = only({**provider, "secretStores": stores}, NOBODY)
    if found.problem is None:
        assert found.values
        assert all(it.sign_in for it in found.references if isinstance(it, StoredRef))
    else:
        assert (found.references, found.grant) == ((), None)
