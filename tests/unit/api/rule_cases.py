"""One case for every rule of the resources: a spec that passes it, and one that it refuses.

The unit tests hold our own parser to them, the cluster tests the API server.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

Spec = dict[str, Any]

SECRET = {"secretKeyRef": {"name": "keys", "key": "key"}}
ACCESS_KEY = {"accessKey": {"accessKeyId": SECRET, "secretAccessKey": SECRET}}

SMALLEST: dict[str, Spec] = {
    "llmproviders": {"openAI": {"baseURL": "http://vllm:8000/v1"}},
    "modelroutes": {"models": ["chat"], "targets": [{"providerRef": {"name": "vllm"}}]},
    "usagequotas": {"per": "Subject", "limits": [{"resource": "Requests", "amount": 10, "window": "1m"}]},
}
BEDROCK: Spec = {"openAI": None, "bedrock": {"region": "us-east-1", "auth": ACCESS_KEY}}
AZURE: Spec = {"openAI": None, "azureOpenAI": {"endpoint": "https://x.openai.azure.com", "auth": {"apiKey": SECRET}}}


@dataclass(frozen=True, kw_only=True)
class Case:
    """`good` and `bad` are merge patches (RFC 7396) of the smallest spec of the kind.

    With `former`, the rule is one of transitions: an object that was made of it is updated to `good` or `bad`.
    """

    plural: str
    path: str
    """Of the rule in the schema."""
    message: str
    good: Spec
    bad: Spec
    former: Spec | None = None

    @property
    def name(self) -> str:
        return f"{self.plural} {self.path}: {self.message[:40]}"


def merged(base: Spec, patch: Spec) -> Spec:
    """`base` with a merge patch applied."""
    result = {key: value for key, value in base.items() if patch.get(key, value) is not None}
    for key, value in patch.items():
        if isinstance(value, dict):
            former = result.get(key)
            result[key] = merged(former if isinstance(former, dict) else {}, value)
        elif value is not None:
            result[key] = value
    return result


GUID = "00000000-0000-0000-0000-000000000000"
ROLE = {"roleArn": "arn:aws:iam::111122223333:role/bedrock"}
VAULT_STORE: Spec = {"vault": {"server": "https://vault:8200", "auth": {"kubernetes": {"role": "pilothouse"}}}}
STORED: dict[str, Spec] = {
    "awsSecretsManager": {"secretId": "llm/keys", "region": "us-east-1"},
    "awsParameter": {"name": "/llm/key", "region": "us-east-1"},
    "azureKeyVault": {"vaultURL": "https://contoso.vault.azure.net", "name": "key"},
    "gcpSecretManager": {"project": "contoso", "secret": "key"},
    "vault": {"path": "llm/key", "key": "key"},
}
"""The smallest reference to each store outside the cluster."""

IS_URL = "must be a URL such as https://host or https://host:port/path"
HOST_ONLY = "must end with the host: https://host, without a path"
SELECTOR_IFF = "selector is needed with namespaces: Selector, and not allowed otherwise"
NOT_EMPTY = "an empty selector would select every namespace: say namespaces: All"
EXACTLY_ONE_PLACE = (
    "exactly one of secretKeyRef, awsSecretsManager, awsParameter, azureKeyVault, gcpSecretManager, vault must be set"
)
VALUES_IFF = "values are needed with In and NotIn, and not allowed with Exists and DoesNotExist"


def _host_only(path: str, kind: Spec, member: str) -> Case:
    return Case(
        plural="llmproviders",
        path=path,
        message=HOST_ONLY,
        good={**kind, member: {**kind[member], "endpoint": "https://host.example/"}},
        bad={**kind, member: {**kind[member], "endpoint": "https://host.example/openai/v1"}},
    )


def _access(plural: str) -> list[Case]:
    by_label = {"matchLabels": {"team": "a"}}
    expression = {"key": "team", "operator": "In", "values": ["a"]}

    def selecting(selector: Spec) -> Spec:
        return {"access": {"namespaces": "Selector", "selector": selector}}

    return [
        Case(
            plural=plural,
            path=".spec.access",
            message=SELECTOR_IFF,
            good=selecting(by_label),
            bad={"access": {"namespaces": "All", "selector": by_label}},
        ),
        Case(
            plural=plural,
            path=".spec.access.selector",
            message=NOT_EMPTY,
            good=selecting({"matchExpressions": [expression]}),
            bad=selecting({"matchLabels": {}}),
        ),
        Case(
            plural=plural,
            path=".spec.access.selector.matchExpressions[]",
            message=VALUES_IFF,
            good=selecting({"matchExpressions": [{"key": "team", "operator": "Exists"}]}),
            bad=selecting({"matchExpressions": [{"key": "team", "operator": "In"}]}),
        ),
    ]


def _duration(plural: str, path: str, low: str, high: str) -> Case:
    steps = path.removeprefix(".spec.").split(".")

    def spec(value: str) -> Spec:
        patch: Any = value
        for step in reversed(steps):
            patch = {step: patch}
        if steps[:2] == ["retry", "backoff"]:  # its two fields are compared with each other, too
            patch["retry"]["backoff"] = {"base": value, "max": value}
        return dict(patch)

    return Case(plural=plural, path=path, message=f"must be between {low} and {high}", good=spec(high), bad=spec("0ms"))


def _proxy(path: str, message: str, good: Spec, bad: Spec) -> Case:
    return Case(
        plural="llmproviders",
        path=f".spec.connection.proxy{path}",
        message=message,
        good={"connection": {"proxy": good}},
        bad={"connection": {"proxy": bad}},
    )


def _bedrock(auth: Spec) -> Spec:
    return {"openAI": None, "bedrock": {"region": "us-east-1", "auth": auth}}


def _azure(auth: Spec) -> Spec:
    return {"openAI": None, "azureOpenAI": {"endpoint": "https://x.openai.azure.com", "auth": auth}}


def _principal(**values: Spec) -> Spec:
    return {"servicePrincipal": {"tenantId": "contoso.com", "clientId": GUID, **values}}


def _openai(key: Spec) -> Spec:
    return {"openAI": {"auth": {"apiKey": key}}}


def _proxied(**values: Spec) -> Spec:
    basic = {"username": SECRET, "password": SECRET, **values}
    return {"connection": {"proxy": {"url": "http://proxy:3128", "auth": {"basic": basic}}}}


PLACES: dict[str, Callable[[Spec], Spec]] = {
    "bedrock.auth.accessKey.accessKeyId": lambda it: _bedrock(
        {"accessKey": {**ACCESS_KEY["accessKey"], "accessKeyId": it}}
    ),
    "bedrock.auth.accessKey.secretAccessKey": lambda it: _bedrock(
        {"accessKey": {**ACCESS_KEY["accessKey"], "secretAccessKey": it}}
    ),
    "bedrock.auth.accessKey.sessionToken": lambda it: _bedrock(
        {"accessKey": {**ACCESS_KEY["accessKey"], "sessionToken": it}}
    ),
    "bedrock.auth.apiKey": lambda it: _bedrock({"apiKey": it}),
    "azureOpenAI.auth.apiKey": lambda it: _azure({"apiKey": it}),
    "azureOpenAI.auth.servicePrincipal.clientSecret": lambda it: _azure(_principal(clientSecret=it)),
    "azureOpenAI.auth.servicePrincipal.certificate": lambda it: _azure(_principal(certificate=it)),
    "azureOpenAI.auth.servicePrincipal.password": lambda it: _azure(_principal(certificate=SECRET, password=it)),
    "openAI.auth.apiKey": _openai,
    "anthropic.auth.apiKey": lambda it: {"openAI": None, "anthropic": {"auth": {"apiKey": it}}},
    "connection.proxy.auth.basic.username": lambda it: _proxied(username=it),
    "connection.proxy.auth.basic.password": lambda it: _proxied(password=it),
}
"""A spec with a given value in each place that may hold one."""


def _stored(store: str, **fields: str) -> Spec:
    return {store: {**STORED[store], **fields}}


def _secret_values() -> Iterator[Case]:
    for place, spec in PLACES.items():
        path = f".spec.{place}"

        def case(below: str, message: str, good: Spec, bad: Spec, *, path: str = path, spec: Any = spec) -> Case:
            with_vault = {"secretStores": VAULT_STORE}
            return Case(
                plural="llmproviders",
                path=f"{path}{below}",
                message=message,
                good={**spec(good), **with_vault},
                bad={**spec(bad), **with_vault},
            )

        yield case("", EXACTLY_ONE_PLACE, _stored("gcpSecretManager"), {**SECRET, **_stored("vault")})
        secrets_manager = _stored("awsSecretsManager", versionStage="AWSPREVIOUS")
        yield case(
            ".awsSecretsManager",
            "at most one of versionStage, versionId may be set",
            secrets_manager,
            _stored("awsSecretsManager", versionStage="AWSPREVIOUS", versionId=GUID),
        )
        for store in STORED:
            good, bad = _stored(store, refreshInterval="10s"), _stored(store, refreshInterval="9s")
            yield case(f".{store}.refreshInterval", "must be between 10s and 24h", good, bad)
    yield Case(
        plural="llmproviders",
        path=".spec",
        message="a value is kept in vault: say in secretStores.vault where that is, and how to sign in",
        good={**_openai(_stored("vault")), "secretStores": VAULT_STORE},
        bad=_openai(_stored("vault")),
    )


def _bedrock_auth() -> Iterator[Case]:
    def case(message: str, good: Spec, bad: Spec, below: str = "") -> Case:
        return Case(
            plural="llmproviders",
            path=f".spec.bedrock.auth{below}",
            message=message,
            good=_bedrock(good),
            bad=_bedrock(bad),
        )

    yield case("exactly one of default, accessKey, apiKey must be set", {"default": {}}, {"default": {}, **ACCESS_KEY})
    yield case(
        "an API key cannot assume roles: use default or accessKey, or leave assumeRole out",
        {**ACCESS_KEY, "assumeRole": [ROLE]},
        {"apiKey": SECRET, "assumeRole": [ROLE]},
    )
    yield case(
        "AWS ends a session after 1h whose role was assumed by another session: make sessionDuration 1h or less",
        {**ACCESS_KEY, "assumeRole": [ROLE], "sessionDuration": "2h"},
        {"default": {}, "assumeRole": [ROLE], "sessionDuration": "2h"},
    )
    yield case(
        "deliverAs: APIKey is made of a session: use default, or an accessKey with assumeRole",
        {"default": {}, "deliverAs": "APIKey"},
        {**ACCESS_KEY, "deliverAs": "APIKey"},
    )
    yield case(
        "must be between 15m and 12h",
        {"default": {}, "sessionDuration": "12h"},
        {"default": {}, "sessionDuration": "14m"},
        ".sessionDuration",
    )
    yield from _urls(".spec.bedrock.auth.stsEndpoint", lambda url: _bedrock({"default": {}, "stsEndpoint": url}))
    yield from _urls(
        ".spec.bedrock.mantleEndpoint",
        lambda url: {**BEDROCK, "bedrock": {**BEDROCK["bedrock"], "mantleEndpoint": url}},
    )


def _urls(path: str, spec: Callable[[str], Spec]) -> Iterator[Case]:
    """The rules of a URL that ends with its host."""
    for message, bad in ((IS_URL, "https://host:port"), (HOST_ONLY, "https://host.example/path")):
        yield Case(plural="llmproviders", path=path, message=message, good=spec("https://host:8443"), bad=spec(bad))


def _with(kind: Spec, member: str, **fields: str) -> Spec:
    return {**kind, member: {**kind[member], **fields}}


def _azure_auth() -> Iterator[Case]:
    yield Case(
        plural="llmproviders",
        path=".spec.azureOpenAI.auth",
        message="exactly one of apiKey, servicePrincipal, managedIdentity, workloadIdentity must be set",
        good=_azure({"workloadIdentity": {}}),
        bad=_azure({"workloadIdentity": {}, "managedIdentity": {}}),
    )
    yield from _urls(
        ".spec.azureOpenAI.auth.authorityHost", lambda url: _azure({"workloadIdentity": {}, "authorityHost": url})
    )
    yield from _entrances(".spec.azureOpenAI.auth", _azure)


def _entrances(path: str, spec: Callable[[Spec], Spec]) -> Iterator[Case]:
    """The rules of Entra's ways, wherever they stand."""
    found = (
        (
            ".servicePrincipal",
            "exactly one of clientSecret, certificate must be set",
            _principal(clientSecret=SECRET),
            _principal(clientSecret=SECRET, certificate=SECRET),
        ),
        (
            ".servicePrincipal",
            "password is that of the certificate's key: leave it out with clientSecret",
            _principal(certificate=SECRET, password=SECRET),
            _principal(clientSecret=SECRET, password=SECRET),
        ),
        (
            ".managedIdentity",
            "at most one of clientId, objectId, resourceId may be set",
            {"managedIdentity": {"clientId": GUID}},
            {"managedIdentity": {"clientId": GUID, "objectId": GUID}},
        ),
    )
    for below, message, good, bad in found:
        yield Case(plural="llmproviders", path=f"{path}{below}", message=message, good=spec(good), bad=spec(bad))


def _roles(path: str, spec: Callable[[list[Spec]], Spec]) -> Iterator[Case]:
    tagged = {**ROLE, "sessionTags": {"team": "payments"}}
    for message, good, bad in (
        ("the key of a session tag has 1 to 128 characters", tagged, {**ROLE, "sessionTags": {"x" * 129: ""}}),
        (
            "transitiveTags names keys of sessionTags",
            {**tagged, "transitiveTags": ["team"]},
            {**tagged, "transitiveTags": ["tier"]},
        ),
    ):
        yield Case(
            plural="llmproviders",
            path=f"{path}.assumeRole[]",
            message=message,
            good=spec([ROLE, good]),
            bad=spec([ROLE, bad]),
        )


def _secret_stores() -> Iterator[Case]:
    key = {"accessKeyId": SECRET, "secretAccessKey": SECRET}
    vault = VAULT_STORE["vault"]

    def case(below: str, message: str, good: Spec, bad: Spec) -> Case:
        return Case(
            plural="llmproviders",
            path=f".spec.secretStores{below}",
            message=message,
            good={"secretStores": good},
            bad={"secretStores": bad},
        )

    yield case(
        ".aws.auth",
        "exactly one of default, accessKey must be set",
        {"aws": {"auth": {"accessKey": key}}},
        {"aws": {"auth": {"default": {}, "accessKey": key}}},
    )
    yield case(
        ".azureKeyVault.auth",
        "exactly one of workloadIdentity, managedIdentity, servicePrincipal must be set",
        {"azureKeyVault": {"auth": {"managedIdentity": {}}}},
        {"azureKeyVault": {"auth": {}}},
    )
    yield case(
        ".gcp.auth",
        "exactly one of default, serviceAccountKey must be set",
        {"gcp": {"auth": {"serviceAccountKey": SECRET}}},
        {"gcp": {"auth": {"default": {}, "serviceAccountKey": SECRET}}},
    )
    yield case(
        ".vault.auth",
        "exactly one of kubernetes, token must be set",
        {"vault": {**vault, "auth": {"token": SECRET}}},
        {"vault": {**vault, "auth": {"token": SECRET, **vault["auth"]}}},
    )
    path = ".spec.secretStores"
    yield from _entrances(f"{path}.azureKeyVault.auth", lambda it: {"secretStores": {"azureKeyVault": {"auth": it}}})
    yield from _urls(f"{path}.aws.endpoint", lambda url: {"secretStores": {"aws": {"endpoint": url}}})
    yield from _urls(f"{path}.aws.stsEndpoint", lambda url: {"secretStores": {"aws": {"stsEndpoint": url}}})
    yield from _urls(
        f"{path}.azureKeyVault.authorityHost", lambda url: {"secretStores": {"azureKeyVault": {"authorityHost": url}}}
    )
    yield from _urls(f"{path}.gcp.endpoint", lambda url: {"secretStores": {"gcp": {"endpoint": url}}})
    yield from _urls(f"{path}.vault.server", lambda url: {"secretStores": {"vault": {**vault, "server": url}}})


CASES: tuple[Case, ...] = (
    Case(
        plural="llmproviders",
        path=".spec",
        message="exactly one of bedrock, azureOpenAI, openAI, anthropic must be set",
        good=BEDROCK,
        bad={"bedrock": BEDROCK["bedrock"]},
    ),
    Case(
        plural="llmproviders",
        path=".spec",
        message="the kind of a provider cannot change: create a new LLMProvider and point the routes at it",
        former={},
        good={"openAI": {"baseURL": "http://other:8000/v1"}},
        bad=AZURE,
    ),
    Case(
        plural="llmproviders",
        path=".spec",
        message="surface, guardrail, latency and serviceTier of a model are for Bedrock alone",
        good={**BEDROCK, "models": [{"name": "claude", "surface": "Anthropic", "latency": "Optimized"}]},
        bad={"models": [{"name": "claude", "surface": "Anthropic"}]},
    ),
    Case(
        plural="llmproviders",
        path=".spec.bedrock",
        message="fips: Enabled has no effect on an endpoint of your own: name the FIPS host in endpoint, or leave "
        "endpoint out",
        good={**BEDROCK, "bedrock": {**BEDROCK["bedrock"], "fips": "Enabled"}},
        bad={**BEDROCK, "bedrock": {**BEDROCK["bedrock"], "fips": "Enabled", "endpoint": "https://host.example"}},
    ),
    *(
        Case(
            plural="llmproviders",
            path=f".spec.{member}.endpoint",
            message=IS_URL,
            good={**kind, member: {**kind[member], "endpoint": "https://host.example:8443"}},
            bad={**kind, member: {**kind[member], "endpoint": "https://host:port"}},
        )
        for member, kind in (("bedrock", BEDROCK), ("azureOpenAI", AZURE))
    ),
    *_urls(".spec.bedrock.controlEndpoint", lambda url: _with(BEDROCK, "bedrock", controlEndpoint=url)),
    *_urls(".spec.azureOpenAI.managementEndpoint", lambda url: _with(AZURE, "azureOpenAI", managementEndpoint=url)),
    _duration("llmproviders", ".spec.discovery.interval", "1m", "24h"),
    *_secret_values(),
    *_bedrock_auth(),
    *_azure_auth(),
    *_roles(".spec.bedrock.auth", lambda chain: _bedrock({"default": {}, "assumeRole": chain})),
    *_roles(".spec.secretStores.aws", lambda chain: {"secretStores": {"aws": {"assumeRole": chain}}}),
    *_secret_stores(),
    _host_only(".spec.bedrock.endpoint", BEDROCK, "bedrock"),
    _host_only(".spec.azureOpenAI.endpoint", AZURE, "azureOpenAI"),
    Case(
        plural="llmproviders",
        path=".spec.openAI.baseURL",
        message=IS_URL,
        good={"openAI": {"baseURL": "https://host.example:8443/v1"}},
        bad={"openAI": {"baseURL": "https://host:port/v1"}},
    ),
    Case(
        plural="llmproviders",
        path=".spec.anthropic.baseURL",
        message=IS_URL,
        good={"openAI": None, "anthropic": {"baseURL": "https://x.services.ai.azure.com/anthropic"}},
        bad={"openAI": None, "anthropic": {"baseURL": "https://host:port"}},
    ),
    _duration("llmproviders", ".spec.connection.connectTimeout", "1ms", "5m"),
    _proxy(
        "",
        "tls has no effect on a proxy that is spoken to without TLS: make its url https, or leave tls out",
        good={"url": "https://proxy.example:3129", "tls": {"caBundle": "-----BEGIN CERTIFICATE-----"}},
        bad={"url": "http://proxy.example:3128", "tls": {"caBundle": "-----BEGIN CERTIFICATE-----"}},
    ),
    _proxy(
        ".url",
        "must hold no user and no password: keep them in a Secret, and name it in auth.basic",
        good={"url": "http://proxy.example:3128", "auth": {"basic": {"username": SECRET, "password": SECRET}}},
        bad={"url": "http://aladdin:sesame@proxy.example:3128"},
    ),
    _proxy(".url", IS_URL, good={"url": "http://[::1]:3128/"}, bad={"url": "http://proxy:port"}),
    *_access("llmproviders"),
    Case(
        plural="modelroutes",
        path=".spec",
        message="at least one target needs a weight above 0",
        good={"targets": [{"providerRef": {"name": "a"}, "weight": 0}, {"providerRef": {"name": "b"}}]},
        bad={"targets": [{"providerRef": {"name": "a"}, "weight": 0}, {"providerRef": {"name": "b"}, "weight": 0}]},
    ),
    Case(
        plural="modelroutes",
        path=".spec.retry.backoff",
        message="base must not be longer than max",
        good={"retry": {"backoff": {"base": "1s", "max": "1s"}}},
        bad={"retry": {"backoff": {"base": "3s"}}},
    ),
    _duration("modelroutes", ".spec.retry.backoff.base", "1ms", "1m"),
    _duration("modelroutes", ".spec.retry.backoff.max", "1ms", "1m"),
    *(_duration("modelroutes", f".spec.timeouts.{field}", "1ms", "24h") for field in ("firstToken", "idle", "total")),
    *_access("modelroutes"),
    Case(
        plural="usagequotas",
        path=".spec",
        message="per cannot change, since its counters would lie: create a new UsageQuota",
        former={},
        good={"limits": [{"resource": "Tokens", "amount": 10, "window": "1h"}]},
        bad={"per": "Namespace"},
    ),
    Case(
        plural="usagequotas",
        path=".spec.limits[].window",
        message="a window is at most 30d",
        good={"limits": [{"resource": "Tokens", "amount": 10, "window": "720h"}]},
        bad={"limits": [{"resource": "Tokens", "amount": 10, "window": "721h"}]},
    ),
)
