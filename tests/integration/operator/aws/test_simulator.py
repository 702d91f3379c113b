"""The simulator of identities is as good as AWS to its own SDK, unmodified, with the default credential chain."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError, CredentialRetrievalError

from tests.simulators.aws_identity import account as accounts
from tests.simulators.aws_identity import metadata
from tests.simulators.aws_identity.account import Account, Role, Trouble
from tests.simulators.aws_identity.servers import AWSIdentitySimulator

ROLE = "arn:aws:iam::222222222222:role/models"
ONCE = Config(retries={"total_max_attempts": 1})


@pytest.fixture(autouse=True)
def whole_log() -> None:
    """Of the test's own client here, which logs what it sends."""


@pytest.fixture
def environ(monkeypatch: pytest.MonkeyPatch, aws: AWSIdentitySimulator) -> pytest.MonkeyPatch:
    """Nothing of AWS but where STS is."""
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_ENDPOINT_URL_STS", aws.sts_url)
    monkeypatch.setenv("AWS_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", os.devnull)
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-central-1")
    return monkeypatch


@pytest.fixture
def sts(environ: pytest.MonkeyPatch) -> Iterator[Callable[..., Any]]:
    made: list[Any] = []

    def make(**keys: str) -> Any:
        made.append(boto3.session.Session().client("sts", config=ONCE, **keys))
        return made[-1]

    yield make
    for client in made:
        client.close()


def user() -> dict[str, str]:
    return {"aws_access_key_id": accounts.ACCESS_KEY_ID, "aws_secret_access_key": accounts.SECRET_ACCESS_KEY}


def refusal(call: Callable[..., Any], **parameters: Any) -> str:
    with pytest.raises(ClientError) as refused:
        call(**parameters)
    return str(refused.value.response["Error"]["Code"])


def test_a_role_is_given_to_whom_it_trusts(sts: Callable[..., Any], account: Account) -> None:
    account.add(Role(arn=ROLE, trusted=(accounts.USER,), external_id="shared"))
    client = sts(**user())
    asked = {"RoleArn": ROLE, "RoleSessionName": "test"}
    given = client.assume_role(**asked, ExternalId="shared", Tags=[{"Key": "team", "Value": "a"}])
    assert given["Credentials"]["AccessKeyId"] == account.sessions[0].access_key_id
    assert account.sessions[0].tags == {"team": "a"}
    assert refusal(client.assume_role, **asked) == "AccessDenied"
    assert refusal(sts(**{**user(), "aws_secret_access_key": "x"}).assume_role, **asked) == "SignatureDoesNotMatch"


def test_a_chain_ends_after_an_hour(sts: Callable[..., Any], account: Account) -> None:
    account.add(Role(arn=ROLE, trusted=(accounts.USER, ROLE), longest_s=43_200))
    given = sts(**user()).assume_role(RoleArn=ROLE, RoleSessionName="test", DurationSeconds=43_200)["Credentials"]
    chained = sts(
        aws_access_key_id=given["AccessKeyId"],
        aws_secret_access_key=given["SecretAccessKey"],
        aws_session_token=given["SessionToken"],
    )
    assert chained.assume_role(RoleArn=ROLE, RoleSessionName="test")
    longer = {"RoleArn": ROLE, "RoleSessionName": "test", "DurationSeconds": 3_601}
    assert refusal(chained.assume_role, **longer) == "ValidationError"
    account.sessions[0].expires_at = 0.0
    assert refusal(chained.assume_role, **longer) == "ExpiredToken"


def test_the_default_chain_signs_in_with_a_service_account_token(
    environ: pytest.MonkeyPatch, account: Account, tmp_path: Path
) -> None:
    account.add(Role(arn=ROLE, subject=accounts.SUBJECT))
    token = tmp_path / "token"
    token.write_text(accounts.service_account_token())
    environ.setenv("AWS_WEB_IDENTITY_TOKEN_FILE", str(token))
    environ.setenv("AWS_ROLE_ARN", ROLE)
    found = boto3.session.Session().get_credentials()
    assert found is not None
    assert found.get_frozen_credentials().access_key == account.sessions[0].access_key_id


@pytest.mark.parametrize(
    ("token", "code"),
    [
        (accounts.service_account_token(expires_in_s=-1), "ExpiredTokenException"),
        (accounts.service_account_token(audience="kubernetes"), "InvalidIdentityToken"),
        (accounts.service_account_token(subject="system:serviceaccount:other:default"), "AccessDenied"),
        ("none", "InvalidIdentityToken"),
    ],
)
def test_tokens_that_a_role_does_not_take(sts: Callable[..., Any], account: Account, token: str, code: str) -> None:
    account.add(Role(arn=ROLE, subject=accounts.SUBJECT))
    asked = {"RoleArn": ROLE, "RoleSessionName": "test", "WebIdentityToken": token}
    assert refusal(sts().assume_role_with_web_identity, **asked) == code


def test_the_default_chain_asks_the_container_endpoint(
    environ: pytest.MonkeyPatch, aws: AWSIdentitySimulator, tmp_path: Path
) -> None:
    token = tmp_path / "token"
    token.write_text(aws.account.pod_token)
    environ.setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", aws.container_url)
    environ.setenv("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", str(token))
    found = boto3.session.Session().get_credentials()
    assert found is not None
    assert found.get_frozen_credentials().access_key == aws.account.sessions[0].access_key_id
    token.write_text("another pod's")
    with pytest.raises(CredentialRetrievalError):
        boto3.session.Session().get_credentials()


def test_the_default_chain_asks_the_instance_metadata_service(
    environ: pytest.MonkeyPatch, aws: AWSIdentitySimulator
) -> None:
    environ.setenv("AWS_EC2_METADATA_SERVICE_ENDPOINT", aws.metadata_url)
    found = boto3.session.Session().get_credentials()
    assert found is not None
    assert found.get_frozen_credentials().access_key == aws.account.sessions[0].access_key_id
    assert aws.account.sessions[0].role_arn == metadata.ROLE


def test_errors_on_demand(sts: Callable[..., Any], account: Account) -> None:
    account.troubles.append(Trouble(status=400, code="Throttling"))
    assert refusal(sts(**user()).assume_role, RoleArn=ROLE, RoleSessionName="test") == "Throttling"
