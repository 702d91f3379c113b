"""What is answered where, and how it refuses."""

import asyncio
import json

import pytest

from pilothouse_api.snapshot.identity import Identity, KeyHolder
from tests.integration.proxy.configurations import provider, route, snapshot, target
from tests.integration.proxy.gateway import gateway

CLOUD = provider("http://127.0.0.1:1/v1", models={"gpt-4o": "x", "gpt-4.1": "y", "other": "z"})
CONFIGURED = snapshot(
    {"a": CLOUD},
    {"r": route(target("a", model="other"), models=("chat", "team/chat")), "s": route(target("a"), models=("gpt-*",))},
)


async def test_the_list_of_models_is_openai_s() -> None:
    async with gateway(CONFIGURED) as proxy:
        answer = await proxy.ask(path="/v1/models", method="GET")
    assert answer.json["object"] == "list"
    assert [model["id"] for model in answer.json["data"]] == ["chat", "gpt-4.1", "gpt-4o", "team/chat"]
    assert answer.json["data"][0] == {
        "id": "chat",
        "object": "model",
        "created": 1_767_225_600,
        "owned_by": "pilothouse",
    }


async def test_a_caller_sees_only_what_it_may_use() -> None:
    stranger = Identity(anonymous=KeyHolder(namespace="elsewhere", user="eve"))
    async with gateway(snapshot({"a": CLOUD}, {"r": route(target("a"))}, identity=stranger)) as proxy:
        answer = await proxy.ask(path="/v1/models", method="GET")
        one = await proxy.ask(path="/v1/models/chat", method="GET")
    assert answer.json["data"] == []
    assert (one.status, one.error["code"]) == (404, "model_not_found")


async def test_the_list_is_not_for_strangers() -> None:
    async with gateway(CONFIGURED) as proxy:
        answer = await proxy.ask(path="/v1/models", method="GET", headers={"authorization": "Bearer nobody-0123456789"})
    assert answer.status == 401


@pytest.mark.parametrize("path", ["/v1/models/team/chat", "/v1/models/team%2Fchat", "/v1/models/gpt-new"])
async def test_a_model_is_found_by_its_name_however_it_is_written(path: str) -> None:
    async with gateway(CONFIGURED) as proxy:
        answer = await proxy.ask(path=path, method="GET")
    assert (answer.status, answer.json["object"]) == (200, "model")


@pytest.mark.parametrize(
    "path",
    ["/", "/v1", "/v1/", "/chat/completions", "/v1/chat/completions/", "/v1/moderations", "/v2/models", "/metrics"],
)
async def test_what_is_not_there_is_not_found_and_told_what_is(path: str) -> None:
    async with gateway(CONFIGURED) as proxy:
        answer = await proxy.ask({}, path=path)
    assert (answer.status, answer.error["code"]) == (404, "unknown_url")
    assert "/v1/chat/completions" in answer.error["message"]


@pytest.mark.parametrize(
    ("method", "path", "allow"),
    [
        ("GET", "/v1/chat/completions", "POST, OPTIONS"),
        ("GET", "/v1/completions", "POST, OPTIONS"),
        ("PUT", "/v1/embeddings", "POST, OPTIONS"),
        ("DELETE", "/v1/models/chat", "GET, HEAD, OPTIONS"),
        ("POST", "/v1/models", "GET, HEAD, OPTIONS"),
    ],
)
async def test_a_wrong_method_is_told_the_right_one(method: str, path: str, allow: str) -> None:
    async with gateway(CONFIGURED) as proxy:
        answer = await proxy.ask(path=path, method=method)
        asked = await proxy.ask(path=path, method="OPTIONS")
    assert (answer.status, answer.headers["allow"], answer.error["code"]) == (405, allow, "method_not_supported")
    assert (asked.status, asked.headers["allow"], asked.body) == (204, allow, b"")


async def test_head_is_get_without_a_body() -> None:
    async with gateway(CONFIGURED) as proxy:
        whole = await proxy.ask(path="/v1/models", method="GET")
        head = await proxy.ask(path="/v1/models", method="HEAD")
    assert (head.status, head.body) == (200, b"")
    assert head.headers["content-length"] == str(len(whole.body))


async def test_every_answer_has_a_request_id_and_a_line_in_the_log() -> None:
    async with gateway(CONFIGURED) as proxy:
        answers = [
            await proxy.ask(path="/v1/models", method="GET"),
            await proxy.ask(path="/nowhere"),
            await proxy.ask(path="/v1/models", method="OPTIONS"),
            await proxy.chat("unknown"),
        ]
        lines = await proxy.lines()
    assert [line["request_id"] for line in lines] == [answer.headers["x-request-id"] for answer in answers]
    assert [line["status"] for line in lines] == [200, 404, 204, 404]


async def test_a_body_that_is_too_large_is_refused_in_openai_s_form() -> None:
    async with gateway(CONFIGURED) as proxy:
        reader, writer = await asyncio.open_connection("127.0.0.1", int(proxy.url.rpartition(":")[2]))
        writer.write(b"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\ncontent-length: 99999999\r\n\r\n")
        head = await reader.readuntil(b"\r\n\r\n")
        body = await reader.read()
        writer.close()
        line = await proxy.line()
        counted = dict(proxy.services.metrics.requests.items())
    assert head.startswith(b"HTTP/1.1 413 ")
    assert json.loads(body)["error"]["code"] == "request_too_large"
    assert f"x-request-id: {line['request_id']}\r\n".encode() in head
    assert (line["status"], line["error"]) == (413, "too_large")
    assert counted["", "none", "413"].value == 1


@pytest.mark.parametrize("path", ["/chat/completions", "/embeddings", "/models", "/models/chat"])
async def test_whoever_forgets_the_version_is_told(path: str) -> None:
    async with gateway(CONFIGURED) as proxy:
        answer = await proxy.ask({}, path=path)
    assert answer.status == 404
    assert answer.error["message"].endswith(f"but at /v1{path}: the base URL of this API ends in /v1")
