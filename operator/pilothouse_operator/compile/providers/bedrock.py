"""Bedrock: which host a region has, and how it is signed in to."""

import re
from collections.abc import Mapping, Sequence

from pilothouse_api.conditions import Problem, Reason
from pilothouse_api.resources import urls
from pilothouse_api.resources.durations import milliseconds
from pilothouse_api.resources.provider import ProviderModel
from pilothouse_api.resources.providers.bedrock import AccessKeyAuth, BedrockSpec, DeliveredAs, Fips, SessionPolicy
from pilothouse_api.resources.providers.bedrock_models import (
    GUARDED,
    MANTLE,
    GuardrailSpec,
    GuardrailTrace,
    Latency,
    ServiceTier,
    StreamProcessing,
    Surface,
)
from pilothouse_api.resources.secret_values import SecretValue
from pilothouse_api.snapshot import settings as snapshot
from pilothouse_api.snapshot.endpoints.bedrock import BedrockEndpoint
from pilothouse_operator.compile import hosts
from pilothouse_operator.compile.identities import AWSIdentity, AWSSession, BedrockAccount, BedrockForm, BedrockHost
from pilothouse_operator.compile.ways import OwnUse, Shown, Way, assumed
from pilothouse_operator.compile.world import SignInKind

_AUTH = "spec.bedrock.auth"

_SURFACES = {
    Surface.CONVERSE: snapshot.Surface.CONVERSE,
    Surface.INVOKE: snapshot.Surface.INVOKE,
    Surface.OPENAI: snapshot.Surface.OPENAI,
    Surface.ANTHROPIC: snapshot.Surface.ANTHROPIC,
    Surface.MANTLE_OPENAI: snapshot.Surface.MANTLE_OPENAI,
    Surface.MANTLE_ANTHROPIC: snapshot.Surface.MANTLE_ANTHROPIC,
}
# The words of `guardrailConfig`, `performanceConfig` and `serviceTier` in the service model bedrock-runtime.
_TRACES = {
    GuardrailTrace.DISABLED: "disabled",
    GuardrailTrace.ENABLED: "enabled",
    GuardrailTrace.ENABLED_FULL: "enabled_full",
}
_PROCESSINGS = {StreamProcessing.SYNC: "sync", StreamProcessing.ASYNC: "async"}
_LATENCIES = {Latency.STANDARD: "standard", Latency.OPTIMIZED: "optimized"}
_TIERS = {
    ServiceTier.DEFAULT: "default",
    ServiceTier.FLEX: "flex",
    ServiceTier.PRIORITY: "priority",
    ServiceTier.RESERVED: "reserved",
}

# botocore's partitions.json and the endpoint rule set of bedrock-runtime: region pattern → suffix of its hosts. A name
# comes out for regions without the service too: that a host can be named never means that it exists.
_PARTITIONS = (
    (re.compile(r"(us|eu|ap|sa|ca|me|af|il|mx)-\w+-\d+"), "amazonaws.com"),
    (re.compile(r"us-gov-\w+-\d+"), "amazonaws.com"),
    (re.compile(r"eusc-de-\w+-\d+"), "amazonaws.eu"),
    (re.compile(r"cn-\w+-\d+"), "amazonaws.com.cn"),
    (re.compile(r"us-iso-\w+-\d+"), "c2s.ic.gov"),
    (re.compile(r"us-isob-\w+-\d+"), "sc2s.sgov.gov"),
    (re.compile(r"eu-isoe-\w+-\d+"), "cloud.adc-e.uk"),
    (re.compile(r"us-isof-\w+-\d+"), "csp.hci.ic.gov"),
)


# The commercial partition alone: AWS lists `bedrock-mantle` nowhere else. Both official SDKs that call it write this.
_MANTLE_REGION = _PARTITIONS[0][0]
_MANTLE_SUFFIX = "api.aws"


def lower(spec: BedrockSpec, models: Sequence[ProviderModel]) -> BedrockEndpoint | Problem:
    """The runtime host of the region, or the endpoint that the manifest names; signed for the region either way. And
    the host `bedrock-mantle`, where a model is asked there.
    """
    fault = _unguarded(spec, models)
    if fault is not None:
        return fault
    mantle = _mantle(spec, models)
    if isinstance(mantle, Problem):
        return mantle
    if spec.endpoint is not None:
        return BedrockEndpoint(url=urls.normalised(spec.endpoint), region=spec.region, mantle_url=mantle)
    suffix = next((suffix for pattern, suffix in _PARTITIONS if pattern.fullmatch(spec.region)), None)
    if suffix is None:
        return Problem(
            reason=Reason.INVALID,
            message="is in no AWS partition that is known here: correct it, or name the host in spec.bedrock.endpoint",
            field="spec.bedrock.region",
        )
    service = "bedrock-runtime-fips" if spec.fips is Fips.ENABLED else "bedrock-runtime"
    return BedrockEndpoint(url=f"https://{service}.{spec.region}.{suffix}", region=spec.region, mantle_url=mantle)


def _on_mantle(models: Sequence[ProviderModel]) -> str | None:
    """The field of the first model that is asked there."""
    return next((f"spec.models[{at}].surface" for at, model in enumerate(models) if model.surface in MANTLE), None)


def _mantle(spec: BedrockSpec, models: Sequence[ProviderModel]) -> str | Problem | None:
    field = _on_mantle(models)
    if field is None:
        return None
    if spec.mantle_endpoint is not None:
        return urls.normalised(spec.mantle_endpoint)
    if spec.endpoint is not None or spec.fips is Fips.ENABLED or not _MANTLE_REGION.fullmatch(spec.region):
        return Problem(
            reason=Reason.INVALID,
            message="no host bedrock-mantle is known beyond AWS's commercial partition or with FIPS, and none is "
            "called beside an endpoint of your own: name it in spec.bedrock.mantleEndpoint",
            field=field,
        )
    return f"https://bedrock-mantle.{spec.region}.{_MANTLE_SUFFIX}"


def _unguarded(spec: BedrockSpec, models: Sequence[ProviderModel]) -> Problem | None:
    """A guardrail that would not be applied: the other surfaces pass over it without a word."""
    for at, model in enumerate(models):
        guarded = model.guardrail is not None or spec.guardrail is not None
        if guarded and model.surface is not None and model.surface not in GUARDED:
            return Problem(
                reason=Reason.INVALID,
                message=f"a guardrail cannot be applied through {model.surface.value}: choose Converse or Invoke, or "
                "serve the model by a provider without a guardrail",
                field=f"spec.models[{at}].surface",
            )
    return None


def settings(spec: BedrockSpec) -> snapshot.Settings:
    """Those of models that have none of their own."""
    return snapshot.Settings(guardrail=_guardrail(spec.guardrail), service_tier=_tier(spec.service_tier))


def settings_of(model: ProviderModel, defaults: snapshot.Settings) -> snapshot.Settings:
    """A model's own, over the provider's."""
    return snapshot.Settings(
        surface=None if model.surface is None else _SURFACES[model.surface],
        guardrail=_guardrail(model.guardrail) or defaults.guardrail,
        latency=None if model.latency is None else _LATENCIES[model.latency],
        service_tier=_tier(model.service_tier) or defaults.service_tier,
    )


def _guardrail(spec: GuardrailSpec | None) -> snapshot.Guardrail | None:
    if spec is None:
        return None
    return snapshot.Guardrail(
        identifier=spec.identifier,
        version=spec.version,
        trace=_TRACES[spec.trace],
        stream_processing=_PROCESSINGS[spec.stream_processing],
    )


def _tier(tier: ServiceTier | None) -> str | None:
    return None if tier is None else _TIERS[tier]


def way(spec: BedrockSpec, models: Sequence[ProviderModel], *, discovers: bool) -> Way:
    """A key as it is, or a session that STS issues for the upstream names of `models`."""
    auth = spec.auth
    if auth.api_key is not None:
        return Way(kind=SignInKind.API_KEY, path=f"{_AUTH}.apiKey", values={"apiKey": auth.api_key})
    grant = _session(spec, models, discovers=discovers) if auth.issues else None
    if auth.access_key is not None:
        path = f"{_AUTH}.accessKey"
        return Way(kind=SignInKind.ACCESS_KEY, path=path, values=_values(auth.access_key), grant=grant)
    path = f"{_AUTH}.default"
    return Way(kind=SignInKind.DEFAULT, path=path, grant=grant, own=OwnUse(field=path, shown=_shown(spec)))


def account(spec: BedrockSpec) -> BedrockAccount | Problem:
    """The region's models, asked for as the operator: what proxies get may call models alone."""
    if spec.auth.api_key is not None:
        return Problem(
            reason=Reason.NOT_DISCOVERABLE,
            message="an account is listed with a signature, which an API key cannot make: use default or accessKey, or "
            "leave discovery out",
            field=f"{_AUTH}.apiKey",
        )
    return BedrockAccount(
        identity=_identity(spec),
        region=spec.region,
        endpoint="" if spec.control_endpoint is None else urls.normalised(spec.control_endpoint),
    )


def _identity(spec: BedrockSpec) -> AWSIdentity:
    auth = spec.auth
    return AWSIdentity(
        region=spec.region,
        roles=assumed(auth.assume_role),
        sts_endpoint="" if auth.sts_endpoint is None else urls.normalised(auth.sts_endpoint),
    )


def _session(spec: BedrockSpec, models: Sequence[ProviderModel], *, discovers: bool) -> AWSSession:
    """One for what the account turns out to have is not narrowed to what the manifest happens to name."""
    auth = spec.auth
    names = set[str]() if discovers else {model.upstream_model or model.name for model in models}
    on_mantle = _on_mantle(models) is not None
    return AWSSession(
        identity=_identity(spec),
        duration_s=milliseconds(auth.session_duration) // 1_000,
        models=tuple(sorted(names)) if auth.session_policy is SessionPolicy.AUTO else None,
        form=BedrockForm(auth.deliver_as.value),
        hosts=(BedrockHost.RUNTIME, BedrockHost.MANTLE) if on_mantle else (BedrockHost.RUNTIME,),
    )


def _values(key: AccessKeyAuth) -> Mapping[str, SecretValue]:
    values = {"accessKeyId": key.access_key_id, "secretAccessKey": key.secret_access_key}
    return values if key.session_token is None else {**values, "sessionToken": key.session_token}


def _shown(spec: BedrockSpec) -> tuple[Shown, ...]:
    """STS is shown the operator's identity. Bedrock sees no more of a session than signatures, but an API key whole."""
    shown = []
    if spec.auth.sts_endpoint is not None:
        sts = urls.normalised(spec.auth.sts_endpoint)
        if not hosts.of_aws(sts, "sts"):
            shown.append(Shown(url=sts, field=f"{_AUTH}.stsEndpoint"))
    if spec.auth.deliver_as is DeliveredAs.API_KEY:
        if spec.endpoint is not None and not hosts.of_aws(urls.normalised(spec.endpoint), "bedrock-runtime"):
            shown.append(Shown(url=urls.normalised(spec.endpoint), field="spec.bedrock.endpoint"))
        if spec.mantle_endpoint is not None:
            shown.append(Shown(url=urls.normalised(spec.mantle_endpoint), field="spec.bedrock.mantleEndpoint"))
    return tuple(shown)
