"""The providers' own SDKs, unmodified, pointed at the simulators. Retries are off: one call is one request."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import boto3
import openai
import pytest
from botocore.config import Config

from tests.simulators import credentials
from tests.simulators.fixtures import simulator_process, simulators, simulators_thread
from tests.simulators.fleet import Simulators

__all__ = ["simulator_process", "simulators", "simulators_thread"]

DATED = "2024-10-21"


def bedrock_client(endpoint: str, **changed: Any) -> Any:
    settings = {
        "region_name": "us-east-1",
        "aws_access_key_id": credentials.ACCESS_KEY_ID,
        "aws_secret_access_key": credentials.SECRET_ACCESS_KEY,
        "config": Config(retries={"total_max_attempts": 1}, connect_timeout=5, read_timeout=5),
        **changed,
    }
    return boto3.session.Session().client("bedrock-runtime", endpoint_url=endpoint, **settings)


@pytest.fixture(scope="session")
def shared_bedrock(simulators_thread: Simulators) -> Iterator[Any]:
    client = bedrock_client(simulators_thread.bedrock_url)
    yield client
    client.close()


@pytest.fixture
def bedrock(simulators: Simulators, shared_bedrock: Any) -> Any:
    return shared_bedrock


@pytest.fixture
def bedrock_with(simulators: Simulators) -> Iterator[Callable[..., Any]]:
    """A client with other credentials or another region."""
    made: list[Any] = []

    def make(**changed: Any) -> Any:
        made.append(bedrock_client(simulators.bedrock_url, **changed))
        return made[-1]

    yield make
    for client in made:
        client.close()


# An SDK's client costs 30 ms to make (its TLS context), so that one serves all tests.


@pytest.fixture(scope="session")
def shared_azure(simulators_thread: Simulators) -> Iterator[openai.AzureOpenAI]:
    with openai.AzureOpenAI(
        azure_endpoint=simulators_thread.azure_url,
        api_version=DATED,
        api_key=credentials.AZURE_API_KEY,
        max_retries=0,
        timeout=5,
    ) as client:
        yield client


@pytest.fixture(scope="session")
def shared_azure_v1(simulators_thread: Simulators) -> Iterator[openai.OpenAI]:
    base_url = f"{simulators_thread.azure_url}/openai/v1"
    with openai.OpenAI(base_url=base_url, api_key=credentials.AZURE_API_KEY, max_retries=0, timeout=5) as client:
        yield client


@pytest.fixture(scope="session")
def shared_plain(simulators_thread: Simulators) -> Iterator[openai.OpenAI]:
    base_url = simulators_thread.openai_url
    with openai.OpenAI(base_url=base_url, api_key=credentials.OPENAI_API_KEY, max_retries=0, timeout=5) as client:
        yield client


@pytest.fixture
def azure(simulators: Simulators, shared_azure: openai.AzureOpenAI) -> openai.AzureOpenAI:
    return shared_azure


@pytest.fixture
def azure_v1(simulators: Simulators, shared_azure_v1: openai.OpenAI) -> openai.OpenAI:
    return shared_azure_v1


@pytest.fixture
def plain(simulators: Simulators, shared_plain: openai.OpenAI) -> openai.OpenAI:
    return shared_plain
