"""What an account of Bedrock has, by botocore as it is, against the simulator of its control plane."""

from __future__ import annotations

import logging
from collections.abc import Iterator

import pytest

from pilothouse_api.conditions import Reason
from pilothouse_api.secret import Secret
from pilothouse_api.snapshot.facts import Facts
from pilothouse_operator.clouds.aws import AWSIdentities
from pilothouse_operator.clouds.aws_calls import AWSCalls
from pilothouse_operator.compile.discovered import FoundModel, Quota
from pilothouse_operator.compile.identities import AWSIdentity, BedrockAccount, ModelServer
from pilothouse_operator.discovery.bedrock import BedrockModels
from pilothouse_operator.ports import Fault
from tests.integration.operator.control import Clock
from tests.simulators import credentials
from tests.simulators.faults import Fault as Broken
from tests.simulators.faults import Kind, Provider
from tests.simulators.fleet import Simulators
from tests.simulators.models import NotOnDemand

KEYS = {
    "accessKeyId": Secret(credentials.ACCESS_KEY_ID),
    "secretAccessKey": Secret(credentials.SECRET_ACCESS_KEY),
}


@pytest.fixture
def identities() -> Iterator[AWSIdentities]:
    calls = AWSCalls()
    level = logging.getLogger("botocore").level
    yield AWSIdentities(calls=calls, clock=Clock(), environ={})
    calls.close()
    logging.getLogger("botocore").setLevel(level)


@pytest.fixture
def lister(identities: AWSIdentities) -> BedrockModels:
    return BedrockModels(identities=identities)


def account(simulators: Simulators) -> BedrockAccount:
    return BedrockAccount(identity=AWSIdentity(region="us-east-1"), region="us-east-1", endpoint=simulators.bedrock_url)


EMBEDS_RANKS_COMPLETES = ("amazon.titan-embed-text-v2:0", "amazon.rerank-v1:0", "ai21.j2-ultra-v1")


async def listed(lister: BedrockModels, simulators: Simulators) -> dict[str, FoundModel]:
    return {one.name: one for one in (await lister.models(account(simulators), KEYS)).models}


async def refused(lister: BedrockModels, simulators: Simulators, values: dict[str, Secret] = KEYS) -> Fault:
    with pytest.raises(Fault) as raised:
        await lister.models(account(simulators), values)
    return raised.value


async def test_a_foundation_model_is_called_by_its_id(lister: BedrockModels, simulators: Simulators) -> None:
    found = await listed(lister, simulators)
    nova = found["amazon.nova-micro-v1:0"]
    assert (nova.upstream, nova.base, nova.obstacle) == ("amazon.nova-micro-v1:0", "", "")
    assert nova.facts == Facts(streaming=True, vision=False, audio=False, embeddings=False)
    assert found["amazon.nova-pro-v1:0"].facts.vision is True


async def test_one_that_has_no_capacity_in_the_region_is_called_by_a_profile(
    lister: BedrockModels, simulators: Simulators
) -> None:
    found = await listed(lister, simulators)
    assert found["deepseek.r1-v1:0"].obstacle == "needs an inference profile or provisioned throughput"
    assert found["us.deepseek.r1-v1:0"].obstacle == ""
    assert {name for name in found if name.endswith("claude-sonnet-4-5-20250929-v1:0")} == {
        f"{geography}anthropic.claude-sonnet-4-5-20250929-v1:0" for geography in ("", "us.", "eu.", "jp.", "global.")
    }


async def test_one_without_access_is_not_called_in_any_way(lister: BedrockModels, simulators: Simulators) -> None:
    found = await listed(lister, simulators)
    for name in ("anthropic.claude-fable-5-1", "us.anthropic.claude-fable-5-1"):
        assert found[name].obstacle == "the account has not agreed to the model's terms"


async def test_what_has_an_arn_is_called_by_it_and_known_by_what_is_behind(
    lister: BedrockModels, simulators: Simulators
) -> None:
    found = {one.upstream: one for one in (await listed(lister, simulators)).values()}
    bases = {arn.rpartition("/")[2]: one.base for arn, one in found.items() if arn.startswith("arn:")}
    assert bases == {
        "a1b2c3d4e5f6": "anthropic.claude-opus-5-5",
        "p9q8r7s6t5u4": "amazon.nova-pro-v1:0",
        "c1u2s3t4o5m6": "amazon.nova-micro-v1:0",
        "l1a2m3a4": "llama3",
        "amazon.nova:1": "amazon.nova-pro-v1:0",
    }
    bought = found["arn:aws:bedrock:us-east-1:123456789012:provisioned-model/p9q8r7s6t5u4"]  # type: ignore[index]
    assert (bought.name, bought.facts.vision) == ("provisioned-p9q8r7s6t5u4", True)


async def test_what_makes_no_words_is_known_by_what_it_makes(lister: BedrockModels, simulators: Simulators) -> None:
    found = await listed(lister, simulators)
    facts = {name: (found[name].facts.embeddings, found[name].facts.streaming) for name in EMBEDS_RANKS_COMPLETES}
    assert facts == {
        "amazon.titan-embed-text-v2:0": (True, False),
        "amazon.rerank-v1:0": (False, False),
        "ai21.j2-ultra-v1": (False, False),
    }


async def test_every_name_and_every_upstream_is_there_once_in_an_order_that_stays(
    lister: BedrockModels, simulators: Simulators
) -> None:
    one, two = [(await lister.models(account(simulators), KEYS)).models for _ in range(2)]
    assert one == two
    assert len({it.name for it in one}) == len({it.upstream for it in one}) == len(one)


async def test_all_that_can_be_called_answers(lister: BedrockModels, simulators: Simulators) -> None:
    """What the list says, the runtime holds."""
    for one in (await listed(lister, simulators)).values():
        try:
            behind = simulators.controls.models.find_bedrock(one.upstream)
        except NotOnDemand:
            behind = None
        assert (behind is not None and behind.access) == (not one.obstacle), one


async def test_without_the_right_to_ask_for_availability_nothing_is_left_out(
    lister: BedrockModels, simulators: Simulators
) -> None:
    denied = Broken(
        kind=Kind.ERROR,
        provider=Provider.BEDROCK,
        operation="GetFoundationModelAvailability",
        name="AccessDeniedException",
        count=None,
    )
    simulators.controls.fail(denied)
    assert (await listed(lister, simulators))["anthropic.claude-fable-5-1"].obstacle == ""


async def test_availability_that_is_throttled_is_as_last_heard(lister: BedrockModels, simulators: Simulators) -> None:
    await listed(lister, simulators)
    busy = Broken(kind=Kind.THROTTLE, provider=Provider.BEDROCK, operation="GetFoundationModelAvailability", count=None)
    simulators.controls.fail(busy)
    assert (await listed(lister, simulators))["anthropic.claude-fable-5-1"].obstacle != ""


async def test_lists_that_are_not_permitted_are_empty(lister: BedrockModels, simulators: Simulators) -> None:
    denied = Broken(
        kind=Kind.ERROR,
        provider=Provider.BEDROCK,
        operation="ListProvisionedModelThroughputs",
        name="AccessDeniedException",
    )
    simulators.controls.fail(denied)
    found = await listed(lister, simulators)
    assert "provisioned-p9q8r7s6t5u4" not in found
    assert "custom-c1u2s3t4o5m6" in found


async def test_what_must_be_permitted_is_named(lister: BedrockModels, simulators: Simulators) -> None:
    simulators.controls.fail(
        Broken(
            kind=Kind.ERROR,
            provider=Provider.BEDROCK,
            operation="ListFoundationModels",
            name="AccessDeniedException",
        )
    )
    fault = await refused(lister, simulators)
    assert (fault.reason, fault.passing) == (Reason.DISCOVERY_REFUSED, False)
    assert "bedrock:ListFoundationModels" in fault.message


async def test_a_throttled_list_passes(lister: BedrockModels, simulators: Simulators) -> None:
    simulators.controls.fail(Broken(kind=Kind.THROTTLE, provider=Provider.BEDROCK, operation="ListInferenceProfiles"))
    fault = await refused(lister, simulators)
    assert (fault.reason, fault.passing, fault.throttled) == (Reason.DISCOVERY_UNAVAILABLE, True, True)


async def test_keys_that_are_wrong_are_refused(lister: BedrockModels, simulators: Simulators) -> None:
    fault = await refused(lister, simulators, {**KEYS, "secretAccessKey": Secret("wrong/Secret+Key000000")})
    assert fault.reason is Reason.SIGN_IN_REFUSED


async def test_another_s_account_is_none_of_bedrock(lister: BedrockModels) -> None:
    with pytest.raises(TypeError):
        await lister.models(ModelServer(url="http://x"), {})


async def test_a_model_has_the_quota_of_the_way_in_which_it_is_called(
    lister: BedrockModels, simulators: Simulators
) -> None:
    found = await listed(lister, simulators)
    sonnet = "anthropic.claude-sonnet-4-5-20250929-v1:0"
    assert found["amazon.nova-micro-v1:0"].quota == Quota(requests_per_minute=2_000, tokens_per_minute=4_000_000)
    assert found["eu.amazon.nova-micro-v1:0"].quota == Quota(requests_per_minute=4_000, tokens_per_minute=8_000_000)
    assert found[sonnet].quota == Quota()
    assert found[f"jp.{sonnet}"].quota == Quota(requests_per_minute=200, tokens_per_minute=200_000)
    assert found[f"global.{sonnet}"].quota == Quota(requests_per_minute=500, tokens_per_minute=500_000)
    assert found["us.deepseek.r1-v1:0"].quota == Quota(requests_per_minute=200)
    assert found["amazon.titan-embed-text-v2:0"].quota == Quota()


async def told(lister: BedrockModels, simulators: Simulators) -> tuple[Quota, tuple[str, ...]]:
    answer = await lister.models(account(simulators), KEYS)
    (micro,) = (one for one in answer.models if one.name == "amazon.nova-micro-v1:0")
    return micro.quota, answer.notes


async def test_without_the_right_to_quotas_a_list_is_whole_and_says_what_is_missing(
    lister: BedrockModels, simulators: Simulators
) -> None:
    whole, notes = await told(lister, simulators)
    assert notes == ()
    assert whole != Quota()
    operation = "ListServiceQuotas"
    simulators.controls.fail(
        Broken(kind=Kind.ERROR, provider=Provider.BEDROCK, operation=operation, name="AccessDeniedException")
    )
    quota, (note,) = await told(lister, simulators)
    assert quota == Quota()
    assert note.startswith("quotas are not known: ")
    assert note.endswith("may not list the account's quotas: it needs servicequotas:ListServiceQuotas")
    assert await told(lister, simulators) == (whole, ())


async def test_quotas_that_are_throttled_are_as_last_heard(lister: BedrockModels, simulators: Simulators) -> None:
    whole, _ = await told(lister, simulators)
    simulators.controls.fail(Broken(kind=Kind.THROTTLE, provider=Provider.BEDROCK, operation="ListServiceQuotas"))
    quota, (note,) = await told(lister, simulators)
    assert quota == whole
    assert note.startswith("quotas are as last heard: ")


async def test_quotas_that_do_not_come_hold_up_no_list(identities: AWSIdentities, simulators: Simulators) -> None:
    simulators.controls.fail(Broken(kind=Kind.SILENCE, provider=Provider.BEDROCK, operation="ListServiceQuotas"))
    impatient = BedrockModels(identities=identities, quotas_s=0.05)
    assert await told(impatient, simulators) == (
        Quota(),
        ("quotas are as last heard: they have not come within 0.05 s",),
    )
