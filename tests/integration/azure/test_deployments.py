"""Deployments of an Azure OpenAI resource, by tokens of the simulated Entra and a simulated Resource Manager."""

from __future__ import annotations

import dataclasses
from collections.abc import AsyncIterator

import pytest

from pilothouse_api.conditions import Reason
from pilothouse_api.secret import Secret
from pilothouse_api.snapshot.facts import Facts
from pilothouse_operator.clouds.entra import Entra, connect
from pilothouse_operator.compile.discovered import FoundModel, Quota
from pilothouse_operator.compile.identities import AzureAccount, EntraIdentity, EntraWay
from pilothouse_operator.discovery.azure import AzureDeployments
from pilothouse_operator.ports import Fault
from tests.integration.azure.conftest import CLIENT_ID, CLIENT_SECRET
from tests.simulators.azure_openai.resource_manager import RESOURCE_ID, ResourceManager, throttled
from tests.simulators.controls import Controls
from tests.simulators.entra.directory import ManagedIdentity
from tests.simulators.entra.fleet import EntraSimulator
from tests.simulators.entra.service import answered
from tests.simulators.wire.server import Server

SIGN_IN = {"clientSecret": Secret(CLIENT_SECRET)}


@pytest.fixture
async def manager(azure: EntraSimulator) -> AsyncIterator[ResourceManager]:
    controls = Controls()
    controls.keys.entra = dict(azure.mint.public_keys)
    service = ResourceManager(controls)
    server = Server(service=service, host="127.0.0.1", port=0)
    service.url = f"http://127.0.0.1:{await server.start()}"
    yield service
    await server.stop()


@pytest.fixture
async def lister(entra: Entra) -> AsyncIterator[AzureDeployments]:
    async with connect() as session:
        yield AzureDeployments(entra=entra, session=session)


@pytest.fixture
def account(manager: ResourceManager, principal: EntraIdentity) -> AzureAccount:
    return AzureAccount(identity=principal, resource_id=RESOURCE_ID, endpoint=manager.url)


async def listed(lister: AzureDeployments, account: AzureAccount) -> dict[str, FoundModel]:
    return {one.name: one for one in (await lister.models(account, SIGN_IN)).models}


async def refused(lister: AzureDeployments, account: AzureAccount) -> Fault:
    with pytest.raises(Fault) as raised:
        await lister.models(account, SIGN_IN)
    return raised.value


async def test_a_deployment_is_called_by_its_name_and_known_by_its_model(
    lister: AzureDeployments, account: AzureAccount
) -> None:
    found = await listed(lister, account)
    assert list(found) == sorted(found)
    gpt = found["gpt"]
    assert (gpt.upstream, gpt.base, gpt.obstacle) == ("gpt", "gpt-4.1", "")
    assert gpt.facts == Facts(json_schema=True, embeddings=False, context_tokens=1_047_576, max_output_tokens=32_768)
    assert found["text-embedding-ada-002"].facts == Facts(embeddings=True, context_tokens=8_192)


async def test_lists_are_read_page_by_page(
    lister: AzureDeployments, account: AzureAccount, manager: ResourceManager
) -> None:
    whole = await listed(lister, account)
    manager.page = 2
    assert await listed(lister, account) == whole


async def test_one_that_is_not_ready_is_not_called(
    lister: AzureDeployments, account: AzureAccount, manager: ResourceManager
) -> None:
    manager.states["gpt"] = "Creating"
    assert (await listed(lister, account))["gpt"].obstacle == "its deployment is Creating"


async def test_a_token_goes_nowhere_else(
    lister: AzureDeployments, account: AzureAccount, manager: ResourceManager
) -> None:
    manager.instead.append(answered(200, {"value": [], "nextLink": "https://elsewhere.example/next"}))
    fault = await refused(lister, account)
    assert (fault.reason, fault.passing) == (Reason.DISCOVERY_UNAVAILABLE, True)
    assert "elsewhere.example" not in fault.message


async def test_who_is_no_reader_is_refused(
    lister: AzureDeployments, account: AzureAccount, manager: ResourceManager
) -> None:
    manager.readers = {"somebody-else"}
    fault = await refused(lister, account)
    assert (fault.reason, fault.passing) == (Reason.DISCOVERY_REFUSED, False)
    manager.readers = {CLIENT_ID}
    assert await listed(lister, account)


async def test_above_the_limit_it_waits(
    lister: AzureDeployments, account: AzureAccount, manager: ResourceManager
) -> None:
    manager.instead.append(throttled(17))
    fault = await refused(lister, account)
    assert (fault.throttled, fault.retry_after_s) == (True, 17.0)


async def test_a_resource_that_is_not_there_is_refused(lister: AzureDeployments, account: AzureAccount) -> None:
    other = dataclasses.replace(account, resource_id=RESOURCE_ID.replace("simulated", "nowhere"))
    assert (await refused(lister, other)).reason is Reason.DISCOVERY_REFUSED


async def test_a_client_secret_that_is_wrong_is_entra_s_to_refuse(
    lister: AzureDeployments, account: AzureAccount
) -> None:
    with pytest.raises(Fault) as raised:
        await lister.models(account, {"clientSecret": Secret("wrong~secret")})
    assert raised.value.reason is Reason.SIGN_IN_REFUSED


async def test_a_managed_identity_lists_too(
    lister: AzureDeployments, account: AzureAccount, azure: EntraSimulator
) -> None:
    azure.directory.system_assigned = ManagedIdentity("66666666-6666-4666-8666-666666666666", "7" * 8)
    identity = EntraIdentity(way=EntraWay.MANAGED_IDENTITY, authority=azure.authority)
    assert (await lister.models(dataclasses.replace(account, identity=identity), {})).models


async def test_a_deployment_has_its_own_limits_by_the_minute(
    lister: AzureDeployments, account: AzureAccount, manager: ResourceManager
) -> None:
    manager.subscribers = set()
    answer = await lister.models(account, SIGN_IN)
    found = {one.name: one.quota for one in answer.models}
    assert found["gpt"] == Quota(requests_per_minute=300, tokens_per_minute=50_000)
    assert found["gpt-4o-ptu"] == Quota()
    assert answer.notes == ()


async def test_one_that_tells_no_limits_has_those_of_its_location(
    lister: AzureDeployments, account: AzureAccount, manager: ResourceManager
) -> None:
    manager.rated = False
    manager.page = 2
    found = await listed(lister, account)
    assert found["gpt"].quota == found["gpt-4o"].quota == Quota(tokens_per_minute=1_000_000)
    assert found["gpt-4o-ptu"].quota == Quota()


async def test_without_the_right_to_the_location_s_quotas_a_list_is_whole(
    lister: AzureDeployments, account: AzureAccount, manager: ResourceManager
) -> None:
    manager.rated = False
    whole = await listed(lister, account)
    manager.subscribers = {"somebody-else"}
    answer = await lister.models(account, SIGN_IN)
    assert [one.name for one in answer.models] == list(whole)
    assert {one.quota for one in answer.models} == {Quota()}
    (note,) = answer.notes
    assert "does not let the operator list quotas (403)" in note
    assert "Microsoft.CognitiveServices/locations/usages/read" in note
