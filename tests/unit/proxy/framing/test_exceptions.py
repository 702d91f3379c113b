import json

import pytest
from botocore.session import Session

from pilothouse_proxy.errors import Kind
from pilothouse_proxy.framing import exceptions

MODEL = Session().get_service_model("bedrock-runtime")
STREAM_EXCEPTIONS = [
    name
    for operation in ("ConverseStream", "InvokeModelWithResponseStream")
    for name in MODEL.operation_model(operation).get_event_stream_output().members
    if name.endswith("Exception")
]


@pytest.mark.parametrize("name", [shape.name for shape in MODEL.error_shapes])
def test_every_exception_of_the_service_model_is_known(name: str) -> None:
    assert name.lower().removesuffix("exception") in exceptions.EXCEPTIONS


@pytest.mark.parametrize("name", STREAM_EXCEPTIONS)
def test_a_stream_spells_them_otherwise_and_means_the_same(name: str) -> None:
    payload = b'{"message":"text"}'
    in_stream = exceptions.from_exception(name, payload)
    assert in_stream.kind is exceptions.from_exception(name[0].upper() + name[1:], payload).kind
    assert in_stream.code == name


@pytest.mark.parametrize(
    "message",
    [
        "Input is too long for requested model.",
        "prompt is too long: 210000 tokens > 200000 maximum",
        "The model returned the following errors: Input tokens exceeded: Number of input tokens exceeds maximum length",
        "This model's maximum context length is 8192 tokens",
        "error code context_length_exceeded",
        "Your input exceeds the context window of this model",
        "Input Tokens Exceed the configured limit of 272000 tokens",
        "tokens exceed model maximum",
    ],
)
def test_an_input_over_the_models_window_is_told_by_prose_alone(message: str) -> None:
    payload = json.dumps({"message": message}).encode()
    assert exceptions.from_exception("validationException", payload).kind is Kind.CONTEXT_LENGTH


@pytest.mark.parametrize("apostrophe", ["'", "’"])
def test_a_model_without_on_demand_capacity_asks_for_a_profile(apostrophe: str) -> None:
    message = f"Invocation of model ID x with on-demand throughput isn{apostrophe}t supported."
    failure = exceptions.from_exception("ValidationException", json.dumps({"message": message}).encode(), status=400)
    assert failure.kind is Kind.MISCONFIGURED
    assert "inference profile" in failure.message


def test_markers_count_in_a_validation_exception_alone() -> None:
    failure = exceptions.from_exception("throttlingException", b'{"message":"Input is too long, slow down"}')
    assert failure.kind is Kind.RATE_LIMITED


@pytest.mark.parametrize("body", [b'{"Message":"text"}', b'{"message":"text"}', b'{"originalMessage":"text"}'])
def test_the_prose_has_several_names(body: bytes) -> None:
    assert exceptions.from_exception("ModelErrorException", body).message == "text"


@pytest.mark.parametrize(
    "body",
    [b'{"__type":"com.amazon#ThrottlingException"}', b'{"__type":"ThrottlingException"}', b'{"code":"Throttling"}'],
)
def test_the_name_may_stand_in_the_body(body: bytes) -> None:
    assert exceptions.from_exception("", body, status=429).kind is Kind.RATE_LIMITED


def test_an_unknown_exception_in_a_stream_is_the_providers_fault() -> None:
    failure = exceptions.from_exception("brandNewException", b"{}")
    assert (failure.kind, failure.code) == (Kind.PROVIDER_ERROR, "brandNewException")


def test_an_error_frame_is_read_by_its_code() -> None:
    failure = exceptions.from_error_frame("internalServerException", "oops")
    assert (failure.kind, failure.message) == (Kind.UNAVAILABLE, "oops")


@pytest.mark.parametrize("payload", [b"", b"<html>", b"[1]", b"\xff\xfe", b'{"message":', b'{"message":7}', b"null"])
def test_a_body_of_any_kind_is_survived(payload: bytes) -> None:
    failure = exceptions.from_exception("ThrottlingException", payload, status=429)
    assert failure.message == "the provider answered 429 (ThrottlingException)"


def test_a_refused_signature_leaks_nothing_of_what_was_signed() -> None:
    message = (
        "The request signature we calculated does not match the signature you provided. The Canonical String for this "
        "request should have been 'POST x-amz-security-token:FwoGZXIvYXdzEXAMPLETOKEN'"
    )
    failure = exceptions.from_exception(
        "InvalidSignatureException", json.dumps({"message": message}).encode(), status=403
    )
    assert failure.kind is Kind.UPSTREAM_AUTH
    assert "EXAMPLETOKEN" not in repr(failure)


@pytest.mark.parametrize(
    "text", ["Signature expired: 20260101T000000Z is now earlier than", "Signature not yet current"]
)
def test_a_wrong_clock_is_named(text: str) -> None:
    failure = exceptions.from_exception("InvalidSignatureException", json.dumps({"message": text}).encode(), status=403)
    assert "clock" in failure.message


@pytest.mark.parametrize(
    ("name", "message", "renewable"),
    [
        ("ExpiredTokenException", "The security token included in the request is expired", True),
        ("UnrecognizedClientException", "The security token included in the request is invalid.", True),
        ("InvalidClientTokenId", "", True),
        ("AccessDeniedException", "Bearer Token has expired", True),
        ("AccessDeniedException", "Authentication failed: Please make sure your API Key is valid.", True),
        ("", "The security token included in the request is expired", True),
        ("AccessDeniedException", "You don't have access to the model with the specified model ID.", False),
        ("AccessDeniedException", "Invalid API Key format: Must start with pre-defined prefix", False),
        ("InvalidSignatureException", "Signature expired: 20260101T000000Z is now earlier than", False),
        ("MissingAuthenticationTokenException", "Missing Authentication Token", False),
    ],
)
def test_only_what_is_said_of_the_credential_itself_asks_for_another(name: str, message: str, renewable: bool) -> None:
    failure = exceptions.from_exception(name, json.dumps({"message": message}).encode(), status=403)
    assert failure.renewable is renewable
    assert not renewable or failure.kind is Kind.UPSTREAM_AUTH


@pytest.mark.parametrize(
    ("why", "renewable"),
    [
        ("with an explicit deny in an identity-based policy", True),
        ("with an explicit deny in a service control policy", False),
        ("because no identity-based policy allows the bedrock:InvokeModel action", False),
    ],
)
def test_a_role_whose_sessions_were_revoked_lacks_a_right_that_the_next_session_has(why: str, renewable: bool) -> None:
    told = (
        f"User: arn:aws:sts::1:assumed-role/r/s is not authorized to perform: bedrock:InvokeModel on resource: * {why}"
    )
    failure = exceptions.from_exception("AccessDeniedException", json.dumps({"Message": told}).encode(), status=403)
    assert (failure.kind, failure.renewable) == (Kind.UPSTREAM_PERMISSION, renewable)


def test_the_status_of_the_model_behind_is_kept() -> None:
    failure = exceptions.from_exception("ModelErrorException", b'{"message":"m","originalStatusCode":503}', status=424)
    assert failure.detail == {"original_status_code": 503}


def test_a_name_that_is_no_name_is_not_shown() -> None:
    assert exceptions.from_exception("<script>", b"{}", status=500).code is None
