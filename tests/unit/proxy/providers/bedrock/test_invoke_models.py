from typing import Any

import pytest
from botocore.serialize import create_serializer
from botocore.session import Session

from pilothouse_api.names import UpstreamModel
from pilothouse_api.snapshot.providers import Model
from pilothouse_proxy import translation
from pilothouse_proxy.ports import DialectName as D
from pilothouse_proxy.providers.bedrock import endpoint, invoke_models, surfaces
from pilothouse_proxy.providers.bedrock.invoke_models import Preference

SERVICE = Session().get_service_model("bedrock-runtime")
OPERATIONS = {
    "converse": "Converse",
    "converse-stream": "ConverseStream",
    "count-tokens": "CountTokens",
    "invoke": "InvokeModel",
    "invoke-with-response-stream": "InvokeModelWithResponseStream",
}
IMPORTED = "arn:aws:bedrock:us-east-1:123456789012:imported-model/abc"


@pytest.mark.parametrize(
    ("upstream", "family", "expected"),
    [
        ("anthropic.claude-opus-5-5", None, (D.BEDROCK_CONVERSE,)),
        ("anthropic.claude-v2:1", None, (D.BEDROCK_CONVERSE,)),
        ("ai21.j2-ultra-v1", None, (D.BEDROCK_INVOKE_JURASSIC,)),
        ("ai21.jamba-1-5-large-v1:0", None, (D.BEDROCK_CONVERSE,)),
        ("cohere.command-text-v14", None, (D.BEDROCK_INVOKE_COMMAND,)),
        ("cohere.command-light-text-v14", None, (D.BEDROCK_INVOKE_COMMAND,)),
        ("cohere.command-r-plus-v1:0", None, (D.BEDROCK_CONVERSE,)),
        ("amazon.titan-text-lite-v1", None, (D.BEDROCK_CONVERSE, D.BEDROCK_INVOKE_TITAN_TEXT)),
        ("mistral.mistral-7b-instruct-v0:2", None, (D.BEDROCK_CONVERSE, D.BEDROCK_INVOKE_MISTRAL)),
        ("mistral.mistral-large-2407-v1:0", None, (D.BEDROCK_CONVERSE,)),
        ("us.deepseek.r1-v1:0", None, (D.BEDROCK_CONVERSE,)),
        ("openai.gpt-oss-120b-1:0", None, (D.BEDROCK_CONVERSE, D.BEDROCK_INVOKE_OPENAI)),
        ("us.amazon.nova-pro-v1:0", None, (D.BEDROCK_CONVERSE,)),
        ("arn:aws:bedrock:us-east-1:1:application-inference-profile/x", None, (D.BEDROCK_CONVERSE,)),
        ("arn:aws:bedrock:us-east-1:1:provisioned-model/x", "cohere.command", (D.BEDROCK_INVOKE_COMMAND,)),
        (IMPORTED, None, (D.BEDROCK_CONVERSE,)),
        (IMPORTED, "meta.llama3-3", (D.BEDROCK_INVOKE_LLAMA,)),
        (IMPORTED, "Mistral-Large-2402", (D.BEDROCK_INVOKE_MISTRAL,)),
        (IMPORTED, "qwen3", (D.BEDROCK_INVOKE_OPENAI,)),
    ],
)
def test_converse_comes_first_wherever_it_goes(upstream: str, family: str | None, expected: tuple[D, ...]) -> None:
    model = Model(upstream=UpstreamModel(upstream), family=family)
    assert invoke_models.dialects(model, Preference.CONVERSE) == expected


def test_invoke_model_comes_first_where_the_manifest_says_so() -> None:
    model = Model(upstream=UpstreamModel("us.amazon.nova-pro-v1:0"))
    assert invoke_models.dialects(model, Preference.INVOKE) == (D.BEDROCK_INVOKE_NOVA, D.BEDROCK_CONVERSE)


def test_each_row_leads_to_a_dialect_that_clients_of_chat_meet_and_that_has_a_path() -> None:
    for row in invoke_models.ROWS.values():
        assert translation.between(D.OPENAI_CHAT, row.dialect) is not None
        assert row.dialect in surfaces.NATIVE


def test_no_dialect_is_without_a_row() -> None:
    assert {row.dialect for row in invoke_models.ROWS.values()} == set(translation.HEADED)


@pytest.mark.parametrize("tail", sorted({tail for pair in surfaces.NATIVE.values() for tail in pair}))
@pytest.mark.parametrize("model", ["us.meta.llama3-3-70b-instruct-v1:0", IMPORTED])
def test_the_paths_are_those_of_the_service_model(tail: str, model: str) -> None:
    operation = SERVICE.operation_model(OPERATIONS[tail])
    asked: dict[str, Any] = {"body": b"{}"}
    if tail.startswith("converse"):
        asked = {"messages": []}
    elif tail == "count-tokens":
        asked = {"input": {"converse": {"messages": []}}}
    parameters = {"modelId": model, **asked}
    serialized = create_serializer("rest-json").serialize_to_request(parameters, operation)
    assert endpoint.path("", UpstreamModel(model), tail).wire.decode() == serialized["url_path"]
