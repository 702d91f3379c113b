"""AWS Bedrock in one region."""

import enum

from pydantic import Field

from pilothouse_api.resources.aws import Region, RoleChain
from pilothouse_api.resources.durations import SessionDuration, guarded, milliseconds
from pilothouse_api.resources.providers.bedrock_models import GuardrailSpec, ServiceTier
from pilothouse_api.resources.rules import Part, Rule
from pilothouse_api.resources.secret_stores import OwnIdentity
from pilothouse_api.resources.secret_values import SecretValue
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


class SessionPolicy(enum.StrEnum):
    """What a session may do of what its role may."""

    AUTO = "Auto"
    NONE = "None"


class DeliveredAs(enum.StrEnum):
    """What proxies are given."""

    SESSION = "Session"
    API_KEY = "APIKey"


_CHAINED_MS = milliseconds("1h")


class BedrockAuth(Part):
    """How requests to Bedrock are authorised: exactly one of `default`, `accessKey`, `apiKey`."""

    default: OwnIdentity | None = Field(
        default=None,
        description="The operator's own identity: IRSA, EKS Pod Identity, its environment. Proxies get a session.",
    )
    access_key: AccessKeyAuth | None = Field(
        default=None,
        description="An access key. Without `assumeRole` proxies sign with it as it is; with it, they get a session.",
    )
    api_key: SecretValue | None = Field(
        default=None, description="A long-term Bedrock API key, sent as `Authorization: Bearer`."
    )
    assume_role: RoleChain = Field(
        default=(),
        description="Roles to assume, one after the other, such as one of the account whose models are used. Proxies "
        "get the session of the last.",
    )
    session_duration: SessionDuration = Field(
        default="1h", description="How long a session lives. It is renewed ahead of its end."
    )
    session_policy: SessionPolicy = Field(
        default=SessionPolicy.AUTO,
        description="`Auto` narrows sessions to the provider's `models` (to Bedrock alone where it lists none). "
        "`None`: they may do all that the role may.",
    )
    deliver_as: DeliveredAs = Field(
        default=DeliveredAs.SESSION,
        description="`Session`: proxies sign with the session. `APIKey`: they send a short-term Bedrock API key made "
        "of it.",
    )
    sts_endpoint: HostURL | None = Field(
        default=None, description="URL to call instead of the region's public STS (a VPC interface endpoint)."
    )

    rules = (
        Rule(
            cel="[has(self.default), has(self.accessKey), has(self.apiKey)].filter(x, x).size() == 1",
            message="exactly one of default, accessKey, apiKey must be set",
            holds=lambda it: sum(way is not None for way in (it.default, it.access_key, it.api_key)) == 1,
        ),
        Rule(
            cel="!has(self.apiKey) || !has(self.assumeRole) || self.assumeRole.size() == 0",
            message="an API key cannot assume roles: use default or accessKey, or leave assumeRole out",
            holds=lambda it: it.api_key is None or not it.assume_role,
        ),
        Rule(
            cel=guarded(
                "!has(self.assumeRole) || self.assumeRole.size() == 0 || "
                "(self.assumeRole.size() == 1 && has(self.accessKey) && !has(self.accessKey.sessionToken)) || "
                "duration(self.sessionDuration) <= duration('1h')",
                "self.sessionDuration",
            ),
            message="AWS ends a session after 1h whose role was assumed by another session: make sessionDuration 1h "
            "or less",
            holds=lambda it: not it.chained or milliseconds(it.session_duration) <= _CHAINED_MS,
        ),
        Rule(
            cel="self.deliverAs != 'APIKey' || has(self.default) || "
            "(has(self.accessKey) && has(self.assumeRole) && self.assumeRole.size() > 0)",
            message="deliverAs: APIKey is made of a session: use default, or an accessKey with assumeRole",
            holds=lambda it: it.deliver_as is not DeliveredAs.API_KEY or it.issues,
        ),
    )

    @property
    def issues(self) -> bool:
        """Whether proxies get something that AWS issues for them."""
        return self.default is not None or (self.access_key is not None and bool(self.assume_role))

    @property
    def chained(self) -> bool:
        """Whether a role is assumed by a session: the operator's own identity is that of a role."""
        by_user = self.access_key is not None and self.access_key.session_token is None
        return bool(self.assume_role) and not (by_user and len(self.assume_role) == 1)


class BedrockSpec(Part):
    """AWS Bedrock in one region."""

    region: Region = Field(description="AWS region that is called and signed for, such as `eu-central-1`.")
    endpoint: HostURL | None = Field(
        default=None,
        description="URL to call instead of the region's public one: a VPC interface endpoint or a simulator. The "
        "signature is still made for `region`.",
    )
    control_endpoint: HostURL | None = Field(
        default=None,
        description="URL to call instead of the region's public `bedrock` and `servicequotas` ones when the account's "
        "models and quotas are listed (`discovery`): a VPC interface endpoint or a simulator.",
    )
    mantle_endpoint: HostURL | None = Field(
        default=None,
        description="The same for models whose `surface` is `MantleOpenAI` or `MantleAnthropic`, instead of the "
        "region's `bedrock-mantle.<region>…`.",
    )
    fips: Fips = Field(
        default=Fips.DISABLED,
        description="`Enabled` calls `bedrock-runtime-fips.<region>…`, which AWS offers in some regions of the United "
        "States and Canada.",
    )
    guardrail: GuardrailSpec | None = Field(
        default=None, description="A guardrail for every model that has none of its own."
    )
    service_tier: ServiceTier | None = Field(
        default=None, description="Tier of requests that ask for none, where the model has none of its own."
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
