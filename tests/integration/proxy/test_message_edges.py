"""What a client of Anthropic's is told by the gateway itself."""

import asyncio
import json
import time
from datetime import datetime
from typing import Any

import pytest

from pilothouse_api.snapshot.endpoints.bedrock import BedrockEndpoint
from pilothouse_api.snapshot.providers import Provider
from pilothouse_api.snapshot.quotas import Resource
from tests.integration.proxy.configurations import (
    KEY,
    UPSTREAM_KEY,
    limit,
    provider,
    quota,
    route,
    snapshot,
    target,
)
from tests.integration.proxy.gateway import Answer, Gateway, gateway
from tests.integration.proxy.upstream import Upstream, failure, upstream, whole

VERSION = {"anthropic-version": "2023-06-01"}
ASKED: dict[str, Any] = {"model": "chat", "max_tokens": 50, "messages": [{"role": "user", "content": "Ahoy"}]}
COUNTED = {name: ASKED[name] for name in ("model", "messages")}
CONVERSE = {
    "output": {"message": {"role": "assistant", "content": [{"text": "Ahoy"}]}},
    "stopReason": "end_turn",
    "usage": {"inputTokens": 11, "outputTokens": 2, "totalTokens": 13},
}
COUNT = "/v1/messages/count_tokens"


def bedrock(cloud: Upstream) -> Provider:
    return Provider(endpoint=BedrockEndpoint(url=cloud.url, region="us-east-1"))


async def ask(proxy: Gateway, body: Any = None, *, path: str = "/v1/messages", **more: Any) -> Answer:
    headers = {**VERSION, **more.pop("headers", {})}
    return await proxy.ask(ASKED if body is None else body, path=path, headers=headers, **more)


def said(answer: Answer) -> tuple[int, str]:
    """Status and type of an error, in the shape that Anthropic's SDK reads."""
    document = answer.json
    assert set(document) == {"type", "error", "request_id"}
    assert document["type"] == "error"
    assert set(document["error"]) == {"type", "message"}
    assert document["request_id"] == answer.headers["request-id"] == answer.headers["x-request-id"]
    return answer.status, document["error"]["type"]


async def test_neither_keys_nor_versions_of_the_caller_go_upstream() -> None:
    async with (
        upstream(whole(CONVERSE)) as cloud,
        gateway(snapshot({"a": bedrock(cloud)}, {"r": route(target("a"))})) as proxy,
    ):
        answer = await ask(proxy, headers={"x-api-key": KEY, "anthropic-beta": "some-beta-2026-01-01"})
    assert answer.json["content"] == [{"type": "text", "text": "Ahoy"}]
    assert answer.headers["request-id"] == answer.headers["x-request-id"]
    (received,) = cloud.received
    assert received.headers["authorization"] == f"Bearer {UPSTREAM_KEY}"
    assert KEY not in str(received.headers)
    assert not any(name.startswith("anthropic") for name in received.headers)


async def test_every_error_of_the_edge_has_the_shape() -> None:
    async with upstream(whole(CONVERSE)) as cloud:
        configured = snapshot({"a": bedrock(cloud)}, {"r": route(target("a")), "dead": route(models=("dead",))})
        async with gateway(configured) as proxy:
            assert said(await ask(proxy, headers={"authorization": "Bearer wrong-key-0123456789"})) == (
                401, "authentication_error",
            )  # fmt: skip
            assert said(await ask(proxy, {**ASKED, "model": "nobody"})) == (404, "not_found_error")
            assert said(await ask(proxy, {**ASKED, "model": "dead"})) == (503, "api_error")
            assert said(await ask(proxy, b"{")) == (400, "invalid_request_error")
            assert said(await ask(proxy, {**ASKED, "container": "c"})) == (400, "invalid_request_error")
            assert said(await ask(proxy, method="PUT")) == (405, "invalid_request_error")
            assert said(await ask(proxy, path="/v1/messages/batches")) == (404, "not_found_error")
            assert said(await ask(proxy, path="/v1/models/nobody", method="GET")) == (404, "not_found_error")
            wrong = await ask(proxy, path="/v1/v1/messages")
            assert said(wrong) == (404, "not_found_error")
            assert "must not end in /v1" in wrong.error["message"]
            without = await proxy.ask(ASKED, path="/v1/messages")
            assert said(without) == (400, "invalid_request_error")
            assert "anthropic-version" in without.error["message"]
    assert not cloud.received


async def test_without_a_configuration_the_client_is_told_to_come_again() -> None:
    async with gateway(None) as proxy:
        answer = await ask(proxy)
    assert said(answer) == (503, "api_error")
    assert answer.headers["retry-after"] == "1"
    assert "x-should-retry" not in answer.headers


async def test_an_error_of_the_provider_has_the_shape_and_the_provider_s_id() -> None:
    refused = failure(503, **{"x-amzn-errortype": "ServiceUnavailableException", "x-amzn-requestid": "up-1"})
    async with (
        upstream(refused) as cloud,
        gateway(snapshot({"a": bedrock(cloud)}, {"r": route(target("a"))})) as proxy,
    ):
        answer = await ask(proxy)
    assert said(answer) == (529, "overloaded_error")
    assert answer.headers["x-should-retry"] == "false"
    assert answer.headers["x-pilothouse-upstream-request-id"] == "up-1"
    assert len(cloud.received) == 2


async def test_clients_of_openai_are_told_as_before() -> None:
    async with (
        upstream(whole(CONVERSE)) as cloud,
        gateway(snapshot({"a": bedrock(cloud)}, {"r": route(target("a"))})) as proxy,
    ):
        answers = [
            await proxy.chat("nobody"),
            await proxy.ask({"model": "x"}, path="/v1/nothing"),
            await proxy.ask(path="/v1/models/nobody", method="GET"),
        ]
        listed = await proxy.ask(path="/v1/models", method="GET")
    for answer in answers:
        assert set(answer.json) == {"error"}
        assert set(answer.error) == {"message", "type", "param", "code"}
        assert "request-id" not in answer.headers
    assert listed.json["object"] == "list"


async def test_a_quota_that_is_used_up() -> None:
    async with upstream(whole(CONVERSE)) as cloud:
        configured = snapshot(
            {"a": bedrock(cloud)},
            {"r": route(target("a"))},
            quotas={"q": quota(limit(Resource.REQUESTS, 1))},
        )
        async with gateway(configured) as proxy:
            first = await ask(proxy)
            answer = await ask(proxy)
    assert said(answer) == (429, "rate_limit_error")
    assert first.status == 200
    for told in (first, answer):
        assert told.headers["x-ratelimit-remaining-requests"] == "0"
        assert told.headers["anthropic-ratelimit-requests-limit"] == "1"
        assert told.headers["anthropic-ratelimit-requests-remaining"] == "0"
        resets_at = datetime.fromisoformat(told.headers["anthropic-ratelimit-requests-reset"])
        assert 0 < resets_at.timestamp() - time.time() <= 62
    assert int(answer.headers["retry-after"]) > 0


async def test_a_count_is_a_request_and_costs_no_tokens() -> None:
    async with upstream(whole(CONVERSE)) as cloud:
        configured = snapshot(
            {"a": bedrock(cloud)},
            {"r": route(target("a"))},
            quotas={"q": quota(limit(Resource.REQUESTS, 2), limit(Resource.TOKENS, 10))},
        )
        async with gateway(configured) as proxy:
            first = await ask(proxy, {**COUNTED, "system": "word " * 500}, path=COUNT)
            second = await ask(proxy, COUNTED, path=COUNT)
            third = await ask(proxy, COUNTED, path=COUNT)
            lines = await proxy.lines()
    assert first.json["input_tokens"] > 500 > second.json["input_tokens"] > 0
    assert first.headers["x-pilothouse-estimated"] == "true"
    assert second.headers["x-ratelimit-remaining-tokens"] == "10"
    assert second.headers["anthropic-ratelimit-tokens-remaining"] == "10"
    assert second.headers["x-ratelimit-remaining-requests"] == "0"
    assert said(third) == (429, "rate_limit_error")
    assert [line["status"] for line in lines] == [200, 200, 429]
    assert not cloud.received


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"model": "nobody", "messages": COUNTED["messages"]}, 404),
        ({"model": "chat"}, 400),
        ({"model": "chat", "messages": []}, 400),
    ],
)
async def test_a_count_of_nothing_is_refused(body: dict[str, Any], status: int) -> None:
    async with (
        upstream(whole(CONVERSE)) as cloud,
        gateway(snapshot({"a": bedrock(cloud)}, {"r": route(target("a"))})) as proxy,
    ):
        answer = await ask(proxy, body, path=COUNT)
    assert said(answer)[0] == status


async def test_a_header_does_not_change_the_shape_of_another_path() -> None:
    async with (
        upstream(whole({})) as cloud,
        gateway(snapshot({"a": provider(cloud.url)}, {"r": route(target("a"), models=("e",))})) as proxy,
    ):
        answer = await proxy.ask({"model": "e", "input": "x"}, path="/v1/embeddings", headers=VERSION)
    # The shape goes with the path, not with a header that anybody may send along.
    assert answer.status != 200
    assert set(answer.json) == {"error"}


@pytest.mark.parametrize(
    ("path", "members"),
    [
        ("/v1/messages", {"type", "error", "request_id"}),
        ("/v1/messages?beta=true", {"type", "error", "request_id"}),
        ("/v1/chat/completions", {"error"}),
    ],
)
async def test_a_body_that_is_too_large_is_refused_in_the_shape_of_its_path(path: str, members: set[str]) -> None:
    async with gateway(None) as proxy:
        host, _, port = proxy.url.removeprefix("http://").partition(":")
        reader, writer = await asyncio.open_connection(host, int(port))
        writer.write(f"POST {path} HTTP/1.1\r\nhost: x\r\ncontent-length: 999999999\r\n\r\n".encode())
        head, _, body = (await reader.read()).partition(b"\r\n\r\n")
        writer.close()
        await writer.wait_closed()
    assert head.startswith(b"HTTP/1.1 413 ")
    assert set(json.loads(body)) == members
    assert (b"\r\nrequest-id: " in head) == ("request_id" in members)


async def test_the_list_of_models_is_told_in_the_shape_of_the_client() -> None:
    async with upstream() as cloud:
        configured = snapshot({"a": bedrock(cloud)}, {"r": route(target("a"), models=("b", "a", "c"))})
        async with gateway(configured) as proxy:
            page = await ask(proxy, path="/v1/models?limit=2&after_id=a", method="GET")
            wrong = [
                await ask(proxy, path=f"/v1/models?{query}", method="GET")
                for query in ("limit=0", "limit=1001", "limit=x", "after_id=nobody", "before_id=nobody")
            ]
            empty = await ask(proxy, path="/v1/models?before_id=a", method="GET")
    document = page.json
    assert [model["id"] for model in document["data"]] == ["b", "c"]
    assert document["data"][0] == {
        "id": "b",
        "display_name": "b",
        "created_at": "2026-01-01T00:00:00Z",
        "type": "model",
        "lifecycle": "active",
        "max_input_tokens": None,
        "max_tokens": None,
    }
    assert (document["has_more"], document["first_id"], document["last_id"]) == (False, "b", "c")
    assert empty.json == {"data": [], "has_more": False, "first_id": None, "last_id": None}
    for answer in wrong:
        assert said(answer) == (400, "invalid_request_error")
