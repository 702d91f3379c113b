"""Who may call: what boto3 signs is verified, and what is wrong with it is named as AWS names it."""

from __future__ import annotations

import time
from collections.abc import Callable
from email.utils import parsedate_to_datetime
from typing import Any

import botocore.exceptions
import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from tests.integration.simulators.raw import post
from tests.simulators import credentials
from tests.simulators.credentials import AccessKey
from tests.simulators.fleet import Simulators

MODEL = "anthropic.claude-opus-5-5"
HELLO = [{"role": "user", "content": [{"text": "Hello"}]}]
BODY = b'{"messages":[{"role":"user","content":[{"text":"Hello"}]}]}'


def refused(client: Any) -> tuple[int, str, str]:
    with pytest.raises(botocore.exceptions.ClientError) as caught:
        client.converse(modelId=MODEL, messages=HELLO)
    response = caught.value.response
    return response["ResponseMetadata"]["HTTPStatusCode"], response["Error"]["Code"], response["Error"]["Message"]


def test_a_right_signature_is_let_in(bedrock: Any) -> None:
    answer = bedrock.converse(modelId=MODEL, messages=HELLO)
    assert answer["ResponseMetadata"]["HTTPStatusCode"] == 200
    assert answer["ResponseMetadata"]["RequestId"]


def test_a_session_token_is_let_in(bedrock_with: Callable[..., Any]) -> None:
    client = bedrock_with(
        aws_access_key_id=credentials.SESSION_ACCESS_KEY_ID,
        aws_secret_access_key=credentials.SESSION_SECRET_ACCESS_KEY,
        aws_session_token=credentials.SESSION_TOKEN,
    )
    assert client.converse(modelId=MODEL, messages=HELLO)["stopReason"] == "end_turn"


def test_a_wrong_secret_is_an_invalid_signature(bedrock_with: Callable[..., Any]) -> None:
    status, code, message = refused(bedrock_with(aws_secret_access_key="wrong"))
    assert (status, code) == (403, "InvalidSignatureException")
    assert "does not match the signature you provided" in message


def test_an_unknown_key_is_an_unrecognized_client(bedrock_with: Callable[..., Any]) -> None:
    assert refused(bedrock_with(aws_access_key_id="AKIANOBODY0000000001"))[:2] == (403, "UnrecognizedClientException")


@pytest.mark.parametrize("token", [None, "another token"])
def test_a_session_key_needs_its_token(bedrock_with: Callable[..., Any], token: str | None) -> None:
    client = bedrock_with(
        aws_access_key_id=credentials.SESSION_ACCESS_KEY_ID,
        aws_secret_access_key=credentials.SESSION_SECRET_ACCESS_KEY,
        aws_session_token=token,
    )
    assert refused(client)[:2] == (403, "UnrecognizedClientException")


def test_an_expired_session_is_named(simulators: Simulators, bedrock_with: Callable[..., Any]) -> None:
    expired = AccessKey(
        access_key_id="ASIAEXPIRED000000001", secret_access_key="s", session_token="t", expires_at=time.time() - 1
    )
    simulators.controls.keys.access_keys[expired.access_key_id] = expired
    client = bedrock_with(aws_access_key_id=expired.access_key_id, aws_secret_access_key="s", aws_session_token="t")
    assert refused(client)[:2] == (403, "ExpiredTokenException")


def test_another_region_is_refused(bedrock_with: Callable[..., Any]) -> None:
    status, code, message = refused(bedrock_with(region_name="eu-central-1"))
    assert (status, code) == (403, "InvalidSignatureException")
    assert "valid region" in message


@pytest.mark.parametrize(("skew_s", "words"), [(301, "Signature expired"), (-301, "Signature not yet current")])
def test_a_clock_five_minutes_off_is_refused(simulators: Simulators, bedrock: Any, skew_s: int, words: str) -> None:
    simulators.controls.settings.bedrock_clock_skew_s = skew_s
    status, code, message = refused(bedrock)
    assert (status, code) == (403, "InvalidSignatureException")
    assert message.startswith(words)


def test_a_refusal_tells_the_time_of_the_service(simulators: Simulators, bedrock: Any) -> None:
    simulators.controls.settings.bedrock_clock_skew_s = 3600
    with pytest.raises(botocore.exceptions.ClientError) as caught:
        bedrock.converse(modelId=MODEL, messages=HELLO)
    told = parsedate_to_datetime(caught.value.response["ResponseMetadata"]["HTTPHeaders"]["date"]).timestamp()
    assert 3500 < told - time.time() < 3700


@pytest.mark.parametrize("skew_s", [290, -290])
def test_a_clock_less_than_five_minutes_off_is_let_in(simulators: Simulators, bedrock: Any, skew_s: int) -> None:
    simulators.controls.settings.bedrock_clock_skew_s = skew_s
    assert bedrock.converse(modelId=MODEL, messages=HELLO)["stopReason"] == "end_turn"


def signed(target: str, *, service: str = "bedrock", body: bytes = BODY) -> AWSRequest:
    request = AWSRequest(
        "POST", f"http://simulator.test{target}", data=body, headers={"content-type": "application/json"}
    )
    keys = Credentials(credentials.ACCESS_KEY_ID, credentials.SECRET_ACCESS_KEY)
    SigV4Auth(keys, service, "us-east-1").add_auth(request)
    request.headers["host"] = "simulator.test"
    return request


@pytest.mark.parametrize(
    "model",
    ["anthropic.claude-3-haiku-20240307-v1:0", "anthropic.claude-3-haiku-20240307-v1%3A0"],
    ids=["raw colon", "encoded colon"],
)
def test_both_spellings_of_a_colon_are_verified_as_sent(simulators: Simulators, model: str) -> None:
    target = f"/model/{model}/converse"
    assert post(simulators.bedrock_url, target, signed(target).headers, BODY).status == 200


def test_a_signature_for_one_spelling_does_not_fit_the_other(simulators: Simulators) -> None:
    headers = signed("/model/anthropic.claude-3-haiku-20240307-v1:0/converse").headers
    # Both have the canonical path of their own spelling; a verifier that decodes first would take this one.
    answer = post(simulators.bedrock_url, "/model/anthropic.claude-3-haiku-20240307-v1%3A0/converse", headers, BODY)
    assert answer.status == 403


def test_a_changed_body_breaks_the_signature(simulators: Simulators) -> None:
    target = f"/model/{MODEL}/converse"
    answer = post(simulators.bedrock_url, target, signed(target).headers, BODY.replace(b"Hello", b"Jello"))
    assert (answer.status, answer.headers["x-amzn-errortype"]) == (403, "InvalidSignatureException")


def test_another_service_in_the_scope_is_refused(simulators: Simulators) -> None:
    target = f"/model/{MODEL}/converse"
    answer = post(simulators.bedrock_url, target, signed(target, service="bedrock-mantle").headers, BODY)
    assert answer.status == 403
    assert "correct service" in answer.json()["message"]


@pytest.mark.parametrize(
    ("authorization", "name"),
    [
        (None, "MissingAuthenticationTokenException"),
        ("AWS4-HMAC-SHA256 Credential=a/b/c/d/aws4_request", "IncompleteSignatureException"),
        ("AWS4-HMAC-SHA256 Credential=a/b, SignedHeaders=host, Signature=0", "IncompleteSignatureException"),
        ("Bearer bedrock-api-key-nonsense", "AccessDeniedException"),
    ],
)
def test_an_unusable_authorization_is_named(simulators: Simulators, authorization: str | None, name: str) -> None:
    headers = {"authorization": authorization} if authorization else {}
    answer = post(simulators.bedrock_url, f"/model/{MODEL}/converse", headers, BODY)
    assert (answer.status, answer.headers["x-amzn-errortype"]) == (403, name)


def test_the_host_must_be_signed(simulators: Simulators) -> None:
    target = f"/model/{MODEL}/converse"
    headers = dict(signed(target).headers)
    headers["Authorization"] = headers["Authorization"].replace(";host", "")
    answer = post(simulators.bedrock_url, target, headers, BODY)
    assert "'SignedHeader'" in answer.json()["message"]
