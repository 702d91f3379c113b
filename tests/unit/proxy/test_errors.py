import dataclasses
import json
import math
from email.utils import formatdate

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pilothouse_api.snapshot.routes import DEFAULT_FALLBACK_ON, DEFAULT_RETRY_ON, FailureClass
from pilothouse_proxy import errors
from pilothouse_proxy.errors import Blame, Breaker, Failure, GatewayError, Kind, Retries, Retry, Shape

NOW = 1_700_000_000.0


def headers_of(answer: errors.ErrorAnswer) -> dict[bytes, bytes]:
    assert len({name for name, _ in answer.headers}) == len(answer.headers)
    return dict(answer.headers)


def test_every_kind_has_its_line_in_the_table() -> None:
    assert set(errors.TABLE) == set(Kind)


@pytest.mark.parametrize("kind", Kind)
def test_no_client_ever_reads_a_status_that_makes_sdks_repeat_without_need(kind: Kind) -> None:
    assert errors.TABLE[kind].status not in {408, 409}


@pytest.mark.parametrize("kind", Kind)
def test_types_are_a_closed_set(kind: Kind) -> None:
    assert errors.TABLE[kind].type in {
        "invalid_request_error",
        "rate_limit_error",
        "insufficient_quota",
        "server_error",
    }


@pytest.mark.parametrize("kind", Kind)
def test_who_is_to_blame_fits_what_the_client_is_told(kind: Kind) -> None:
    row = errors.TABLE[kind]
    if row.blame is Blame.CLIENT:
        assert 400 <= row.status < 500
    else:
        assert row.status == 429 or row.status >= 500


@pytest.mark.parametrize("kind", Kind)
def test_only_failures_of_a_class_may_be_tried_again(kind: Kind) -> None:
    row = errors.TABLE[kind]
    assert row.failure_class is not None or (row.retry is Retry.NEVER and row.breaker is Breaker.NO)


def test_each_failure_class_of_the_manifest_is_reached_by_some_kind() -> None:
    assert {row.failure_class for row in errors.TABLE.values()} - {None} == set(FailureClass)


def test_what_routes_retry_by_default_may_be_retried() -> None:
    reached = {row.failure_class for row in errors.TABLE.values() if row.retry is not Retry.NEVER}
    assert set(DEFAULT_RETRY_ON) <= reached


def test_a_client_mistake_falls_back_nowhere_by_default() -> None:
    classes = {row.failure_class for kind, row in errors.TABLE.items() if row.status == 400}
    assert classes.isdisjoint(DEFAULT_FALLBACK_ON)


def test_the_body_has_the_four_members_that_sdks_read() -> None:
    answer = errors.from_error(GatewayError(Kind.UNSUPPORTED, "seed is not supported", param="seed"))
    assert answer.status == 400
    assert json.loads(answer.body) == {
        "error": {
            "message": "seed is not supported",
            "type": "invalid_request_error",
            "param": "seed",
            "code": "unsupported_parameter",
        }
    }
    assert headers_of(answer) == {b"content-type": b"application/json"}


def test_a_code_of_openai_style_passes_and_an_exception_name_does_not() -> None:
    def code(text: str | None) -> object:
        return json.loads(errors.body(Kind.INVALID_REQUEST, "no", code=text))["error"]["code"]

    assert code("invalid_value") == "invalid_value"
    assert [code(text) for text in ("ValidationException", "400", "has blank", "", None)] == [None] * 5


def test_a_code_of_the_table_is_not_replaced_by_the_providers() -> None:
    told = json.loads(errors.body(Kind.RATE_LIMITED, "slow down", code="tokens"))
    assert told["error"]["code"] == "rate_limit_exceeded"


def test_detail_adds_members_but_replaces_none() -> None:
    detail = {"innererror": {"code": "ResponsibleAIPolicyViolation"}, "type": "x", "message": "y"}
    told = json.loads(errors.body(Kind.CONTENT_FILTER, "filtered", detail=detail))["error"]
    assert told["innererror"] == {"code": "ResponsibleAIPolicyViolation"}
    assert (told["type"], told["message"]) == ("invalid_request_error", "filtered")


def test_an_internal_error_tells_nothing_of_its_cause() -> None:
    answer = errors.from_error(GatewayError(Kind.INTERNAL, "KeyError: '/etc/secret'"))
    assert answer.status == 500
    assert b"secret" not in answer.body


def test_a_message_without_end_is_cut() -> None:
    assert len(json.loads(errors.body(Kind.INVALID_REQUEST, "x" * 100_000))["error"]["message"]) == 2_000


def test_a_throttled_client_is_told_when_to_come_back() -> None:
    answer = errors.from_failure(Failure(kind=Kind.RATE_LIMITED, message="slow down", retry_after_s=1.2))
    assert (answer.status, headers_of(answer)[b"retry-after"]) == (429, b"2")
    assert headers_of(answer)[b"retry-after-ms"] == b"1200"


def test_no_wait_is_named_where_none_is_known_or_the_status_gives_it_no_meaning() -> None:
    unknown = errors.from_failure(Failure(kind=Kind.RATE_LIMITED, message="slow down"))
    other = errors.from_failure(Failure(kind=Kind.PROVIDER_ERROR, message="broken", retry_after_s=3))
    assert b"retry-after" not in headers_of(unknown)
    assert b"retry-after" not in headers_of(other)


def test_sdks_are_told_not_to_repeat_once_our_own_retries_are_spent() -> None:
    failure = Failure(kind=Kind.UNAVAILABLE, message="down")
    assert headers_of(errors.from_failure(failure, retries=Retries.SPENT))[b"x-should-retry"] == b"false"
    assert b"x-should-retry" not in headers_of(errors.from_failure(failure, retries=Retries.LEFT))


def test_sdks_are_told_not_to_repeat_what_cannot_succeed() -> None:
    failure = Failure(kind=Kind.UPSTREAM_AUTH, message="refused")
    assert headers_of(errors.from_failure(failure, retries=Retries.LEFT))[b"x-should-retry"] == b"false"


def test_the_clients_own_mistake_needs_no_word_on_repeating() -> None:
    answer = errors.from_failure(Failure(kind=Kind.CONTEXT_LENGTH, message="too long"))
    assert b"x-should-retry" not in headers_of(answer)


@pytest.mark.parametrize(("wait_s", "told"), [(30, False), (3_600, True), (None, True)])
def test_sdks_wait_for_a_quota_only_as_long_as_they_are_able_to(wait_s: float | None, told: bool) -> None:
    answer = errors.from_error(GatewayError(Kind.QUOTA_EXCEEDED, "used up", retry_after_s=wait_s))
    assert (b"x-should-retry" in headers_of(answer)) is told


def test_the_providers_request_id_is_passed_on_under_a_name_of_ours() -> None:
    answer = errors.from_failure(Failure(kind=Kind.UNAVAILABLE, message="down", request_id="4f1c-88"))
    assert headers_of(answer)[b"x-pilothouse-upstream-request-id"] == b"4f1c-88"


def test_a_refused_caller_is_challenged() -> None:
    answer = errors.from_error(GatewayError(Kind.UNAUTHENTICATED, "no key"))
    assert (answer.status, headers_of(answer)[b"www-authenticate"]) == (401, b"Bearer")


def test_a_name_that_the_client_chose_is_its_own_mistake() -> None:
    failure = Failure(kind=Kind.UPSTREAM_MODEL_MISSING, message="no such model", status=404, code="DeploymentNotFound")
    chosen = errors.model_chosen_by_client(failure)
    assert chosen == dataclasses.replace(failure, kind=Kind.MODEL_NOT_FOUND)
    assert chosen.failure_class is failure.failure_class


def test_other_failures_are_nobody_elses_for_a_chosen_name() -> None:
    failure = Failure(kind=Kind.RATE_LIMITED, message="slow down")
    assert errors.model_chosen_by_client(failure) is failure


OUR_OWN = {Kind.NO_CONFIGURATION, Kind.NO_TARGET, Kind.NO_CREDENTIAL}  # never said by a provider


@pytest.mark.parametrize(
    "kind", [kind for kind, row in errors.TABLE.items() if row.blame is Blame.CONFIGURATION and kind not in OUR_OWN]
)
def test_words_about_our_account_are_kept_from_clients(kind: Kind) -> None:
    words = "User: arn:aws:iam::123456789012:user/x is not authorized"
    failure = errors.fit_for_client(Failure(kind=kind, message=words, code="SomeException"), hint="do this")
    assert "arn:" not in failure.message
    assert failure.message.endswith("(SomeException): do this")
    assert failure.note == ("" if kind is Kind.UPSTREAM_AUTH else words)


def test_a_provider_without_words_gets_some() -> None:
    told = errors.fit_for_client(Failure(kind=Kind.UNAVAILABLE, message="", status=503, code="X"))
    assert told.message == "the provider answered 503 (X)"


@pytest.mark.parametrize(
    ("headers", "wait_s"),
    [
        ([], None),
        ([(b"retry-after", b"7")], 7),
        ([(b"retry-after", b"0.5")], 0.5),
        ([(b"retry-after-ms", b"250")], 0.25),
        ([(b"retry-after", b"7"), (b"retry-after-ms", b"250")], 0.25),
        ([(b"retry-after", b"7"), (b"retry-after-ms", b"soon")], 7),
        ([(b"retry-after", b"soon")], None),
        ([(b"retry-after", b"-5")], None),
        ([(b"retry-after", b"1e9")], None),
        ([(b"retry-after", b"nan")], None),
        ([(b"retry-after", b"9" * 400)], None),
        ([(b"retry-after", b"99999999")], 86_400),
        ([(b"retry-after", b"Tue, 14 Nov 2023 22:13:50 GMT")], 30),
        ([(b"retry-after", b"Tue, 14 Nov 2023 22:00:00 GMT")], 0),
        ([(b"retry-after", b"Tue, 14 Nov 2099 22:00:00 GMT")], 86_400),
        ([(b"retry-after", b"Tue, 31 Feb 2023 22:00:00 GMT")], None),
        ([(b"retry-after", b"Tue, 14 Nov 2023 22:13:50 CET")], None),
        ([(b"retry-after", b"Tue, 14 Nov 99999999999999999999 22:13:50 GMT")], None),
        ([(b"retry-after", b"Tue, 14 Nov 2023 22:99999999999:50 GMT")], None),
    ],
)
def test_the_wait_a_provider_asks_for(headers: list[tuple[bytes, bytes]], wait_s: float | None) -> None:
    assert errors.retry_after_s(headers, now=NOW) == wait_s


@given(st.integers(0, 80_000))
def test_an_http_date_means_the_span_until_it(seconds: int) -> None:
    date = formatdate(NOW + seconds, usegmt=True).encode()
    assert errors.retry_after_s([(b"retry-after", date)], now=NOW) == seconds


@given(st.binary(max_size=40))
def test_no_value_of_the_header_does_harm(value: bytes) -> None:
    wait_s = errors.retry_after_s([(b"retry-after", value)], now=NOW)
    assert wait_s is None or (math.isfinite(wait_s) and 0 <= wait_s <= 86_400)


@pytest.mark.parametrize("value", [None, b"", b"a b", b"a\r\nx-evil: 1", b"\xff", b"x" * 129])
def test_an_id_that_does_not_belong_in_a_header_is_dropped(value: bytes | None) -> None:
    assert errors.visible_id(value) is None


ANTHROPIC_TYPES = {
    "invalid_request_error", "authentication_error", "billing_error", "permission_error", "not_found_error",
    "request_too_large", "rate_limit_error", "timeout_error", "overloaded_error", "api_error",
}  # fmt: skip
"""https://platform.claude.com/docs/en/api/errors."""


def test_every_kind_has_its_line_among_anthropics() -> None:
    assert set(errors.ANTHROPIC) == set(Kind)


@pytest.mark.parametrize("kind", Kind)
def test_anthropics_words_fit_those_of_the_table(kind: Kind) -> None:
    status, type_ = errors.ANTHROPIC[kind]
    ours = errors.TABLE[kind].status
    assert type_ in ANTHROPIC_TYPES
    assert status in ({529} if type_ == "overloaded_error" else {402} if type_ == "billing_error" else {ours})
    assert (status >= 500) == (ours >= 500)


def test_the_shape_of_anthropic_has_the_members_that_its_sdk_reads() -> None:
    error = GatewayError(Kind.UNSUPPORTED, "it is not offered", param="thinking")
    answer = errors.from_error(error, shape=Shape.ANTHROPIC, request_id="r1")
    assert answer.status == 400
    assert json.loads(answer.body) == {
        "type": "error",
        "error": {"type": "invalid_request_error", "message": "thinking: it is not offered"},
        "request_id": "r1",
    }


def test_a_message_that_names_the_parameter_is_left_as_it_is() -> None:
    body = errors.anthropic_body(Kind.INVALID_REQUEST, "`top_k` is odd", param="top_k", request_id="r1")
    assert json.loads(body)["error"]["message"] == "`top_k` is odd"


@pytest.mark.parametrize("kind", Kind)
def test_the_headers_are_those_of_every_shape(kind: Kind) -> None:
    failure = Failure(kind=kind, message="x", retry_after_s=3, request_id="up-1")
    for retries in Retries:
        openai = errors.from_failure(failure, retries=retries)
        anthropic = errors.from_failure(failure, retries=retries, shape=Shape.ANTHROPIC, request_id="r1")
        assert openai.headers == anthropic.headers
    error = GatewayError(kind, "x", retry_after_s=90)
    assert errors.from_error(error).headers == errors.from_error(error, shape=Shape.ANTHROPIC).headers


def test_an_internal_error_tells_nothing_in_any_shape() -> None:
    error = GatewayError(Kind.INTERNAL, "KeyError: secret", param="secret")
    assert b"secret" not in errors.from_error(error, shape=Shape.ANTHROPIC, request_id="r1").body
