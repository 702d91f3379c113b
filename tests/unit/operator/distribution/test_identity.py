"""Who opens a control stream, from what the API server says of the token."""

import asyncio
import base64
import json
from collections.abc import Mapping
from typing import Any

import pytest

from pilothouse_api.names import CALLER_AUDIENCE, CONTROL_AUDIENCE, GATEWAY_SCOPE, sidecar_scope
from pilothouse_api.secret import Secret
from pilothouse_operator.distribution.identity import RunToken, ServiceAccount, TokenReviewVerifier
from pilothouse_operator.ports import ProxyIdentity

NOW = 1_800_000_000.0


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def monotonic(self) -> float:
        return self.now

    def wall(self) -> float:
        return NOW + self.now


class Reviews:
    """An API server that knows what to say, and counts how often it is asked."""

    def __init__(self, status: Mapping[str, Any] | Exception) -> None:
        self.status = status
        self.asked = 0

    async def __call__(self, token: Secret, audience: str) -> Mapping[str, Any]:
        self.asked += 1
        await asyncio.sleep(0)
        assert audience == CONTROL_AUDIENCE
        if isinstance(self.status, Exception):
            raise self.status
        return self.status


def token(*, audience: str = CONTROL_AUDIENCE, expires: float = NOW + 3_600, serial: int = 0) -> str:
    def part(content: object) -> str:
        return base64.urlsafe_b64encode(json.dumps(content).encode()).decode().rstrip("=")

    return f"{part({'alg': 'RS256'})}.{part({'aud': [audience], 'exp': expires, 'jti': serial})}.c2ln"


def status(username: str = "system:serviceaccount:team-a:app", **changes: object) -> dict[str, Any]:
    extra = {
        "authentication.kubernetes.io/pod-name": ["app-1"],
        "authentication.kubernetes.io/pod-uid": ["uid-1"],
    }
    user = {"username": username, "extra": extra}
    return {"authenticated": True, "audiences": [CONTROL_AUDIENCE], "user": user, **changes}


def verifier(review: Reviews, clock: Clock | None = None) -> TokenReviewVerifier:
    gateways = frozenset({ServiceAccount("pilothouse", "gateway")})
    return TokenReviewVerifier(review=review, gateways=gateways, clock=clock or Clock())


async def test_a_pod_gets_the_scope_of_its_namespace() -> None:
    found = await verifier(Reviews(status())).verify(token())
    assert found is not None
    assert found.scope == sidecar_scope("team-a")
    assert (found.pod, found.pod_uid, found.expires) == ("app-1", "uid-1", NOW + 3_600)
    assert (found.subject.namespace, found.subject.service_account) == ("team-a", "app")


async def test_a_gateways_serviceaccount_gets_the_gateways_scope() -> None:
    found = await verifier(Reviews(status("system:serviceaccount:pilothouse:gateway"))).verify(token())
    assert found is not None
    assert found.scope == GATEWAY_SCOPE


@pytest.mark.parametrize(
    "answer",
    [
        {"authenticated": False, "error": "expired"},
        {},
        status(audiences=[CALLER_AUDIENCE]),
        status(audiences=None),
        status("alice"),
        status("system:node:worker-1"),
        status(user={"username": "system:serviceaccount:team-a:app", "extra": {}}),
        status(user=None),
    ],
)
async def test_whoever_is_no_pod_with_our_audience_is_refused(answer: dict[str, Any]) -> None:
    assert await verifier(Reviews(answer)).verify(token()) is None


@pytest.mark.parametrize(
    "hopeless",
    [
        "",
        "rubbish",
        "a.b.c",
        "ä.ö.ü",
        token(audience=CALLER_AUDIENCE),
        token() + "x" * 20_000,
        "e30.bnVsbA.sig",
    ],
)
async def test_hopeless_tokens_do_not_reach_the_api_server(hopeless: str) -> None:
    reviews = Reviews(status())
    assert await verifier(reviews).verify(hopeless) is None
    assert reviews.asked == 0


async def test_an_answer_is_remembered_for_a_minute_at_most() -> None:
    reviews, clock = Reviews(status()), Clock()
    checked = verifier(reviews, clock)
    for clock.now in (0.0, 59.0, 61.0):
        assert await checked.verify(token()) is not None
    assert reviews.asked == 2


async def test_a_refusal_is_remembered_for_five_seconds() -> None:
    reviews, clock = Reviews({"authenticated": False}), Clock()
    checked = verifier(reviews, clock)
    for clock.now in (0.0, 4.0, 6.0):
        assert await checked.verify(token()) is None
    assert reviews.asked == 2


async def test_an_answer_is_not_remembered_beyond_the_tokens_end() -> None:
    reviews, clock = Reviews(status()), Clock()
    checked = verifier(reviews, clock)
    assert await checked.verify(token(expires=NOW + 10)) is not None
    clock.now = 11.0
    reviews.status = {"authenticated": False, "error": "expired"}
    assert await checked.verify(token(expires=NOW + 10)) is None


async def test_a_clock_that_is_fast_refuses_nobody_and_is_told_of(caplog: pytest.LogCaptureFixture) -> None:
    checked = verifier(Reviews(status()))
    for serial in range(3):
        assert await checked.verify(token(expires=NOW - 3_600, serial=serial)) is not None
    assert caplog.text.count("is the clock of this node fast?") == 1


async def test_one_token_is_asked_for_once_at_a_time() -> None:
    reviews = Reviews(status())
    checked = verifier(reviews)
    found = await asyncio.gather(*(checked.verify(token()) for _ in range(20)))
    assert all(found)
    assert reviews.asked == 1


async def test_an_api_server_that_is_away_refuses_nobody() -> None:
    reviews = Reviews(ConnectionError("away"))
    checked = verifier(reviews)
    with pytest.raises(ConnectionError):
        await checked.verify(token())
    reviews.status = status()
    assert await checked.verify(token()) is not None


async def test_a_caller_that_hangs_up_does_not_take_the_answer_from_others() -> None:
    checked = verifier(Reviews(status()))
    first = asyncio.create_task(checked.verify(token()))
    second = asyncio.create_task(checked.verify(token()))
    await asyncio.sleep(0)
    first.cancel()
    assert await second is not None


async def test_a_run_token_fits_only_itself() -> None:
    found = await verifier(Reviews(status())).verify(token())
    assert isinstance(found, ProxyIdentity)
    run = RunToken(token=Secret("sesame"), identity=found)
    assert await run.verify("sesame") == found
    assert await run.verify("sesame ") is None
    assert await run.verify("säsame") is None
