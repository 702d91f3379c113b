from pathlib import Path
from typing import Any

import pytest
import yaml

from pilothouse_operator.compile.identities import (
    AssumedRole,
    AWSIdentity,
    AWSSession,
    BedrockForm,
    EntraAccess,
    EntraIdentity,
    EntraWay,
)
from pilothouse_operator.compile.sign_ins import sign_ins
from pilothouse_operator.compile.world import (
    IdentityAccess,
    Kind,
    Resource,
    ResourceKey,
    SecretRef,
    SignIn,
    SignInKind,
    World,
    value_path,
)
from tests.unit.api.rule_cases import GUID

ANYBODY = IdentityAccess()


def v(name: str, key: str) -> dict[str, Any]:
    return {"secretKeyRef": {"name": name, "key": key}}


def world(spec: dict[str, Any]) -> World:
    key = ResourceKey(Kind.PROVIDER, "team-a", "p")
    found = Resource(key=key, uid="u1", resource_version="1", generation=1, created="", spec=spec)
    return World(resources={key: found}, namespaces={})


@pytest.mark.parametrize(
    ("spec", "kind", "path", "values"),
    [
        (
            {"azureOpenAI": {"endpoint": "https://x.openai.azure.com", "auth": {"apiKey": v("azure", "k1")}}},
            SignInKind.API_KEY,
            "spec.azureOpenAI.auth.apiKey",
            {"apiKey": ("azure", "k1")},
        ),
        (
            {"openAI": {"baseURL": "https://x/v1", "auth": {"apiKey": v("openai", "k2")}}},
            SignInKind.API_KEY,
            "spec.openAI.auth.apiKey",
            {"apiKey": ("openai", "k2")},
        ),
        (
            {
                "bedrock": {
                    "region": "us-east-1",
                    "auth": {
                        "accessKey": {
                            "accessKeyId": v("aws", "id"),
                            "secretAccessKey": v("aws", "secret"),
                            "sessionToken": v("session", "token"),
                        }
                    },
                }
            },
            SignInKind.ACCESS_KEY,
            "spec.bedrock.auth.accessKey",
            {"accessKeyId": ("aws", "id"), "secretAccessKey": ("aws", "secret"), "sessionToken": ("session", "token")},
        ),
        ({"openAI": {"baseURL": "http://vllm:8000/v1"}}, SignInKind.NONE, "", {}),
    ],
)
def test_a_sign_in_names_its_secrets_in_the_provider_s_own_namespace(
    spec: dict[str, Any], kind: SignInKind, path: str, values: dict[str, tuple[str, str]]
) -> None:
    [(key, found)] = sign_ins(world(spec), ANYBODY).items()
    assert (key, found.uid, found.kind, found.path) == ("team-a/p", "u1", kind, path)
    assert found.values == {name: SecretRef("team-a", secret, data) for name, (secret, data) in values.items()}


def test_a_provider_that_cannot_be_read_has_no_sign_in() -> None:
    assert sign_ins(world({"bedrock": {"region": "us-east-1"}}), ANYBODY) == {}


def test_what_a_forward_proxy_asks_for_is_named_beside_what_the_provider_does() -> None:
    basic = {"username": v("egress", "user"), "password": v("egress", "pass")}
    connection = {"proxy": {"url": "http://proxy:3128", "auth": {"basic": basic}}}
    spec = {"openAI": {"baseURL": "http://vllm:8000/v1"}, "connection": connection}
    [found] = sign_ins(world(spec), ANYBODY).values()
    assert (found.kind, found.values) == (SignInKind.NONE, {})
    assert found.proxy == {
        "username": SecretRef("team-a", "egress", "user"),
        "password": SecretRef("team-a", "egress", "pass"),
    }
    assert set(found.references) == set(found.proxy.values())


def test_a_forward_proxy_that_asks_for_nothing_needs_no_secret() -> None:
    connection = {"proxy": {"url": "http://proxy:3128"}}
    spec = {"openAI": {"baseURL": "http://vllm:8000/v1"}, "connection": connection}
    [found] = sign_ins(world(spec), ANYBODY).values()
    assert found.references == ()


ROLE = "arn:aws:iam::111122223333:role/bedrock"
KEY = {"accessKeyId": v("aws", "id"), "secretAccessKey": v("aws", "secret")}


def bedrock(auth: dict[str, Any], **fields: Any) -> SignIn:
    spec = {"bedrock": {"region": "eu-central-1", "auth": auth}, **fields}
    [found] = sign_ins(world(spec), ANYBODY).values()
    return found


def session(auth: dict[str, Any], **fields: Any) -> AWSSession:
    found = bedrock(auth, **fields).grant
    assert isinstance(found, AWSSession)
    return found


def test_keys_of_bedrock_are_sent_as_they_are() -> None:
    assert bedrock({"accessKey": KEY}).grant is None
    found = bedrock({"apiKey": v("bedrock", "key")})
    assert (found.kind, found.path, found.grant) == (SignInKind.API_KEY, "spec.bedrock.auth.apiKey", None)
    assert found.values == {"apiKey": SecretRef("team-a", "bedrock", "key")}


def test_the_operator_s_own_identity_needs_no_values() -> None:
    found = bedrock({"default": {}})
    assert (found.kind, found.path, found.values) == (SignInKind.DEFAULT, "spec.bedrock.auth.default", {})
    assert found.grant == AWSSession(identity=AWSIdentity(region="eu-central-1"), duration_s=3_600, models=())


def test_an_access_key_that_assumes_roles_becomes_a_session() -> None:
    chain = [
        {
            "roleArn": ROLE,
            "externalId": "contoso",
            "sessionTags": {"team": "payments", "env": "prod"},
            "transitiveTags": ["team"],
        },
        {"roleArn": f"{ROLE}-2"},
    ]
    found = bedrock({"accessKey": KEY, "assumeRole": chain, "stsEndpoint": "https://STS.example/"})
    assert (found.kind, set(found.values)) == (SignInKind.ACCESS_KEY, {"accessKeyId", "secretAccessKey"})
    assert isinstance(found.grant, AWSSession)
    assert found.grant.identity == AWSIdentity(
        region="eu-central-1",
        roles=(
            AssumedRole(
                role_arn=ROLE,
                external_id="contoso",
                session_tags=(("env", "prod"), ("team", "payments")),
                transitive_tags=("team",),
            ),
            AssumedRole(role_arn=f"{ROLE}-2"),
        ),
        sts_endpoint="https://sts.example",
    )


def test_a_session_is_narrowed_to_the_upstream_models_of_its_provider() -> None:
    models = [{"name": "b", "upstreamModel": "B"}, {"name": "a"}, {"name": "c", "upstreamModel": "B"}]
    assert session({"default": {}}, models=models).models == ("B", "a")
    assert session({"default": {}}).models == ()
    assert session({"default": {}, "sessionPolicy": "None"}, models=models).models is None


def test_a_session_for_what_an_account_turns_out_to_have_is_for_every_model() -> None:
    assert session({"default": {}}, models=[{"name": "a"}], discovery={}).models == ()


def test_a_token_of_the_operator_s_own_is_shown_to_no_other_resource_manager_than_azure_s() -> None:
    spec = {
        "azureOpenAI": {
            "endpoint": "https://x.openai.azure.com",
            "auth": {"workloadIdentity": {}},
            "managementEndpoint": "https://arm.example",
        }
    }
    [refused] = sign_ins(world(spec), IdentityAccess(endpoints=frozenset())).values()
    assert refused.problem is not None
    assert refused.problem.field == "spec.azureOpenAI.managementEndpoint"
    [permitted] = sign_ins(world(spec), IdentityAccess(endpoints=frozenset({"https://arm.example"}))).values()
    assert permitted.problem is None


def test_a_session_lives_as_long_and_comes_in_the_form_that_is_asked_for() -> None:
    found = session({"default": {}, "sessionDuration": "1h30m", "deliverAs": "APIKey"})
    assert (found.duration_s, found.form) == (5_400, BedrockForm.API_KEY)


def azure(auth: dict[str, Any], **fields: Any) -> SignIn:
    spec = {"azureOpenAI": {"endpoint": "https://x.openai.azure.com", "auth": auth, **fields}}
    [found] = sign_ins(world(spec), ANYBODY).values()
    return found


PRINCIPAL = {"tenantId": "contoso.com", "clientId": GUID}
PUBLIC = "https://login.microsoftonline.com"


@pytest.mark.parametrize(
    ("auth", "kind", "values", "identity"),
    [
        (
            {"servicePrincipal": {**PRINCIPAL, "clientSecret": v("app", "secret")}},
            SignInKind.SERVICE_PRINCIPAL,
            {"clientSecret": SecretRef("team-a", "app", "secret")},
            EntraIdentity(way=EntraWay.SERVICE_PRINCIPAL, authority=PUBLIC, tenant_id="contoso.com", client_id=GUID),
        ),
        (
            {
                "servicePrincipal": {
                    **PRINCIPAL,
                    "certificate": v("app", "pem"),
                    "password": v("app", "password"),
                    "sendCertificateChain": "Enabled",
                }
            },
            SignInKind.SERVICE_PRINCIPAL,
            {"certificate": SecretRef("team-a", "app", "pem"), "password": SecretRef("team-a", "app", "password")},
            EntraIdentity(
                way=EntraWay.SERVICE_PRINCIPAL,
                authority=PUBLIC,
                tenant_id="contoso.com",
                client_id=GUID,
                send_chain=True,
            ),
        ),
        (
            {"managedIdentity": {"objectId": GUID}},
            SignInKind.MANAGED_IDENTITY,
            {},
            EntraIdentity(way=EntraWay.MANAGED_IDENTITY, authority=PUBLIC, object_id=GUID),
        ),
        (
            {"workloadIdentity": {"clientId": GUID, "tenantId": "contoso.com"}},
            SignInKind.WORKLOAD_IDENTITY,
            {},
            EntraIdentity(way=EntraWay.WORKLOAD_IDENTITY, authority=PUBLIC, tenant_id="contoso.com", client_id=GUID),
        ),
        (
            {"workloadIdentity": {}, "authorityHost": "https://Entra.example/"},
            SignInKind.WORKLOAD_IDENTITY,
            {},
            EntraIdentity(way=EntraWay.WORKLOAD_IDENTITY, authority="https://entra.example"),
        ),
    ],
)
def test_every_way_into_entra_is_for_a_token_of_the_service(
    auth: dict[str, Any], kind: SignInKind, values: dict[str, SecretRef], identity: EntraIdentity
) -> None:
    found = azure(auth)
    assert (found.kind, found.path, found.values) == (kind, f"spec.azureOpenAI.auth.{kind.value}", values)
    assert found.grant == EntraAccess(identity=identity, scope="https://cognitiveservices.azure.com/.default")


@pytest.mark.parametrize(
    ("cloud", "authority", "scope"),
    [
        ("Public", PUBLIC, "https://cognitiveservices.azure.com/.default"),
        ("USGovernment", "https://login.microsoftonline.us", "https://cognitiveservices.azure.us/.default"),
        ("China", "https://login.chinacloudapi.cn", "https://cognitiveservices.azure.cn/.default"),
    ],
)
def test_each_cloud_of_azure_has_its_own_sign_in_and_audience(cloud: str, authority: str, scope: str) -> None:
    found = azure({"workloadIdentity": {}}, cloud=cloud).grant
    assert isinstance(found, EntraAccess)
    assert (found.identity.authority, found.scope) == (authority, scope)


@pytest.mark.parametrize(
    ("path", "name", "field"),
    [
        ("spec.bedrock.auth.accessKey", "secretAccessKey", "spec.bedrock.auth.accessKey.secretAccessKey"),
        ("spec.openAI.auth.apiKey", "apiKey", "spec.openAI.auth.apiKey"),
        ("spec.secretStores.vault.auth.token", "token", "spec.secretStores.vault.auth.token"),
    ],
)
def test_a_value_has_a_field_of_its_own_unless_it_is_the_whole_sign_in(path: str, name: str, field: str) -> None:
    assert value_path(path, name) == field


EXAMPLES = sorted((Path(__file__).parents[4] / "examples" / "manifests").glob("provider-*.yaml"))


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_every_example_of_a_provider_is_signed_in_to(path: Path) -> None:
    for document in yaml.safe_load_all(path.read_text()):
        assert len(sign_ins(world(document["spec"]), ANYBODY)) == 1
