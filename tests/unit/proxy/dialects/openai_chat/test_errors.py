import json

import pytest

from pilothouse_proxy.dialects.openai_chat import errors
from pilothouse_proxy.errors import Kind


@pytest.mark.parametrize(
    ("body", "message", "code"),
    [
        (b'{"error":{"message":"m","type":"t","param":"p","code":"c"}}', "m", "c"),
        (b'{"error":{"message":"m","code":429}}', "m", "429"),
        (b'{"error":{"message":"m","code":null}}', "m", ""),
        (b'{"error":"m"}', "m", ""),
        (b'{"object":"error","message":"m","type":"NotFoundError","code":404}', "m", "404"),
        (b'{"statusCode":401,"message":"m"}', "m", "401"),
        (b'{"detail":"m"}', "m", ""),
        (b'{"detail":[{"loc":["body"]}]}', "", ""),
        (b"<html>503</html>", "", ""),
        (b"", "", ""),
        (b'{"error":{"message":', "", ""),
        (b"\xff\xfe", "", ""),
        (b"[]", "", ""),
        (b'{"error":[1]}', "", ""),
        (b'{"error":{"message":7,"code":true}}', "7", ""),
    ],
)
def test_every_shape_of_error_body_is_read(body: bytes, message: str, code: str) -> None:
    document = errors.read(body)
    assert (document.message, document.code) == (message, code)


@pytest.mark.parametrize(
    ("error", "status", "kind"),
    [
        ({"code": "context_length_exceeded"}, 400, Kind.CONTEXT_LENGTH),
        ({"code": "string_above_max_length"}, 400, Kind.CONTEXT_LENGTH),
        ({"code": 400, "message": "This model's maximum context length is 4096 tokens."}, 400, Kind.CONTEXT_LENGTH),
        ({"code": "content_filter"}, 400, Kind.CONTENT_FILTER),
        ({"code": "500", "innererror": {"code": "ResponsibleAIPolicyViolation"}}, 500, Kind.CONTENT_FILTER),
        ({"code": "model_not_found"}, 404, Kind.UPSTREAM_MODEL_MISSING),
        ({"code": "model_not_found"}, 403, Kind.UPSTREAM_MODEL_MISSING),
        ({"code": 404, "message": "The model `x` does not exist."}, 404, Kind.UPSTREAM_MODEL_MISSING),
        ({"message": "Not Found"}, 404, Kind.MISCONFIGURED),
        ({"type": "insufficient_quota", "code": None}, 429, Kind.UPSTREAM_QUOTA),
        ({"type": "tokens", "code": "rate_limit_exceeded"}, 429, Kind.RATE_LIMITED),
        ({"code": "invalid_api_key"}, 401, Kind.UPSTREAM_AUTH),
        ({"type": "invalid_request_error", "code": "unsupported_value"}, 400, Kind.INVALID_REQUEST),
        ({"type": "server_error"}, 500, Kind.UNAVAILABLE),
        ({}, 301, Kind.MISCONFIGURED),
        ({}, 402, Kind.UPSTREAM_QUOTA),
        ({}, 403, Kind.UPSTREAM_PERMISSION),
        ({}, 405, Kind.MISCONFIGURED),
        ({}, 408, Kind.TIMEOUT),
        ({}, 409, Kind.UNAVAILABLE),
        ({}, 413, Kind.TOO_LARGE),
        ({}, 418, Kind.INVALID_REQUEST),
        ({}, 422, Kind.INVALID_REQUEST),
        ({}, 424, Kind.PROVIDER_ERROR),
        ({}, 429, Kind.RATE_LIMITED),
        ({}, 499, Kind.TIMEOUT),
        ({}, 501, Kind.MISCONFIGURED),
        ({}, 529, Kind.UNAVAILABLE),
    ],
)
def test_what_an_error_means(error: dict[str, object], status: int, kind: Kind) -> None:
    document = errors.read(json.dumps({"error": error}).encode())
    assert errors.kind(document, status=status) is kind


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        ({"type": "server_error", "message": "m"}, Kind.UNAVAILABLE),
        ({"code": 429, "message": "m"}, Kind.RATE_LIMITED),
        ({"code": "503", "message": "m"}, Kind.UNAVAILABLE),
        ({"code": "rate_limit_exceeded", "message": "m"}, Kind.RATE_LIMITED),
        ({"type": "invalid_request_error", "message": "m"}, Kind.INVALID_REQUEST),
        ({"message": "m"}, Kind.PROVIDER_ERROR),
        ({"message": "maximum context length is 10"}, Kind.CONTEXT_LENGTH),
    ],
)
def test_an_error_inside_a_stream_has_no_status_to_go_by(error: dict[str, object], kind: Kind) -> None:
    assert errors.from_event({"error": error}).kind is kind


def test_only_a_content_filter_keeps_further_members_for_the_client() -> None:
    inner = {"code": "ResponsibleAIPolicyViolation", "content_filter_result": {"hate": {"filtered": True}}}
    filtered = errors.from_event({"error": {"code": "content_filter", "message": "m", "innererror": inner}})
    other = errors.from_event({"error": {"code": "server_error", "message": "m", "trace": "at host-7"}})
    assert filtered.detail == {"innererror": inner}
    assert other.detail is None


def test_a_refused_key_is_not_quoted() -> None:
    body = b'{"error":{"message":"Incorrect API key provided: sk-ab***yz.","code":"invalid_api_key"}}'
    document = errors.read(body)
    failure = errors.failure(document, errors.kind(document, status=401), status=401)
    assert failure.kind is Kind.UPSTREAM_AUTH
    assert "sk-ab" not in repr(failure)
