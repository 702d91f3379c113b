"""Credentials that end: passed over when they have, and asked for anew when a provider refuses one."""

import asyncio
import json
import time
from dataclasses import dataclass, field
from typing import Any

import pytest
from msgspec.structs import replace

from pilothouse_api.names import ProviderKey
from pilothouse_api.secret import Secret
from pilothouse_api.snapshot.credentials import APIKey, BearerToken, Credential
from pilothouse_api.snapshot.endpoints.bedrock import BedrockEndpoint
from pilothouse_api.snapshot.providers import Provider
from pilothouse_api.snapshot.routes import FailureClass, Retry, Timeouts
from pilothouse_api.snapshot.snapshot import Snapshot
from pilothouse_proxy.pipeline import renewals
from tests.integration.proxy.configurations import provider, route, snapshot, target
from tests.integration.proxy.gateway import Gateway, gateway, until
from tests.integration.proxy.upstream import Received, Upstream, completion, failure, stream, upstream, whole, words

A = ProviderKey("clouds/a")


def token(value: str, *, lives_s: int = 3_600) -> BearerToken:
    return BearerToken(token=Secret(value), expires_at=int(time.time()) + lives_s)


@dataclass
class Guard:
    """A provider that lets in those with the tokens that it knows."""

    known: set[str]
    refusal: Any = field(default_factory=lambda: failure(401, "invalid_api_key", "Incorrect API key provided."))
    answer: Any = field(default_factory=lambda: whole(completion()))
    asked: list[str] = field(default_factory=list)

    async def __call__(self, request: Received, writer: asyncio.StreamWriter) -> None:
        shown = request.headers["authorization"].removeprefix("Bearer ")
        self.asked.append(shown)
        answer = self.answer if shown in self.known else self.refusal
        await answer(request, writer)


def two(guarded: Upstream, other: str = "http://127.0.0.1:1/v1", **more: Any) -> Snapshot:
    """`a` without a credential of its own, then `b` with one."""
    targets = (target("a", priority=0), target("b", priority=1))
    providers = {"a": provider(guarded.url), "b": provider(other)}
    return snapshot(providers, {"r": route(*targets, **more)}, unsigned=("a",))


def alone(guarded: Upstream, **more: Any) -> Snapshot:
    return snapshot({"a": provider(guarded.url)}, {"r": route(target("a"), **more)}, unsigned=("a",))


async def asked_for_another(proxy: Gateway) -> str:
    """What the operator is told."""
    return (await asyncio.wait_for(proxy.services.renewals.untold(), 20)).provider


async def renewed_when_refused(proxy: Gateway, credential: Credential) -> None:
    provider_key = ProviderKey(await asked_for_another(proxy))
    proxy.renew({provider_key: credential})


async def test_a_renewed_credential_serves_from_the_next_attempt_on() -> None:
    async with upstream(guard := Guard({"t1", "t2"})) as cloud, gateway(None) as proxy:
        proxy.configure(alone(cloud), renewed={A: token("t1")})
        assert (await proxy.chat()).status == 200
        proxy.renew({A: token("t2")})
        assert (await proxy.chat()).status == 200
    assert guard.asked == ["t1", "t2"]


async def test_one_that_has_ended_is_not_tried_and_the_client_is_told_when_to_come_again() -> None:
    async with upstream(guard := Guard({"t1"})) as cloud, gateway(None) as proxy:
        proxy.configure(alone(cloud), renewed={A: token("t1", lives_s=0)})
        answer = await proxy.chat()
    assert (answer.status, answer.error["code"], answer.headers["retry-after"]) == (503, "no_credential", "2")
    assert answer.error["message"].startswith('the credential of provider "clouds/a" has ended')
    assert guard.asked == []


async def test_a_target_whose_credential_has_ended_is_passed_over_whatever_the_route_falls_back_on() -> None:
    async with upstream() as cloud, gateway(None) as proxy:
        proxy.configure(two(cloud, cloud.url, fallback_on=()), renewed={A: token("t1", lives_s=0)})
        answer = await proxy.chat()
    assert (answer.status, answer.headers["x-pilothouse-provider"]) == (200, "clouds/b")
    assert answer.headers["x-pilothouse-attempts"] == "1"


async def test_of_two_reasons_the_one_that_passes_is_told() -> None:
    bedrock = Provider(endpoint=BedrockEndpoint(url="http://127.0.0.1:1", region="eu-west-1"))
    targets = (target("bedrock", priority=0), target("a", priority=1))
    made = snapshot(
        {"bedrock": bedrock, "a": provider("http://127.0.0.1:1/v1")}, {"r": route(*targets)}, unsigned=("a",)
    )
    async with gateway(made) as proxy:
        answer = await proxy.ask({"model": "chat", "input": "x"}, path="/v1/embeddings")
    assert (answer.status, answer.error["code"]) == (503, "no_credential")


async def test_a_refused_credential_is_renewed_and_the_client_notices_nothing() -> None:
    async with upstream(guard := Guard({"t2"})) as cloud, gateway(None) as proxy:
        proxy.configure(alone(cloud), renewed={A: token("t1")})
        answer, _ = await asyncio.gather(proxy.chat(), renewed_when_refused(proxy, token("t2")))
        line = await proxy.line()
    assert answer.status == 200
    assert guard.asked == ["t1", "t2"]
    assert (line["status"], line["attempts"]) == (200, 2)
    assert "upstream_auth" in line["note"]


async def test_a_stream_is_renewed_as_well() -> None:
    async with upstream(guard := Guard({"t2"}, answer=stream(words("Ahoy")))) as cloud, gateway(None) as proxy:
        proxy.configure(alone(cloud), renewed={A: token("t1")})
        answer, _ = await asyncio.gather(proxy.chat(stream=True), renewed_when_refused(proxy, token("t2")))
    assert (answer.status, answer.text, guard.asked) == (200, "Ahoy", ["t1", "t2"])


async def test_one_that_has_come_meanwhile_is_not_waited_for() -> None:
    async with upstream(guard := Guard({"t2"})) as cloud, gateway(None) as proxy:
        proxy.configure(alone(cloud), renewed={A: token("t1")})

        async def renew_and_refuse(request: Received, writer: asyncio.StreamWriter) -> None:
            proxy.renew({A: token("t2")})
            await guard(request, writer)

        cloud.script = [renew_and_refuse]
        answer = await proxy.chat()
        assert proxy.services.metrics.credential_refusals.series(A).value == 0
    assert (answer.status, guard.asked) == (200, ["t1", "t2"])


async def test_the_second_try_is_none_of_the_route_s_retries() -> None:
    never = Retry(attempts=1, budget_percent=0)
    async with upstream(guard := Guard({"t2"})) as cloud, gateway(None) as proxy:
        proxy.configure(alone(cloud, retry=never), renewed={A: token("t1")})
        answer, _ = await asyncio.gather(proxy.chat(), renewed_when_refused(proxy, token("t2")))
    assert answer.status == 200
    assert len(guard.asked) == 2


async def test_it_is_tried_again_once_and_then_another_target() -> None:
    async with upstream(guard := Guard(set())) as cloud, upstream() as other, gateway(None) as proxy:
        proxy.configure(two(cloud, other.url, fallback_on=(FailureClass.SIGN_IN,)), renewed={A: token("t1")})
        answer, _ = await asyncio.gather(proxy.chat(), renewed_when_refused(proxy, token("t2")))
    assert (answer.status, answer.headers["x-pilothouse-provider"]) == (200, "clouds/b")
    assert guard.asked == ["t1", "t2"]


async def test_when_none_comes_another_target_is_tried_and_later_requests_do_not_wait_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(renewals, "WAIT_S", 0.2)
    async with upstream(guard := Guard(set())) as cloud, upstream() as other, gateway(None) as proxy:
        proxy.configure(two(cloud, other.url, fallback_on=(FailureClass.SIGN_IN,)), renewed={A: token("t1")})
        answers = [await proxy.chat() for _ in range(3)]
        assert proxy.services.metrics.credential_refusals.series(A).value == 1
    assert {(answer.status, answer.headers["x-pilothouse-provider"]) for answer in answers} == {(200, "clouds/b")}
    assert guard.asked == ["t1"] * 3


async def test_when_none_comes_and_there_is_no_other_target_the_client_gets_the_refusal(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(renewals, "WAIT_S", 0.05)
    async with upstream(Guard(set())) as cloud, gateway(None) as proxy:
        proxy.configure(alone(cloud), renewed={A: token("t1")})
        answer = await proxy.chat()
    assert (answer.status, answer.error["code"]) == (502, "upstream_auth")


async def test_all_that_are_refused_at_once_wait_for_the_same_arrival() -> None:
    async with upstream(guard := Guard({"t2"})) as cloud, gateway(None) as proxy:
        proxy.configure(alone(cloud), renewed={A: token("t1")})
        asking = [asyncio.create_task(proxy.chat()) for _ in range(30)]
        await until(lambda: len(guard.asked) == 30)
        await renewed_when_refused(proxy, token("t2"))
        answers = await asyncio.gather(*asking)
        assert proxy.services.metrics.credential_refusals.series(A).value == 1
    assert {answer.status for answer in answers} == {200}
    assert guard.asked == ["t1"] * 30 + ["t2"] * 30


async def test_missing_rights_are_no_reason_to_ask_for_another() -> None:
    guard = Guard(set(), failure(403, "insufficient_permissions"))
    async with upstream(guard) as cloud, gateway(None) as proxy:
        proxy.configure(alone(cloud), renewed={A: token("t1")})
        answer = await proxy.chat()
        assert proxy.services.metrics.credential_refusals.series(A).value == 0
    assert (answer.status, answer.error["code"], len(guard.asked)) == (502, "upstream_permission", 1)


async def test_a_key_of_the_snapshot_that_is_refused_is_not_asked_for_anew() -> None:
    async with upstream(guard := Guard(set())) as cloud, gateway(None) as proxy:
        proxy.configure(snapshot({"a": provider(cloud.url)}, {"r": route(target("a"))}))
        answer = await proxy.chat()
        assert proxy.services.metrics.credential_refusals.series(A).value == 0
    assert (answer.error["code"], len(guard.asked)) == ("upstream_auth", 1)


async def test_a_client_that_goes_while_it_waits_leaves_nothing_behind() -> None:
    async with upstream(guard := Guard({"t2"})) as cloud, gateway(None) as proxy:
        proxy.configure(alone(cloud), renewed={A: token("t1")})
        asking = asyncio.create_task(proxy.chat())
        await asked_for_another(proxy)
        asking.cancel()
        await until(lambda: proxy.in_flight == 0)
        proxy.renew({A: token("t2")})
        assert (await proxy.chat()).status == 200
        lines = await proxy.lines()
    assert [line["status"] for line in lines] == [499, 200]
    assert guard.asked == ["t1", "t2"]


async def test_one_that_ends_between_two_tries_leaves_the_client_with_the_first_failure() -> None:
    late = Retry(attempts=2, backoff_base_ms=1, backoff_max_ms=5_000, budget_percent=100)
    patient = Timeouts(first_token_ms=2_000, idle_ms=2_000, total_ms=20_000)
    async with upstream(failure(503, retry_after="4")) as cloud, gateway(None) as proxy:
        proxy.configure(alone(cloud, retry=late, timeouts=patient), renewed={A: token("t1", lives_s=4)})
        answer = await proxy.chat()
    assert (answer.status, answer.error["code"], len(cloud.received)) == (503, "unavailable", 1)


async def test_a_request_on_the_former_configuration_goes_on_with_the_key_of_the_new_one() -> None:
    async with upstream(guard := Guard({"k2"})) as cloud, gateway(None) as proxy:
        made = alone(cloud)
        proxy.configure(made, renewed={A: token("t1")})
        asking = asyncio.create_task(proxy.chat())
        await asked_for_another(proxy)
        proxy.configure(replace(made, credentials={A: APIKey(key=Secret("k2"))}))
        assert (await asking).status == 200
    assert guard.asked == ["t1", "k2"]


async def test_no_answer_and_no_line_shows_a_credential(caplog: pytest.LogCaptureFixture) -> None:
    async with upstream(Guard({"secret-t2"})) as cloud, gateway(None) as proxy:
        proxy.configure(alone(cloud), renewed={A: token("secret-t1")})
        answer, _ = await asyncio.gather(proxy.chat(), renewed_when_refused(proxy, token("secret-t2")))
        told = json.dumps(await proxy.lines()) + caplog.text + repr(answer)
    assert "clouds/a" in caplog.text
    assert "secret-t" not in told
