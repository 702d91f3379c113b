"""Everything together: what one simulator issues, the others take until it ends or is revoked."""

from __future__ import annotations

import json
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import boto3
import botocore.exceptions
import openai
import pytest
from azure.core.exceptions import HttpResponseError
from azure.identity import WorkloadIdentityCredential
from azure.keyvault.secrets import SecretClient

from tests.cluster.estate import Estate, simulated_estate
from tests.simulators.azure_openai.resource_manager import RESOURCE_ID, USAGES
from tests.simulators.estate import fleet as estates
from tests.simulators.estate.pod import OPERATOR_ROLE

MODEL = "anthropic.claude-opus-5-5"
REGION = "us-east-1"


@pytest.fixture(scope="module")
def estate() -> Iterator[Estate]:
    with simulated_estate() as running:
        yield running


def session(estate: Estate, **narrowed: str) -> dict[str, Any]:
    """What a pod with IRSA gets."""
    sts = boto3.client("sts", region_name=REGION, endpoint_url=estate.at["sts"])
    token = Path(estate.environment["AWS_WEB_IDENTITY_TOKEN_FILE"]).read_text()
    given = sts.assume_role_with_web_identity(
        RoleArn=OPERATOR_ROLE, RoleSessionName="pod", WebIdentityToken=token, **narrowed
    )
    found: dict[str, Any] = given["Credentials"]
    return found


def client(service: str, url: str, keys: dict[str, Any]) -> Any:
    return boto3.client(
        service,
        region_name=REGION,
        endpoint_url=url,
        aws_access_key_id=keys["AccessKeyId"],
        aws_secret_access_key=keys["SecretAccessKey"],
        aws_session_token=keys["SessionToken"],
    )


def said(estate: Estate, keys: dict[str, Any], text: str = "Hello") -> int:
    bedrock = client("bedrock-runtime", estate.clouds.bedrock, keys)
    answer = bedrock.converse(modelId=MODEL, messages=[{"role": "user", "content": [{"text": text}]}])
    return int(answer["ResponseMetadata"]["HTTPStatusCode"])


def refusal(call: Callable[[], object]) -> str:
    with pytest.raises(botocore.exceptions.ClientError) as refused:
        call()
    return str(refused.value.response["Error"]["Code"])


def test_a_session_opens_the_models_until_it_is_revoked(estate: Estate) -> None:
    keys = session(estate)
    assert said(estate, keys) == 200
    estate.revoke_issued(role=OPERATOR_ROLE)
    assert refusal(lambda: said(estate, keys)) == "AccessDeniedException"


@pytest.mark.parametrize(("allowed", "opens"), [(MODEL, True), ("amazon.nova-*", False), ("anthropic.*", True)])
def test_a_session_opens_what_its_policy_allows(estate: Estate, allowed: str, opens: bool) -> None:
    resource = f"arn:aws:bedrock:{REGION}::foundation-model/{allowed}"
    statement = {"Effect": "Allow", "Action": "bedrock:InvokeModel", "Resource": [resource]}
    keys = session(estate, Policy=json.dumps({"Version": "2012-10-17", "Statement": [statement]}))
    if opens:
        assert said(estate, keys) == 200
    else:
        assert refusal(lambda: said(estate, keys)) == "AccessDeniedException"


def test_a_session_opens_models_and_stores_until_it_ends(estate: Estate) -> None:
    estate.shorten(sts=2)
    keys = session(estate)
    estate.store("secretsManager", "llm", "a value", secret="one")
    stores = client("secretsmanager", estate.at["awsStores"], keys)
    assert stores.get_secret_value(SecretId="llm")["SecretString"] == "a value"
    assert said(estate, keys) == 200
    time.sleep(2.1)
    assert refusal(lambda: stores.get_secret_value(SecretId="llm")) == "ExpiredTokenException"
    assert refusal(lambda: said(estate, keys)) == "ExpiredTokenException"
    estate.shorten(sts=3_600)


def workload(estate: Estate) -> WorkloadIdentityCredential:
    return WorkloadIdentityCredential(
        authority=estate.at["entra"],
        tenant_id=estate.environment["AZURE_TENANT_ID"],
        client_id=estate.environment["AZURE_CLIENT_ID"],
        token_file_path=estate.environment["AZURE_FEDERATED_TOKEN_FILE"],
        disable_instance_discovery=True,
        connection_verify=estate.at["ca"],
    )


def test_a_token_of_entra_opens_the_models_until_it_is_revoked(estate: Estate) -> None:
    with workload(estate) as credential:
        token = credential.get_token("https://cognitiveservices.azure.com/.default").token
    address = f"{estate.clouds.azure}/openai/v1"
    with openai.OpenAI(base_url=address, api_key=token, max_retries=0) as models:
        hello = [{"role": "user", "content": "Hello"}]
        assert models.chat.completions.create(model="gpt-4o", messages=hello).choices  # type: ignore[call-overload]
        estate.revoke_issued(application=estates.WORKLOAD)
        with pytest.raises(openai.AuthenticationError):
            models.chat.completions.create(model="gpt-4o", messages=hello)  # type: ignore[call-overload]


def test_a_vault_shows_what_was_put_there_and_can_be_away(estate: Estate) -> None:
    estate.store("keyVault", "llm", "a value", secret="two")
    with workload(estate) as credential:
        vault = SecretClient(
            estate.at["keyVault"],
            credential,
            verify_challenge_resource=False,
            connection_verify=estate.at["ca"],
            retry_total=0,
        )
        with vault:
            assert vault.get_secret("llm").value == "a value"
            estate.doors(keyVault="failing")
            with pytest.raises(HttpResponseError):
                vault.get_secret("llm")
            estate.doors(keyVault="open")


def test_the_ledger_tells_when_a_secret_was_shown_and_used_and_by_whom(estate: Estate) -> None:
    began = time.time()
    made = estate.make_key("openai", "plain/1")
    estate.store("parameterStore", "plain", made["apiKey"], secret="plain/1")
    assert "plain/1" not in estate.ledger().shown
    stores = client("ssm", estate.at["awsStores"], session(estate))
    key = stores.get_parameter(Name="plain", WithDecryption=True)["Parameter"]["Value"]
    body = json.dumps({"model": "gpt-4o", "messages": [{"role": "user", "content": "hello [plain@me]"}]}).encode()
    headers = {"authorization": f"Bearer {key}", "content-type": "application/json"}
    asked = urllib.request.Request(f"{estate.clouds.openai}/chat/completions", body, headers)
    with urllib.request.urlopen(asked) as answer:
        assert answer.status == 200
    ledger = estate.ledger()
    assert began <= ledger.shown["plain/1"] <= ledger.used["plain/1"]["me"] <= time.time()
    assert ledger.credentials["plain"] == ["plain/1"]


def test_a_session_is_traced_to_the_key_that_it_was_issued_for(estate: Estate) -> None:
    key = estate.make_key("accessKey", "user/1")
    sts = boto3.client(
        "sts",
        region_name=REGION,
        endpoint_url=estate.at["sts"],
        aws_access_key_id=key["accessKeyId"],
        aws_secret_access_key=key["secretAccessKey"],
    )
    keys = sts.assume_role(RoleArn="arn:aws:iam::222222222222:role/by-key", RoleSessionName="by-key")["Credentials"]
    assert said(estate, keys, "hello [chain@me]") == 200
    assert "me" in estate.ledger().used["user/1"]


def test_a_revoked_key_opens_nothing(estate: Estate) -> None:
    made = estate.make_key("openai", "gone/1")
    estate.revoke_key("gone/1")
    models = openai.OpenAI(base_url=estate.clouds.openai, api_key=made["apiKey"], max_retries=0)
    with models, pytest.raises(openai.AuthenticationError):
        models.models.list()


def test_a_session_lists_the_account_unless_it_is_narrowed_to_models(estate: Estate) -> None:
    """What proxies get opens no list: the operator asks as itself."""
    wide = client("bedrock", estate.clouds.bedrock, session(estate))
    assert wide.list_foundation_models()["modelSummaries"]
    statement = {"Effect": "Allow", "Action": "bedrock:InvokeModel", "Resource": ["*"]}
    narrow = session(estate, Policy=json.dumps({"Version": "2012-10-17", "Statement": [statement]}))
    assert refusal(client("bedrock", estate.clouds.bedrock, narrow).list_foundation_models) == "AccessDeniedException"


def listed(estate: Estate, token: str, path: str = f"{RESOURCE_ID}/deployments") -> Any:
    url = f"{estate.at['resourceManager']}{path}?api-version=2025-09-01"
    request = urllib.request.Request(url, headers={"authorization": f"Bearer {token}"})
    with urllib.request.urlopen(request, timeout=5) as answer:
        return json.load(answer)


def test_a_workload_lists_the_deployments_with_a_token_for_the_resource_manager(estate: Estate) -> None:
    with workload(estate) as credential:
        given = credential.get_token("https://management.azure.com/.default").token
        other = credential.get_token("https://cognitiveservices.azure.com/.default").token
    assert "gpt-4o" in [one["name"] for one in listed(estate, given)["value"]]
    with pytest.raises(urllib.error.HTTPError, match="401"):
        listed(estate, other)


def test_a_workload_reads_the_quotas_of_the_account_s_location(estate: Estate) -> None:
    with workload(estate) as credential:
        given = credential.get_token("https://management.azure.com/.default").token
    assert USAGES.endswith(f"/locations/{listed(estate, given, RESOURCE_ID)['location']}/usages")
    limits = {one["name"]["value"]: one["limit"] for one in listed(estate, given, USAGES)["value"]}
    assert limits["OpenAI.GlobalStandard.gpt-4o"] == 1_000.0
