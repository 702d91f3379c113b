"""Secrets Manager and the Parameter Store, as moto serves them."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

import boto3
import pytest

from pilothouse_api.conditions import Reason
from pilothouse_api.secret import Secret
from pilothouse_operator.compile.identities import AssumedRole, AWSIdentity, AWSParameterAddress, AWSSecretAddress
from pilothouse_operator.ports import Fault, Fetched
from tests.integration.operator.aws.conftest import KEY, REGION, Operator


@pytest.fixture
def client(moto: str) -> Iterator[Any]:
    """Makes clients of whoever keeps the secrets."""
    made: list[Any] = []

    def make(service: str) -> Any:
        keys = {"aws_access_key_id": "AKIAKEEPER0000000001", "aws_secret_access_key": "x"}
        made.append(boto3.session.Session().client(service, region_name=REGION, endpoint_url=moto, **keys))
        return made[-1]

    yield make
    for one in made:
        one.close()


def identity(moto: str) -> AWSIdentity:
    role = AssumedRole(role_arn="arn:aws:iam::123456789012:role/reader")
    return AWSIdentity(region=REGION, roles=(role,), sts_endpoint=moto)


def secret(moto: str, secret_id: str, **fields: str) -> AWSSecretAddress:
    return AWSSecretAddress(identity=identity(moto), region=REGION, secret_id=secret_id, endpoint=moto, **fields)


def parameter(moto: str, name: str) -> AWSParameterAddress:
    return AWSParameterAddress(identity=identity(moto), region=REGION, name=name, endpoint=moto)


def fresh(name: str) -> str:
    """A name that no other test uses: moto's state is the session's."""
    return f"{name}-{os.urandom(4).hex()}"


async def test_a_secret_s_text_is_fetched_as_it_stands(moto: str, client: Any, operator: Operator) -> None:
    made = client("secretsmanager").create_secret(Name=fresh("s"), SecretString='{"apiKey": "one"}')
    for name in (made["Name"], made["ARN"]):
        fetched = await operator.secrets_manager.fetch(secret(moto, name), KEY, known=None)
        assert fetched == Fetched(value=Secret('{"apiKey": "one"}'), version=made["VersionId"])


async def test_a_secret_is_fetched_again_when_its_version_is_another(
    moto: str, client: Any, operator: Operator
) -> None:
    keeper = client("secretsmanager")
    made = keeper.create_secret(Name=fresh("s"), SecretString="one")
    address = secret(moto, made["Name"])
    assert await operator.secrets_manager.fetch(address, KEY, known=made["VersionId"]) is None
    changed = keeper.put_secret_value(SecretId=made["Name"], SecretString="two")
    fetched = await operator.secrets_manager.fetch(address, KEY, known=made["VersionId"])
    assert fetched == Fetched(value=Secret("two"), version=changed["VersionId"])


async def test_a_secret_s_version_may_be_named(moto: str, client: Any, operator: Operator) -> None:
    keeper = client("secretsmanager")
    made = keeper.create_secret(Name=fresh("s"), SecretString="one")
    keeper.put_secret_value(SecretId=made["Name"], SecretString="two")
    for fields in ({"version_stage": "AWSPREVIOUS"}, {"version_id": made["VersionId"]}):
        fetched = await operator.secrets_manager.fetch(secret(moto, made["Name"], **fields), KEY, known=None)
        assert fetched is not None
        assert fetched.value == Secret("one")


async def test_a_secret_of_bytes_is_refused(moto: str, client: Any, operator: Operator) -> None:
    made = client("secretsmanager").create_secret(Name=fresh("s"), SecretBinary=b"\x00\x01")
    with pytest.raises(Fault, match="SecretBinary") as raised:
        await operator.secrets_manager.fetch(secret(moto, made["Name"]), KEY, known=None)
    assert raised.value.reason is Reason.SECRET_MALFORMED


async def test_a_secret_that_is_not_there(moto: str, operator: Operator) -> None:
    with pytest.raises(Fault, match="there is no secret none of Secrets Manager in eu-central-1") as raised:
        await operator.secrets_manager.fetch(secret(moto, "none"), KEY, known=None)
    assert raised.value.reason is Reason.SECRET_NOT_FOUND
    assert not raised.value.passing


async def test_a_version_that_is_not_there(moto: str, client: Any, operator: Operator) -> None:
    made = client("secretsmanager").create_secret(Name=fresh("s"), SecretString="one")
    address = secret(moto, made["Name"], version_id="0" * 32)
    with pytest.raises(Fault, match="not in the version") as raised:
        await operator.secrets_manager.fetch(address, KEY, known=None)
    assert raised.value.reason is Reason.SECRET_NOT_FOUND


async def test_a_secret_that_is_about_to_be_deleted(moto: str, client: Any, operator: Operator) -> None:
    keeper = client("secretsmanager")
    made = keeper.create_secret(Name=fresh("s"), SecretString="one")
    keeper.delete_secret(SecretId=made["Name"])
    with pytest.raises(Fault, match="restore it") as raised:
        await operator.secrets_manager.fetch(secret(moto, made["Name"]), KEY, known=None)
    assert raised.value.reason is Reason.SECRET_NOT_FOUND


async def test_a_parameter_is_decrypted(moto: str, client: Any, operator: Operator) -> None:
    name = f"/{fresh('p')}/key"
    client("ssm").put_parameter(Name=name, Value="one", Type="SecureString")
    fetched = await operator.parameter_store.fetch(parameter(moto, name), KEY, known=None)
    assert fetched == Fetched(value=Secret("one"), version="1")


async def test_a_parameter_is_fetched_again_when_its_version_is_another(
    moto: str, client: Any, operator: Operator
) -> None:
    name, keeper = fresh("p"), client("ssm")
    keeper.put_parameter(Name=name, Value="one", Type="SecureString")
    assert await operator.parameter_store.fetch(parameter(moto, name), KEY, known="1") is None
    keeper.put_parameter(Name=name, Value="two", Type="SecureString", Overwrite=True)
    fetched = await operator.parameter_store.fetch(parameter(moto, name), KEY, known="1")
    assert fetched == Fetched(value=Secret("two"), version="2")
    fetched = await operator.parameter_store.fetch(parameter(moto, f"{name}:1"), KEY, known="2")
    assert fetched == Fetched(value=Secret("one"), version="1")


@pytest.mark.parametrize("version", ["", ":9"])
async def test_a_parameter_that_is_not_there(moto: str, client: Any, operator: Operator, version: str) -> None:
    name = fresh("p")
    if version:
        client("ssm").put_parameter(Name=name, Value="one", Type="String")
    with pytest.raises(Fault) as raised:
        await operator.parameter_store.fetch(parameter(moto, f"{name}{version}"), KEY, known=None)
    assert raised.value.reason is Reason.SECRET_NOT_FOUND
    assert raised.value.message.startswith("there is no parameter" if not version else f"parameter {name}:9 of")


async def test_stores_that_are_away(operator: Operator) -> None:
    away = AWSSecretAddress(
        identity=AWSIdentity(region=REGION), region=REGION, secret_id="s", endpoint="http://127.0.0.1:1"
    )
    with pytest.raises(Fault, match="cannot be read at the moment") as raised:
        await operator.secrets_manager.fetch(away, KEY, known=None)
    assert raised.value.reason is Reason.STORE_UNAVAILABLE
    assert raised.value.passing


async def test_addresses_of_another_store_are_a_mistake_of_ours(moto: str, operator: Operator) -> None:
    with pytest.raises(TypeError):
        await operator.secrets_manager.fetch(parameter(moto, "p"), KEY, known=None)
    with pytest.raises(TypeError):
        await operator.parameter_store.fetch(secret(moto, "s"), KEY, known=None)
