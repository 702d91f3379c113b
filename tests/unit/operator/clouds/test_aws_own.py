from collections.abc import Mapping
from pathlib import Path

import pytest

from pilothouse_api.conditions import Reason
from pilothouse_api.secret import Secret
from pilothouse_operator.clouds import aws_own
from pilothouse_operator.clouds.aws_keys import Keys
from pilothouse_operator.clouds.aws_own import Origin
from pilothouse_operator.ports import Fault

KEYS = {"AWS_ACCESS_KEY_ID": "AKIA", "AWS_SECRET_ACCESS_KEY": "secret"}
TOKEN_FILE = {"AWS_WEB_IDENTITY_TOKEN_FILE": "/token", "AWS_ROLE_ARN": "arn:aws:iam::1:role/r"}
CONTAINER = {"AWS_CONTAINER_CREDENTIALS_FULL_URI": "http://169.254.170.23/v1/credentials"}


@pytest.mark.parametrize(
    ("environ", "origin"),
    [
        (KEYS | TOKEN_FILE | CONTAINER, Origin.ENVIRONMENT),
        (TOKEN_FILE | CONTAINER, Origin.WEB_IDENTITY),
        (CONTAINER, Origin.CONTAINER),
        ({"AWS_CONTAINER_CREDENTIALS_RELATIVE_URI": "/v2"}, Origin.CONTAINER),
        ({"AWS_PROFILE": "mine", "AWS_SHARED_CREDENTIALS_FILE": "/home/me/.aws/credentials"}, Origin.INSTANCE),
    ],
)
def test_the_first_way_counts_in_the_order_of_the_sdk(environ: Mapping[str, str], origin: Origin) -> None:
    assert aws_own.origin(environ) is origin


def test_keys_of_the_environment_with_their_token_and_end() -> None:
    environ = KEYS | {"AWS_SESSION_TOKEN": "token", "AWS_CREDENTIAL_EXPIRATION": "2030-01-01T01:00:00+01:00"}
    assert aws_own.environment_keys(environ) == Keys(
        access_key_id="AKIA",
        secret_access_key=Secret("secret"),
        session_token=Secret("token"),
        expires_at=1_893_456_000.0,
    )


@pytest.mark.parametrize(
    ("environ", "words"),
    [
        ({"AWS_ACCESS_KEY_ID": "AKIA"}, "no AWS_SECRET_ACCESS_KEY"),
        (KEYS | {"AWS_CREDENTIAL_EXPIRATION": "tomorrow"}, "no time of ISO 8601"),
        (KEYS | {"AWS_CREDENTIAL_EXPIRATION": "2030-01-01T00:00:00"}, "no time of ISO 8601"),
    ],
)
def test_half_a_key_is_refused(environ: Mapping[str, str], words: str) -> None:
    with pytest.raises(Fault, match=words) as raised:
        aws_own.environment_keys(environ)
    assert raised.value.reason is Reason.SIGN_IN_REFUSED


def test_a_token_without_a_role_is_refused() -> None:
    with pytest.raises(Fault, match="no AWS_ROLE_ARN"):
        aws_own.web_identity({"AWS_WEB_IDENTITY_TOKEN_FILE": "/token"})


@pytest.mark.parametrize("content", [None, b"", b" \n", b"two\nlines", b"\xff"])
def test_a_file_without_a_token_is_named(content: bytes | None, tmp_path: Path) -> None:
    file = tmp_path / "token"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(Fault, match="AWS_WEB_IDENTITY_TOKEN_FILE") as raised:
        aws_own.web_identity(TOKEN_FILE | {"AWS_WEB_IDENTITY_TOKEN_FILE": str(file)})
    assert str(file) in raised.value.message
    assert raised.value.passing


def test_a_token_keeps_the_session_name_of_the_environment(tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text("eyJ.eyJ.sig\n")
    environ = TOKEN_FILE | {"AWS_WEB_IDENTITY_TOKEN_FILE": str(file), "AWS_ROLE_SESSION_NAME": "mine"}
    found = aws_own.web_identity(environ)
    assert (found.token, found.session_name) == (Secret("eyJ.eyJ.sig"), "mine")


def test_a_container_endpoint_that_aws_s_sdk_does_not_ask_without_tls() -> None:
    with pytest.raises(Fault, match=r"203\.0\.113\.1") as raised:
        aws_own.container_keys({"AWS_CONTAINER_CREDENTIALS_FULL_URI": "http://203.0.113.1/v1/credentials"})
    assert raised.value.reason is Reason.SIGN_IN_REFUSED


def test_a_container_endpoint_that_is_away() -> None:
    with pytest.raises(Fault, match="eks-pod-identity-agent") as raised:
        aws_own.container_keys({"AWS_CONTAINER_CREDENTIALS_FULL_URI": "http://127.0.0.1:1/v1/credentials"})
    assert raised.value.reason is Reason.SIGN_IN_UNAVAILABLE
    assert raised.value.passing


@pytest.mark.parametrize(
    ("environ", "reason"),
    [
        ({"AWS_EC2_METADATA_DISABLED": "TRUE"}, Reason.SIGN_IN_REFUSED),
        ({"AWS_EC2_METADATA_SERVICE_ENDPOINT": "http://127.0.0.1:1"}, Reason.SIGN_IN_UNAVAILABLE),
    ],
)
def test_without_an_instance_metadata_service_there_is_no_identity(environ: Mapping[str, str], reason: Reason) -> None:
    with pytest.raises(Fault, match="the operator has no AWS identity") as raised:
        aws_own.instance_keys(environ)
    assert raised.value.reason is reason
