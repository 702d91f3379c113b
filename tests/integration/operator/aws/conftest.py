"""AWS's services on loopback, and the operator's parts on top of botocore as it is."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

import pytest
from moto.server import ThreadedMotoServer

from pilothouse_api.secret import Secret
from pilothouse_operator.clouds.aws import AWSIdentities
from pilothouse_operator.clouds.aws_calls import AWSCalls, Endpoint, Service
from pilothouse_operator.compile.identities import AssumedRole, AWSIdentity
from pilothouse_operator.credentials.aws_sessions import AWSSessions
from pilothouse_operator.secretstores.aws_parameter_store import AWSParameterStore
from pilothouse_operator.secretstores.aws_secrets_manager import AWSSecretsManager
from tests.integration.operator.aws.clock import Ahead
from tests.simulators.aws_identity import account as accounts
from tests.simulators.aws_identity.account import Account
from tests.simulators.aws_identity.servers import AWSIdentitySimulator

REGION = "eu-central-1"
KEY = {
    "accessKeyId": Secret(accounts.ACCESS_KEY_ID),
    "secretAccessKey": Secret(accounts.SECRET_ACCESS_KEY),
}
"""What signs as the simulator's user."""


@pytest.fixture(scope="session")
def moto() -> Iterator[str]:
    """The URL of STS, Secrets Manager and SSM."""
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture
def aws() -> Iterator[AWSIdentitySimulator]:
    with AWSIdentitySimulator() as simulator:
        yield simulator


@pytest.fixture
def account(aws: AWSIdentitySimulator) -> Account:
    return aws.account


@dataclass(slots=True)
class Operator:
    """Its parts that know AWS."""

    identities: AWSIdentities
    sessions: AWSSessions
    secrets_manager: AWSSecretsManager
    parameter_store: AWSParameterStore
    clock: Ahead

    async def caller(self, identity: AWSIdentity, values: Mapping[str, Secret]) -> str:
        """The ARN that AWS knows an identity by."""
        endpoint = Endpoint(service=Service.STS, region=identity.region, url=identity.sts_endpoint)
        answer = await self.identities.call(
            identity, values, endpoint, "get_caller_identity", {}, fault=lambda failed, who: pytest.fail(str(failed))
        )
        return str(answer["Arn"])


@pytest.fixture
def operator_with() -> Iterator[Callable[[Mapping[str, str]], Operator]]:
    """The operator with an environment."""
    made: list[AWSCalls] = []
    level = logging.getLogger("botocore").level

    def make(environ: Mapping[str, str]) -> Operator:
        calls, clock = AWSCalls(), Ahead()
        made.append(calls)
        identities = AWSIdentities(calls=calls, clock=clock, environ=environ)
        return Operator(
            identities=identities,
            sessions=AWSSessions(identities=identities, clock=clock),
            secrets_manager=AWSSecretsManager(identities=identities),
            parameter_store=AWSParameterStore(identities=identities),
            clock=clock,
        )

    yield make
    for calls in made:
        calls.close()
    logging.getLogger("botocore").setLevel(level)


@pytest.fixture
def operator(operator_with: Callable[[Mapping[str, str]], Operator]) -> Operator:
    """With nothing of AWS in its environment."""
    return operator_with({"AWS_EC2_METADATA_DISABLED": "true"})


@pytest.fixture
def identity_of(aws: AWSIdentitySimulator) -> Callable[..., AWSIdentity]:
    """The identity behind a chain of roles."""

    def make(*roles: AssumedRole) -> AWSIdentity:
        return AWSIdentity(region=REGION, roles=roles, sts_endpoint=aws.sts_url)

    return make
