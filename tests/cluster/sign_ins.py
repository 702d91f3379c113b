"""Every kind of credential as manifests: a provider and a route of the kind's name, and where its secret is kept."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from tests.cluster import manifests
from tests.cluster.estate import Estate
from tests.cluster.manifests import Document
from tests.simulators.entra import pems
from tests.simulators.entra.directory import TENANT_ID
from tests.simulators.estate import fleet as estates
from tests.simulators.estate.aws import REGION
from tests.simulators.estate.keys import BY_KEY

REFRESH = "10s"
KUBERNETES = "kubernetes"


@dataclass(frozen=True, slots=True)
class Kind:
    """One way to sign in. `secret`: what the estate calls what lasts, empty where nothing does; kept in `store`.

    `shows`: what `status.credential.kind` says. `issued`: whether proxies get something that ends.
    """

    name: str
    shows: str
    secret: str = ""
    store: str = ""
    issued: bool = False


KINDS = (
    Kind("bedrock-default", "default", issued=True),
    Kind("bedrock-default-role", "default", issued=True),
    Kind("bedrock-short-term-key", "default", issued=True),
    Kind("bedrock-access-key", "accessKey", "accessKey", KUBERNETES),
    Kind("bedrock-access-key-role", "accessKey", "accessKey", "secretsManager", issued=True),
    Kind("bedrock-session-key", "accessKey", "session", "vault"),
    Kind("bedrock-api-key", "apiKey", "bedrock", "parameterStore"),
    Kind("azure-api-key", "apiKey", "azure", "keyVault"),
    Kind("azure-client-secret", "servicePrincipal", "clientSecret", "google", issued=True),
    Kind("azure-certificate", "servicePrincipal", "certificate", "keyVaultCertificate", issued=True),
    Kind("azure-workload-identity", "workloadIdentity", issued=True),
    Kind("azure-managed-identity", "managedIdentity", issued=True),
    Kind("openai-kubernetes", "apiKey", "openai", KUBERNETES),
    Kind("openai-secrets-manager", "apiKey", "openai", "secretsManager"),
    Kind("openai-parameter-store", "apiKey", "openai", "parameterStore"),
    Kind("openai-key-vault", "apiKey", "openai", "keyVault"),
    Kind("openai-google", "apiKey", "openai", "google"),
    Kind("openai-vault", "apiKey", "openai", "vault"),
)
BY_NAME = {kind.name: kind for kind in KINDS}
VAULT_TOKEN = Kind("vault-token", "", "vaultToken", KUBERNETES)
"""What opens the Vault: it signs in the operator, and is seen by no provider."""

Apply = Callable[..., None]


def value(kind: Kind, member: str, estate: Estate) -> Document:
    """Where a manifest finds one value of the kind's secret."""
    name = f"{kind.name}-secret"
    if kind.store == KUBERNETES:
        return manifests.key_ref(name, member)
    of_several = {"jsonKey": member} if len(_MEMBERS.get(kind.secret, ())) > 1 else {}
    places: Mapping[str, Document] = {
        "secretsManager": {"awsSecretsManager": {"secretId": name, **of_several, "refreshInterval": REFRESH}},
        "parameterStore": {"awsParameter": {"name": name, "refreshInterval": REFRESH}},
        "keyVault": {"azureKeyVault": {"vaultURL": estate.at["keyVault"], "name": name, "refreshInterval": REFRESH}},
        "google": {
            "gcpSecretManager": {"project": estates.PROJECT, "secret": name, "refreshInterval": REFRESH},
        },
        "vault": {"vault": {"path": name, "key": member, "refreshInterval": REFRESH}},
    }
    return places[kind.store.removesuffix("Certificate")]


_MEMBERS: Mapping[str, tuple[str, ...]] = {
    "accessKey": ("accessKeyId", "secretAccessKey"),
    "session": ("accessKeyId", "secretAccessKey", "sessionToken"),
}


def rotate(kind: Kind, turn: int, estate: Estate, apply: Apply) -> str:
    """Makes a new secret and puts it where the old one is; its name. The old one is good until it is revoked."""
    secret = f"{kind.name}/{turn}"
    given = pems.made(kind.name).pem() if kind.secret == "certificate" else ""
    values = estate.make_key(kind.secret, secret, given)
    name = f"{kind.name}-secret"
    if kind.store == KUBERNETES:
        apply(manifests.secret(name, values))
        return secret
    single = len(values) == 1 and kind.store != "vault"
    estate.store(kind.store, name, next(iter(values.values())) if single else values, secret=secret)
    return secret


def provider(kind: Kind, estate: Estate) -> Document:
    """The LLMProvider of a kind, serving the model `m`."""
    family, _, _ = kind.name.partition("-")
    auth = _auth(kind, estate)
    of_family: Mapping[str, tuple[Document, str]] = {
        "bedrock": (
            {"bedrock": {"region": REGION, "endpoint": estate.clouds.bedrock, "auth": auth}},
            "anthropic.claude-opus-5-5",
        ),
        "azure": ({"azureOpenAI": {"endpoint": estate.clouds.azure, "auth": auth}}, "gpt-4o"),
        "openai": ({"openAI": {"baseURL": estate.clouds.openai, "auth": auth}}, "gpt-4o"),
    }
    spec, upstream = of_family[family]
    model = {"name": "m", "upstreamModel": upstream, "maxOutputTokens": 4096}
    more = {} if kind.store in ("", KUBERNETES) else {"secretStores": _stores(kind, estate)}
    return manifests.resource("LLMProvider", kind.name, {**spec, "models": [model], **more})


def _auth(kind: Kind, estate: Estate) -> Document:
    sts = {"stsEndpoint": estate.at["sts"]}
    entra = {"authorityHost": estate.at["entra"]}
    role = {"roleArn": estates.MODELS_ROLE, "externalId": estates.EXTERNAL_ID}

    def of(member: str) -> Document:
        return value(kind, member, estate)

    def principal(client_id: str, member: str) -> Document:
        return {"servicePrincipal": {"tenantId": TENANT_ID, "clientId": client_id, member: of(member)}, **entra}

    ways: Mapping[str, Callable[[], Document]] = {
        "bedrock-default": lambda: {"default": {}, **sts},
        "bedrock-default-role": lambda: {"default": {}, "assumeRole": [role], **sts},
        "bedrock-short-term-key": lambda: {"default": {}, "deliverAs": "APIKey", **sts},
        "bedrock-access-key-role": lambda: {
            "accessKey": {member: of(member) for member in _MEMBERS["accessKey"]},
            "assumeRole": [{"roleArn": BY_KEY}],
            **sts,
        },
        "azure-client-secret": lambda: principal(estates.BY_SECRET, "clientSecret"),
        "azure-certificate": lambda: principal(estates.BY_CERTIFICATE, "certificate"),
        "azure-workload-identity": lambda: {"workloadIdentity": {}, **entra},
        "azure-managed-identity": lambda: {"managedIdentity": {}},
    }
    if kind.name in ways:
        return ways[kind.name]()
    if kind.shows == "accessKey":
        return {"accessKey": {member: of(member) for member in _MEMBERS[kind.secret]}}
    return {"apiKey": of("apiKey")}


def _stores(kind: Kind, estate: Estate) -> Document:
    aws = {"region": REGION, "endpoint": estate.at["awsStores"], "stsEndpoint": estate.at["sts"]}
    vault: Document = {
        "server": estate.at["vault"],
        "caBundle": Path(estate.at["ca"]).read_text(),
        "auth": {"token": manifests.key_ref(f"{VAULT_TOKEN.name}-secret", "token")},
    }
    signs: Mapping[str, Document] = {
        "secretsManager": {"aws": aws},
        "parameterStore": {"aws": aws},
        "keyVault": {"azureKeyVault": {"authorityHost": estate.at["entra"]}},
        "google": {"gcp": {"endpoint": estate.at["google"]}},
        "vault": {"vault": vault},
    }
    return signs[kind.store.removesuffix("Certificate")]


def route(kind: Kind) -> Document:
    """The route of a kind's own name."""
    return manifests.route(kind.name, {(kind.name, "m"): 1})


def mark(kind: str, caller: str) -> str:
    """A text by which the ledger knows who asks, and through which kind of sign-in."""
    return f"hello [{kind}@{caller}]"
