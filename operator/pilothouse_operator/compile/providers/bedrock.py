"""Bedrock: which host a region has, and how it is signed in to."""

import re
from collections.abc import Iterable, Mapping

from pilothouse_api.conditions import Problem, Reason
from pilothouse_api.resources import urls
from pilothouse_api.resources.durations import milliseconds
from pilothouse_api.resources.providers.bedrock import AccessKeyAuth, BedrockSpec, DeliveredAs, Fips, SessionPolicy
from pilothouse_api.resources.secret_values import SecretValue
from pilothouse_api.snapshot.endpoints.bedrock import BedrockEndpoint
from pilothouse_operator.compile import hosts
from pilothouse_operator.compile.identities import AWSIdentity, AWSSession, BedrockAccount, BedrockForm
from pilothouse_operator.compile.ways import OwnUse, Shown, Way, assumed
from pilothouse_operator.compile.world import SignInKind

_AUTH = "spec.bedrock.auth"

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


def lower(spec: BedrockSpec) -> BedrockEndpoint | Problem:
    """The runtime host of the region, or the endpoint that the manifest names; signed for the region either way."""
    if spec.endpoint is not None:
        return BedrockEndpoint(url=urls.normalised(spec.endpoint), region=spec.region)
    suffix = next((suffix for pattern, suffix in _PARTITIONS if pattern.fullmatch(spec.region)), None)
    if suffix is None:
        return Problem(
            reason=Reason.INVALID,
            message="is in no AWS partition that is known here: correct it, or name the host in spec.bedrock.endpoint",
            field="spec.bedrock.region",
        )
    service = "bedrock-runtime-fips" if spec.fips is Fips.ENABLED else "bedrock-runtime"
    return BedrockEndpoint(url=f"https://{service}.{spec.region}.{suffix}", region=spec.region)


def way(spec: BedrockSpec, models: Iterable[str]) -> Way:
    """A key as it is, or a session that STS issues for the upstream `models`."""
    auth = spec.auth
    if auth.api_key is not None:
        return Way(kind=SignInKind.API_KEY, path=f"{_AUTH}.apiKey", values={"apiKey": auth.api_key})
    grant = _session(spec, models) if auth.issues else None
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


def _session(spec: BedrockSpec, models: Iterable[str]) -> AWSSession:
    auth = spec.auth
    return AWSSession(
        identity=_identity(spec),
        duration_s=milliseconds(auth.session_duration) // 1_000,
        models=tuple(sorted(set(models))) if auth.session_policy is SessionPolicy.AUTO else None,
        form=BedrockForm(auth.deliver_as.value),
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
    if spec.endpoint is not None and spec.auth.deliver_as is DeliveredAs.API_KEY:
        endpoint = urls.normalised(spec.endpoint)
        if not hosts.of_aws(endpoint, "bedrock-runtime"):
            shown.append(Shown(url=endpoint, field="spec.bedrock.endpoint"))
    return tuple(shown)
