import pytest

from pilothouse_proxy.errors import Kind
from pilothouse_proxy.providers.bedrock.classify import classify

NOW = 1_700_000_000.0


def test_the_header_names_the_exception_whatever_hangs_on_it() -> None:
    for value in (b"ThrottlingException", b"ThrottlingException:http://internal/", b"aws.x#ThrottlingException"):
        failure = classify(status=429, headers=[(b"x-amzn-errortype", value)], body=b"", now=NOW)
        assert (failure.kind, failure.code) == (Kind.RATE_LIMITED, "ThrottlingException")


def test_the_header_counts_more_than_the_body() -> None:
    headers = [(b"x-amzn-errortype", b"ModelNotReadyException")]
    body = b'{"__type":"ThrottlingException","message":"m"}'
    assert classify(status=429, headers=headers, body=body, now=NOW).kind is Kind.NOT_READY


def test_request_id_status_and_wait_are_kept() -> None:
    headers = [(b"x-amzn-requestid", b"ab-12"), (b"retry-after", b"4")]
    failure = classify(status=503, headers=headers, body=b"<html>", now=NOW)
    assert (failure.request_id, failure.status, failure.retry_after_s) == ("ab-12", 503, 4)


CLOCK = b"Signature expired: 20231114T220000Z is now earlier than 20231114T220500Z (20231114T221000Z - 5 min.)"


@pytest.mark.parametrize(
    "body", [b'{"message":"%b"}' % CLOCK, b'{"error":{"message":"%b","type":"authentication_error"}}' % CLOCK]
)
def test_a_signature_of_another_time_tells_how_far_the_clocks_are_apart(body: bytes) -> None:
    headers = [(b"x-amzn-errortype", b"InvalidSignatureException")] if b"error" not in body else []
    dated = [*headers, (b"date", b"Tue, 14 Nov 2023 22:23:20 GMT")]
    failure = classify(status=403, headers=dated, body=body, now=NOW)
    assert (failure.kind, failure.skew_s) == (Kind.UPSTREAM_AUTH, 600.0)
    assert classify(status=403, headers=headers, body=body, now=NOW).skew_s is None


def test_other_refusals_tell_nothing_of_clocks() -> None:
    headers = [(b"x-amzn-errortype", b"ExpiredTokenException"), (b"date", b"Tue, 14 Nov 2023 22:23:20 GMT")]
    assert classify(status=403, headers=headers, body=b'{"message":"expired"}', now=NOW).skew_s is None


def test_a_header_that_is_no_text_is_survived() -> None:
    failure = classify(status=400, headers=[(b"x-amzn-errortype", b"\xff\xfe")], body=b"", now=NOW)
    assert (failure.kind, failure.code) == (Kind.INVALID_REQUEST, None)
