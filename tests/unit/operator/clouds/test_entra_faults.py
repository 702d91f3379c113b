"""What a condition says of a refusal: short, in one line, the same every time, and nothing that is secret."""

from types import SimpleNamespace

import pytest
from azure.core.exceptions import ClientAuthenticationError
from hypothesis import given
from hypothesis import strategies as st

from pilothouse_api.conditions import Reason
from pilothouse_api.secret import REDACTED, Secret
from pilothouse_operator.clouds import entra_faults
from pilothouse_operator.compile.identities import EntraIdentity, EntraWay

PRINCIPAL = EntraIdentity(
    way=EntraWay.SERVICE_PRINCIPAL, authority="https://login.example", tenant_id="t-1", client_id="c-1"
)
VALUES = st.text(st.characters(codec="ascii", categories=["Lu", "Nd"]), min_size=8, max_size=40)


@given(before=st.text(), value=VALUES, after=st.text())
def test_a_value_that_was_given_is_never_said(before: str, value: str, after: str) -> None:
    assert value not in entra_faults.one_line(before + value + after, [Secret(value)])


@given(before=st.text(), lines=st.lists(VALUES, min_size=2, max_size=5), after=st.text())
def test_no_line_of_a_value_is_said_either(before: str, lines: list[str], after: str) -> None:
    said = entra_faults.one_line(before + " ".join(lines) + after, [Secret("\n".join(lines))])
    assert not any(line in said for line in lines)


@given(st.text(max_size=2_000))
def test_a_text_is_one_short_line_that_can_be_shown(text: str) -> None:
    said = entra_faults.one_line(text)
    assert len(said) <= 320
    assert said.isprintable()
    assert said == entra_faults.one_line(said)


def test_tokens_are_taken_out_though_nobody_named_them() -> None:
    assert entra_faults.one_line("got eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJ4In0.c2ln here") == f"got {REDACTED} here"


def test_numbers_of_the_request_are_left_out() -> None:
    said = entra_faults.one_line(
        "AADSTS1: no.\r\nTrace ID: 4a\r\nCorrelation ID: 5b\r\nTimestamp: 2026-01-01 00:00:00Z"
    )
    assert said == "AADSTS1: no."


@pytest.mark.parametrize(
    ("value", "seconds"),
    [("0", 0.0), ("17", 17.0), ("", None), ("1.5", None), ("-3", None), ("²", None), ("9" * 9, None)],
)
def test_seconds_to_wait(value: str, seconds: float | None) -> None:
    assert entra_faults.retry_after_s(SimpleNamespace(headers={"Retry-After": value})) == seconds


def test_without_an_answer_there_is_nothing_to_wait_for() -> None:
    assert entra_faults.retry_after_s(None) is None


@pytest.mark.parametrize(
    ("code", "passing"),
    [
        (7000215, False),
        (7000222, False),
        (7000112, False),
        (7000229, False),
        (700016, False),
        (90002, False),
        (70021, False),
        (700211, False),
        (700212, False),
        (700213, False),
        (700027, False),
        (500011, False),
        (53003, False),
        (700024, True),
        (90033, True),
    ],
)
def test_a_code_says_whose_the_mending_is(code: int, passing: bool) -> None:
    error = ClientAuthenticationError(message=f"Microsoft Entra ID error '(x) AADSTS{code}: words. Trace ID: 1'")
    fault = entra_faults.fault(error, PRINCIPAL, [])
    assert fault.passing is passing
    assert fault.reason is (Reason.SIGN_IN_UNAVAILABLE if passing else Reason.SIGN_IN_REFUSED)
    assert fault.message.startswith("Entra (https://login.example) refuses application c-1 of tenant t-1: ")
    assert fault.message.endswith(f"It says: AADSTS{code}: words.")


def test_a_code_that_is_not_known_is_passed_on_with_its_status() -> None:
    error = ClientAuthenticationError(message="Microsoft Entra ID error '(x) AADSTS99999: words.'")
    error.response = SimpleNamespace(status_code=400, headers={})
    fault = entra_faults.fault(error, PRINCIPAL, [])
    assert (fault.passing, fault.reason) == (False, Reason.SIGN_IN_REFUSED)
    assert fault.message.endswith("(400). It says: AADSTS99999: words.")


@pytest.mark.parametrize(
    ("identity", "named"),
    [
        (PRINCIPAL, "application c-1 of tenant t-1"),
        (EntraIdentity(way=EntraWay.WORKLOAD_IDENTITY, authority=""), "the pod's own application"),
        (EntraIdentity(way=EntraWay.MANAGED_IDENTITY, authority=""), "the system-assigned managed identity"),
        (EntraIdentity(way=EntraWay.MANAGED_IDENTITY, authority="", object_id="o"), "the managed identity o"),
    ],
)
def test_an_identity_is_named_as_its_reader_knows_it(identity: EntraIdentity, named: str) -> None:
    assert entra_faults.whom(identity) == named
