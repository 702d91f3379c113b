"""Bedrock: which host a region has, and where its access key is kept."""

import re
from collections.abc import Mapping

from pilothouse_api.conditions import Problem, Reason
from pilothouse_api.resources import urls
from pilothouse_api.resources.providers.bedrock import BedrockSpec, Fips
from pilothouse_api.resources.refs import SecretKeyRef
from pilothouse_api.snapshot.endpoints.bedrock import BedrockEndpoint

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


def secrets(spec: BedrockSpec) -> Mapping[str, SecretKeyRef]:
    """Secret keys by the manifest's field of `auth.accessKey`."""
    auth = spec.auth.access_key
    keys = {"accessKeyId": auth.access_key_id.secret_key_ref, "secretAccessKey": auth.secret_access_key.secret_key_ref}
    if auth.session_token is not None:
        keys["sessionToken"] = auth.session_token.secret_key_ref
    return keys
