import asyncio

import pytest

from pilothouse_api.conditions import Reason
from pilothouse_operator.pacing.asking import asked
from pilothouse_operator.pacing.targets import Target
from pilothouse_operator.ports import Fault
from tests import virtual

TARGET = Target(service="vault", where="https://vault")
PLANTED = "hunter2"


async def ask(error: Exception | None = None, *, takes_s: float = 0.0) -> str | Fault:
    async def call() -> str:
        value = PLANTED
        await asyncio.sleep(takes_s)
        if error is not None:
            raise error from ValueError(value)
        return value

    return await asked(call(), TARGET, unavailable=Reason.STORE_UNAVAILABLE)


def test_what_is_given_is_passed_on() -> None:
    assert virtual.run(ask()) == PLANTED


def test_a_fault_is_passed_on_without_the_frames_and_the_cause_that_hold_values() -> None:
    fault = Fault("denied", reason=Reason.SECRET_FORBIDDEN, passing=False)
    assert virtual.run(ask(fault)) is fault
    assert (fault.__traceback__, fault.__cause__, fault.__context__) == (None, None, None)


def test_what_hangs_is_given_up() -> None:
    given = virtual.run(ask(takes_s=10_000))
    assert isinstance(given, Fault)
    assert given.message == "Vault (https://vault) has not answered within 30 s; it is asked again"
    assert (given.reason, given.passing) == (Reason.STORE_UNAVAILABLE, True)


def test_a_mistake_is_a_fault_that_names_its_type_and_quotes_nothing(caplog: pytest.LogCaptureFixture) -> None:
    given = virtual.run(ask(KeyError(PLANTED)))
    assert isinstance(given, Fault)
    assert "KeyError" in given.message
    assert "in call" in caplog.text
    assert PLANTED not in f"{given.message} {caplog.text}"
