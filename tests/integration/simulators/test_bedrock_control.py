"""What an account of Bedrock has, asked by boto3."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from tests.simulators import credentials
from tests.simulators.faults import Fault, Provider
from tests.simulators.faults import Kind as FaultKind
from tests.simulators.fleet import Simulators


def client_of(simulators: Simulators, *, service: str = "bedrock", **changed: Any) -> Any:
    settings = {
        "region_name": "us-east-1",
        "aws_access_key_id": credentials.ACCESS_KEY_ID,
        "aws_secret_access_key": credentials.SECRET_ACCESS_KEY,
        "config": Config(retries={"total_max_attempts": 1}, connect_timeout=5, read_timeout=5),
        **changed,
    }
    return boto3.session.Session().client(service, endpoint_url=simulators.bedrock_url, **settings)


@pytest.fixture
def control(simulators: Simulators) -> Iterator[Any]:
    client = client_of(simulators)
    yield client
    client.close()


def test_foundation_models_come_in_one_piece(control: Any, simulators: Simulators) -> None:
    answer = control.list_foundation_models()
    found = {one["modelId"]: one for one in answer["modelSummaries"]}
    assert found.keys() == simulators.controls.models.bedrock.keys()
    assert "nextToken" not in answer
    assert not control.can_paginate("list_foundation_models")
    assert found["deepseek.r1-v1:0"]["inferenceTypesSupported"] == ["INFERENCE_PROFILE"]
    assert found["amazon.nova-micro-v1:0"]["inputModalities"] == ["TEXT"]


def test_foundation_models_can_be_chosen(control: Any) -> None:
    answer = control.list_foundation_models(byProvider="amazon", byInferenceType="ON_DEMAND")
    assert {one["modelId"].partition(".")[0] for one in answer["modelSummaries"]} == {"amazon"}


def test_profiles_come_in_pages_by_type(control: Any) -> None:
    pages = list(
        control.get_paginator("list_inference_profiles").paginate(
            typeEquals="SYSTEM_DEFINED", PaginationConfig={"PageSize": 4}
        )
    )
    found = [one["inferenceProfileId"] for page in pages for one in page["inferenceProfileSummaries"]]
    assert len(pages) > 1
    assert len(found) == len(set(found))
    assert "eu.anthropic.claude-sonnet-4-5-20250929-v1:0" in found
    own = control.list_inference_profiles(typeEquals="APPLICATION")["inferenceProfileSummaries"]
    assert [one["type"] for one in own] == ["APPLICATION"]
    assert own[0]["models"][0]["modelArn"].endswith("foundation-model/anthropic.claude-opus-5-5")


def test_a_token_of_another_list_is_worth_nothing(control: Any) -> None:
    token = control.list_inference_profiles(typeEquals="SYSTEM_DEFINED", maxResults=1)["nextToken"]
    with pytest.raises(ClientError, match="nextToken"):
        control.list_inference_profiles(typeEquals="APPLICATION", nextToken=token)


def test_what_is_called_by_an_arn_is_listed(control: Any, simulators: Simulators) -> None:
    listed = {
        *(one["provisionedModelArn"] for one in _all(control, "list_provisioned_model_throughputs")),
        *(one["customModelDeploymentArn"] for one in _all(control, "list_custom_model_deployments")),
        *(one["modelArn"] for one in _all(control, "list_imported_models")),
        *(one["promptRouterArn"] for one in _all(control, "list_prompt_routers")),
        *(one["inferenceProfileArn"] for one in _all(control, "list_inference_profiles", typeEquals="APPLICATION")),
    }
    assert listed == simulators.controls.models.bedrock_arns.keys()


def _all(control: Any, operation: str, **asked: Any) -> list[Any]:
    (rows,) = (value for value in getattr(control, operation)(**asked).values() if isinstance(value, list))
    return rows


def test_listed_is_not_usable(control: Any) -> None:
    def agreed(model: str) -> str:
        return str(control.get_foundation_model_availability(modelId=model)["agreementAvailability"]["status"])

    assert agreed("amazon.nova-pro-v1:0") == "AVAILABLE"
    assert agreed("anthropic.claude-fable-5-1") == "NOT_AVAILABLE"


def test_a_wrong_signature_lists_nothing(simulators: Simulators) -> None:
    client = client_of(simulators, aws_secret_access_key="wrong")
    with pytest.raises(ClientError) as refused:
        client.list_foundation_models()
    client.close()
    assert refused.value.response["Error"]["Code"] == "InvalidSignatureException"


def test_a_list_can_be_throttled(control: Any, simulators: Simulators) -> None:
    simulators.controls.fail(
        Fault(kind=FaultKind.THROTTLE, provider=Provider.BEDROCK, operation="ListFoundationModels")
    )
    with pytest.raises(ClientError) as refused:
        control.list_foundation_models()
    assert refused.value.response["Error"]["Code"] == "ThrottlingException"
    assert control.list_foundation_models()["modelSummaries"]


@pytest.fixture
def quotas(simulators: Simulators) -> Iterator[Any]:
    client = client_of(simulators, service="service-quotas")
    yield client
    client.close()


def test_quotas_come_in_pages_by_the_names_that_aws_gives(quotas: Any) -> None:
    paginator = quotas.get_paginator("list_service_quotas")
    pages = list(paginator.paginate(ServiceCode="bedrock", PaginationConfig={"PageSize": 4}))
    values = {one["QuotaName"]: one["Value"] for page in pages for one in page["Quotas"]}
    assert len(pages) > 1
    assert len(values) == sum(len(page["Quotas"]) for page in pages)
    assert values["On-demand model inference requests per minute for Amazon Nova Micro"] == 2_000.0


@pytest.mark.parametrize(
    ("asked", "code"),
    [
        ({"ServiceCode": "nowhere"}, "NoSuchResourceException"),
        ({"ServiceCode": "bedrock", "NextToken": "nothing"}, "InvalidPaginationTokenException"),
    ],
)
def test_quotas_of_nothing_are_refused(quotas: Any, asked: dict[str, str], code: str) -> None:
    with pytest.raises(ClientError) as refused:
        quotas.list_service_quotas(**asked)
    assert refused.value.response["Error"]["Code"] == code
    assert refused.value.response["ResponseMetadata"]["HTTPStatusCode"] == 400


def test_a_wrong_signature_lists_no_quotas(simulators: Simulators) -> None:
    client = client_of(simulators, service="service-quotas", aws_secret_access_key="wrong")
    with pytest.raises(ClientError) as refused:
        client.list_service_quotas(ServiceCode="bedrock")
    client.close()
    assert refused.value.response["Error"]["Code"] == "InvalidSignatureException"


def test_quotas_can_be_throttled(quotas: Any, simulators: Simulators) -> None:
    simulators.controls.fail(Fault(kind=FaultKind.THROTTLE, provider=Provider.BEDROCK, operation="ListServiceQuotas"))
    with pytest.raises(ClientError) as refused:
        quotas.list_service_quotas(ServiceCode="bedrock")
    assert refused.value.response["Error"]["Code"] == "ThrottlingException"
    assert quotas.list_service_quotas(ServiceCode="bedrock")["Quotas"]
