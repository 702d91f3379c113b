"""AWS Bedrock in one region."""

import msgspec


class BedrockEndpoint(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag_field="kind", tag="bedrock"):
    """`url` is the base of the runtime host, resolved by the operator (`https://bedrock-runtime.eu-west-1.amazonaws.com`).

    The signing region is the provider's own, never read off the host: the endpoint may be a VPC endpoint.
    """

    url: str
    region: str
    service: str = "bedrock"
    mantle_url: str | None = None
    """The base of the host `bedrock-mantle`; None where no model is asked there."""
