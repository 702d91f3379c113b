"""What proxies get of AWS: how narrow, for how long, and what the note says of it."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest

from pilothouse_api.secret import Secret
from pilothouse_api.snapshot.credentials import AccessKey, BearerToken
from pilothouse_operator.compile.identities import (
    AssumedRole,
    AWSIdentity,
    AWSSession,
    BedrockForm,
    EntraAccess,
    EntraIdentity,
    EntraWay,
)
from pilothouse_operator.ports import Application, Fault, Issued
from tests.integration.operator.aws.conftest import KEY, Operator
from tests.simulators.aws_identity import account as accounts
from tests.simulators.aws_identity import metadata
from tests.simulators.aws_identity.account import Account, Role
from tests.simulators.aws_identity.servers import AWSIdentitySimulator

HUB = "arn:aws:iam::111111111111:role/hub"
MODELS = "arn:aws:iam::222222222222:role/models"
MODEL = "eu.anthropic.claude-sonnet-4-5-20250929-v1:0"
MANY = tuple(f"eu.amazon.nova-{number:02}-{'x' * 60}" for number in range(12))
TWO_VENDORS = (MODEL, "amazon.nova-pro-v1:0")

OperatorWith = Callable[[Mapping[str, str]], Operator]
IdentityOf = Callable[..., AWSIdentity]


@pytest.fixture(autouse=True)
def roles(account: Account) -> None:
    account.add(
        Role(arn=HUB, trusted=(accounts.USER, metadata.ROLE), subject=accounts.SUBJECT, longest_s=43_200),
        Role(arn=MODELS, trusted=(HUB, accounts.USER, metadata.ROLE), longest_s=43_200),
    )


@pytest.fixture
def web_identity(tmp_path: Path) -> dict[str, str]:
    """The environment of a pod with IRSA."""
    token = tmp_path / "token"
    token.write_text(accounts.service_account_token())
    return {"AWS_WEB_IDENTITY_TOKEN_FILE": str(token), "AWS_ROLE_ARN": HUB}


async def issued(
    operator: Operator, grant: AWSSession, values: Mapping[str, Secret] | None = None
) -> tuple[Issued, AccessKey]:
    given = await operator.sessions.issue(Application(grant=grant, values=values or {}))
    assert isinstance(given.credential, AccessKey)
    return given, given.credential


def resources(policy: str) -> list[str]:
    return [resource for statement in json.loads(policy)["Statement"] for resource in statement["Resource"]]


async def test_the_last_role_alone_is_narrowed(operator: Operator, account: Account, identity_of: IdentityOf) -> None:
    identity = identity_of(AssumedRole(role_arn=HUB), AssumedRole(role_arn=MODELS))
    given, key = await issued(operator, AWSSession(identity=identity, models=(MODEL,)), KEY)
    hub, models = account.sessions
    assert hub.policy == ""
    assert f"arn:aws:bedrock:eu-central-1:222222222222:inference-profile/{MODEL}" in resources(models.policy)
    assert key.access_key_id == models.access_key_id
    assert key.session_token == Secret(models.token)
    assert given.expires_at == pytest.approx(models.expires_at, abs=0.01)
    assert key.expires_at == int(given.expires_at)
    assert given.note == ""


async def test_without_a_policy_the_role_is_as_wide_as_it_is(
    operator: Operator, account: Account, identity_of: IdentityOf
) -> None:
    grant = AWSSession(identity=identity_of(AssumedRole(role_arn=MODELS)), models=None, duration_s=43_200)
    given, _ = await issued(operator, grant, KEY)
    assert account.sessions[0].policy == ""
    assert account.sessions[0].duration_s == 43_200
    assert given.note == ""


async def test_a_chain_that_was_to_last_longer_says_that_it_does_not(
    operator: Operator, identity_of: IdentityOf, account: Account
) -> None:
    identity = identity_of(AssumedRole(role_arn=HUB), AssumedRole(role_arn=MODELS))
    given, _ = await issued(operator, AWSSession(identity=identity, models=(MODEL,), duration_s=7_200), KEY)
    assert account.sessions[-1].duration_s == 3_600
    assert "end after 1 h" in given.note


async def test_a_policy_that_is_too_long_sums_models_up_by_vendor_and_says_so(
    operator: Operator, account: Account, identity_of: IdentityOf
) -> None:
    grant = AWSSession(identity=identity_of(AssumedRole(role_arn=MODELS)), models=MANY)
    given, _ = await issued(operator, grant, KEY)
    assert "arn:aws:bedrock:*::foundation-model/amazon.*" in resources(account.sessions[0].policy)
    assert "every model of amazon" in given.note
    assert account.requests == ["AssumeRole"]


async def test_a_policy_that_packs_too_large_gets_coarser_until_it_fits(
    operator: Operator, account: Account, identity_of: IdentityOf
) -> None:
    grant = AWSSession(identity=identity_of(AssumedRole(role_arn=MODELS)), models=TWO_VENDORS)
    account.packed_chars = 250
    given, _ = await issued(operator, grant, KEY)
    assert account.requests == ["AssumeRole"] * 3
    assert resources(account.sessions[0].policy) == ["*"]
    assert "every model of Bedrock" in given.note


async def test_tags_that_leave_no_room_for_any_policy_are_a_fault(
    operator: Operator, account: Account, identity_of: IdentityOf
) -> None:
    role = AssumedRole(role_arn=MODELS, session_tags=(("team", "a" * 200),))
    account.packed_chars = 100
    with pytest.raises(Fault, match="use fewer or shorter ones") as raised:
        await issued(operator, AWSSession(identity=identity_of(role), models=(MODEL,)), KEY)
    assert raised.value.field == "roles[0].sessionTags"


async def test_a_web_identity_without_roles_is_narrowed_too(
    operator_with: OperatorWith, account: Account, identity_of: IdentityOf, web_identity: dict[str, str]
) -> None:
    operator = operator_with(web_identity)
    given, key = await issued(operator, AWSSession(identity=identity_of(), models=(MODEL,), duration_s=43_200))
    (session,) = account.sessions
    assert session.role_arn == HUB
    assert session.duration_s == 43_200
    assert f"arn:aws:bedrock:eu-central-1:111111111111:inference-profile/{MODEL}" in resources(session.policy)
    assert given.note == ""
    assert key.access_key_id == session.access_key_id


async def test_a_web_identity_s_policy_gets_coarser_too(
    operator_with: OperatorWith, account: Account, identity_of: IdentityOf, web_identity: dict[str, str]
) -> None:
    account.packed_chars = 250
    given, _ = await issued(operator_with(web_identity), AWSSession(identity=identity_of(), models=(MODEL,)))
    assert "every model of Bedrock" in given.note


async def test_container_credentials_are_handed_on_and_the_note_says_what_they_open(
    operator_with: OperatorWith, aws: AWSIdentitySimulator, identity_of: IdentityOf
) -> None:
    environ = {
        "AWS_CONTAINER_CREDENTIALS_FULL_URI": aws.container_url,
        "AWS_CONTAINER_AUTHORIZATION_TOKEN": aws.account.pod_token,
    }
    given, key = await issued(operator_with(environ), AWSSession(identity=identity_of(), models=(MODEL,)))
    (session,) = aws.account.sessions
    assert key.access_key_id == session.access_key_id
    assert given.expires_at == pytest.approx(session.expires_at, abs=1)
    assert "only a session of a role can be narrowed" in given.note


async def test_container_credentials_may_assume_a_role_that_is_narrowed(
    operator_with: OperatorWith, aws: AWSIdentitySimulator, identity_of: IdentityOf
) -> None:
    environ = {
        "AWS_CONTAINER_CREDENTIALS_FULL_URI": aws.container_url,
        "AWS_CONTAINER_AUTHORIZATION_TOKEN": aws.account.pod_token,
    }
    grant = AWSSession(identity=identity_of(AssumedRole(role_arn=MODELS)), models=(MODEL,), duration_s=7_200)
    given, _ = await issued(operator_with(environ), grant)
    assert aws.account.sessions[-1].policy
    assert given.note == "Sessions end after 1 h: AWS gives no longer ones where one role assumes another."


@pytest.mark.parametrize(
    ("chain", "models", "form", "whole"),
    [
        ((), (MODEL,), BedrockForm.SESSION, True),
        ((), None, BedrockForm.SESSION, True),
        ((), (MODEL,), BedrockForm.API_KEY, False),
        ((AssumedRole(role_arn=MODELS),), (MODEL,), BedrockForm.SESSION, False),
        ((AssumedRole(role_arn=MODELS),), None, BedrockForm.SESSION, False),
    ],
)
async def test_a_session_that_is_all_that_the_operator_is_says_so(
    operator_with: OperatorWith,
    aws: AWSIdentitySimulator,
    identity_of: IdentityOf,
    chain: tuple[AssumedRole, ...],
    models: tuple[str, ...] | None,
    form: BedrockForm,
    whole: bool,
) -> None:
    environ = {
        "AWS_CONTAINER_CREDENTIALS_FULL_URI": aws.container_url,
        "AWS_CONTAINER_AUTHORIZATION_TOKEN": aws.account.pod_token,
    }
    grant = AWSSession(identity=identity_of(*chain), models=models, form=form)
    given = await operator_with(environ).sessions.issue(Application(grant=grant, values={}))
    assert given.whole is whole


async def test_keys_of_the_environment_do_not_end_and_are_read_again(
    operator_with: OperatorWith, identity_of: IdentityOf
) -> None:
    environ = {"AWS_ACCESS_KEY_ID": "AKIAENVIRONMENT00001", "AWS_SECRET_ACCESS_KEY": "one"}
    operator = operator_with(environ)
    given, key = await issued(operator, AWSSession(identity=identity_of(), models=(MODEL,)))
    assert key == AccessKey(access_key_id="AKIAENVIRONMENT00001", secret_access_key=Secret("one"))
    assert given.expires_at == pytest.approx(operator.clock.wall() + 3_600, abs=60)
    assert "read again every hour" in given.note


async def test_what_was_not_to_be_narrowed_needs_no_note(operator_with: OperatorWith, identity_of: IdentityOf) -> None:
    environ = {"AWS_ACCESS_KEY_ID": "AKIAENVIRONMENT00001", "AWS_SECRET_ACCESS_KEY": "one"}
    given, _ = await issued(operator_with(environ), AWSSession(identity=identity_of(), models=None))
    assert given.note == "These keys are not known to end, and are read again every hour."


async def test_keys_of_the_environment_may_say_when_they_end(
    operator_with: OperatorWith, identity_of: IdentityOf
) -> None:
    environ = {
        "AWS_ACCESS_KEY_ID": "ASIAENVIRONMENT00001",
        "AWS_SECRET_ACCESS_KEY": "one",
        "AWS_SESSION_TOKEN": "two",
        "AWS_CREDENTIAL_EXPIRATION": "2030-01-01T00:00:00Z",
    }
    given, key = await issued(operator_with(environ), AWSSession(identity=identity_of(), models=()))
    assert given.expires_at == key.expires_at == 1_893_456_000
    assert key.session_token == Secret("two")


async def bearer(operator: Operator, grant: AWSSession) -> tuple[Issued, BearerToken, dict[str, list[str]]]:
    """The key, and the presigned request in it."""
    given = await operator.sessions.issue(Application(grant=grant, values=KEY))
    assert isinstance(given.credential, BearerToken)
    encoded = given.credential.token.reveal().removeprefix("bedrock-api-key-")
    return given, given.credential, parse_qs(urlsplit("https://" + base64.b64decode(encoded).decode()).query)


async def test_an_api_key_ends_with_the_session_that_signed_it(
    operator: Operator, account: Account, identity_of: IdentityOf
) -> None:
    account.life_s = 1_800
    identity = identity_of(AssumedRole(role_arn=MODELS))
    grant = AWSSession(identity=identity, models=(MODEL,), form=BedrockForm.API_KEY, duration_s=43_200)
    given, token, query = await bearer(operator, grant)
    (session,) = account.sessions
    assert session.expires_at is not None
    assert session.expires_at - 2 <= given.expires_at <= session.expires_at
    assert token.expires_at == given.expires_at
    assert 1_798 <= int(query["X-Amz-Expires"][0]) <= 1_800
    assert query["X-Amz-Security-Token"] == [session.token]
    assert "bedrock:CallWithBearerToken" in session.policy


async def test_an_api_key_of_a_lasting_key_lasts_as_long_as_was_asked_for(
    operator: Operator, identity_of: IdentityOf
) -> None:
    grant = AWSSession(identity=identity_of(), models=(MODEL,), form=BedrockForm.API_KEY, duration_s=7_200)
    given, _, query = await bearer(operator, grant)
    assert query["X-Amz-Expires"] == ["7200"]
    assert given.expires_at == pytest.approx(operator.clock.wall() + 7_200, abs=60)
    assert "only a session of a role can be narrowed" in given.note


async def test_grants_of_another_cloud_are_a_mistake_of_ours(operator: Operator) -> None:
    identity = EntraIdentity(way=EntraWay.MANAGED_IDENTITY, authority="https://login.microsoftonline.com")
    with pytest.raises(TypeError, match="EntraAccess"):
        await operator.sessions.issue(Application(grant=EntraAccess(identity=identity, scope="s"), values={}))
