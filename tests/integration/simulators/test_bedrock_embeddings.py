"""InvokeModel of embedding and rerank models by boto3: bodies, counts, refusals."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.integration.simulators.test_bedrock_converse import png
from tests.simulators.openai_chat.embeddings import vector

TITAN_1, TITAN_2, TITAN_MM = (
    "amazon.titan-embed-text-v1",
    "amazon.titan-embed-text-v2:0",
    "amazon.titan-embed-image-v1",
)
NOVA = "amazon.nova-2-multimodal-embeddings-v1:0"
COHERE_3, COHERE_4 = "cohere.embed-english-v3", "us.cohere.embed-v4:0"
MARENGO_2, MARENGO_3 = "us.twelvelabs.marengo-embed-2-7-v1:0", "twelvelabs.marengo-embed-3-0-v1:0"
COHERE_RERANK, AMAZON_RERANK = "cohere.rerank-v3-5:0", "amazon.rerank-v1:0"


def image() -> str:
    return base64.b64encode(png()).decode()


def nova(modality: str, content: Any, **more: Any) -> dict[str, Any]:
    params = {"embeddingPurpose": "GENERIC_INDEX", modality: content, **more}
    return {"taskType": "SINGLE_EMBEDDING", "singleEmbeddingParams": params}


def invoke(client: Any, model: str, body: Any) -> tuple[Any, dict[str, str]]:
    answer = client.invoke_model(modelId=model, body=json.dumps(body), accept="application/json")
    return json.loads(answer["body"].read()), answer["ResponseMetadata"]["HTTPHeaders"]


def refusal(client: Any, model: str, body: Any) -> str:
    with pytest.raises(ClientError) as refused:
        invoke(client, model, body)
    assert refused.value.response["Error"]["Code"] == "ValidationException"
    return str(refused.value.response["Error"]["Message"])


@pytest.mark.parametrize(
    ("model", "body", "length"),
    [
        (TITAN_1, {"inputText": "ahoy"}, 1_536),
        (TITAN_2, {"inputText": "ahoy"}, 1_024),
        (TITAN_2, {"inputText": "ahoy", "dimensions": 256, "normalize": True}, 256),
        (TITAN_MM, {"inputText": "ahoy", "inputImage": image()}, 1_024),
        (TITAN_MM, {"inputImage": image(), "embeddingConfig": {"outputEmbeddingLength": 384}}, 384),
    ],
)
def test_titan_answers_with_a_vector_and_its_count(bedrock: Any, model: str, body: Any, length: int) -> None:
    answer, headers = invoke(bedrock, model, body)
    assert len(answer["embedding"]) == length
    assert int(headers["x-amzn-bedrock-input-token-count"]) == answer["inputTextTokenCount"]


def test_vectors_follow_from_the_text_alone(bedrock: Any) -> None:
    answer, _ = invoke(bedrock, TITAN_2, {"inputText": "ahoy", "dimensions": 256})
    assert answer["embedding"] == pytest.approx(list(vector("ahoy", 256)))
    assert answer["embeddingsByType"]["float"] == answer["embedding"]


@pytest.mark.parametrize(
    "body",
    [
        nova("text", {"truncationMode": "NONE", "value": "ahoy"}),
        nova("image", {"format": "png", "source": {"bytes": image()}}, embeddingDimension=3_072),
    ],
)
def test_nova_answers_by_modality(bedrock: Any, body: Any) -> None:
    answer, _ = invoke(bedrock, NOVA, body)
    assert [len(row["embedding"]) for row in answer["embeddings"]] == [3_072]


@pytest.mark.parametrize(
    ("model", "body", "lengths"),
    [
        (COHERE_3, {"texts": ["a", "b"], "input_type": "search_document"}, [1_024, 1_024]),
        (COHERE_3, {"images": ["data:image/png;base64,AAAA"], "input_type": "image"}, [1_024]),
        (COHERE_4, {"texts": ["a"], "input_type": "search_query", "output_dimension": 256}, [256]),
        (COHERE_4, {"inputs": [{"content": [{"type": "text", "text": "a"}]}], "input_type": "clustering"}, [1_536]),
    ],
)
def test_cohere_answers_in_two_shapes(bedrock: Any, model: str, body: Any, lengths: list[int]) -> None:
    plain, headers = invoke(bedrock, model, body)
    typed, _ = invoke(bedrock, model, {**body, "embedding_types": ["float"]})
    assert [len(row) for row in plain["embeddings"]] == lengths
    assert typed["embeddings"]["float"] == plain["embeddings"]
    assert (plain["response_type"], typed["response_type"]) == ("embeddings_floats", "embeddings_by_type")
    assert headers["x-amzn-bedrock-input-token-count"].isdigit()


@pytest.mark.parametrize(
    ("model", "body", "length"),
    [
        (MARENGO_2, {"inputType": "text", "inputText": "ahoy"}, 1_024),
        (MARENGO_3, {"inputType": "text", "text": {"inputText": "ahoy"}}, 512),
    ],
)
def test_marengo_answers(bedrock: Any, model: str, body: Any, length: int) -> None:
    answer, _ = invoke(bedrock, model, body)
    assert [len(row["embedding"]) for row in answer["data"]] == [length]


@pytest.mark.parametrize(("model", "more"), [(COHERE_RERANK, {"api_version": 2}), (AMAZON_RERANK, {})])
def test_documents_are_ranked(bedrock: Any, model: str, more: Any) -> None:
    documents = ["a red ship", "the blue sea", "red sails of a red ship"]
    answer, _ = invoke(bedrock, model, {"query": "red ship", "documents": documents, "top_n": 2, **more})
    assert [row["index"] for row in answer["results"]] == [0, 2]
    scores = [row["relevance_score"] for row in answer["results"]]
    assert scores == sorted(scores, reverse=True)


@pytest.mark.parametrize(
    ("model", "body", "told"),
    [
        (TITAN_1, {"inputText": "a", "dimensions": 256}, "extraneous key [dimensions] is not permitted"),
        (TITAN_2, {"inputText": "a", "dimensions": 300}, "300 is not a valid enum value"),
        (TITAN_2, {"inputText": ""}, "expected minLength: 1, actual: 0"),
        (TITAN_2, {"inputText": ["a"]}, "expected type: String, found: JSONArray"),
        (TITAN_2, {"inputText": "word " * 9_000}, "Too many input tokens. Max input tokens: 8192"),
        (TITAN_MM, {}, "at least one of"),
        (TITAN_MM, {"inputImage": "R0lGODlh"}, "PNG or JPEG"),
        (NOVA, nova("text", {"value": "a"}), "required key [truncationMode] not found"),
        (NOVA, {"taskType": "SINGLE_EMBEDDING", "singleEmbeddingParams": {"embeddingPurpose": "X"}}, "enum value"),
        (COHERE_3, {"texts": ["a"]}, "required key [input_type] not found"),
        (COHERE_3, {"texts": ["a"] * 97, "input_type": "clustering"}, "expected maxItems: 96, actual: 97"),
        (COHERE_3, {"texts": ["a" * 2_049], "input_type": "clustering"}, "#/texts/0: expected maxLength: 2048"),
        (COHERE_3, {"texts": ["a"], "input_type": "clustering", "output_dimension": 256}, "extraneous key"),
        (COHERE_4, {"texts": ["a"], "images": ["b"], "input_type": "clustering"}, "exactly one of"),
        (MARENGO_3, {"inputType": "text", "inputText": "a"}, "required key [text] not found"),
        (COHERE_RERANK, {"query": "a", "documents": ["b"]}, "required key [api_version] not found"),
        (AMAZON_RERANK, {"query": "a", "documents": ["b"], "api_version": 2}, "extraneous key [api_version]"),
        (AMAZON_RERANK, {"query": "a", "documents": ["b"], "top_n": 2}, "not between 1 and 1"),
    ],
)
def test_refusals_are_in_bedrocks_words(bedrock: Any, model: str, body: Any, told: str) -> None:
    assert told in refusal(bedrock, model, body)


def test_a_model_without_in_region_capacity_wants_a_profile(bedrock: Any) -> None:
    body = {"inputType": "text", "inputText": "ahoy"}
    assert "on-demand throughput" in refusal(bedrock, MARENGO_2.removeprefix("us."), body)


def test_embedding_models_do_not_converse(bedrock: Any) -> None:
    with pytest.raises(ClientError, match="supported text or chat model"):
        bedrock.converse(modelId=TITAN_2, messages=[{"role": "user", "content": [{"text": "ahoy"}]}])
