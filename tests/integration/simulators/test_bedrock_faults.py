"""Every fault of Bedrock, as boto3 meets it."""

from __future__ import annotations

import http.client
from typing import Any

import botocore.eventstream
import botocore.exceptions
import pytest
import urllib3.exceptions
from botocore.config import Config

from tests.integration.simulators.raw import post
from tests.integration.simulators.test_bedrock_converse import CLAUDE, NOVA, text_of, user
from tests.integration.simulators.test_bedrock_sign_in import BODY, signed
from tests.integration.simulators.test_bedrock_stream import events, names, stream_into
from tests.simulators.faults import CutEnding, Fault, Kind, Provider, Shape
from tests.simulators.fleet import Simulators
from tests.simulators.limits import Limit
from tests.simulators.pacing import Pace


def fail(simulators: Simulators, kind: Kind, **more: Any) -> None:
    simulators.controls.fail(Fault(kind=kind, **more))


def hello(client: Any, model: str = CLAUDE) -> Any:
    return client.converse(modelId=model, messages=[user("Hello")])


def refusal(client: Any) -> dict[str, Any]:
    with pytest.raises(botocore.exceptions.ClientError) as caught:
        hello(client)
    return caught.value.response


@pytest.mark.parametrize(
    ("name", "status"),
    [
        ("AccessDeniedException", 403),
        ("ResourceNotFoundException", 404),
        ("ModelTimeoutException", 408),
        ("ModelErrorException", 424),
        ("ModelNotReadyException", 429),
        ("ThrottlingException", 429),
        ("ServiceQuotaExceededException", 400),
        ("InternalServerException", 500),
        ("ServiceUnavailableException", 503),
        ("ExpiredTokenException", 403),
    ],
)
def test_an_error_by_name_has_the_modelled_status(simulators: Simulators, bedrock: Any, name: str, status: int) -> None:
    fail(simulators, Kind.ERROR, name=name)
    response = refusal(bedrock)
    assert (response["ResponseMetadata"]["HTTPStatusCode"], response["Error"]["Code"]) == (status, name)


def test_a_modelled_error_is_boto3s_own_class(simulators: Simulators, bedrock: Any) -> None:
    fail(simulators, Kind.ERROR, name="ModelErrorException")
    with pytest.raises(bedrock.exceptions.ModelErrorException) as caught:
        hello(bedrock)
    assert caught.value.response["originalStatusCode"] == 500


@pytest.mark.parametrize("shape", [Shape.HEADER, Shape.HEADER_URL, Shape.BODY, Shape.CAPITAL])
def test_the_name_of_an_error_is_found_wherever_it_stands(simulators: Simulators, bedrock: Any, shape: Shape) -> None:
    fail(simulators, Kind.ERROR, name="ModelNotReadyException", message="cold", shape=shape)
    assert refusal(bedrock)["Error"] == {"Code": "ModelNotReadyException", "Message": "cold"}


@pytest.mark.parametrize(
    ("name", "code"),
    [(None, "ThrottlingException"), ("tokens", "ThrottlingException"), ("quota", "ServiceQuotaExceededException")],
)
def test_throttling_has_its_own_name(simulators: Simulators, bedrock: Any, name: str | None, code: str) -> None:
    fail(simulators, Kind.THROTTLE, name=name)
    assert refusal(bedrock)["Error"]["Code"] == code


def test_a_retry_after_is_sent_when_asked_for(simulators: Simulators, bedrock: Any) -> None:
    fail(simulators, Kind.THROTTLE, retry_after_s=7)
    assert refusal(bedrock)["ResponseMetadata"]["HTTPHeaders"]["retry-after"] == "7"


def test_html_is_an_error_without_a_name(simulators: Simulators, bedrock: Any) -> None:
    fail(simulators, Kind.HTML)
    response = refusal(bedrock)
    assert response["ResponseMetadata"]["HTTPStatusCode"] == 503
    assert response["ResponseMetadata"]["HTTPHeaders"]["content-type"] == "text/html"


def test_an_empty_500_is_an_error(simulators: Simulators, bedrock: Any) -> None:
    fail(simulators, Kind.EMPTY)
    assert refusal(bedrock)["ResponseMetadata"]["HTTPStatusCode"] == 500


def test_bad_json_is_no_answer(simulators: Simulators, bedrock: Any) -> None:
    fail(simulators, Kind.BAD_JSON)
    # botocore takes what it cannot parse for an answer without members.
    assert "output" not in hello(bedrock)


@pytest.mark.parametrize("kind", [Kind.CLOSE, Kind.RESET, Kind.NOT_HTTP])
def test_a_broken_connection_is_a_connection_error(simulators: Simulators, bedrock: Any, kind: Kind) -> None:
    fail(simulators, kind)
    with pytest.raises((botocore.exceptions.HTTPClientError, botocore.exceptions.ConnectionClosedError)):
        hello(bedrock)


def test_silence_lasts_until_the_caller_gives_up(simulators: Simulators, bedrock_with: Any) -> None:
    client = bedrock_with(config=Config(retries={"total_max_attempts": 1}, read_timeout=0.2))
    fail(simulators, Kind.SILENCE)
    with pytest.raises(botocore.exceptions.ReadTimeoutError):
        hello(client)
    assert simulators.controls.recorder.records[-1].fault == "silence"


def test_a_fault_counts_down_and_skips_first(simulators: Simulators, bedrock: Any) -> None:
    fail(simulators, Kind.THROTTLE, skip=1, count=2)
    hello(bedrock)
    refusal(bedrock)
    refusal(bedrock)
    hello(bedrock)


def test_a_fault_meets_only_what_it_names(simulators: Simulators, bedrock: Any) -> None:
    fail(simulators, Kind.THROTTLE, provider=Provider.AZURE, count=None)
    fail(simulators, Kind.THROTTLE, model="amazon.*", count=None)
    fail(simulators, Kind.THROTTLE, operation="ConverseStream", count=None)
    fail(simulators, Kind.THROTTLE, contains="Goodbye", count=None)
    hello(bedrock)
    with pytest.raises(bedrock.exceptions.ThrottlingException):
        hello(bedrock, NOVA)
    with pytest.raises(bedrock.exceptions.ThrottlingException):
        events(bedrock, "Hello")
    with pytest.raises(bedrock.exceptions.ThrottlingException):
        bedrock.converse(modelId=CLAUDE, messages=[user("Goodbye")])


def test_a_cut_answer_is_shorter_than_it_said(simulators: Simulators) -> None:
    fail(simulators, Kind.CUT)
    target = f"/model/{CLAUDE}/converse"
    with pytest.raises(http.client.IncompleteRead):
        post(simulators.bedrock_url, target, signed(target).headers, BODY)


# Streams


@pytest.mark.parametrize(
    "name",
    [
        "throttlingException",
        "modelStreamErrorException",
        "internalServerException",
        "serviceUnavailableException",
        "validationException",
        "modelTimeoutException",
    ],
)
def test_an_exception_frame_raises_in_the_middle(simulators: Simulators, bedrock: Any, name: str) -> None:
    fail(simulators, Kind.STREAM_EXCEPTION, name=name, message="midway", after_events=2)
    seen: list[Any] = []
    with pytest.raises(botocore.exceptions.EventStreamError) as caught:
        stream_into(seen, bedrock, "Hello")
    assert names(seen) == ["messageStart", "contentBlockDelta"]
    # botocore knows the names that the operation models; others keep their frame and lose their name.
    if name != "modelTimeoutException":
        assert caught.value.response["Error"] == {"Code": name, "Message": "midway"}


def test_an_error_frame_raises_with_its_code(simulators: Simulators, bedrock: Any) -> None:
    fail(simulators, Kind.STREAM_ERROR, name="InternalFailure", message="broken", after_events=1)
    with pytest.raises(botocore.exceptions.EventStreamError) as caught:
        events(bedrock, "Hello")
    assert caught.value.response["Error"] == {"Code": "InternalFailure", "Message": "broken"}


@pytest.mark.parametrize("before", ["messageStart", "contentBlockDelta", "contentBlockStop", "messageStop", "metadata"])
def test_a_graceful_cut_ends_without_an_error(simulators: Simulators, bedrock: Any, before: str) -> None:
    fail(simulators, Kind.CUT, before_event=before, ending=CutEnding.GRACEFUL)
    whole = ["messageStart", "contentBlockDelta", "contentBlockDelta", "contentBlockStop", "messageStop", "metadata"]
    assert names(events(bedrock, "simulate words=2")) == whole[: whole.index(before)]


@pytest.mark.parametrize("ending", [CutEnding.CLOSE, CutEnding.RESET])
def test_a_cut_in_the_middle_breaks_the_body(simulators: Simulators, bedrock: Any, ending: CutEnding) -> None:
    fail(simulators, Kind.CUT, after_events=2, ending=ending)
    seen: list[Any] = []
    with pytest.raises((urllib3.exceptions.ProtocolError, botocore.exceptions.HTTPClientError)):
        stream_into(seen, bedrock, "Hello")
    assert len(seen) == 2


@pytest.mark.parametrize("after", [0, 1, 11, 12, 13, 60, 150, 151, 152, 300])
def test_a_cut_at_any_byte_never_yields_a_broken_event(simulators: Simulators, bedrock: Any, after: int) -> None:
    whole = events(bedrock, "simulate words=2")
    fail(simulators, Kind.CUT, after_bytes=after, ending=CutEnding.GRACEFUL)
    found = events(bedrock, "simulate words=2")
    assert found == whole[: len(found)]
    assert len(found) < len(whole)


def test_a_missing_event_is_all_that_is_missing(simulators: Simulators, bedrock: Any) -> None:
    fail(simulators, Kind.MISSING_EVENT, before_event="messageStop")
    assert names(events(bedrock, "simulate words=1")) == [
        "messageStart",
        "contentBlockDelta",
        "contentBlockStop",
        "metadata",
    ]


def test_a_bad_checksum_is_noticed(simulators: Simulators, bedrock: Any) -> None:
    fail(simulators, Kind.BAD_CRC, after_events=1)
    with pytest.raises(botocore.eventstream.ChecksumMismatch):
        events(bedrock, "Hello")


def test_an_unknown_event_is_on_the_wire_and_ignored_by_botocore(simulators: Simulators, bedrock: Any) -> None:
    fail(simulators, Kind.UNKNOWN_EVENT, count=2)
    assert len(events(bedrock, "simulate words=1")) == 5
    target = f"/model/{CLAUDE}/converse-stream"
    assert b"contentBlockTelemetry" in post(simulators.bedrock_url, target, signed(target).headers, BODY).body


def test_an_unknown_delta_is_passed_on(simulators: Simulators, bedrock: Any) -> None:
    fail(simulators, Kind.UNKNOWN_MEMBER)
    found = events(bedrock, "simulate words=1")
    assert found[1]["contentBlockDelta"]["delta"] == {"SDK_UNKNOWN_MEMBER": {"name": "hologram"}}


def test_a_stalled_stream_says_nothing_more(simulators: Simulators, bedrock_with: Any) -> None:
    client = bedrock_with(config=Config(retries={"total_max_attempts": 1}, read_timeout=0.2))
    fail(simulators, Kind.STALL, after_events=2)
    seen: list[Any] = []
    with pytest.raises((urllib3.exceptions.ReadTimeoutError, botocore.exceptions.ReadTimeoutError)):
        stream_into(seen, client, "Hello")
    assert len(seen) == 2


# Time and quota


@pytest.mark.parametrize(
    ("pace", "number"),
    [(Pace(model="anthropic.*", first_byte_ms=60_000), 0), (Pace(provider="bedrock", between_events_ms=60_000), 1)],
)
def test_latency_comes_before_the_answer_or_between_its_events(
    simulators: Simulators, bedrock_with: Any, pace: Pace, number: int
) -> None:
    client = bedrock_with(config=Config(retries={"total_max_attempts": 1}, read_timeout=0.2))
    simulators.controls.pacing.set(pace)
    seen: list[Any] = []
    with pytest.raises((urllib3.exceptions.ReadTimeoutError, botocore.exceptions.ReadTimeoutError)):
        stream_into(seen, client, "Hello")
    assert len(seen) == number


def test_requests_a_minute_are_limited_by_model(simulators: Simulators, bedrock: Any) -> None:
    simulators.controls.limits.set(Limit(provider="bedrock", rpm=2))
    for _ in range(2):
        hello(bedrock)
    assert refusal(bedrock)["Error"]["Message"] == "Too many requests, please wait before trying again."
    hello(bedrock, NOVA)


def test_tokens_are_reserved_by_the_maximum_and_settled_by_use(simulators: Simulators, bedrock: Any) -> None:
    simulators.controls.limits.set(Limit(provider="bedrock", tpm=10_000))
    # Without maxTokens the model's whole maximum is reserved.
    assert refusal(bedrock)["Error"]["Message"] == "Too many tokens, please wait before trying again."
    for _ in range(50):
        answer = bedrock.converse(modelId=CLAUDE, messages=[user("Hello")], inferenceConfig={"maxTokens": 5000})
        assert text_of(answer)
