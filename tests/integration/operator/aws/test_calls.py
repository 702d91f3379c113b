"""Calls that get no answer, or one that is not AWS's; and what of them is kept, logged and shown."""

from __future__ import annotations

import asyncio
import gc
import logging
from collections.abc import Callable

import pytest

from pilothouse_api.conditions import Reason
from pilothouse_operator.clouds import aws_calls
from pilothouse_operator.clouds.aws_calls import Endpoint, Service
from pilothouse_operator.compile.identities import AssumedRole, AWSIdentity, AWSSession, BedrockForm
from pilothouse_operator.ports import Application, Fault
from tests.integration.operator.aws.conftest import KEY, Operator
from tests.simulators.aws_identity import account as accounts
from tests.simulators.aws_identity.account import Account, Role, Trouble

ROLE = "arn:aws:iam::222222222222:role/models"

WEB_IDENTITY = {"RoleArn": ROLE, "RoleSessionName": "someone", "WebIdentityToken": "a.b.c.d.e"}

IdentityOf = Callable[..., AWSIdentity]


@pytest.fixture(autouse=True)
def role(account: Account) -> None:
    account.add(Role(arn=ROLE, trusted=(accounts.USER,)))


@pytest.fixture
def identity(identity_of: IdentityOf) -> AWSIdentity:
    return identity_of(AssumedRole(role_arn=ROLE))


async def fault_of(operator: Operator, identity: AWSIdentity) -> Fault:
    with pytest.raises(Fault) as raised:
        await operator.caller(identity, KEY)
    return raised.value


@pytest.mark.parametrize("limit", ["_READ_S", "_LONGEST_S"])
async def test_silence_is_waited_for_only_so_long(
    operator: Operator, account: Account, identity: AWSIdentity, monkeypatch: pytest.MonkeyPatch, limit: str
) -> None:
    monkeypatch.setattr(aws_calls, "_READ_S", 2)
    monkeypatch.setattr(aws_calls, limit, 0.2)
    account.troubles.append(Trouble(status=0))
    fault = await fault_of(operator, identity)
    assert fault.reason is Reason.SIGN_IN_UNAVAILABLE
    assert "does not answer" in fault.message
    assert len(account.requests) <= 1, "the SDK has tried again by itself"


async def test_who_names_a_silent_endpoint_keeps_nobody_else_waiting(
    account: Account, identity: AWSIdentity, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(aws_calls, "_LONGEST_S", 1.0)
    calls = aws_calls.AWSCalls()
    account.troubles.extend(Trouble(status=0) for _ in range(2 * aws_calls._THREADS))
    named = Endpoint(service=Service.STS, region=identity.region, url=identity.sts_endpoint)
    silent = [
        asyncio.create_task(calls.call(named, None, "assume_role_with_web_identity", WEB_IDENTITY))
        for _ in range(2 * aws_calls._THREADS)
    ]
    await asyncio.sleep(0.2)
    assert await calls.run(lambda: "at once") == "at once"
    assert not any(call.done() for call in silent)
    found = await asyncio.gather(*silent, return_exceptions=True)
    assert {type(each) for each in found} == {aws_calls.CallFailed}
    calls.close()


@pytest.mark.parametrize("status", [200, 502])
async def test_a_page_of_what_stands_in_between_is_no_answer(
    operator: Operator, account: Account, identity: AWSIdentity, status: int
) -> None:
    account.troubles.append(Trouble(status=status, page="<html><body>Bad gateway</body></html>"))
    fault = await fault_of(operator, identity)
    assert fault.reason is Reason.SIGN_IN_UNAVAILABLE
    assert fault.passing


async def test_more_identities_than_clients_are_kept(
    operator: Operator, account: Account, identity_of: IdentityOf, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(aws_calls, "_CLIENTS", 2)
    roles = [f"{ROLE}-{number}" for number in range(6)]
    account.add(*(Role(arn=arn, trusted=(accounts.USER,)) for arn in roles))
    callers = [operator.caller(identity_of(AssumedRole(role_arn=arn)), KEY) for arn in roles]
    assert sorted(arn.split("/")[1] for arn in await asyncio.gather(*callers)) == [arn.split("/")[1] for arn in roles]
    gc.collect()  # a connection that nobody closed is a ResourceWarning here


@pytest.mark.parametrize("form", BedrockForm)
async def test_no_log_line_has_a_secret_even_at_debug(
    operator: Operator,
    account: Account,
    identity: AWSIdentity,
    caplog: pytest.LogCaptureFixture,
    form: BedrockForm,
) -> None:
    caplog.set_level(logging.DEBUG)
    given = await operator.sessions.issue(
        Application(grant=AWSSession(identity=identity, models=("amazon.nova-pro-v1:0",), form=form), values=KEY)
    )
    account.troubles.append(Trouble(status=400, code="ValidationError", message=f"Value '{secrets_of(account)[0]}'"))
    fault = await fault_of(operator, identity)
    shown = "\n".join([caplog.text, repr(given), str(given), repr(fault), fault.message, repr(operator.identities)])
    for secret in secrets_of(account):
        assert secret not in shown


def secrets_of(account: Account) -> list[str]:
    """All that may not be seen."""
    (session,) = account.sessions
    return [accounts.SECRET_ACCESS_KEY, session.secret_access_key, session.token]
