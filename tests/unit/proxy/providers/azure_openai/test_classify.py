import json

import pytest

from pilothouse_proxy.errors import Kind
from pilothouse_proxy.http.messages import Headers
from pilothouse_proxy.providers.azure_openai.classify import classify


def kind(status: int, error: dict[str, object], headers: Headers | None = None) -> Kind:
    body = json.dumps({"error": error}).encode()
    return classify(status=status, headers=headers or [], body=body, now=0.0).kind


@pytest.mark.parametrize(
    "words",
    ["your provisioned-managed deployment", "your provisioned managed deployment", "your provisioned deployment"],
)
def test_reserved_capacity_that_is_full_is_no_fault(words: str) -> None:
    assert kind(429, {"code": "429", "message": f"exceeded the throughput limit on {words}"}) is Kind.CAPACITY


def test_advice_to_buy_reserved_capacity_is_not_reserved_capacity() -> None:
    message = "High demand. For improved capacity reliability, consider switching to Provisioned Throughput."
    assert kind(429, {"code": "429", "message": message}) is Kind.RATE_LIMITED


def test_only_reserved_capacity_reports_how_full_it_is() -> None:
    utilization = [(b"azure-openai-deployment-utilization", b"101%")]
    assert kind(429, {"code": "429", "message": "busy"}, utilization) is Kind.CAPACITY
    assert kind(503, {"code": "503", "message": "down"}, utilization) is Kind.UNAVAILABLE


def test_a_token_that_has_ended_asks_for_another_and_missing_rights_do_not() -> None:
    words = "Unauthorized. Access token is missing, invalid, audience is incorrect (https://x), or have expired."
    ended = {"statusCode": 401, "message": words}
    denied = {"error": {"code": "PermissionDenied", "message": "The principal lacks the required data action."}}
    answers = [(401, ended), (403, denied)]
    found = [classify(status=status, headers=[], body=json.dumps(body).encode(), now=0.0) for status, body in answers]
    assert [(failure.kind, failure.renewable) for failure in found] == [
        (Kind.UPSTREAM_AUTH, True),
        (Kind.UPSTREAM_PERMISSION, False),
    ]


def test_codes_may_be_numbers() -> None:
    assert kind(429, {"code": 429, "message": "slow down"}) is Kind.RATE_LIMITED


def test_the_gateways_request_id_counts_more_than_the_backends() -> None:
    headers = [(b"x-request-id", b"back"), (b"apim-request-id", b"front")]
    assert classify(status=500, headers=headers, body=b"", now=0.0).request_id == "front"
    assert classify(status=500, headers=headers[:1], body=b"", now=0.0).request_id == "back"


def test_the_finer_wait_counts() -> None:
    headers = [(b"retry-after", b"1"), (b"retry-after-ms", b"43")]
    assert classify(status=429, headers=headers, body=b"", now=0.0).retry_after_s == 0.043


def test_a_filtered_prompt_keeps_what_the_filter_found() -> None:
    inner = {"code": "ResponsibleAIPolicyViolation", "content_filter_result": {"hate": {"filtered": True}}}
    body = json.dumps({"error": {"code": "content_filter", "message": "m", "innererror": inner}}).encode()
    failure = classify(status=400, headers=[], body=body, now=0.0)
    assert (failure.kind, failure.detail) == (Kind.CONTENT_FILTER, {"innererror": inner})
