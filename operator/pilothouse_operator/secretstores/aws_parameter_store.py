"""AWS SSM Parameter Store. https://docs.aws.amazon.com/systems-manager/latest/APIReference/API_GetParameter.html

There is no cheaper question for the version: GetParameter gives it together with the value.
"""

from collections.abc import Mapping

from pilothouse_api.secret import Secret
from pilothouse_operator.clouds import aws_faults
from pilothouse_operator.clouds.aws import AWSIdentities
from pilothouse_operator.clouds.aws_calls import Endpoint, Service
from pilothouse_operator.compile.identities import Address, AWSParameterAddress
from pilothouse_operator.ports import Fetched


class AWSParameterStore:
    """A `ports.Store` for AWSParameterAddress."""

    def __init__(self, *, identities: AWSIdentities) -> None:
        self._identities = identities

    async def fetch(self, address: Address, sign_in: Mapping[str, Secret], *, known: str | None) -> Fetched | None:
        """The decrypted value; None if its version is `known` still. Raises Fault."""
        if not isinstance(address, AWSParameterAddress):
            raise TypeError(f"a {type(address).__name__} is not of the Parameter Store")
        what = f"parameter {address.name} of the SSM Parameter Store in {address.region}"
        answer = await self._identities.call(
            address.identity,
            sign_in,
            Endpoint(service=Service.SSM, region=address.region, url=address.endpoint),
            "get_parameter",
            {"Name": address.name, "WithDecryption": True},
            fault=lambda failed, who: aws_faults.stored(failed, what=what, action="ssm:GetParameter", who=who),
        )
        version = str(answer["Parameter"]["Version"])
        return None if version == known else Fetched(value=Secret(answer["Parameter"]["Value"]), version=version)
