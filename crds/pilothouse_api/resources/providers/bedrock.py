"""AWS Bedrock in one region."""

import enum
from typing import Annotated

from pydantic import Field

from pilothouse_api.resources.refs import SecretValue
from pilothouse_api.resources.rules import Part, Rule
from pilothouse_api.resources.urls import HostURL


class Fips(enum.StrEnum):
    """Whether to call the hosts that use FIPS 140 validated cryptography."""

    ENABLED = "Enabled"
    DISABLED = "Disabled"


class AccessKeyAuth(Part):
    """An AWS access key, permanent or temporary."""

    access_key_id: SecretValue = Field(description="The access key's id (`AKIA…`, `ASIA…`).")
    secret_access_key: SecretValue = Field(description="The secret access key.")
    session_token: SecretValue | None = Field(
        default=None, description="The session token; temporary credentials (`ASIA…`) need it."
    )


class BedrockAuth(Part):
    """How requests to Bedrock are signed."""

    access_key: AccessKeyAuth = Field(description="Sign (SigV4) with an access key kept in Secrets.")


class BedrockSpec(Part):
    """AWS Bedrock in one region."""

    region: Annotated[str, Field(max_length=32, pattern="^[a-z]{2,5}(-[a-z]+)+-[0-9]{1,2}$")] = Field(
        description="AWS region that is called and signed for, such as `eu-central-1`."
    )
    endpoint: HostURL | None = Field(
        default=None,
        description="URL to call instead of the region's public one: a VPC interface endpoint or a simulator. The "
        "signature is still made for `region`.",
    )
    fips: Fips = Field(
        default=Fips.DISABLED,
        description="`Enabled` calls `bedrock-runtime-fips.<region>…`, which AWS offers in some regions of the United "
        "States and Canada.",
    )
    auth: BedrockAuth = Field(description="How to sign in.")

    rules = (
        Rule(
            cel="!has(self.endpoint) || self.fips != 'Enabled'",
            message="fips: Enabled has no effect on an endpoint of your own: name the FIPS host in endpoint, or leave "
            "endpoint out",
            holds=lambda it: it.endpoint is None or it.fips is not Fips.ENABLED,
        ),
    )
