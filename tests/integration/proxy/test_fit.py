"""Requests that a model cannot serve, told by facts: another target serves them, or the client hears why not."""

import json
from typing import Any

import anthropic.types
import openai.types

from pilothouse_api.names import UpstreamModel
from pilothouse_api.snapshot.endpoints.bedrock import BedrockEndpoint
from pilothouse_api.snapshot.facts import Facts, Price
from pilothouse_api.snapshot.providers import Model, Provider
from pilothouse_api.snapshot.routes import FailureClass, Retry
from pilothouse_api.snapshot.settings import Guardrail, Settings
from pilothouse_api.snapshot.snapshot import Snapshot
from tests.integration.proxy.configurations import provider, route, snapshot, target
from tests.integration.proxy.gateway import gateway
from tests.integration.proxy.upstream import completion, upstream, whole

IMAGE = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}
VERSION = {"anthropic-version": "2023-06-01"}
CONVERSE = {
    "output": {"message": {"role": "assistant", "content": [{"text": "Ahoy"}]}},
    "stopReason": "end_turn",
    "usage": {"inputTokens": 11, "outputTokens": 2, "totalTokens": 13},
}
PICTURE = [{"role": "user", "content": [IMAGE]}]
FIRST_THEN_SECOND = (target("a", priority=0), target("b", priority=1))


def knowing(url: str, *, unlisted: bool = False, **facts: Any) -> Provider:
    """One that serves `chat`, with facts."""
    ceiling = facts.pop("max_output_tokens", None)
    served = Model(upstream=UpstreamModel("up"), facts=Facts(**facts), max_output_tokens=ceiling)
    bare = provider(url)
    return Provider(endpoint=bare.endpoint, models={"chat": served}, unlisted=unlisted)


def one(url: str, **facts: Any) -> Snapshot:
    return snapshot({"a": knowing(url, **facts)}, {"r": route(target("a"))})


async def test_what_no_target_can_serve_is_refused_unsent() -> None:
    async with upstream(whole(completion())) as cloud, gateway(one(cloud.url, vision=False)) as proxy:
        answer = await proxy.chat(messages=PICTURE)
        words = await proxy.chat()
    assert (answer.status, answer.error["code"], answer.error["param"]) == (400, "unsupported_parameter", "messages")
    assert words.status == 200
    assert len(cloud.received) == 1


async def test_clients_of_messages_hear_of_it_in_their_own_words() -> None:
    picture = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "AAAA"}}
    asked: dict[str, Any] = {"model": "chat", "max_tokens": 50, "messages": [{"role": "user", "content": [picture]}]}
    bound = {"output_config": {"format": {"type": "json_schema", "schema": {"type": "object"}}}}
    words = {**asked, "messages": [{"role": "user", "content": "Ahoy"}]}
    knows = one("http://127.0.0.1:1/v1", vision=False, json_schema=False)
    async with gateway(knows) as proxy:
        refused = [await proxy.ask(body, path="/v1/messages", headers=VERSION) for body in (asked, {**words, **bound})]
    assert [answer.status for answer in refused] == [400, 400]
    assert {answer.json["error"]["type"] for answer in refused} == {"invalid_request_error"}
    assert "`messages`" in refused[0].json["error"]["message"]
    assert "`output_config.format`" in refused[1].json["error"]["message"]


async def test_what_is_set_for_a_model_stands_beside_what_is_known_of_it() -> None:
    guarded = Model(
        upstream=UpstreamModel("amazon.nova-pro-v1:0"),
        facts=Facts(tools=False),
        settings=Settings(guardrail=Guardrail(identifier="g1", version="1")),
    )
    tool = {"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}
    async with upstream(whole(CONVERSE)) as cloud:
        bedrock = Provider(
            endpoint=BedrockEndpoint(url=cloud.url.removesuffix("/v1"), region="us-east-1"), models={"chat": guarded}
        )
        async with gateway(snapshot({"a": bedrock}, {"r": route(target("a"))})) as proxy:
            words, tooled = await proxy.chat(), await proxy.chat(tools=[tool])
            # What the dialect's table knows of the model is asked after what the account tells.
            repeated = await proxy.chat(n=2)
    assert words.status == 200
    (received,) = cloud.received
    assert json.loads(received.body)["guardrailConfig"]["guardrailIdentifier"] == "g1"
    assert [(answer.status, answer.error["param"]) for answer in (tooled, repeated)] == [(400, "tools"), (400, "n")]


async def test_a_target_that_cannot_serve_it_gives_way_to_one_that_can() -> None:
    async with upstream(whole(completion())) as blind, upstream(whole(completion())) as seeing:
        providers = {"a": knowing(blind.url, vision=False), "b": knowing(seeing.url, vision=True)}
        async with gateway(snapshot(providers, {"r": route(*FIRST_THEN_SECOND)})) as proxy:
            answer = await proxy.chat(messages=PICTURE)
    assert answer.status == 200
    assert answer.headers["x-pilothouse-provider"] == "clouds/b"
    assert (len(blind.received), len(seeing.received)) == (0, 1)


async def test_what_is_too_long_for_one_falls_back_where_the_route_says_so() -> None:
    long = [{"role": "user", "content": "word " * 5_000}]
    async with upstream(whole(completion())) as small, upstream(whole(completion())) as large:
        providers = {"a": knowing(small.url, context_tokens=500), "b": knowing(large.url, context_tokens=50_000)}
        routed = route(*FIRST_THEN_SECOND, retry=Retry(attempts=1), fallback_on=(FailureClass.CONTEXT_WINDOW,))
        async with gateway(snapshot(providers, {"r": routed})) as proxy:
            answer = await proxy.chat(messages=long)
        only = snapshot({"a": knowing(small.url, context_tokens=500)}, {"r": route(target("a"))})
        async with gateway(only) as proxy:
            refused = await proxy.chat(messages=long)
    assert answer.status == 200
    assert (refused.status, refused.error["code"]) == (400, "context_length_exceeded")
    assert (len(small.received), len(large.received)) == (0, 1)


async def test_a_stream_that_a_model_cannot_give_is_refused_where_bytes_pass_through() -> None:
    async with upstream(whole(completion())) as cloud, gateway(one(cloud.url, streaming=False)) as proxy:
        answer = await proxy.chat(stream=True)
    assert (answer.status, answer.error["param"], len(cloud.received)) == (400, "stream", 0)


async def test_more_than_a_model_writes_is_refused() -> None:
    async with upstream(whole(completion())) as cloud, gateway(one(cloud.url, max_output_tokens=10)) as proxy:
        answer = await proxy.chat(max_tokens=11)
    assert (answer.status, answer.error["param"], len(cloud.received)) == (400, "max_tokens", 0)


async def test_names_of_an_account_that_is_not_listed_yet_pass() -> None:
    async with upstream(whole(completion())) as cloud:
        routes = {"r": route(target("a"), models=("*",)), "s": route(target("a", model="other"), models=("fixed",))}
        async with gateway(snapshot({"a": knowing(cloud.url, unlisted=True)}, routes)) as proxy:
            answers = [await proxy.chat(model=name) for name in ("chat", "new", "fixed")]
    assert [answer.status for answer in answers] == [200, 200, 200]
    assert [json.loads(asked.body)["model"] for asked in cloud.received] == ["up", "new", "other"]


async def test_the_list_of_models_says_what_is_known() -> None:
    facts = {"vision": False, "tools": True, "context_tokens": 8_000, "max_output_tokens": 500, "price": Price(input=1)}
    async with gateway(one("http://127.0.0.1:1/v1", **facts)) as proxy:
        listed = await proxy.ask(path="/v1/models", method="GET")
        alone = await proxy.ask(path="/v1/models/chat", method="GET")
    assert alone.json == {
        "id": "chat",
        "object": "model",
        "created": 1_767_225_600,
        "owned_by": "pilothouse",
        "context_window": 8_000,
        "max_output_tokens": 500,
        "capabilities": {"vision": False, "tools": True},
    }
    assert listed.json["data"] == [alone.json]
    assert openai.types.Model.model_validate(alone.json).id == "chat"


async def test_so_does_the_list_as_anthropic_has_it() -> None:
    facts = {"context_tokens": 8_000, "max_output_tokens": 500}
    async with gateway(one("http://127.0.0.1:1/v1", **facts)) as proxy:
        alone = await proxy.ask(path="/v1/models/chat", method="GET", headers=VERSION)
        listed = await proxy.ask(path="/v1/models", method="GET", headers=VERSION)
    info = anthropic.types.ModelInfo.model_validate(alone.json)
    assert (info.max_input_tokens, info.max_tokens) == (8_000, 500)
    assert listed.json["data"] == [alone.json]


async def test_of_several_targets_a_model_can_do_what_one_of_them_can() -> None:
    providers = {
        "a": knowing("http://127.0.0.1:1/v1", vision=False, tools=False, audio=False, context_tokens=8_000),
        "b": knowing("http://127.0.0.1:1/v1", vision=True, tools=False, context_tokens=4_000),
    }
    async with gateway(snapshot(providers, {"r": route(*FIRST_THEN_SECOND)})) as proxy:
        alone = await proxy.ask(path="/v1/models/chat", method="GET")
    assert alone.json["capabilities"] == {"vision": True, "tools": False}
    assert alone.json["context_window"] == 8_000
