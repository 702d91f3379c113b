"""AWS Secrets Manager. https://docs.aws.amazon.com/secretsmanager/latest/apireference/API_GetSecretValue.html

Each poll fetches the value: DescribeSecret would tell of a new version too, but takes a second permission, counts
against the same quota, and does not notice that decrypting is no longer allowed.
"""

from collections.abc import Mapping

from pilothouse_api.conditions import Reason
from pilothouse_api.secret import Secret
from pilothouse_operator.clouds import aws_faults
from pilothouse_operator.clouds.aws import AWSIdentities
from pilothouse_operator.clouds.aws_calls import Endpoint, Service
from pilothouse_operator.compile.identities import Address, AWSSecretAddress
from pilothouse_operator.ports import Fault, Fetched


class AWSSecretsManager:
    """A `ports.Store` for AWSSecretAddress."""

    def __init__(self, *, identities: AWSIdentities) -> None:
        self._identities = identities

    async def fetch(self, address: Address, sign_in: Mapping[str, Secret], *, known: str | None) -> Fetched | None:
        """The text of the secret's version; None if that is `known` still. Raises Fault."""
        if not isinstance(address, AWSSecretAddress):
            raise TypeError(f"a {type(address).__name__} is not of Secrets Manager")
        parameters = {"SecretId": address.secret_id}
        if address.version_id:
            parameters["VersionId"] = address.version_id
        if address.version_stage:
            parameters["VersionStage"] = address.version_stage
        what = f"secret {address.secret_id} of Secrets Manager in {address.region}"
        answer = await self._identities.call(
            address.identity,
            sign_in,
            Endpoint(service=Service.SECRETS_MANAGER, region=address.region, url=address.endpoint),
            "get_secret_value",
            parameters,
            fault=lambda failed, who: aws_faults.stored(
                failed, what=what, action="secretsmanager:GetSecretValue", who=who
            ),
        )
        version = str(answer["VersionId"])
        text = answer.get("SecretString")
        if text is None:
            raise Fault(
                f"{what} holds bytes (SecretBinary), not text: keep it as SecretString",
                reason=Reason.SECRET_MALFORMED,
                passing=False,
            )
        return None if version == known else Fetched(value=Secret(text), version=version)
