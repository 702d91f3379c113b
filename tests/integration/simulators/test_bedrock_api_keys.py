"""API keys of Bedrock: long-term ones, and short-term ones as AWS's generator makes them with botocore."""

from __future__ import annotations

import base64
import time

import pytest
from botocore.auth import SigV4QueryAuth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from tests.integration.simulators.raw import call
from tests.simulators import credentials
from tests.simulators.credentials import AccessKey
from tests.simulators.fleet import Simulators

TARGET = "/model/anthropic.claude-opus-5-5/converse"
BODY = b'{"messages":[{"role":"user","content":[{"text":"Hello"}]}]}'


def short_term(*, secret: str = credentials.SECRET_ACCESS_KEY, region: str = "us-east-1", life_s: int = 900) -> str:
    request = AWSRequest(
        method="POST",
        url="https://bedrock.amazonaws.com/",
        headers={"host": "bedrock.amazonaws.com"},
        params={"Action": "CallWithBearerToken"},
    )
    SigV4QueryAuth(Credentials(credentials.ACCESS_KEY_ID, secret), "bedrock", region, expires=life_s).add_auth(request)
    presigned = str(request.url).removeprefix("https://") + "&Version=1"
    return "bedrock-api-key-" + base64.b64encode(presigned.encode()).decode()


def asked(simulators: Simulators, key: str) -> tuple[int, str]:
    headers = {"authorization": f"Bearer {key}", "content-type": "application/json"}
    answer = call("POST", simulators.bedrock_url, TARGET, headers, BODY)
    said = answer.json()
    return answer.status, str(said.get("message") or said.get("Message") or "")


def test_a_long_term_key_opens_and_is_recorded_by_its_name(simulators: Simulators) -> None:
    simulators.controls.keys.bedrock["ABSK-one"] = "one"
    assert asked(simulators, "ABSK-one")[0] == 200
    assert simulators.controls.recorder.records[-1].credential == "one"


def test_a_short_term_key_opens_and_is_recorded_by_what_made_it(simulators: Simulators) -> None:
    assert asked(simulators, short_term())[0] == 200
    assert simulators.controls.recorder.records[-1].credential == f"api key of {credentials.ACCESS_KEY_ID}"


@pytest.mark.parametrize(
    ("key", "words"),
    [
        ("ABSK-nobody", "valid"),
        ("sk-something", "format"),
        ("bedrock-api-key-*", "valid"),
        (short_term(secret="another"), "valid"),
        (short_term(region="eu-central-1"), "valid"),
    ],
)
def test_what_is_no_key_of_this_place_is_refused(simulators: Simulators, key: str, words: str) -> None:
    status, message = asked(simulators, key)
    assert status == 403
    assert words in message


def test_a_short_term_key_ends(simulators: Simulators) -> None:
    key = short_term(life_s=60)
    simulators.controls.settings.bedrock_clock_skew_s = 61
    assert asked(simulators, key) == (403, "Bearer Token has expired")


def test_a_short_term_key_ends_with_the_credentials_that_made_it(simulators: Simulators) -> None:
    simulators.controls.keys.access_keys[credentials.ACCESS_KEY_ID] = AccessKey(
        access_key_id=credentials.ACCESS_KEY_ID,
        secret_access_key=credentials.SECRET_ACCESS_KEY,
        expires_at=time.time() - 1,
    )
    assert asked(simulators, short_term()) == (403, "Bearer Token has expired")
