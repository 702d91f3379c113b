"""Requests that take several of the provider's: what happens when one of these fails, or nobody waits any more."""

import asyncio
import gc
import json
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

import aiohttp
import pytest

from pilothouse_api.names import ProviderKey, UpstreamModel
from pilothouse_api.secret import Secret
from pilothouse_api.snapshot.credentials import BearerToken
from pilothouse_api.snapshot.endpoints.bedrock import BedrockEndpoint
from pilothouse_api.snapshot.providers import Model, Provider
from pilothouse_api.snapshot.quotas import Resource
from pilothouse_api.snapshot.routes import FailureClass, Retry, Timeouts
from pilothouse_api.snapshot.snapshot import Snapshot
from pilothouse_proxy.pipeline import fan
from pilothouse_proxy.quota.estimate import Estimator, measure
from tests.integration.proxy.configurations import AUTHORIZED, limit, provider, quota, route, snapshot, target
from tests.integration.proxy.gateway import Answer, Gateway, gateway, until
from tests.integration.proxy.upstream import Received, Upstream, close, hang, upstream, whole

TITAN = Model(upstream=UpstreamModel("amazon.titan-embed-text-v2:0"))
PATIENT = Retry(attempts=3, backoff_base_ms=1, backoff_max_ms=2, budget_percent=100)
A = ProviderKey("clouds/a")

Says = Callable[[Received, asyncio.StreamWriter], Awaitable[None]]


def text_of(request: Received) -> str:
    return str(request.json["inputText"])


def embedded(request: Received) -> Says:
    """Each text has a vector of its own, and two tokens."""
    return whole({"embedding": [float(text_of(request)), 0.5], "inputTextTokenCount": 2})


def exception(status: int, name: str) -> Says:
    return whole({"message": "no"}, status, x_amzn_errortype=name)


@dataclass
class Titan:
    """Embeds texts that are numbers. `says` what else it answers to one of them, by how often it was asked that."""

    says: dict[str, list[Says]] = field(default_factory=dict)
    otherwise: Says | None = None
    pause_s: float = 0.0
    at_once: int = 0
    most_at_once: int = 0
    lost: int = 0
    """Requests whose client went away before they were answered."""
    asked: list[str] = field(default_factory=list)

    async def __call__(self, request: Received, writer: asyncio.StreamWriter) -> None:
        text = text_of(request)
        self.asked.append(text)
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        try:
            await asyncio.sleep(self.pause_s)
            script = self.says.get(text)
            answer = script.pop(0) if script else self.otherwise or embedded(request)
            await answer(request, writer)
        except asyncio.CancelledError:
            self.lost += 1
            raise
        finally:
            self.at_once -= 1


def bedrock(cloud: Upstream) -> Provider:
    return Provider(
        endpoint=BedrockEndpoint(url=cloud.url.removesuffix("/v1"), region="us-east-1"), models={"embed": TITAN}
    )


def one(cloud: Upstream, *, quotas: Any = None, unsigned: tuple[str, ...] = (), **more: Any) -> Snapshot:
    more.setdefault("retry", PATIENT)
    routes = {"r": route(target("a", model="embed"), models=("embed",), **more)}
    return snapshot({"a": bedrock(cloud)}, routes, quotas=quotas, unsigned=unsigned)


def texts(count: int) -> list[str]:
    return [str(at) for at in range(count)]


async def embed(proxy: Gateway, count: int) -> Answer:
    return await proxy.ask({"model": "embed", "input": texts(count)}, path="/v1/embeddings")


def firsts(answer: Answer) -> list[float]:
    return [row["embedding"][0] for row in answer.json["data"]]


async def test_eight_are_under_way_at_most_and_order_is_kept() -> None:
    async with upstream(titan := Titan(pause_s=0.01)) as cloud, gateway(one(cloud)) as proxy:
        answer = await embed(proxy, 40)
        line = await proxy.line()
    assert firsts(answer) == [float(at) for at in range(40)]
    assert answer.json["usage"] == {"prompt_tokens": 80, "total_tokens": 80}
    assert (titan.most_at_once, len(titan.asked)) == (fan.AT_ONCE, 40)
    assert (line["attempts"], line["input_tokens"]) == (1, 80)


async def test_a_single_text_is_one_request_like_any_other() -> None:
    async with upstream(titan := Titan()) as cloud, gateway(one(cloud)) as proxy:
        answer = await embed(proxy, 1)
    assert (firsts(answer), titan.asked) == ([0.0], ["0"])


@pytest.mark.parametrize(
    "broken",
    [
        exception(429, "ThrottlingException"),
        exception(503, "ServiceUnavailableException"),
        close(),
        close(b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n" + b'{"embedding": [1.0,'),
        close(b"HTTP/1.1 503 X\r\ncontent-length: 100\r\n\r\n<html>"),
        whole(b"<html>"),
        whole({"embedding": "QUJD", "inputTextTokenCount": 2}),
    ],
)
async def test_part_three_of_five_fails_then_not(broken: Says) -> None:
    async with upstream(titan := Titan(says={"2": [broken]})) as cloud, gateway(one(cloud)) as proxy:
        answer = await embed(proxy, 5)
        line = await proxy.line()
        assert proxy.services.ledger.reading_bytes == 0
    assert firsts(answer) == [0.0, 1.0, 2.0, 3.0, 4.0]
    assert sorted(titan.asked) == ["0", "1", "2", "2", "3", "4"]
    assert (answer.headers["x-pilothouse-attempts"], line["attempts"]) == ("2", 2)


async def test_a_part_is_tried_no_more_often_than_the_route_says() -> None:
    throttled = [exception(429, "ThrottlingException")] * 10
    async with upstream(titan := Titan(says={"2": throttled})) as cloud, gateway(one(cloud)) as proxy:
        answer = await embed(proxy, 5)
        line = await proxy.line()
    assert (answer.status, answer.error["code"]) == (429, "rate_limit_exceeded")
    assert titan.asked.count("2") == PATIENT.attempts
    assert line["note"].count("rate_limited") == PATIENT.attempts
    # The four that were answered are billed, though nobody has them.
    assert line["tokens_estimated"] and line["input_tokens"] > 0


async def test_the_callers_mistake_in_one_part_ends_all_at_once() -> None:
    refusal = exception(400, "ValidationException")
    titan = Titan(says={"3": [refusal]}, otherwise=hang())
    async with upstream(titan) as cloud, gateway(one(cloud)) as proxy:
        answer = await embed(proxy, 20)
        await until(lambda: titan.lost == fan.AT_ONCE - 1)
    assert (answer.status, len(titan.asked)) == (400, fan.AT_ONCE)


async def test_the_next_target_gets_the_whole() -> None:
    targets = (target("a", model="embed", priority=0), target("b", model="small", priority=1))
    failing = Titan(says={"3": [exception(503, "ServiceUnavailableException")] * 3})
    reply = {"object": "list", "data": [{"index": 0, "embedding": [7.0]}], "usage": {"prompt_tokens": 9}}
    async with upstream(failing) as first, upstream(whole(reply)) as second:
        routes = {"r": route(*targets, models=("embed",), retry=PATIENT)}
        configured = snapshot({"a": bedrock(first), "b": provider(second.url)}, routes)
        async with gateway(configured) as proxy:
            answer = await embed(proxy, 6)
            line = await proxy.line()
    assert (answer.json, answer.headers["x-pilothouse-provider"]) == (reply, "clouds/b")
    assert second.received[0].json["input"] == texts(6)
    assert (line["input_tokens"], line["attempts"], line["provider"]) == (9, 4, "clouds/b")


async def test_the_caller_leaves() -> None:
    titan = Titan(says={"0": [], "1": []}, otherwise=hang())
    async with upstream(titan) as cloud, gateway(one(cloud)) as proxy:
        body = {"model": "embed", "input": texts(20)}
        with pytest.raises(asyncio.TimeoutError):
            await proxy.session.post(
                proxy.url + "/v1/embeddings",
                json=body,
                headers=AUTHORIZED,
                timeout=aiohttp.ClientTimeout(total=0.3),
            )
        await until(lambda: titan.lost == fan.AT_ONCE)
        await until(lambda: not proxy.in_flight)
        line = await proxy.line()
        assert proxy.services.ledger.total_bytes == 0
    assert len(titan.asked) == fan.AT_ONCE
    assert (line["status"], line["tokens_estimated"]) == (499, True)
    # Of twenty texts eight were asked for.
    all_of_it = Estimator().input_tokens(measure(json.dumps(body).encode()))
    assert 0 < line["input_tokens"] < all_of_it / 2


async def test_time_runs_out_for_one_of_them() -> None:
    titan = Titan(says={"4": [hang()] * 3})
    timeouts = Timeouts(first_token_ms=200, idle_ms=200, total_ms=5_000)
    async with (
        upstream(titan) as cloud,
        gateway(one(cloud, timeouts=timeouts, retry=Retry(attempts=1))) as proxy,
    ):
        answer = await embed(proxy, 10)
    assert (answer.status, answer.error["code"]) == (504, "timeout")


async def test_there_is_no_room_for_the_answers() -> None:
    large = whole(b'{"embedding": [' + b"0.125," * 200_000 + b"1]}")
    async with upstream(titan := Titan(otherwise=large)) as cloud, gateway(one(cloud)) as proxy:
        proxy.services.ledger.budget_bytes = 2_000_000
        answer = await embed(proxy, 20)
        assert proxy.services.ledger.total_bytes == 0
    assert (answer.status, answer.error["code"]) == (503, "overloaded")
    assert len(titan.asked) < 20


async def test_answers_that_are_too_large_together_are_not_asked_for_again() -> None:
    large = whole(b'{"embedding": [' + b" " * (fan.MOST_BYTES // 4) + b"1.0]}")
    async with upstream(titan := Titan(otherwise=large)) as cloud, gateway(one(cloud)) as proxy:
        answer = await embed(proxy, 8)
        assert proxy.services.ledger.total_bytes == 0
    assert (answer.status, answer.error["code"]) == (502, "provider_error")
    assert len(set(titan.asked)) == len(titan.asked)


@pytest.mark.parametrize("refused", [False, True])
async def test_nothing_is_left_for_the_collector(refused: bool) -> None:
    says = {"3": [exception(400, "ValidationException")]} if refused else {}
    async with upstream(Titan(says=says)) as cloud, gateway(one(cloud)) as proxy:
        gc.collect()
        gc.disable()
        try:
            answer = await embed(proxy, 20)
            await until(lambda: not proxy.in_flight)
            assert answer.status == (400 if refused else 200)
            await until(lambda: not any(isinstance(it, fan.Part | fan.Fan) for it in gc.get_objects()), seconds=2)
        finally:
            gc.enable()


async def test_a_quota_counts_one_request_and_the_tokens_of_all_parts() -> None:
    quotas = {"q": quota(limit(Resource.REQUESTS, 10), limit(Resource.TOKENS, 1_000))}
    async with upstream(Titan()) as cloud, gateway(one(cloud, quotas=quotas)) as proxy:
        await embed(proxy, 30)
        answer = await embed(proxy, 1)
    assert answer.headers["x-ratelimit-remaining-requests"] == "8"
    assert answer.headers["x-ratelimit-remaining-tokens"] == str(1_000 - 60 - 2)


async def test_a_credential_that_is_refused_is_replaced_for_all_parts() -> None:
    def token(value: str) -> BearerToken:
        return BearerToken(token=Secret(value), expires_at=int(time.time()) + 3_600)

    async def guarded(request: Received, writer: asyncio.StreamWriter) -> None:
        known = request.headers["authorization"] == "Bearer t2"
        answer = embedded(request) if known else exception(403, "ExpiredTokenException")
        await answer(request, writer)

    async with upstream(guarded) as cloud, gateway(None) as proxy:
        proxy.configure(one(cloud, unsigned=("a",), fallback_on=tuple(FailureClass)), renewed={A: token("t1")})
        asking = asyncio.create_task(embed(proxy, 12))
        assert (await asyncio.wait_for(proxy.services.renewals.untold(), 20)).provider == A
        proxy.renew({A: token("t2")})
        answer = await asking
        line = await proxy.line()
    assert firsts(answer) == [float(at) for at in range(12)]
    assert (line["attempts"], line["input_tokens"]) == (2, 24)
