"""What one caller gets for one request."""

import asyncio
import contextlib
import gc
import re
from collections.abc import Iterator
from typing import Any

import aiohttp
import pytest

from pilothouse_api.snapshot.identity import Identity, KeyHolder
from pilothouse_api.snapshot.quotas import Resource
from pilothouse_api.snapshot.routes import Retry, Timeouts
from pilothouse_api.snapshot.stream import LimitUse
from pilothouse_proxy.auth import subject
from pilothouse_proxy.operations import Operation
from pilothouse_proxy.pipeline.flight import Flight
from pilothouse_proxy.ports import Way
from pilothouse_proxy.runtime import Runtime
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
from tests.integration.proxy.gateway import Gateway, gateway, until
from tests.integration.proxy.upstream import completion, failure, hang, stream, upstream, whole, words


async def test_an_answer_passes_byte_for_byte_and_names_who_gave_it() -> None:
    sent = completion("Ahoy", extra={"kept": [1, 2.50]})
    async with upstream(whole(sent)) as cloud:
        configured = snapshot({"a": provider(cloud.url, models={"m": "gpt-x"})}, {"r": route(target("a", model="m"))})
        async with gateway(configured) as proxy:
            answer = await proxy.chat(temperature=0.25, unknown_member={"deep": None})
    assert (answer.status, answer.json) == (200, sent)
    assert answer.headers["x-pilothouse-provider"] == "clouds/a"
    assert answer.headers["x-pilothouse-model"] == "gpt-x"
    assert answer.headers["x-pilothouse-attempts"] == "1"
    assert answer.headers["content-type"] == "application/json"
    (received,) = cloud.received
    assert received.line == "POST /v1/chat/completions HTTP/1.1"
    assert received.json["model"] == "gpt-x"
    assert (received.json["temperature"], received.json["unknown_member"]) == (0.25, {"deep": None})


@pytest.mark.parametrize("asked", [{}, {"stream": True}])
async def test_a_request_that_is_over_is_freed_without_the_garbage_collector(asked: dict[str, bool]) -> None:
    def flights() -> int:
        return sum(isinstance(it, Flight) for it in gc.get_objects())

    async with (
        upstream(stream(words("A", "hoy")) if asked else None) as cloud,
        gateway(snapshot({"a": provider(cloud.url)}, {"r": route(target("a"))})) as proxy,
    ):
        gc.collect()
        gc.disable()
        try:
            before = flights()
            assert (await proxy.chat(**asked)).status == 200
            await until(lambda: flights() == before)
        finally:
            gc.enable()


async def test_a_configuration_that_was_replaced_is_freed_without_the_garbage_collector() -> None:
    def runtimes() -> int:
        return sum(isinstance(it, Runtime) for it in gc.get_objects())

    async with upstream() as cloud, gateway(None) as proxy:
        gc.collect()
        gc.disable()
        try:
            before = runtimes()
            for weight in range(1, 5):
                proxy.configure(snapshot({"a": provider(cloud.url)}, {"r": route(target("a", weight=weight))}))
                assert (await proxy.chat()).status == 200
            await until(lambda: runtimes() == before + 1)
        finally:
            gc.enable()


async def test_the_caller_s_key_never_goes_upstream() -> None:
    async with upstream() as cloud:
        configured = snapshot({"a": provider(cloud.url)}, {"r": route(target("a"))})
        async with gateway(configured) as proxy:
            await proxy.chat(headers={"api-key": KEY, "x-custom": KEY, "cookie": KEY})
    (received,) = cloud.received
    assert received.headers["authorization"] == f"Bearer {UPSTREAM_KEY}"
    assert KEY not in str(received.headers)


async def test_a_stream_passes_event_by_event() -> None:
    async with upstream(stream(words("A", "hoy"))) as cloud:
        configured = snapshot({"a": provider(cloud.url)}, {"r": route(target("a"))})
        async with gateway(configured) as proxy:
            answer = await proxy.chat(stream=True)
            line = await proxy.line()
    assert answer.headers["content-type"].startswith("text/event-stream")
    assert (answer.text, answer.events[-1]) == ("Ahoy", "[DONE]")
    assert all("usage" not in event for event in answer.events[:-1])
    assert (line["input_tokens"], line["output_tokens"], line["finish_reason"]) == (11, 2, "stop")
    assert line["first_byte_ms"] <= line["duration_ms"]


async def test_the_usage_chunk_is_for_whoever_asks_for_it() -> None:
    async with upstream(stream(words("A"))) as cloud:
        configured = snapshot({"a": provider(cloud.url)}, {"r": route(target("a"))})
        async with gateway(configured) as proxy:
            answer = await proxy.chat(stream=True, stream_options={"include_usage": True})
    assert answer.events[-2]["usage"]["total_tokens"] == 13


async def test_embeddings_pass() -> None:
    sent = {"object": "list", "data": [], "model": "e", "usage": {"prompt_tokens": 5, "total_tokens": 5}}
    async with upstream(whole(sent)) as cloud:
        configured = snapshot({"a": provider(cloud.url)}, {"r": route(target("a"), models=("embed",))})
        async with gateway(configured) as proxy:
            answer = await proxy.ask({"model": "embed", "input": "x"}, path="/v1/embeddings")
            line = await proxy.line()
    assert (answer.status, answer.json) == (200, sent)
    assert cloud.received[0].line == "POST /v1/embeddings HTTP/1.1"
    assert (line["input_tokens"], line["output_tokens"]) == (5, 0)


async def test_the_access_log_says_who_asked_for_what_and_never_a_key_or_a_body() -> None:
    async with upstream() as cloud:
        configured = snapshot({"a": provider(cloud.url)}, {"r": route(target("a"))})
        async with gateway(configured) as proxy:
            await proxy.chat(user="the secret of the body")
            line = await proxy.line()
    assert line["event"] == "request"
    assert (line["subject"], line["team"], line["tier"]) == ("user:apps/alice", "ml", "gold")
    assert (line["route"], line["provider"], line["upstream_model"]) == ("apps/r", "clouds/a", "chat")
    assert (line["status"], line["attempts"]) == (200, 1)
    assert not re.search(f"{KEY}|{UPSTREAM_KEY}|secret of the body", str(line))


@pytest.mark.parametrize("named", ["req-1:abc/DEF=", "x" * 128])
async def test_a_sane_request_id_is_kept(named: str) -> None:
    async with upstream() as cloud, gateway(snapshot({"a": provider(cloud.url)}, {"r": route(target("a"))})) as proxy:
        answer = await proxy.chat(headers={"x-request-id": named})
        line = await proxy.line()
    assert answer.headers["x-request-id"] == line["request_id"] == named


@pytest.mark.parametrize("named", ["", "x" * 129, "a b", 'a"b'])
async def test_another_request_id_is_replaced(named: str) -> None:
    async with upstream() as cloud, gateway(snapshot({"a": provider(cloud.url)}, {"r": route(target("a"))})) as proxy:
        answer = await proxy.chat(headers={"x-request-id": named})
    assert re.fullmatch("[0-9a-f]{32}", answer.headers["x-request-id"])


async def test_without_a_configuration_the_answer_says_so_and_when_to_come_back() -> None:
    async with gateway(None) as proxy:
        answer = await proxy.chat()
    assert (answer.status, answer.error["code"]) == (503, "no_configuration")
    assert answer.headers["retry-after"] == "1"


async def test_a_wrong_key_is_refused_before_anything_else() -> None:
    async with upstream() as cloud, gateway(snapshot({"a": provider(cloud.url)}, {"r": route(target("a"))})) as proxy:
        answer = await proxy.ask(b"{ no json", headers={"authorization": "Bearer wrong-key-0123456789"})
        line = await proxy.line()
    assert (answer.status, answer.error["code"]) == (401, "invalid_api_key")
    assert "wrong-key" not in str(line) + answer.body.decode()
    assert not cloud.received


async def test_a_name_that_no_route_serves_is_not_found_and_nothing_is_sent() -> None:
    async with upstream() as cloud, gateway(snapshot({"a": provider(cloud.url)}, {"r": route(target("a"))})) as proxy:
        answer = await proxy.chat("unknown")
    assert (answer.status, answer.error["code"], answer.error["param"]) == (404, "model_not_found", "model")
    assert not cloud.received


async def test_text_that_is_no_text_is_the_client_s_mistake_and_goes_nowhere() -> None:
    async with upstream() as cloud, gateway(snapshot({"a": provider(cloud.url)}, {"r": route(target("a"))})) as proxy:
        answer = await proxy.ask(b'{"model": "chat", "messages": [{"role": "user", "content": "\xff"}]}')
    assert (answer.status, answer.error["type"]) == (400, "invalid_request_error")
    assert not cloud.received


async def test_the_log_names_the_parameter_that_is_wrong() -> None:
    async with gateway(snapshot({}, {})) as proxy:
        await proxy.chat(n=0)
        line = await proxy.line()
    assert (line["error"], line["param"]) == ("invalid_request", "n")


async def test_a_malformed_body_is_named() -> None:
    async with gateway(snapshot({}, {})) as proxy:
        answer = await proxy.ask(b'{"model": ')
    assert (answer.status, answer.error["type"]) == (400, "invalid_request_error")


async def test_a_route_whose_provider_has_no_credential_says_so_and_when_to_come_again() -> None:
    configured = snapshot({"a": provider("http://127.0.0.1:1/v1")}, {"r": route(target("a"))}, unsigned=("a",))
    async with gateway(configured) as proxy:
        answer = await proxy.chat()
    assert (answer.status, answer.error["code"], answer.headers["retry-after"]) == (503, "no_credential", "2")
    assert 'the credential of provider "clouds/a" has not come' in answer.error["message"]


async def test_a_target_without_a_credential_is_passed_over() -> None:
    async with upstream() as cloud:
        configured = snapshot(
            {"a": provider("http://127.0.0.1:1/v1"), "b": provider(cloud.url)},
            {"r": route(target("a", weight=1_000), target("b"))},
            unsigned=("a",),
        )
        async with gateway(configured) as proxy:
            answer = await proxy.chat()
    assert answer.headers["x-pilothouse-provider"] == "clouds/b"


async def test_a_provider_that_does_not_have_the_name_is_passed_over() -> None:
    async with upstream() as cloud:
        configured = snapshot(
            {
                "a": provider("http://127.0.0.1:1/v1", models={"gpt-4": "x"}),
                "b": provider(cloud.url, models={"gpt-5": "y"}),
            },
            {"r": route(target("a", weight=1_000), target("b"), models=("gpt-*",))},
        )
        async with gateway(configured) as proxy:
            assert (await proxy.chat("gpt-5")).headers["x-pilothouse-model"] == "y"
            missing = await proxy.chat("gpt-6")
    assert (missing.status, missing.error["code"]) == (404, "model_not_found")


async def test_an_upstream_model_that_is_missing_is_the_client_s_mistake_only_if_it_chose_the_name() -> None:
    gone = failure(404, "model_not_found")
    async with upstream(gone) as cloud:
        configured = snapshot(
            {"a": provider(cloud.url), "b": provider(cloud.url, models={"m": "gone"})},
            {"r": route(target("a"), models=("chosen",)), "s": route(target("b", model="m"), models=("fixed",))},
        )
        async with gateway(configured) as proxy:
            chosen, fixed = await proxy.chat("chosen"), await proxy.chat("fixed")
    assert (chosen.status, fixed.status) == (404, 502)


async def test_the_client_s_own_mistake_is_told_in_the_provider_s_words_and_not_repeated() -> None:
    async with upstream(failure(400, "invalid_value", "temperature is too high")) as cloud:
        configured = snapshot(
            {"a": provider(cloud.url), "b": provider(cloud.url)}, {"r": route(target("a"), target("b"))}
        )
        async with gateway(configured) as proxy:
            answer = await proxy.chat()
    assert (answer.status, answer.error["message"]) == (400, "temperature is too high")
    assert len(cloud.received) == 1


async def test_the_sidecar_s_caller_needs_no_key() -> None:
    resident = subject.of_service_account(namespace="apps", name="web")
    async with upstream() as cloud:
        configured = snapshot({"a": provider(cloud.url)}, {"r": route(target("a"))}, identity=Identity())
        async with gateway(configured, resident=resident) as proxy:
            answer = await proxy.chat(headers={"authorization": "Bearer unused"})
            line = await proxy.line()
    assert (answer.status, line["subject"]) == (200, "serviceaccount:apps/web")


async def test_a_route_of_another_namespace_is_not_found_unless_it_is_open() -> None:
    stranger = Identity(anonymous=KeyHolder(namespace="elsewhere", user="eve"))
    async with upstream() as cloud:
        closed = snapshot({"a": provider(cloud.url)}, {"r": route(target("a"))}, identity=stranger)
        opened = snapshot(
            {"a": provider(cloud.url)}, {"r": route(target("a"), access=("elsewhere",))}, identity=stranger
        )
        async with gateway(closed) as proxy:
            refused = await proxy.chat()
            proxy.configure(opened)
            answer = await proxy.chat()
    assert (refused.status, answer.status) == (404, 200)
    assert "apps" not in refused.body.decode()


async def test_a_quota_refuses_what_is_too_much_and_tells_both_when_and_how_much() -> None:
    async with upstream() as cloud:
        configured = snapshot(
            {"a": provider(cloud.url)},
            {"r": route(target("a"))},
            quotas={"q": quota(limit(Resource.REQUESTS, 2), limit(Resource.TOKENS, 100_000))},
        )
        async with gateway(configured) as proxy:
            granted = [await proxy.chat(max_tokens=10), await proxy.chat(max_tokens=10)]
            refused = await proxy.chat(max_tokens=10)
    assert [answer.headers["x-ratelimit-remaining-requests"] for answer in granted] == ["1", "0"]
    # 18 tokens each, as the provider has reported: not the estimate.
    assert [answer.headers["x-ratelimit-remaining-tokens"] for answer in granted] == ["99982", "99964"]
    assert (refused.status, refused.error["code"]) == (429, "quota_exceeded")
    assert 0 < int(refused.headers["retry-after"]) <= 61
    assert refused.headers["x-ratelimit-limit-requests"] == "2"
    assert '"apps/q"' in refused.error["message"]
    assert len(cloud.received) == 2


async def test_embeddings_are_expected_to_write_nothing() -> None:
    sent = {"object": "list", "data": [], "model": "e", "usage": {"prompt_tokens": 5, "total_tokens": 5}}
    async with upstream(whole(sent)) as cloud:
        configured = snapshot(
            {"a": provider(cloud.url)},
            {"r": route(target("a"))},
            # Less than a chat's answer is expected to take.
            quotas={"q": quota(limit(Resource.TOKENS, 100))},
        )
        async with gateway(configured) as proxy:
            answers = [await proxy.ask({"model": "chat", "input": "x"}, path="/v1/embeddings") for _ in range(3)]
    assert [answer.headers["x-ratelimit-remaining-tokens"] for answer in answers] == ["95", "90", "85"]


async def test_what_a_failed_request_reserved_is_given_back() -> None:
    async with upstream(failure(400, "invalid_value")) as cloud:
        configured = snapshot(
            {"a": provider(cloud.url)},
            {"r": route(target("a"))},
            quotas={"q": quota(limit(Resource.REQUESTS, 10), limit(Resource.TOKENS, 100_000))},
        )
        async with gateway(configured) as proxy:
            refused = await proxy.chat(max_tokens=5_000)
    assert refused.headers["x-ratelimit-remaining-tokens"] == "100000"
    assert refused.headers["x-ratelimit-remaining-requests"] == "9"


async def test_a_client_that_goes_away_stops_the_provider_and_is_charged_by_what_passed() -> None:
    events = words("A", "hoy")[:3]
    async with upstream(stream(events, end="open")) as cloud:
        configured = snapshot(
            {"a": provider(cloud.url)},
            {"r": route(target("a"))},
            quotas={"q": quota(limit(Resource.TOKENS, 100_000))},
        )
        async with gateway(configured) as proxy:
            request = {"model": "chat", "messages": [{"role": "user", "content": "x" * 400}], "stream": True}
            async with proxy.session.post(
                f"{proxy.url}/v1/chat/completions", json=request, headers={"authorization": f"Bearer {KEY}"}
            ) as answer:
                await answer.content.readuntil(b"hoy")
            async with asyncio.timeout(20):
                await cloud.disconnected.wait()
            await until(lambda: not proxy.in_flight)
            lines = await proxy.lines()
            (use,) = used(proxy)
    assert lines[0]["status"] == 499
    assert lines[0]["tokens_estimated"] is True
    # About 0.27 tokens a byte of the request, and one for each of three events.
    assert 110 < use.used < 170
    assert lines[0]["output_tokens"] == 3


@pytest.mark.parametrize("pool_size", [1, 5], ids=["waiting for a free connection", "connecting"])
async def test_who_goes_away_before_anything_was_sent_is_charged_nothing(pool_size: int) -> None:
    async with upstream(hang()) as cloud:
        # It takes connections, but its answer to a TLS greeting never comes.
        mute = provider(cloud.url.replace("http", "https"), connect_timeout_ms=60_000, pool_size=pool_size)
        configured = snapshot(
            {"a": mute},
            {"r": route(target("a"), timeouts=Timeouts(total_ms=60_000))},
            quotas={"q": quota(limit(Resource.REQUESTS, 10), limit(Resource.TOKENS, 100_000))},
        )
        async with gateway(configured) as proxy:
            asking = [asyncio.create_task(proxy.chat()) for _ in range(3)]
            await until(lambda: proxy.in_flight == 3)
            assert next(use.used for use in used(proxy)) == 3
            for one in asking:
                one.cancel()
            await until(lambda: not proxy.in_flight)
            lines = await proxy.lines()
            assert [use.used for use in used(proxy)] == [0, 0]
    assert [(line["status"], line.get("input_tokens")) for line in lines] == [(499, None)] * 3


async def test_who_goes_away_during_a_pause_between_tries_is_charged_for_the_request_alone() -> None:
    patient = Retry(attempts=2, backoff_base_ms=60_000, backoff_max_ms=60_000, budget_percent=100)
    busy = failure(429, "rate_limit_exceeded", retry_after="20")
    async with upstream(busy) as cloud:
        configured = snapshot(
            {"a": provider(cloud.url)},
            {"r": route(target("a"), retry=patient, timeouts=Timeouts(total_ms=600_000))},
            quotas={"q": quota(limit(Resource.REQUESTS, 10), limit(Resource.TOKENS, 100_000))},
        )
        async with gateway(configured) as proxy:
            asking = asyncio.create_task(proxy.chat())
            await until(lambda: proxy.services.client.connections and not _busy(proxy))
            asking.cancel()
            await until(lambda: not proxy.in_flight)
            assert [use.used for use in used(proxy)] == [1, 0]


def _busy(proxy: Gateway) -> bool:
    """Whether a connection to a provider carries something."""
    return any(pool.open != pool.unused for pool, _ in proxy.services.client._pools.values())


def used(proxy: Gateway) -> list[LimitUse]:
    """What the one quota counts."""
    assert proxy.pipeline.runtime is not None
    (uses,) = proxy.pipeline.runtime.quotas.usage(now=proxy.services.clock.monotonic()).values()
    return list(uses)


async def test_a_request_under_way_finishes_on_the_configuration_it_began_with() -> None:
    async with upstream(stream(words("slow"), before_s=0.2)) as cloud, upstream() as other:
        configured = snapshot({"a": provider(cloud.url)}, {"r": route(target("a"))})
        async with gateway(configured) as proxy:
            pending = asyncio.create_task(proxy.chat(stream=True))
            await until(lambda: cloud.received)
            proxy.configure(snapshot({"a": provider(other.url)}, {"r": route(target("a"))}))
            after = await proxy.chat()
            before = await pending
    assert (before.text, after.status, len(other.received)) == ("slow", 200, 1)


class Faulty:
    """Stands in for a translation and its relays, and fails where it is told to."""

    def __init__(self, whole: Any, at: str) -> None:
        self._whole = whole
        self._at = at

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._whole, name)
        if name == self._at:
            raise RecursionError("what only the log may say")
        return (lambda *given: Faulty(found(*given), self._at)) if name == "relay" else found


@contextlib.contextmanager
def a_fault(proxy: Gateway, at: str) -> Iterator[None]:
    """While it lasts, translations fail at one of their calls, or relays at one of theirs."""
    assert proxy.pipeline.runtime is not None
    (found,) = proxy.pipeline.runtime.routes.values()
    passing = found.targets[0].passing
    assert passing is not None
    # What a name is served by is kept for the next request.
    ways = passing.serve("chat", "*").ways
    whole = ways[Operation.CHAT]
    ways[Operation.CHAT] = tuple(
        Way(dialect=way.dialect, translation=Faulty(way.translation, at), base=way.base) for way in whole
    )
    try:
        yield
    finally:
        ways[Operation.CHAT] = whole


@pytest.mark.parametrize("at", ["request", "reply"])
async def test_a_fault_of_our_own_is_a_500_without_a_detail_and_a_traceback_in_the_log(
    at: str, caplog: pytest.LogCaptureFixture
) -> None:
    async with (
        upstream() as cloud,
        gateway(snapshot({"a": provider(cloud.url)}, {"r": route(target("a"))})) as proxy,
    ):
        with a_fault(proxy, at):
            answer = await proxy.chat(headers={"x-request-id": "the-one"})
        after = await proxy.chat()
    assert (answer.status, answer.error["code"], after.status) == (500, "internal_error", 200)
    assert "what only the log may say" not in answer.body.decode()
    assert "the-one" in caplog.text
    assert "what only the log may say" in caplog.text


async def test_a_fault_in_the_middle_of_a_stream_cuts_it_off(caplog: pytest.LogCaptureFixture) -> None:
    async with upstream(stream(words("A", "hoy"))) as cloud:
        configured = snapshot({"a": provider(cloud.url)}, {"r": route(target("a"))})
        async with gateway(configured) as proxy:
            with a_fault(proxy, "end"), pytest.raises(aiohttp.ClientPayloadError):
                await proxy.chat(stream=True)
    assert "what only the log may say" in caplog.text


async def test_an_answer_for_which_there_is_no_room_is_given_up_and_billed() -> None:
    async with upstream(whole(completion("x" * 2_000_000))) as cloud:
        configured = snapshot(
            {"a": provider(cloud.url)},
            {"r": route(target("a"))},
            quotas={"q": quota(limit(Resource.TOKENS, 1_000_000))},
        )
        async with gateway(configured) as proxy:
            proxy.services.ledger.budget_bytes = 1_000_000
            answer = await proxy.chat()
            assert (answer.status, answer.error["code"], answer.headers["retry-after"]) == (503, "overloaded", "1")
            assert proxy.services.ledger.total_bytes == 0
            proxy.services.ledger.budget_bytes = 10_000_000
            assert (await proxy.chat()).status == 200
            assert proxy.services.ledger.reading_bytes == 0
            first, second = await proxy.lines()
    assert len(cloud.received) == 2
    assert (first["status"], first["error"], first["tokens_estimated"]) == (503, "overloaded", True)
    assert second["status"] == 200


async def test_a_stream_whose_provider_thinks_is_kept_alive_and_still_fails_over_unseen() -> None:
    async with upstream(hang()) as mute, upstream(stream(words("A", "hoy"))) as cloud:
        configured = snapshot(
            {"a": provider(mute.url), "b": provider(cloud.url)},
            {"r": route(target("a"), target("b", priority=1), timeouts=Timeouts(first_token_ms=1_000))},
        )
        async with gateway(configured, beat_s=0.05) as proxy:
            answer = await proxy.chat(stream=True)
    assert (answer.status, answer.body.startswith(b": keep-alive\n\n"), b"Ahoy" in answer.body) == (200, True, False)
    assert answer.body.replace(b": keep-alive\n\n", b"").startswith(b"data: {")
    assert answer.body.endswith(b"data: [DONE]\n\n")


async def test_a_stream_that_was_kept_alive_tells_its_failure_in_an_event() -> None:
    async with upstream(hang()) as mute:
        configured = snapshot(
            {"a": provider(mute.url)}, {"r": route(target("a"), timeouts=Timeouts(first_token_ms=200))}
        )
        async with gateway(configured, beat_s=0.05) as proxy:
            streamed = await proxy.chat(stream=True)
            whole_answer = await proxy.chat()
    told = streamed.body.replace(b": keep-alive\n\n", b"")
    assert (streamed.status, told.count(b"data: "), b'"code":"timeout"' in told) == (200, 1, True)
    assert whole_answer.status == 504
