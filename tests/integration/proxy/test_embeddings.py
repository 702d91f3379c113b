"""Embeddings and rankings by unmodified clients, through a proxy to all simulated providers that have them."""

import base64
import contextlib
import json
from collections.abc import AsyncIterator
from typing import Any

import openai
import pytest

from pilothouse_api.names import GATEWAY_SCOPE, ProviderKey, RouteKey, UpstreamModel
from pilothouse_api.secret import Secret
from pilothouse_api.snapshot.credentials import AccessKey, APIKey
from pilothouse_api.snapshot.endpoints.bedrock import BedrockEndpoint
from pilothouse_api.snapshot.endpoints.openai import OpenAIEndpoint
from pilothouse_api.snapshot.providers import Model, Provider
from pilothouse_api.snapshot.routes import FailureClass, Retry, Target, Timeouts
from pilothouse_api.snapshot.snapshot import SCHEMA, Snapshot
from tests.integration.proxy.configurations import IDENTITY, KEY, route
from tests.integration.proxy.gateway import Gateway, gateway
from tests.simulators import credentials
from tests.simulators.faults import Fault, Kind
from tests.simulators.fleet import Simulators
from tests.simulators.limits import Limit
from tests.simulators.openai_chat.embeddings import vector

BEDROCK, PLAIN = ProviderKey("clouds/bedrock"), ProviderKey("clouds/plain")
MODELS = {
    "titan-1": "amazon.titan-embed-text-v1",
    "titan-2": "amazon.titan-embed-text-v2:0",
    "titan-mm": "amazon.titan-embed-image-v1",
    "nova": "amazon.nova-2-multimodal-embeddings-v1:0",
    "cohere-3": "cohere.embed-english-v3",
    "cohere-4": "us.cohere.embed-v4:0",
    "marengo": "twelvelabs.marengo-embed-3-0-v1:0",
    "rerank": "cohere.rerank-v3-5:0",
    "rerank-amazon": "amazon.rerank-v1:0",
}
SAID_TO_MODELS = {"nova": "GENERIC_INDEX ", "cohere-3": "search_document ", "cohere-4": "search_document "}
"""What the simulated models read before the text."""
LENGTHS = {
    "titan-1": 1_536,
    "titan-2": 1_024,
    "titan-mm": 1_024,
    "nova": 3_072,
    "cohere-3": 1_024,
    "cohere-4": 1_536,
    "marengo": 512,
}
PATIENT = Retry(attempts=4, backoff_base_ms=1, backoff_max_ms=20, budget_percent=100)
PNG = "data:image/png;base64," + base64.b64encode(b"\x89PNG\r\n\x1a\n and so on").decode()
DOCUMENTS = ["a red ship", "the blue sea", "red sails of a red ship"]


def configuration(simulators: Simulators) -> Snapshot:
    """A route for each model; `either` prefers Titan and falls back to OpenAI."""
    patience = Timeouts(first_token_ms=3_000, idle_ms=1_000, total_ms=20_000)

    def to(*targets: Target, models: tuple[str, ...]) -> Any:
        return route(*targets, models=models, timeouts=patience, retry=PATIENT, fallback_on=tuple(FailureClass))

    routes = {name: to(Target(provider=BEDROCK, model=name), models=(name,)) for name in MODELS}
    routes["plain"] = to(
        Target(provider=PLAIN),
        models=("text-embedding-3-small", "jina-reranker-v2-base-multilingual", "rerank-v3.5"),
    )
    routes["either"] = to(
        Target(provider=BEDROCK, model="titan-2", priority=0),
        Target(provider=PLAIN, model="text-embedding-3-small", priority=1),
        models=("either",),
    )
    return Snapshot(
        schema=SCHEMA,
        scope=GATEWAY_SCOPE,
        providers={
            BEDROCK: Provider(
                endpoint=BedrockEndpoint(url=simulators.bedrock_url, region="us-east-1"),
                models={name: Model(upstream=UpstreamModel(upstream)) for name, upstream in MODELS.items()},
            ),
            PLAIN: Provider(endpoint=OpenAIEndpoint(url=simulators.openai_url)),
        },
        credentials={
            BEDROCK: AccessKey(
                access_key_id=credentials.ACCESS_KEY_ID,
                secret_access_key=Secret(credentials.SECRET_ACCESS_KEY),
            ),
            PLAIN: APIKey(key=Secret(credentials.OPENAI_API_KEY)),
        },
        routes={RouteKey(f"apps/{name}"): made for name, made in routes.items()},
        identity=IDENTITY,
    )


@contextlib.asynccontextmanager
async def serving(simulators: Simulators) -> AsyncIterator[tuple[Gateway, openai.AsyncOpenAI]]:
    async with (
        gateway(configuration(simulators)) as proxy,
        openai.AsyncOpenAI(base_url=f"{proxy.url}/v1", api_key=KEY, max_retries=0) as client,
    ):
        yield proxy, client


def asked(simulators: Simulators) -> int:
    """How many requests have reached the simulators."""
    return len(simulators.controls.recorder.records)


@pytest.mark.parametrize("model", LENGTHS)
@pytest.mark.parametrize("form", ["float", "base64", None])
async def test_the_sdk_gets_the_vectors_of_each_family(simulators: Simulators, model: str, form: Any) -> None:
    texts = ["ahoy", "the sea", "a ship"]
    more: Any = {} if form is None else {"encoding_format": form}
    async with serving(simulators) as (_, client):
        answer = await client.embeddings.create(model=model, input=texts, **more)
    assert [row.index for row in answer.data] == [0, 1, 2]
    assert answer.model == model
    assert answer.usage.prompt_tokens == answer.usage.total_tokens > 0
    for row, text in zip(answer.data, texts, strict=True):
        found: Any = row.embedding
        if form == "base64":
            # Asked for in so many words, the SDK leaves them as they are.
            assert base64.b64decode(found) == vector(SAID_TO_MODELS.get(model, "") + text, LENGTHS[model]).tobytes()
        else:
            assert found == pytest.approx(list(vector(SAID_TO_MODELS.get(model, "") + text, LENGTHS[model])))


async def test_250_texts_go_to_titan_one_by_one_and_come_back_in_order(simulators: Simulators) -> None:
    texts = [f"text {at}" for at in range(250)]
    async with serving(simulators) as (proxy, client):
        answer = await client.embeddings.create(model="titan-2", input=texts, dimensions=256)
        line = await proxy.line()
    assert asked(simulators) == 250
    for row, text in zip(answer.data, texts, strict=True):
        assert row.embedding == pytest.approx(list(vector(text, 256)))
    assert (line["attempts"], line["input_tokens"]) == (1, answer.usage.prompt_tokens)
    assert "tokens_estimated" not in line
    assert proxy.services.ledger.reading_bytes == 0


async def test_250_texts_go_to_cohere_in_three_batches(simulators: Simulators) -> None:
    texts = [f"text {at}" for at in range(250)]
    async with serving(simulators) as (_, client):
        answer = await client.embeddings.create(model="cohere-3", input=texts)
    assert asked(simulators) == 3
    for row, text in zip(answer.data, texts, strict=True):
        assert row.embedding == pytest.approx(list(vector(f"search_document {text}", 1_024)))


async def test_a_throttled_part_is_tried_again_and_nobody_sees_it(simulators: Simulators) -> None:
    simulators.controls.faults.rules.append(Fault(kind=Kind.THROTTLE, contains="text 3", count=2))
    async with serving(simulators) as (proxy, client):
        answer = await client.embeddings.create(model="titan-2", input=[f"text {at}" for at in range(5)])
        line = await proxy.line()
    assert len(answer.data) == 5
    assert (asked(simulators), line["attempts"], line["status"]) == (7, 3, 200)
    assert line["note"].count("rate_limited") == 2


async def test_a_part_that_fails_for_good_sends_the_whole_elsewhere(simulators: Simulators) -> None:
    simulators.controls.faults.rules.append(Fault(kind=Kind.ERROR, status=503, contains="text 3", count=4))
    async with serving(simulators) as (proxy, _):
        answer = await proxy.ask({"model": "either", "input": [f"text {at}" for at in range(5)]}, path="/v1/embeddings")
    assert (answer.status, answer.headers["x-pilothouse-provider"]) == (200, "clouds/plain")
    assert answer.headers["x-pilothouse-attempts"] == "5"
    assert len(answer.json["data"]) == 5
    assert proxy.services.ledger.reading_bytes == 0


async def test_a_part_whose_answer_breaks_off_is_tried_again(simulators: Simulators) -> None:
    simulators.controls.faults.rules.append(Fault(kind=Kind.CUT, contains="text 2", after_bytes=900))
    async with serving(simulators) as (proxy, client):
        answer = await client.embeddings.create(model="titan-2", input=[f"text {at}" for at in range(5)])
    assert [row.embedding for row in answer.data] == [
        pytest.approx(list(vector(f"text {at}", 1_024))) for at in range(5)
    ]
    assert proxy.services.ledger.reading_bytes == 0


@pytest.mark.parametrize(("model", "words"), [("titan-2", 9_000), ("nova", 2_000), ("cohere-3", 500)])
async def test_a_text_that_is_too_long_is_the_callers_error(simulators: Simulators, model: str, words: int) -> None:
    async with serving(simulators) as (_, client):
        with pytest.raises(openai.BadRequestError) as refused:
            await client.embeddings.create(model=model, input=["short", "word " * words])
    assert refused.value.code == "context_length_exceeded"


@pytest.mark.parametrize(
    ("model", "more", "param"),
    [
        ("titan-2", {"dimensions": 300}, "dimensions"),
        ("titan-1", {"dimensions": 256}, "dimensions"),
        ("marengo", {"dimensions": 1_024}, "dimensions"),
        ("titan-2", {"extra_body": {"input_type": "search_query"}}, "input_type"),
        ("cohere-3", {"extra_body": {"truncate": "END"}}, "truncate"),
        ("nova", {"input": [1, 2, 3]}, "input"),
        ("titan-2", {"input": [{"image": PNG}]}, "input[0].image"),
    ],
)
async def test_what_a_model_cannot_honour_is_refused_by_name(
    simulators: Simulators, model: str, more: Any, param: str
) -> None:
    async with serving(simulators) as (_, client):
        with pytest.raises(openai.BadRequestError) as refused:
            await client.embeddings.create(**{"model": model, "input": "ahoy", **more})
    assert (refused.value.code, refused.value.param) == ("unsupported_parameter", param)
    assert asked(simulators) == 0


async def test_token_ids_go_where_they_are_taken(simulators: Simulators) -> None:
    async with serving(simulators) as (_, client):
        answer = await client.embeddings.create(model="either", input=[[1, 2, 3]])
    assert len(answer.data[0].embedding) == 1_536


@pytest.mark.parametrize("model", ["titan-mm", "nova", "cohere-3", "cohere-4"])
async def test_images_are_embedded_beside_texts(simulators: Simulators, model: str) -> None:
    async with serving(simulators) as (proxy, _):
        answer = await proxy.ask(
            {"model": model, "input": ["ahoy", {"image": PNG}, {"text": "the sea"}]}, path="/v1/embeddings"
        )
    assert [len(row["embedding"]) for row in answer.json["data"]] == [LENGTHS[model]] * 3
    text = SAID_TO_MODELS.get(model, "") + "the sea"
    assert answer.json["data"][2]["embedding"] == pytest.approx(list(vector(text, LENGTHS[model])))


async def test_a_text_and_an_image_make_one_vector_where_the_model_can(simulators: Simulators) -> None:
    pair = {"text": "a ship", "image": PNG}
    async with serving(simulators) as (proxy, _):
        for model in ("titan-mm", "cohere-4"):
            answer = await proxy.ask({"model": model, "input": [pair, "ahoy"]}, path="/v1/embeddings")
            assert [len(row["embedding"]) for row in answer.json["data"]] == [LENGTHS[model]] * 2
        refused = await proxy.ask({"model": "nova", "input": [pair]}, path="/v1/embeddings")
    assert (refused.status, refused.error["param"]) == (400, "input[0]")


async def test_limits_of_the_provider_are_met_once_a_part(simulators: Simulators) -> None:
    simulators.controls.limits.set(Limit(provider="bedrock", rpm=6))
    async with serving(simulators) as (proxy, _):
        answer = await proxy.ask(
            {"model": "titan-2", "input": ["a", "b", "c", "d", "e", "f", "g"]}, path="/v1/embeddings"
        )
    assert (answer.status, answer.error["code"]) == (429, "rate_limit_exceeded")


# Rankings.


@pytest.mark.parametrize("path", ["/v1/rerank", "/v2/rerank"])
@pytest.mark.parametrize("model", ["rerank", "rerank-amazon", "jina-reranker-v2-base-multilingual", "rerank-v3.5"])
async def test_documents_are_ranked_by_every_provider(simulators: Simulators, model: str, path: str) -> None:
    body = {"model": model, "query": "red ship", "documents": DOCUMENTS, "top_n": 2}
    async with serving(simulators) as (proxy, _):
        answer = await proxy.ask(body, path=path)
        line = await proxy.line()
    assert answer.status == 200
    assert [row["index"] for row in answer.json["results"]] == [0, 2]
    assert all(0 < row["relevance_score"] <= 1 and "document" not in row for row in answer.json["results"])
    assert line.get("search_units", 0) == (1 if model == "rerank-v3.5" else 0)
    assert (line["input_tokens"] > 0) == (model != "rerank-v3.5")


@pytest.mark.parametrize("model", ["rerank", "jina-reranker-v2-base-multilingual"])
async def test_documents_come_back_if_they_are_asked_for(simulators: Simulators, model: str) -> None:
    documents: list[Any] = [{"text": "a red ship"}, "the blue sea"]
    body = {"model": model, "query": "sea", "documents": documents, "return_documents": True}
    async with serving(simulators) as (proxy, _):
        answer = await proxy.ask(body, path="/v1/rerank")
    assert [row["document"] for row in answer.json["results"]] == [{"text": "the blue sea"}, {"text": "a red ship"}]


async def test_only_servers_of_their_own_take_what_bedrock_does_not(simulators: Simulators) -> None:
    body = {"query": "sea", "documents": DOCUMENTS, "max_tokens_per_doc": 100}
    async with serving(simulators) as (proxy, _):
        native = await proxy.ask({"model": "rerank-v3.5", **body}, path="/v2/rerank")
        refused = await proxy.ask({"model": "rerank", **body}, path="/v2/rerank")
    assert native.status == 200
    assert (refused.status, refused.error["code"]) == (400, "unsupported_parameter")
    assert refused.error["param"] == "max_tokens_per_doc"


async def test_a_chat_model_embeds_nothing(simulators: Simulators) -> None:
    snapshot = configuration(simulators)
    snapshot.providers[BEDROCK].models["titan-2"] = Model(upstream=UpstreamModel("amazon.nova-pro-v1:0"))
    async with gateway(snapshot) as proxy:
        answer = await proxy.ask({"model": "titan-2", "input": "ahoy"}, path="/v1/embeddings")
    assert (answer.status, answer.error["code"]) == (400, "unsupported_parameter")
    assert json.loads(answer.body)["error"]["message"].startswith("embeddings is not offered")
