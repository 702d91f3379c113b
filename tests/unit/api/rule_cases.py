"""One case for every rule of the resources: a spec that passes it, and one that it refuses.

The unit tests hold our own parser to them, the cluster tests the API server.
"""

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


IS_URL = "must be a URL such as https://host or https://host:port/path"
HOST_ONLY = "must end with the host: https://host, without a path"
SELECTOR_IFF = "selector is needed with namespaces: Selector, and not allowed otherwise"
NOT_EMPTY = "an empty selector would select every namespace: say namespaces: All"
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


CASES: tuple[Case, ...] = (
    Case(
        plural="llmproviders",
        path=".spec",
        message="exactly one of bedrock, azureOpenAI, openAI must be set",
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
    _host_only(".spec.bedrock.endpoint", BEDROCK, "bedrock"),
    _host_only(".spec.azureOpenAI.endpoint", AZURE, "azureOpenAI"),
    Case(
        plural="llmproviders",
        path=".spec.openAI.baseURL",
        message=IS_URL,
        good={"openAI": {"baseURL": "https://host.example:8443/v1"}},
        bad={"openAI": {"baseURL": "https://host:port/v1"}},
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
