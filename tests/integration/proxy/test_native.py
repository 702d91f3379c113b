"""A provider's own API through the gateway: untouched but for the sign-in."""

import asyncio
from typing import Any

import aiohttp
import pytest

from pilothouse_api.snapshot.providers import Native, Provider
from pilothouse_api.snapshot.quotas import Resource
from pilothouse_api.snapshot.snapshot import Snapshot
from tests.integration.proxy.configurations import KEY, UPSTREAM_KEY, limit, provider, quota, snapshot
from tests.integration.proxy.gateway import Gateway, gateway, until
from tests.integration.proxy.upstream import close, completion, hang, stream, upstream, whole, words

AT = "/providers/clouds:a"


def opened(
    url: str, *, paths: tuple[str, ...] = ("/*",), access: tuple[str, ...] | None = None, **more: Any
) -> Snapshot:
    cloud = provider(url)
    native = Native(paths=paths, access=access)
    return snapshot({"a": Provider(endpoint=cloud.endpoint, native=native)}, {}, **more)


async def test_method_path_query_and_body_pass_and_the_gateway_signs_in() -> None:
    async with upstream(whole({"ok": True}, 201, x_own="kept")) as cloud, gateway(opened(cloud.url)) as proxy:
        answer = await proxy.ask(
            b'{"a" : 1}',
            path=AT + "/files/x%2Fy?b=2&a=1",
            method="PUT",
            headers={"openai-beta": "assistants=v2", "cookie": "no", "x-forwarded-for": "no", "api-key": KEY},
        )
        (request,) = cloud.received
        assert request.line == "PUT /v1/files/x%2Fy?b=2&a=1 HTTP/1.1"
        assert request.body == b'{"a" : 1}'
        assert request.headers["authorization"] == f"Bearer {UPSTREAM_KEY}"
        assert request.headers["openai-beta"] == "assistants=v2"
        assert not {"cookie", "x-forwarded-for", "api-key"} & request.headers.keys()
        assert (answer.status, answer.json, answer.headers["x-own"]) == (201, {"ok": True}, "kept")
        assert answer.headers["x-pilothouse-provider"] == "clouds/a"


async def test_what_it_cost_is_counted_and_logged() -> None:
    async with upstream(whole(completion())) as cloud, gateway(opened(cloud.url)) as proxy:
        await proxy.ask({}, path=AT + "/anything")
        tokens = {labels: series.value for labels, series in proxy.services.metrics.tokens.items() if series.value}
        assert tokens == {("clouds/a", "", "input"): 11, ("clouds/a", "", "output"): 7}
        line = await proxy.line()
        assert (line["status"], line["provider"], line["path"]) == (200, "clouds/a", AT + "/anything")


async def test_a_stream_passes_byte_for_byte() -> None:
    async with upstream(stream(words("A", "hoy"))) as cloud, gateway(opened(cloud.url)) as proxy:
        answer = await proxy.ask({"stream": True}, path=AT + "/chat/completions")
        assert answer.events == [*words("A", "hoy"), "[DONE]"]
        assert answer.headers["content-type"] == "text/event-stream"


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/providers/a/x", 404),  # of the caller's own namespace, which has none
        ("/providers/clouds:b/x", 404),
        ("/providers/clouds:a", 404),
        ("/providers/", 404),
        (AT + "/shut", 404),
        (AT + "/open/%2e%2e/shut", 400),
    ],
)
async def test_what_is_not_opened_is_not_reached(path: str, status: int) -> None:
    async with upstream() as cloud, gateway(opened(cloud.url, paths=("/open/*", "/one"))) as proxy:
        async with proxy.session.get(_raw(proxy, path), headers={"authorization": "Bearer " + KEY}) as answer:
            assert answer.status == status
            assert (await answer.json())["error"]["message"]
        assert not cloud.received


async def test_callers_of_other_namespaces_are_let_in_by_access_alone() -> None:
    async with upstream() as cloud, gateway(opened(cloud.url, access=("elsewhere",))) as proxy:
        assert (await proxy.ask({}, path=AT + "/x")).status == 404
        proxy.configure(opened(cloud.url, access=("apps",)))
        assert (await proxy.ask({}, path=AT + "/x")).status == 200


async def test_nobody_is_let_in_without_a_key() -> None:
    async with upstream() as cloud, gateway(opened(cloud.url)) as proxy:
        assert (await proxy.ask({}, path=AT + "/x", headers={"authorization": "Bearer wrong"})).status == 401
        assert not cloud.received


async def test_quotas_of_the_caller_count_it() -> None:
    limits = {"few": quota(limit(Resource.REQUESTS, 1))}
    async with upstream() as cloud, gateway(opened(cloud.url, quotas=limits)) as proxy:
        assert (await proxy.ask({}, path=AT + "/x")).status == 200
        refused = await proxy.ask({}, path=AT + "/x")
        assert (refused.status, refused.error["code"]) == (429, "quota_exceeded")
        assert len(cloud.received) == 1


async def test_errors_of_the_provider_are_the_answer() -> None:
    async with upstream(whole({"message": "slow"}, 429, retry_after="7")) as cloud, gateway(opened(cloud.url)) as proxy:
        answer = await proxy.ask({}, path=AT + "/x")
        assert (answer.status, answer.json, answer.headers["retry-after"]) == (429, {"message": "slow"}, "7")
        assert len(cloud.received) == 1


async def test_a_provider_that_cannot_be_reached_is_said_to_be() -> None:
    async with gateway(opened("http://127.0.0.1:1/v1")) as proxy:
        answer = await proxy.ask({}, path=AT + "/x")
        assert (answer.status, answer.error["code"]) == (502, "upstream_unreachable")


async def test_an_answer_that_breaks_off_breaks_off() -> None:
    cut = close(b"HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ncontent-length: 9\r\n\r\nhalf")
    async with upstream(cut) as cloud, gateway(opened(cloud.url)) as proxy:
        with pytest.raises(aiohttp.ClientPayloadError):
            await proxy.ask({}, path=AT + "/x")


async def test_a_client_that_leaves_is_not_waited_for() -> None:
    async with upstream(hang()) as cloud, gateway(opened(cloud.url)) as proxy:
        asking = asyncio.create_task(proxy.ask({}, path=AT + "/x"))
        await until(lambda: cloud.received)
        asking.cancel()
        await asyncio.wait_for(cloud.disconnected.wait(), 5)
        await until(lambda: not proxy.in_flight)
        assert (await proxy.line())["status"] == 499


async def test_without_a_credential_it_is_said_when_to_ask_again() -> None:
    async with upstream() as cloud, gateway(opened(cloud.url, unsigned=("a",))) as proxy:
        answer = await proxy.ask({}, path=AT + "/x")
        assert (answer.status, answer.error["code"]) == (503, "no_credential")


async def test_a_large_answer_reaches_a_reader_that_begins_late() -> None:
    big = b"x" * (32 << 20)
    async with upstream(whole(big)) as cloud, gateway(opened(cloud.url)) as proxy:
        async with proxy.session.get(proxy.url + AT + "/x", headers={"authorization": "Bearer " + KEY}) as answer:
            await asyncio.sleep(0.2)
            read = await answer.read()
        assert len(read) == len(big)


def _raw(proxy: Gateway, path: str) -> Any:
    from yarl import URL

    return URL(proxy.url + path, encoded=True)
