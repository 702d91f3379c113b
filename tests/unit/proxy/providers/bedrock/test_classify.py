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


def test_a_header_that_is_no_text_is_survived() -> None:
    failure = classify(status=400, headers=[(b"x-amzn-errortype", b"\xff\xfe")], body=b"", now=NOW)
    assert (failure.kind, failure.code) == (Kind.INVALID_REQUEST, None)
