"""What happens when a target fails: retry, fallback, health, and streams that break."""

import asyncio
import json
import time
from typing import Any

import pytest

from pilothouse_api.snapshot.quotas import Resource
from pilothouse_api.snapshot.routes import FailureClass, Retry, Route, Timeouts
from pilothouse_proxy.routing.health import EJECT_AFTER
from tests.integration.proxy.configurations import AUTHORIZED, limit, provider, quota, route, snapshot, target
from tests.integration.proxy.gateway import Answer, gateway, until
from tests.integration.proxy.upstream import (
    ROLE,
    Upstream,
    chunk,
    close,
    completion,
    failure,
    hang,
    stream,
    upstream,
    whole,
    words,
)

FIRST_THEN_SECOND = (target("a", priority=0), target("b", priority=1))
NO_RETRY = Retry(attempts=1)


async def ask_two(first: Upstream, second: Upstream, *, request: dict[str, Any] | None = None, **more: Any) -> Answer:
    """One request over a route that prefers `first` and falls back to `second`."""
    more.setdefault("retry", NO_RETRY)
    configured = snapshot(
        {"a": provider(first.url), "b": provider(second.url)}, {"r": route(*FIRST_THEN_SECOND, **more)}
    )
    async with gateway(configured) as proxy:
        return await proxy.chat(**(request or {}))


def one(cloud: Upstream, **more: Any) -> Any:
    """A configuration with one target."""
    return snapshot({"a": provider(cloud.url)}, {"r": route(target("a"), **more)})


async def test_what_is_unavailable_is_tried_again_unseen() -> None:
    async with upstream(whole(completion()), failure(503)) as cloud, gateway(one(cloud)) as proxy:
        answer = await proxy.chat()
        line = await proxy.line()
    assert (answer.status, answer.headers["x-pilothouse-attempts"], len(cloud.received)) == (200, "2", 2)
    assert line["note"].startswith("clouds/a: unavailable (503")


async def test_when_the_tries_are_spent_the_failure_is_told_and_sdks_are_kept_from_repeating_it() -> None:
    async with upstream(failure(503)) as cloud, gateway(one(cloud)) as proxy:
        answer = await proxy.chat()
    assert (answer.status, answer.headers["x-pilothouse-attempts"], len(cloud.received)) == (503, "2", 2)
    assert answer.headers["x-should-retry"] == "false"


async def test_a_short_retry_after_is_waited_for() -> None:
    retry = Retry(attempts=2, backoff_base_ms=1, backoff_max_ms=1_000, budget_percent=100)
    limited = failure(429, "rate_limit_exceeded", retry_after_ms="150")
    async with upstream(whole(completion()), limited) as cloud, gateway(one(cloud, retry=retry)) as proxy:
        started = time.monotonic()
        answer = await proxy.chat()
        waited = time.monotonic() - started
    assert answer.status == 200
    assert waited >= 0.15


async def test_a_long_retry_after_is_left_to_the_client() -> None:
    async with upstream(failure(429, "rate_limit_exceeded", retry_after="30")) as cloud, gateway(one(cloud)) as proxy:
        answer = await proxy.chat()
    assert (answer.status, answer.headers["retry-after"], len(cloud.received)) == (429, "30", 1)
    assert "x-should-retry" not in answer.headers


async def test_without_a_budget_nothing_is_retried() -> None:
    retry = Retry(attempts=3, backoff_base_ms=1, backoff_max_ms=1, budget_percent=0)
    async with upstream(failure(503)) as cloud, gateway(one(cloud, retry=retry)) as proxy:
        await proxy.chat()
    assert len(cloud.received) == 1


@pytest.mark.parametrize(
    "broken", [failure(503), failure(429, "rate_limit_exceeded"), failure(401), close(), whole(b"<html>")]
)
async def test_the_next_target_takes_over(broken: Any) -> None:
    async with upstream(broken) as first, upstream() as second:
        answer = await ask_two(first, second)
    assert (answer.status, answer.headers["x-pilothouse-provider"]) == (200, "clouds/b")
    assert answer.headers["x-pilothouse-attempts"] == "2"


async def test_a_target_that_cannot_be_reached_is_passed_over() -> None:
    async with upstream() as first, upstream() as second:
        nowhere = Upstream(otherwise=first.otherwise, port=1)
        answer = await ask_two(nowhere, second)
    assert (answer.status, answer.headers["x-pilothouse-provider"]) == (200, "clouds/b")


async def test_the_log_says_why_a_target_could_not_be_reached() -> None:
    async with gateway(snapshot({"a": provider("http://127.0.0.1:1/v1")}, {"r": route(target("a"))})) as proxy:
        await proxy.chat()
        line = await proxy.line()
    assert line["error"] == "connect"
    assert "127.0.0.1" in line["note"]


async def test_a_target_that_does_not_answer_in_time_is_given_up() -> None:
    async with upstream(hang()) as first, upstream() as second:
        answer = await ask_two(first, second, timeouts=Timeouts(first_token_ms=500, idle_ms=500, total_ms=10_000))
        async with asyncio.timeout(20):
            await first.disconnected.wait()
    assert (answer.status, answer.headers["x-pilothouse-provider"]) == (200, "clouds/b")


async def test_one_target_cannot_use_up_the_time_of_the_next() -> None:
    async with upstream(hang()) as first, upstream() as second:
        answer = await ask_two(first, second, timeouts=Timeouts(first_token_ms=5_000, idle_ms=5_000, total_ms=1_500))
    assert (answer.status, answer.headers["x-pilothouse-provider"]) == (200, "clouds/b")


async def test_nor_can_one_that_begins_an_answer_and_never_ends_it() -> None:
    head = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 100\r\n\r\n{"
    async with upstream(hang(head)) as first, upstream() as second:
        answer = await ask_two(first, second, timeouts=Timeouts(first_token_ms=5_000, idle_ms=5_000, total_ms=1_500))
    assert (answer.status, answer.headers["x-pilothouse-provider"]) == (200, "clouds/b")


async def test_nor_one_that_streams_without_a_word() -> None:
    async with upstream(stream([ROLE], end="open")) as first, upstream(stream(words("word"))) as second:
        timeouts = Timeouts(first_token_ms=5_000, idle_ms=5_000, total_ms=1_500)
        answer = await ask_two(first, second, request={"stream": True}, timeouts=timeouts)
    assert (answer.status, answer.text) == (200, "word")


@pytest.mark.parametrize("pool_size", [1, 5], ids=["waiting for a free one", "connecting"])
async def test_the_time_of_a_request_holds_while_it_has_no_connection(pool_size: int) -> None:
    async with upstream(hang()) as cloud:
        # It takes connections, but its answer to a TLS greeting never comes.
        mute = provider(cloud.url.replace("http", "https"), connect_timeout_ms=600_000, pool_size=pool_size)
        timeouts = Timeouts(first_token_ms=600_000, idle_ms=600_000, total_ms=300)
        async with gateway(snapshot({"a": mute}, {"r": route(target("a"), timeouts=timeouts)})) as proxy:
            async with asyncio.timeout(60):
                answers = await asyncio.gather(*[proxy.chat() for _ in range(3)])
    assert {answer.error["code"] for answer in answers} == {"upstream_unreachable"}


async def test_the_last_target_s_silence_is_a_timeout() -> None:
    async with upstream(hang()) as cloud:
        configured = one(cloud, timeouts=Timeouts(first_token_ms=100, idle_ms=100, total_ms=5_000))
        async with gateway(configured) as proxy:
            answer = await proxy.chat()
    assert (answer.status, answer.error["code"]) == (504, "timeout")


async def test_a_class_that_the_route_does_not_fall_back_on_ends_the_request() -> None:
    async with upstream(failure(503)) as first, upstream() as second:
        answer = await ask_two(first, second, fallback_on=(FailureClass.RATE_LIMITED,))
    assert (answer.status, len(second.received)) == (503, 0)


async def test_a_content_filter_falls_back_only_where_the_route_says_so() -> None:
    filtered = failure(400, "content_filter")
    async with upstream(filtered) as first, upstream() as second:
        kept = await ask_two(first, second)
        passed = await ask_two(first, second, fallback_on=(FailureClass.CONTENT_FILTER,))
    assert (kept.status, kept.error["code"], passed.status) == (400, "content_filter", 200)


async def test_a_target_that_keeps_failing_is_not_asked_for_a_while() -> None:
    async with upstream(failure(500)) as first, upstream() as second:
        configured = snapshot(
            {"a": provider(first.url), "b": provider(second.url)},
            {"r": route(*FIRST_THEN_SECOND, retry=NO_RETRY)},
        )
        async with gateway(configured) as proxy:
            for _ in range(EJECT_AFTER + 3):
                assert (await proxy.chat()).status == 200
            # What is known of a target outlives a new configuration …
            proxy.configure(configured)
            assert (await proxy.chat()).headers["x-pilothouse-attempts"] == "1"
            asked = len(first.received)
            # … unless it is about another place.
            changed = snapshot(
                {"a": provider(first.url, pool_size=7), "b": provider(second.url)},
                {"r": route(*FIRST_THEN_SECOND, retry=NO_RETRY)},
            )
            proxy.configure(changed)
            assert (await proxy.chat()).headers["x-pilothouse-attempts"] == "2"
    assert asked == EJECT_AFTER


async def test_a_busy_target_rests_while_another_serves() -> None:
    async with upstream(failure(429, "rate_limit_exceeded", retry_after="20")) as first, upstream() as second:
        configured = snapshot(
            {"a": provider(first.url), "b": provider(second.url)},
            {"r": route(*FIRST_THEN_SECOND, retry=NO_RETRY)},
        )
        async with gateway(configured) as proxy:
            answers = [await proxy.chat() for _ in range(5)]
    assert [answer.headers["x-pilothouse-attempts"] for answer in answers] == ["2", "1", "1", "1", "1"]
    assert len(first.received) == 1


async def test_a_lone_target_is_asked_even_when_it_is_ejected() -> None:
    async with (
        upstream(whole(completion()), *[failure(500)] * EJECT_AFTER) as cloud,
        gateway(one(cloud, retry=NO_RETRY)) as proxy,
    ):
        statuses = [(await proxy.chat()).status for _ in range(EJECT_AFTER + 1)]
    assert statuses == [503] * EJECT_AFTER + [200]


ERROR_EVENT = {"error": {"message": "overloaded", "type": "server_error", "code": "server_error"}}


@pytest.mark.parametrize(
    "broken",
    [
        stream([ROLE], end="cut"),
        stream([ROLE, ERROR_EVENT], end="open"),
        stream([ROLE], end="open"),
        stream([ROLE, chunk({})], end="cut"),
        whole({"error": {"message": "x", "type": "server_error"}}, 500),
    ],
    ids=["cut", "error event", "silence", "cut after an empty chunk", "status"],
)
async def test_a_stream_that_fails_before_its_first_content_is_replaced_unseen(broken: Any) -> None:
    async with upstream(broken) as first, upstream(stream(words("whole"))) as second:
        timeouts = Timeouts(first_token_ms=1_000, idle_ms=500, total_ms=10_000)
        answer = await ask_two(
            first, second, request={"stream": True}, timeouts=timeouts, fallback_on=tuple(FailureClass)
        )
    assert (answer.status, answer.text, answer.events[-1]) == (200, "whole", "[DONE]")
    assert (
        sum(event != "[DONE]" and event["choices"][0]["delta"].get("role") == "assistant" for event in answer.events)
        == 1
    )


@pytest.mark.parametrize(
    ("broken", "code"),
    [
        (stream([ROLE, chunk({"content": "half"})], end="cut"), "unavailable"),
        (stream([ROLE, chunk({"content": "half"}), ERROR_EVENT], end="open"), "unavailable"),
        (stream([ROLE, chunk({"content": "half"})], end="open"), "timeout"),
    ],
    ids=["cut", "error event", "silence"],
)
async def test_a_stream_that_fails_after_content_ends_with_an_error_event_and_in_order(broken: Any, code: str) -> None:
    async with upstream(broken) as first, upstream(stream(words("no"))) as second:
        timeouts = Timeouts(first_token_ms=1_000, idle_ms=500, total_ms=10_000)
        answer = await ask_two(first, second, request={"stream": True}, timeouts=timeouts)
    assert (answer.status, answer.text) == (200, "half")
    assert answer.events[-1]["error"]["code"] == code
    assert not second.received


async def test_a_broken_stream_is_charged_by_what_passed() -> None:
    broken = stream([ROLE, *(chunk({"content": "x"}) for _ in range(9))], end="cut")
    async with upstream(broken) as cloud:
        configured = snapshot(
            {"a": provider(cloud.url)},
            {"r": route(target("a"))},
            quotas={"q": quota(limit(Resource.TOKENS, 10_000))},
        )
        async with gateway(configured) as proxy:
            await proxy.chat(stream=True)
            line = await proxy.line()
    assert (line["output_tokens"], line["tokens_estimated"]) == (10, True)
    assert (line["status"], line["error"]) == (200, "unavailable")


async def test_what_never_says_anything_is_not_gathered_for_ever() -> None:
    async with upstream(stream([chunk({})] * 2_000, end="open")) as cloud:
        configured = one(cloud, timeouts=Timeouts(first_token_ms=5_000, idle_ms=300, total_ms=5_000))
        async with gateway(configured) as proxy:
            answer = await proxy.chat(stream=True)
    assert (answer.status, len(answer.events)) == (200, 2_001)
    assert answer.events[-1]["error"]["code"] == "timeout"


async def test_a_reader_who_takes_nothing_is_given_up_at_the_deadline_and_the_provider_not_blamed() -> None:
    event = b"data: " + json.dumps(chunk({"content": "x" * 50_000})).encode() + b"\n\n"

    async def pour(request: Any, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\n")
        while True:
            writer.write(event)
            await writer.drain()

    async with upstream(pour) as cloud:
        configured = one(cloud, timeouts=Timeouts(first_token_ms=1_000, idle_ms=1_000, total_ms=1_000))
        async with gateway(configured) as proxy:
            request = {"model": "chat", "messages": [{"role": "user", "content": "x"}], "stream": True}
            url = f"{proxy.url}/v1/chat/completions"
            async with proxy.session.post(url, json=request, headers=AUTHORIZED) as answer:
                await until(lambda: not proxy.services.client.connections)
                rest = await answer.content.read()
            assert proxy.pipeline.runtime is not None
            (health,) = proxy.pipeline.runtime.records.healths.values()
    assert b'"code":"timeout"' in rest[-500:]
    assert health.failures == 0


async def test_an_empty_answer_is_an_answer() -> None:
    async with upstream(stream(words())) as cloud, gateway(one(cloud)) as proxy:
        answer = await proxy.chat(stream=True)
    assert (answer.status, answer.text, answer.events[-1]) == (200, "", "[DONE]")


async def test_a_complete_stream_whose_end_never_comes_is_complete() -> None:
    endless = stream([*words("all")], end="done")

    async def never_ends(request: Any, writer: asyncio.StreamWriter) -> None:
        real_write = writer.write
        writer.write = lambda data: real_write(data) if data != b"0\r\n\r\n" else None  # type: ignore[method-assign]
        await endless(request, writer)
        writer.write = real_write  # type: ignore[method-assign]
        writer.close()

    async with upstream(never_ends) as cloud, gateway(one(cloud)) as proxy:
        answer = await proxy.chat(stream=True)
        line = await proxy.line()
    assert (answer.text, answer.events[-1]) == ("all", "[DONE]")
    assert "error" not in line


async def test_a_break_behind_the_last_word_does_no_harm() -> None:
    said = b"".join(b"data: " + json.dumps(event).encode() + b"\n\n" for event in words("all")) + b"data: [DONE]\n"
    head = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ncontent-length: 99999\r\n\r\n"
    async with upstream(close(head + said)) as cloud, gateway(one(cloud)) as proxy:
        answer = await proxy.chat(stream=True)
        line = await proxy.line()
    assert (answer.text, answer.events[-1]) == ("all", "[DONE]")
    assert "error" not in line


async def test_weights_share_out_the_requests() -> None:
    async with upstream() as first, upstream() as second:
        configured = snapshot(
            {"a": provider(first.url), "b": provider(second.url)},
            {"r": route(target("a", weight=3), target("b", weight=1))},
        )
        async with gateway(configured) as proxy:
            for _ in range(80):
                assert (await proxy.chat()).status == 200
    # The generator is seeded: 80 draws at 3:1.
    assert 45 <= len(first.received) <= 75
    assert len(first.received) + len(second.received) == 80


async def test_a_slow_reader_holds_the_provider_back() -> None:
    event = b"data: " + json.dumps(chunk({"content": "x" * 50_000})).encode() + b"\n\n"
    sent = 0

    async def pour(request: Any, writer: asyncio.StreamWriter) -> None:
        nonlocal sent
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\n")
        for _ in range(1_000):
            writer.write(event)
            await writer.drain()
            sent += 1
        writer.write(b"data: [DONE]\n\n")
        writer.close()

    async with upstream(pour) as cloud, gateway(one(cloud)) as proxy:
        request = {"model": "chat", "messages": [{"role": "user", "content": "x"}], "stream": True}
        async with proxy.session.post(f"{proxy.url}/v1/chat/completions", json=request, headers=AUTHORIZED) as answer:
            await answer.content.readany()
            while True:
                before = sent
                await asyncio.sleep(0.2)
                if sent == before:
                    break
            held_back_at = sent
            rest = sum([len(data) async for data in answer.content.iter_any()])
    assert held_back_at < 900
    assert rest > (1_000 - held_back_at) * 50_000


def test_the_default_route_falls_back_on_what_is_not_the_client_s_fault() -> None:
    left_out = set(FailureClass) - set(Route(models=(), created="", generation=1).fallback_on)
    assert left_out == {FailureClass.CONTENT_FILTER, FailureClass.CONTEXT_WINDOW}


async def test_a_target_that_says_it_has_nothing_left_is_passed_over_until_it_has() -> None:
    spent = whole(completion("A"), x_ratelimit_remaining_requests="0", x_ratelimit_reset_requests="30s")
    async with upstream(whole(completion("A")), spent) as first, upstream(whole(completion("B"))) as second:
        configured = snapshot({"a": provider(first.url), "b": provider(second.url)}, {"r": route(*FIRST_THEN_SECOND)})
        async with gateway(configured) as proxy:
            said = [(await proxy.chat()).json["choices"][0]["message"]["content"] for _ in range(2)]
    assert said == ["A", "B"]


async def test_the_only_target_is_asked_though_it_has_nothing_left() -> None:
    spent = whole(completion("A"), x_ratelimit_remaining_requests="0", x_ratelimit_reset_requests="30s")
    async with upstream(spent) as cloud, gateway(one(cloud)) as proxy:
        assert [(await proxy.chat()).status for _ in range(2)] == [200, 200]
