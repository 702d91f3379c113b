"""Limits and faults of Azure OpenAI and plain OpenAI, as the openai SDK meets them."""

from __future__ import annotations

import json
from typing import Any

import openai
import pytest

from tests.simulators.faults import CutEnding, Fault, Kind, Shape
from tests.simulators.fleet import Simulators
from tests.simulators.limits import Limit

HELLO: Any = [{"role": "user", "content": "Hello"}]
WORDS: Any = [{"role": "user", "content": "simulate words=4"}]


@pytest.fixture(params=["azure", "azure_v1", "plain"])
def client(request: pytest.FixtureRequest) -> Any:
    return request.getfixturevalue(request.param)


def hello(client: openai.OpenAI, model: str = "gpt-4o") -> Any:
    return client.chat.completions.create(model=model, messages=HELLO)


def texts(client: openai.OpenAI, seen: list[str]) -> None:
    with client.chat.completions.create(model="gpt-4o", messages=WORDS, stream=True) as stream:
        for chunk in stream:
            if chunk.choices and chunk.choices[0].delta and chunk.choices[0].delta.content:
                seen.append(chunk.choices[0].delta.content)


@pytest.mark.parametrize(
    ("status", "error"),
    [
        (400, openai.BadRequestError),
        (401, openai.AuthenticationError),
        (403, openai.PermissionDeniedError),
        (404, openai.NotFoundError),
        (408, openai.APIStatusError),
        (422, openai.UnprocessableEntityError),
        (424, openai.APIStatusError),
        (429, openai.RateLimitError),
        (500, openai.InternalServerError),
        (503, openai.InternalServerError),
    ],
)
def test_an_error_by_status_is_the_sdks_own(
    simulators: Simulators, client: openai.OpenAI, status: int, error: type[openai.APIStatusError]
) -> None:
    simulators.controls.fail(Fault(kind=Kind.ERROR, status=status, name="some_code", message="as told"))
    with pytest.raises(error) as caught:
        hello(client)
    assert (caught.value.status_code, caught.value.code) == (status, "some_code")
    assert "as told" in caught.value.message
    hello(client)


@pytest.mark.parametrize("name", ["requests", "tokens", "capacity", "quota", "utilisation"])
def test_throttling_tells_when_to_come_back(simulators: Simulators, azure: openai.AzureOpenAI, name: str) -> None:
    simulators.controls.fail(Fault(kind=Kind.THROTTLE, name=name, retry_after_s=2, retry_after_ms=1500))
    with pytest.raises(openai.RateLimitError) as caught:
        hello(azure)
    headers = caught.value.response.headers
    assert (headers["retry-after"], headers["retry-after-ms"]) == ("2", "1500")
    assert caught.value.code == {
        "quota": "insufficient_quota",
        "requests": "rate_limit_exceeded",
        "tokens": "rate_limit_exceeded",
    }.get(name, "429")


def test_the_sdk_retries_after_a_throttle(simulators: Simulators, azure: openai.AzureOpenAI) -> None:
    simulators.controls.fail(Fault(kind=Kind.THROTTLE, retry_after_ms=1))
    assert hello(azure.with_options(max_retries=1))
    assert [record["status"] for record in simulators.controls.recorder.shown(provider="azure")] == [429, 200]


def test_a_gateway_has_its_own_shape(simulators: Simulators, azure: openai.AzureOpenAI) -> None:
    simulators.controls.fail(Fault(kind=Kind.ERROR, status=429, message="slow down", shape=Shape.GATEWAY))
    with pytest.raises(openai.RateLimitError) as caught:
        hello(azure)
    assert caught.value.body == {"statusCode": 429, "message": "slow down"}


@pytest.mark.parametrize(("kind", "status"), [(Kind.HTML, 503), (Kind.EMPTY, 500)])
def test_answers_without_an_error_object_are_errors(
    simulators: Simulators, client: openai.OpenAI, kind: Kind, status: int
) -> None:
    simulators.controls.fail(Fault(kind=kind))
    with pytest.raises(openai.InternalServerError) as caught:
        hello(client)
    assert caught.value.status_code == status


def test_bad_json_cannot_be_parsed(simulators: Simulators, client: openai.OpenAI) -> None:
    simulators.controls.fail(Fault(kind=Kind.BAD_JSON))
    with pytest.raises(json.JSONDecodeError):
        hello(client)


@pytest.mark.parametrize("kind", [Kind.CLOSE, Kind.RESET, Kind.NOT_HTTP, Kind.CUT])
def test_a_broken_connection_is_a_connection_error(simulators: Simulators, client: openai.OpenAI, kind: Kind) -> None:
    simulators.controls.fail(Fault(kind=kind))
    with pytest.raises(openai.APIConnectionError):
        hello(client)


@pytest.mark.parametrize("kind", [Kind.SILENCE, Kind.SLOW, Kind.STALL])
def test_a_late_answer_is_a_timeout(simulators: Simulators, client: openai.OpenAI, kind: Kind) -> None:
    simulators.controls.fail(Fault(kind=kind, first_byte_ms=60_000, after_bytes=10))
    with pytest.raises(openai.APITimeoutError):
        hello(client.with_options(timeout=0.2))


def test_an_error_event_raises_in_the_middle(simulators: Simulators, client: openai.OpenAI) -> None:
    simulators.controls.fail(Fault(kind=Kind.STREAM_ERROR, message="midway", after_events=4))
    seen: list[str] = []
    with pytest.raises(openai.APIError, match="midway") as caught:
        texts(client, seen)
    assert caught.value.type == "server_error"
    assert seen and "".join(seen) in "word1 word2 word3 word4"


@pytest.mark.parametrize("before", ["finish", "done"])
def test_a_graceful_cut_ends_without_an_error(simulators: Simulators, client: openai.OpenAI, before: str) -> None:
    simulators.controls.fail(Fault(kind=Kind.CUT, before_event=before, ending=CutEnding.GRACEFUL))
    chunks = list(client.chat.completions.create(model="gpt-4o", messages=WORDS, stream=True))
    reasons = [chunk.choices[0].finish_reason for chunk in chunks if chunk.choices]
    assert reasons[-1] == (None if before == "finish" else "stop")


@pytest.mark.parametrize("ending", [CutEnding.CLOSE, CutEnding.RESET])
def test_a_cut_in_the_middle_breaks_the_body(simulators: Simulators, client: openai.OpenAI, ending: CutEnding) -> None:
    simulators.controls.fail(Fault(kind=Kind.CUT, after_events=4, ending=ending))
    seen: list[str] = []
    with pytest.raises(Exception, match=r"peer|reset|closed|Connection") as caught:
        texts(client, seen)
    assert not isinstance(caught.value, openai.APIStatusError)
    assert seen and seen[0] == "word1"


@pytest.mark.parametrize("after", [0, 1, 5, 6, 100, 300, 700])
def test_a_cut_at_any_byte_never_yields_a_broken_text(
    simulators: Simulators, client: openai.OpenAI, after: int
) -> None:
    simulators.controls.fail(Fault(kind=Kind.CUT, after_bytes=after, ending=CutEnding.GRACEFUL))
    seen: list[str] = []
    try:
        texts(client, seen)
    except (openai.APIError, json.JSONDecodeError):
        pass  # the SDK tries to read the half event that a cut leaves behind
    assert "word1 word2 word3 word4".startswith("".join(seen))
    assert len(seen) < 4


def test_a_stalled_stream_is_a_timeout(simulators: Simulators, client: openai.OpenAI) -> None:
    simulators.controls.fail(Fault(kind=Kind.STALL, after_events=4))
    seen: list[str] = []
    with pytest.raises(Exception, match="tim"):
        texts(client.with_options(timeout=0.2), seen)
    assert seen


def test_a_missing_event_is_all_that_is_missing(simulators: Simulators, azure: openai.AzureOpenAI) -> None:
    simulators.controls.fail(Fault(kind=Kind.MISSING_EVENT, before_event="prompt-filter"))
    chunks = list(azure.chat.completions.create(model="gpt-4o", messages=WORDS, stream=True))
    assert all(chunk.choices for chunk in chunks)


def test_frames_and_filters_stay_with_their_provider(simulators: Simulators, plain: openai.OpenAI) -> None:
    simulators.controls.fail(Fault(kind=Kind.BAD_CRC))
    simulators.controls.fail(Fault(kind=Kind.COMPLETION_FILTER))
    seen: list[str] = []
    texts(plain, seen)
    assert "".join(seen) == "word1 word2 word3 word4"
    assert len(simulators.controls.faults.rules) == 2


# Limits


def test_azure_counts_requests_down_in_bare_seconds(simulators: Simulators, azure: openai.AzureOpenAI) -> None:
    simulators.controls.limits.set(Limit(provider="azure", model="gpt-4o", rpm=2))
    raw = azure.chat.completions.with_raw_response
    first = raw.create(model="gpt-4o", messages=HELLO).headers
    assert (first["x-ratelimit-limit-requests"], first["x-ratelimit-remaining-requests"]) == ("2", "1")
    assert first["x-ratelimit-reset-requests"].isdigit()
    assert first["x-request-id"] and first["apim-request-id"]
    assert first["x-ms-deployment-name"] == "gpt-4o"
    hello(azure)
    with pytest.raises(openai.RateLimitError) as caught:
        hello(azure)
    assert 0 < int(caught.value.response.headers["retry-after-ms"]) <= 60_000
    assert "call rate limit" in caught.value.message
    hello(azure, "gpt")


def test_azure_charges_what_is_asked_for(simulators: Simulators, azure: openai.AzureOpenAI) -> None:
    simulators.controls.limits.set(Limit(provider="azure", tpm=1000))
    with pytest.raises(openai.RateLimitError, match="token rate limit"):
        azure.chat.completions.create(model="gpt-4o", messages=HELLO, max_tokens=1000)
    answer = azure.chat.completions.with_raw_response.create(model="gpt-4o", messages=HELLO, max_tokens=500)
    assert answer.headers["x-ratelimit-remaining-tokens"] == str(1000 - 500 - 9)


def test_a_provisioned_deployment_shows_its_utilisation(simulators: Simulators, azure: openai.AzureOpenAI) -> None:
    simulators.controls.limits.set(Limit(provider="azure", model="gpt-4o-ptu", tpm=1000))
    raw = azure.chat.completions.with_raw_response
    headers = raw.create(model="gpt-4o-ptu", messages=HELLO, max_tokens=491).headers
    assert headers["azure-openai-deployment-utilization"] == "50.0%"
    assert "x-ratelimit-limit-tokens" not in headers
    with pytest.raises(openai.RateLimitError, match="provisioned") as caught:
        raw.create(model="gpt-4o-ptu", messages=HELLO, max_tokens=600)
    assert int(caught.value.response.headers["retry-after-ms"]) > 0


def test_plain_openai_resets_in_seconds_with_a_unit(simulators: Simulators, plain: openai.OpenAI) -> None:
    simulators.controls.limits.set(Limit(provider="openai", rpm=1))
    headers = plain.chat.completions.with_raw_response.create(model="gpt-4o", messages=HELLO).headers
    assert headers["x-ratelimit-reset-requests"].endswith("s")
    with pytest.raises(openai.RateLimitError) as caught:
        hello(plain)
    assert caught.value.code == "rate_limit_exceeded"
    assert "retry-after" in caught.value.response.headers
