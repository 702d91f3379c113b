import asyncio
import math
from random import Random

import pytest

from pilothouse_api.names import ProviderKey
from pilothouse_api.secret import Secret
from pilothouse_api.snapshot import canonical
from pilothouse_api.snapshot.credentials import BearerToken
from pilothouse_api.snapshot.stream import Refusal
from pilothouse_proxy.config import refuser
from pilothouse_proxy.config.operator import Refused
from pilothouse_proxy.http.messages import ConnectError
from pilothouse_proxy.observe.metrics import Metrics
from pilothouse_proxy.pipeline.renewals import Renewals
from pilothouse_proxy.ports import SignIn

TOKEN = BearerToken(token=Secret("sesame"), expires_at=7)
SIGN_IN = SignIn(provider=ProviderKey("clouds/a"), credential=TOKEN, ends=7.0, renewed=True)


class Operator:
    """Answers as it is told, then takes what comes."""

    def __init__(self, *answers: Exception) -> None:
        self.answers = list(answers)
        self.asked: list[Refusal] = []

    async def refuse(self, refusal: Refusal) -> None:
        self.asked.append(refusal)
        if self.answers:
            raise self.answers.pop(0)


async def told(operator: Operator, monkeypatch: pytest.MonkeyPatch) -> list[Refusal]:
    """What the operator heard of one refused credential."""
    monkeypatch.setattr(refuser, "MIN_PAUSE_S", 0.001)
    renewals = Renewals(Metrics())
    renewals.arrived({SIGN_IN.provider: SIGN_IN})
    wait = renewals.wait(SIGN_IN, lambda: None, now=0.0, deadline=math.inf)
    assert wait is not None
    wait.cancel()
    running = asyncio.create_task(refuser.Refuser(renewals=renewals, rng=Random(1)).run(operator))  # type: ignore[arg-type]
    await asyncio.sleep(0.05)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    return operator.asked


async def test_it_is_told_once_by_its_fingerprint(monkeypatch: pytest.MonkeyPatch) -> None:
    assert await told(Operator(), monkeypatch) == [
        Refusal(provider=SIGN_IN.provider, fingerprint=canonical.fingerprint(TOKEN))
    ]


async def test_it_is_told_again_as_long_as_nobody_takes_it(monkeypatch: pytest.MonkeyPatch) -> None:
    operator = Operator(ConnectError("away"), Refused(503, b"busy"), Refused(429, b""))
    assert len(await told(operator, monkeypatch)) == 4


@pytest.mark.parametrize("status", sorted(refuser.FINAL))
async def test_an_answer_that_would_be_the_same_again_is_told_to_people(
    status: int, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    assert len(await told(Operator(Refused(status, b"no")), monkeypatch)) == 1
    assert f"the operator answered {status}" in caplog.text
    assert "sesame" not in caplog.text
