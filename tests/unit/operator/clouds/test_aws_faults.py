import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pilothouse_api.conditions import Reason
from pilothouse_operator.clouds import aws_faults
from pilothouse_operator.clouds.aws_calls import CallFailed, Trouble
from pilothouse_operator.compile.identities import AssumedRole

ROLE = AssumedRole(role_arn="arn:aws:iam::222222222222:role/reader", external_id="shared", session_tags=(("a", "b"),))


def failed(trouble: Trouble, code: str = "", told: str = "") -> CallFailed:
    return CallFailed(trouble, host="a.host", code=code, told=told)


CASES = [
    (failed(Trouble.UNREACHABLE), Reason.STORE_UNAVAILABLE, "a.host does not answer"),
    (failed(Trouble.THROTTLED, "ThrottlingException"), Reason.STORE_UNAVAILABLE, "slow down (ThrottlingException)"),
    (failed(Trouble.FAILING, "InternalServiceError"), Reason.STORE_UNAVAILABLE, "fails by itself"),
    (failed(Trouble.CLOCK, "InvalidSignatureException"), Reason.SIGN_IN_REFUSED, "set the clock"),
    (failed(Trouble.KEYS_REFUSED, "UnrecognizedClientException"), Reason.SIGN_IN_REFUSED, "keys of the reader"),
    (failed(Trouble.REFUSED, "ResourceNotFoundException"), Reason.SECRET_NOT_FOUND, "there is no secret x"),
    (failed(Trouble.REFUSED, "ParameterNotFound"), Reason.SECRET_NOT_FOUND, "there is no secret x"),
    (failed(Trouble.REFUSED, "ParameterVersionNotFound"), Reason.SECRET_NOT_FOUND, "not in the version"),
    (
        failed(
            Trouble.REFUSED,
            "ResourceNotFoundException",
            "Secrets Manager can't find the specified secret value for staging label: AWSPENDING",
        ),
        Reason.SECRET_NOT_FOUND,
        "not in the version",
    ),
    (
        failed(
            Trouble.REFUSED,
            "InvalidRequestException",
            "You can't perform this operation on the secret because it was marked for deletion.",
        ),
        Reason.SECRET_NOT_FOUND,
        "restore it",
    ),
    (failed(Trouble.REFUSED, "DecryptionFailure"), Reason.SECRET_FORBIDDEN, "kms:Decrypt"),
    (failed(Trouble.REFUSED, "InvalidKeyId"), Reason.SECRET_FORBIDDEN, "kms:Decrypt"),
    (
        failed(Trouble.FORBIDDEN, "AccessDeniedException", "Access to KMS is not allowed"),
        Reason.SECRET_FORBIDDEN,
        "the reader needs kms:Decrypt",
    ),
    (
        failed(
            Trouble.FORBIDDEN,
            "AccessDeniedException",
            "User: arn:aws:sts::1:assumed-role/r/s is not authorized to perform: secretsmanager:GetSecretValue on x",
        ),
        Reason.SECRET_FORBIDDEN,
        "arn:aws:sts::1:assumed-role/r/s may not read secret x: it needs an:Action",
    ),
    (
        failed(
            Trouble.FORBIDDEN,
            "AccessDeniedException",
            "User: arn:aws:iam::1:user/u is not authorized to perform: secretsmanager:GetSecretValue on kms-deletion",
        ),
        Reason.SECRET_FORBIDDEN,
        "arn:aws:iam::1:user/u may not read secret x",
    ),
    (failed(Trouble.REFUSED, "ValidationException"), Reason.SECRET_NOT_FOUND, "as it stands (ValidationException)"),
]


@pytest.mark.parametrize(("error", "reason", "words"), CASES, ids=lambda value: getattr(value, "code", None))
def test_what_a_store_answers_is_told_with_what_to_do(error: CallFailed, reason: Reason, words: str) -> None:
    fault = aws_faults.stored(error, what="secret x", action="an:Action", who="the reader")
    assert fault.reason is reason
    assert words in fault.message
    assert fault.passing is (reason is Reason.STORE_UNAVAILABLE)


def test_a_role_that_does_not_trust_is_told_with_the_lines_of_its_policy() -> None:
    fault = aws_faults.assumed(failed(Trouble.FORBIDDEN, "AccessDenied"), ROLE, index=2, who="the role before")
    assert fault.field == "roles[2].roleArn"
    for words in ("the role before", ROLE.role_arn, "sts:AssumeRole and sts:TagSession", "sts:ExternalId"):
        assert words in fault.message
    assert "shared" not in fault.message


def test_keys_that_a_link_has_given_are_that_link_s_fault() -> None:
    fault = aws_faults.assumed(failed(Trouble.KEYS_REFUSED, "ExpiredToken"), ROLE, index=2, who="the role before")
    assert fault.field == "roles[1].roleArn"


@settings(deadline=None)
@given(
    st.sampled_from(Trouble),
    st.sampled_from(["", "AccessDenied", "ValidationError", "InvalidIdentityToken", "PackedPolicyTooLarge", "Odd"]),
    st.sampled_from(["{}", "Value '{}' at 'x' failed", "kms {}", "role chaining {}", "DurationSeconds {}", "User: {}"]),
)
def test_what_aws_says_is_never_passed_on(trouble: Trouble, code: str, told: str) -> None:
    secret = "IQoJb3JpZ2luX2VjEXAMPLE"
    error = failed(trouble, code, told.format(secret))
    for fault in (
        aws_faults.stored(error, what="secret x", action="an:Action", who="w"),
        aws_faults.assumed(error, ROLE, index=0, who="w"),
        aws_faults.web_identity(error, ROLE.role_arn),
    ):
        assert secret not in fault.message
        assert secret not in repr(fault)
    assert secret not in str(error) + repr(error) + repr(vars(error))
