"""Where a chain of roles begins, what is asked for again, and what AWS sees of it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from pilothouse_api.conditions import Reason
from pilothouse_operator.clouds import aws_calls, aws_faults
from pilothouse_operator.clouds.aws import Wanted
from pilothouse_operator.clouds.aws_calls import Endpoint, Service
from pilothouse_operator.clouds.aws_keys import Keys
from pilothouse_operator.clouds.aws_own import Origin
from pilothouse_operator.compile.identities import AssumedRole, AWSIdentity
from pilothouse_operator.ports import Fault
from tests.integration.operator.aws.conftest import KEY, Operator
from tests.simulators.aws_identity import account as accounts
from tests.simulators.aws_identity import metadata
from tests.simulators.aws_identity.account import Account, Role, Trouble
from tests.simulators.aws_identity.servers import AWSIdentitySimulator

HUB = "arn:aws:iam::111111111111:role/hub"
SPOKE = "arn:aws:iam::222222222222:role/spoke"
CHAIN = (AssumedRole(role_arn=HUB), AssumedRole(role_arn=SPOKE))

OperatorWith = Callable[[Mapping[str, str]], Operator]
IdentityOf = Callable[..., AWSIdentity]


@pytest.fixture(autouse=True)
def roles(account: Account) -> None:
    account.add(
        Role(arn=HUB, trusted=(accounts.USER, metadata.ROLE), subject=accounts.SUBJECT, longest_s=43_200),
        Role(arn=SPOKE, trusted=(HUB,), longest_s=43_200),
    )


async def test_each_role_is_assumed_with_what_the_one_before_has_given(
    operator: Operator, account: Account, identity_of: IdentityOf
) -> None:
    assert await operator.caller(identity_of(*CHAIN), KEY) == account.sessions[-1].arn
    assert [session.role_arn for session in account.sessions] == [HUB, SPOKE]


async def test_a_link_is_asked_for_once_however_many_wait(
    operator: Operator, account: Account, identity_of: IdentityOf
) -> None:
    waiting = (operator.caller(identity_of(*CHAIN), KEY) for _ in range(20))
    assert len(set(await asyncio.gather(*waiting))) == 1
    assert len(account.sessions) == 2


async def test_a_link_serves_for_two_thirds_of_its_life(
    operator: Operator, account: Account, identity_of: IdentityOf
) -> None:
    identity = identity_of(CHAIN[0])
    await operator.caller(identity, KEY)
    operator.clock.by_s = 2_390
    await operator.caller(identity, KEY)
    assert len(account.sessions) == 1
    operator.clock.by_s = 2_410
    await operator.caller(identity, KEY)
    assert len(account.sessions) == 2


async def test_a_session_that_is_handed_out_is_asked_for_each_time_and_the_links_before_it_are_not(
    operator: Operator, account: Account, identity_of: IdentityOf
) -> None:
    for _ in range(3):
        await operator.identities.session(identity_of(*CHAIN), KEY, Wanted())
    assert [session.role_arn for session in account.sessions] == [HUB, SPOKE, SPOKE, SPOKE]


@pytest.mark.parametrize("how", ["revoked", "denied"])
async def test_a_link_that_was_revoked_is_asked_for_again(
    operator: Operator, account: Account, identity_of: IdentityOf, how: str
) -> None:
    await operator.identities.session(identity_of(*CHAIN), KEY, Wanted())
    setattr(account.sessions[0], how, True)
    await operator.identities.session(identity_of(*CHAIN), KEY, Wanted())
    assert [session.role_arn for session in account.sessions] == [HUB, SPOKE, HUB, SPOKE]


async def test_a_call_with_revoked_keys_is_made_again_with_others(
    operator: Operator, account: Account, identity_of: IdentityOf
) -> None:
    identity = identity_of(CHAIN[0])
    await operator.caller(identity, KEY)
    account.sessions[0].revoked = True
    callers = (operator.caller(identity, KEY) for _ in range(10))
    assert set(await asyncio.gather(*callers)) == {account.sessions[1].arn}
    assert len(account.sessions) == 2


REVOKED = Trouble(status=403, code="InvalidClientTokenId")


@pytest.mark.parametrize("troubles", [(REVOKED, None, REVOKED), (REVOKED, REVOKED)], ids=["call", "sign-in"])
async def test_keys_that_are_refused_anew_are_a_fault(
    operator: Operator, account: Account, identity_of: IdentityOf, troubles: tuple[Trouble | None, ...]
) -> None:
    identity = identity_of(CHAIN[0])
    await operator.caller(identity, KEY)
    endpoint = Endpoint(service=Service.STS, region="eu-central-1", url=identity.sts_endpoint)
    account.troubles.extend(troubles)
    with pytest.raises(Fault) as raised:
        await operator.identities.call(
            identity,
            KEY,
            endpoint,
            "get_caller_identity",
            {},
            fault=lambda failed, who: aws_faults.stored(failed, what="it", action="any", who=who),
        )
    assert raised.value.reason is Reason.SIGN_IN_REFUSED
    assert (HUB if None in troubles else "the access key") in raised.value.message


async def test_a_link_whose_keys_are_refused_anew_is_named(
    operator: Operator, account: Account, identity_of: IdentityOf
) -> None:
    await operator.identities.session(identity_of(*CHAIN), KEY, Wanted())
    account.troubles.extend((REVOKED, None, REVOKED))
    with pytest.raises(Fault, match=HUB) as raised:
        await operator.identities.session(identity_of(*CHAIN), KEY, Wanted())
    assert raised.value.field == "roles[0].roleArn"


async def test_a_form_that_the_service_model_excludes_is_not_even_sent(
    operator: Operator, account: Account, identity_of: IdentityOf
) -> None:
    with pytest.raises(Fault, match="ParamValidationError") as raised:
        await operator.caller(identity_of(AssumedRole(role_arn=HUB, external_id="1")), KEY)
    assert raised.value.reason is Reason.SIGN_IN_REFUSED
    assert account.requests == []


@pytest.mark.parametrize(
    "page", ["{}", '{"AccessKeyId": "A", "SecretAccessKey": "B", "Token": "C", "Expiration": "x"}']
)
async def test_a_container_endpoint_that_answers_with_something_else(
    operator_with: OperatorWith, aws: AWSIdentitySimulator, identity_of: IdentityOf, page: str
) -> None:
    aws.account.troubles.append(Trouble(status=200, page=page))
    operator = operator_with({"AWS_CONTAINER_CREDENTIALS_FULL_URI": aws.container_url})
    with pytest.raises(Fault, match="something else") as raised:
        await operator.caller(identity_of(), {})
    assert raised.value.reason is Reason.SIGN_IN_UNAVAILABLE


async def test_an_own_identity_that_is_not_told_in_time(
    operator_with: OperatorWith, aws: AWSIdentitySimulator, identity_of: IdentityOf, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(aws_calls, "_LONGEST_S", 0.1)
    aws.account.troubles.append(Trouble(status=0))
    operator = operator_with({"AWS_CONTAINER_CREDENTIALS_FULL_URI": aws.container_url})
    with pytest.raises(Fault, match="could not be read within some seconds") as raised:
        await operator.caller(identity_of(), {})
    assert raised.value.passing


async def test_whoever_waits_for_a_link_may_go_without_taking_it_from_the_others(
    operator: Operator, account: Account, identity_of: IdentityOf
) -> None:
    waiting = [asyncio.ensure_future(operator.caller(identity_of(*CHAIN), KEY)) for _ in range(2)]
    await asyncio.sleep(0)
    waiting[0].cancel()
    assert await waiting[1] == account.sessions[-1].arn


async def test_external_id_and_tags_go_along_and_transitive_ones_go_on(
    operator: Operator, account: Account, identity_of: IdentityOf
) -> None:
    account.roles[HUB].external_id = "shared/with=us"
    tags = (("team", "a"), ("cost", "b"))
    hub = AssumedRole(role_arn=HUB, external_id="shared/with=us", session_tags=tags, transitive_tags=("team",))
    await operator.caller(identity_of(hub, CHAIN[1]), KEY)
    assert account.sessions[0].tags == dict(tags)
    assert account.sessions[1].tags == {"team": "a"}


async def test_sessions_are_named_after_their_chain(
    operator: Operator, account: Account, identity_of: IdentityOf
) -> None:
    await operator.caller(identity_of(*CHAIN), KEY)
    await operator.identities.session(identity_of(*CHAIN), KEY, Wanted())
    hub, spoke, again = (session.session_name for session in account.sessions)
    assert hub.startswith("pilothouse-")
    assert hub != spoke == again
    assert 2 <= len(hub) <= 64


async def test_a_chain_asks_for_no_more_than_an_hour(
    operator: Operator, account: Account, identity_of: IdentityOf
) -> None:
    await operator.identities.session(identity_of(CHAIN[0]), KEY, Wanted(duration_s=43_200))
    await operator.identities.session(identity_of(*CHAIN), KEY, Wanted(duration_s=43_200))
    assert [session.duration_s for session in account.sessions] == [43_200, 3_600, 3_600]
    assert operator.identities.chained(identity_of(*CHAIN), KEY)
    assert not operator.identities.chained(identity_of(CHAIN[0]), KEY)


async def test_no_session_is_asked_for_that_is_shorter_than_aws_gives(
    operator: Operator, account: Account, identity_of: IdentityOf
) -> None:
    await operator.identities.session(identity_of(CHAIN[0]), KEY, Wanted(duration_s=60))
    assert account.sessions[0].duration_s == 900


async def test_the_service_account_token_is_read_at_each_call(
    operator_with: OperatorWith, account: Account, identity_of: IdentityOf, tmp_path: Path
) -> None:
    token = tmp_path / "token"
    environ = {"AWS_WEB_IDENTITY_TOKEN_FILE": str(token), "AWS_ROLE_ARN": HUB}
    operator = operator_with(environ)
    token.write_text(accounts.service_account_token(expires_in_s=-10))
    with pytest.raises(Fault) as fault:
        await operator.caller(identity_of(), {})
    assert fault.value.passing
    token.write_text(accounts.service_account_token() + "\n")
    assert await operator.caller(identity_of(), {}) == account.sessions[0].arn
    assert operator.identities.chained(identity_of(CHAIN[1]), {})
    assert operator.identities.account(identity_of(), {}) == "111111111111"


async def test_the_container_token_is_read_at_each_call(
    operator_with: OperatorWith, aws: AWSIdentitySimulator, identity_of: IdentityOf, tmp_path: Path
) -> None:
    token = tmp_path / "token"
    token.write_text("pod-identity-token-0")
    operator = operator_with(
        {
            "AWS_CONTAINER_CREDENTIALS_FULL_URI": aws.container_url,
            "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE": str(token),
        }
    )
    with pytest.raises(Fault, match="eks-pod-identity-agent"):
        await operator.caller(identity_of(), {})
    token.write_text("pod-identity-token-1")
    await operator.identities.session(identity_of(CHAIN[0]), {}, Wanted(duration_s=43_200))
    assert [session.role_arn for session in aws.account.sessions] == [metadata.ROLE, HUB]
    assert aws.account.sessions[-1].duration_s == 3_600


async def test_the_role_of_the_node_is_the_last_resort(
    operator_with: OperatorWith, aws: AWSIdentitySimulator, identity_of: IdentityOf
) -> None:
    operator = operator_with({"AWS_EC2_METADATA_SERVICE_ENDPOINT": aws.metadata_url})
    assert await operator.caller(identity_of(), {}) == aws.account.sessions[0].arn
    assert operator.identities.origin({}) is Origin.INSTANCE


async def test_keys_of_the_environment_shadow_every_workload_identity(
    operator_with: OperatorWith, aws: AWSIdentitySimulator, identity_of: IdentityOf
) -> None:
    operator = operator_with(
        {
            "AWS_ACCESS_KEY_ID": accounts.ACCESS_KEY_ID,
            "AWS_SECRET_ACCESS_KEY": accounts.SECRET_ACCESS_KEY,
            "AWS_WEB_IDENTITY_TOKEN_FILE": "/nowhere",
            "AWS_CONTAINER_CREDENTIALS_FULL_URI": aws.container_url,
        }
    )
    await operator.caller(identity_of(CHAIN[0]), {})
    assert aws.account.requests == ["AssumeRole", "GetCallerIdentity"]


@pytest.mark.parametrize(
    ("trouble", "reason", "throttled", "passing"),
    [
        (Trouble(status=400, code="Throttling", retry_after="7"), Reason.SIGN_IN_UNAVAILABLE, True, True),
        (Trouble(status=429, code="TooMany"), Reason.SIGN_IN_UNAVAILABLE, True, True),
        (Trouble(status=503, code="ServiceUnavailable"), Reason.SIGN_IN_UNAVAILABLE, False, True),
        (Trouble(status=500, code="Odd"), Reason.SIGN_IN_UNAVAILABLE, False, True),
        (Trouble(status=403, code="RegionDisabledException"), Reason.SIGN_IN_REFUSED, False, False),
        (Trouble(status=403, code="AccessDenied"), Reason.SIGN_IN_REFUSED, False, False),
        (Trouble(status=400, code="MalformedPolicyDocument"), Reason.SIGN_IN_REFUSED, False, False),
        (
            Trouble(status=403, code="SignatureDoesNotMatch", message="Signature expired: a is now earlier than b"),
            Reason.SIGN_IN_REFUSED,
            False,
            False,
        ),
    ],
    ids=lambda value: value.code if isinstance(value, Trouble) else "",
)
async def test_errors_of_sts_are_faults(
    operator: Operator,
    account: Account,
    identity_of: IdentityOf,
    trouble: Trouble,
    reason: Reason,
    throttled: bool,
    passing: bool,
) -> None:
    account.troubles.append(trouble)
    with pytest.raises(Fault) as raised:
        await operator.caller(identity_of(CHAIN[0]), KEY)
    fault = raised.value
    assert (fault.reason, fault.throttled, fault.passing) == (reason, throttled, passing)
    assert fault.retry_after_s == (7 if trouble.retry_after else None)
    assert await operator.caller(identity_of(CHAIN[0]), KEY)


async def test_a_role_that_does_not_trust_says_whom_it_has_to(
    operator: Operator, account: Account, identity_of: IdentityOf
) -> None:
    account.roles[SPOKE].trusted = ()
    with pytest.raises(Fault) as raised:
        await operator.caller(identity_of(*CHAIN), KEY)
    assert raised.value.field == "roles[1].roleArn"
    assert account.sessions[0].arn in raised.value.message
    assert SPOKE in raised.value.message
    assert "trust policy must allow sts:AssumeRole" in raised.value.message


async def test_a_key_that_is_gone_is_called_so(operator: Operator, account: Account, identity_of: IdentityOf) -> None:
    account.holders[accounts.ACCESS_KEY_ID].revoked = True
    with pytest.raises(Fault, match="does not take the keys of the access key") as raised:
        await operator.caller(identity_of(CHAIN[0]), KEY)
    assert raised.value.reason is Reason.SIGN_IN_REFUSED


async def test_a_session_longer_than_its_role_allows(
    operator: Operator, account: Account, identity_of: IdentityOf
) -> None:
    account.roles[HUB].longest_s = 3_600
    with pytest.raises(Fault, match="raise its maximum session duration"):
        await operator.identities.session(identity_of(CHAIN[0]), KEY, Wanted(duration_s=7_200))


@pytest.mark.parametrize(
    ("subject", "words"), [("", "system:serviceaccount"), (accounts.SUBJECT, "maximum session duration")]
)
async def test_what_a_web_identity_is_refused_for(
    operator_with: OperatorWith, account: Account, identity_of: IdentityOf, tmp_path: Path, subject: str, words: str
) -> None:
    account.add(Role(arn=HUB, subject=subject))
    token = tmp_path / "token"
    token.write_text(accounts.service_account_token())
    operator = operator_with({"AWS_WEB_IDENTITY_TOKEN_FILE": str(token), "AWS_ROLE_ARN": HUB})
    with pytest.raises(Fault, match=words):
        await operator.identities.session(identity_of(), {}, Wanted(duration_s=43_200))


async def test_without_an_identity_the_fault_says_how_to_get_one(operator: Operator, identity_of: IdentityOf) -> None:
    with pytest.raises(Fault, match="EKS Pod Identity association") as raised:
        await operator.caller(identity_of(), {})
    assert raised.value.reason is Reason.SIGN_IN_REFUSED
    assert not raised.value.passing


async def test_an_endpoint_that_is_not_there(operator: Operator) -> None:
    identity = AWSIdentity(region="eu-central-1", roles=CHAIN, sts_endpoint="http://127.0.0.1:1")
    with pytest.raises(Fault, match=r"127\.0\.0\.1:1 does not answer") as raised:
        await operator.caller(identity, KEY)
    assert raised.value.passing
    assert raised.value.reason is Reason.SIGN_IN_UNAVAILABLE


async def test_a_region_that_is_not_there(operator: Operator) -> None:
    with pytest.raises(Fault) as raised:
        await operator.caller(AWSIdentity(region="no such region", roles=CHAIN), KEY)
    assert raised.value.reason is Reason.SIGN_IN_REFUSED


def test_keys_show_no_secret() -> None:
    keys = Keys(access_key_id="AKIA", secret_access_key=KEY["secretAccessKey"], session_token=KEY["secretAccessKey"])
    assert accounts.SECRET_ACCESS_KEY not in repr(keys)
