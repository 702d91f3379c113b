"""The deployments of an Azure OpenAI resource, by Azure Resource Manager.

https://learn.microsoft.com/rest/api/aiservices/accountmanagement/deployments/list and …/accounts/list-models:
deployments say which model they are, the account's models what these can do. Plain
REST: the SDK for it is 3 MB for two lists.
"""

import asyncio
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import aiohttp

from pilothouse_api.conditions import Reason
from pilothouse_api.names import UpstreamModel
from pilothouse_api.secret import Secret
from pilothouse_api.snapshot.facts import Facts
from pilothouse_operator.clouds.entra import Entra
from pilothouse_operator.compile.discovered import FoundModel, Listed
from pilothouse_operator.compile.identities import Account, AzureAccount
from pilothouse_operator.discovery import azure_quotas, documents
from pilothouse_operator.ports import Fault

API_VERSION = "2025-09-01"
_PAGES = 20
_RIGHT = "it takes the role Reader on the resource"
_USAGES_RIGHT = "it takes Microsoft.CognitiveServices/locations/usages/read on the subscription, which its Reader has"
_QUOTAS_S = 10.0
# Spoken to at another path, in Anthropic's own dialect.
_ELSEWHERE = frozenset({"Anthropic"})

_Model = tuple[str, str, str]
"""Format, name and version: what a deployment names a model by."""


class AzureDeployments:
    """A `ports.Lister` for AzureAccount."""

    def __init__(self, *, entra: Entra, session: aiohttp.ClientSession) -> None:
        self._entra = entra
        self._session = session

    async def models(self, account: Account, values: Mapping[str, Secret]) -> Listed:
        """Every deployment, sorted by name. Raises Fault."""
        if not isinstance(account, AzureAccount):
            raise TypeError(f"a {type(account).__name__} is no resource of Azure OpenAI")
        credential = await self._entra.credential(account.identity, values)
        try:
            token = (await credential.get_token_info(f"{_resource(account)}/.default")).token
        finally:
            await credential.close()
        headers = {"Authorization": f"Bearer {token}"}
        known = {_model(one): one for one in await self._all(account, "models", headers)}
        deployments = await self._all(account, "deployments", headers)
        found = {one.name: one for one in (_deployment(entry, known) for entry in deployments) if one is not None}
        tokens, notes = await self._shared(account, [one for one in deployments if _lacks(one, found)], headers)
        found |= {name: _given(found[name], tokens[name]) for name in tokens}
        return Listed(models=tuple(found[name] for name in sorted(found)), notes=notes)

    async def _shared(
        self, account: AzureAccount, deployments: list[Mapping[str, Any]], headers: Mapping[str, str]
    ) -> tuple[Mapping[str, int], tuple[str, ...]]:
        """Tokens a minute by deployment, from the location's quotas, or why not: hints, which no list fails for."""
        if not deployments:
            return {}, ()
        try:
            async with asyncio.timeout(_QUOTAS_S):
                limits = azure_quotas.of_location(await self._usages(account, headers))
        except TimeoutError:
            return {}, (f"some quotas are not known: they have not come within {_QUOTAS_S:g} s",)
        except Fault as fault:
            return {}, (f"some quotas are not known: {fault.message}",)
        names = {str(one["name"]): azure_quotas.shared(one) for one in deployments}
        return {name: limits[quota] for name, quota in names.items() if quota in limits}, ()

    async def _usages(self, account: AzureAccount, headers: Mapping[str, str]) -> list[Mapping[str, Any]]:
        url = f"{account.endpoint}{account.resource_id}?api-version={API_VERSION}"
        whose = f"Azure Resource Manager ({account.endpoint})"
        document = await documents.get(self._session, url, headers=headers, whose=whose, right=_RIGHT, what="quotas")
        path = azure_quotas.usages_path(account.resource_id, document)
        return await self._pages(account, path, headers, "quotas", _USAGES_RIGHT) if path else []

    async def _all(self, account: AzureAccount, list_: str, headers: Mapping[str, str]) -> list[Mapping[str, Any]]:
        return await self._pages(account, f"{account.resource_id}/{list_}", headers, list_, _RIGHT)

    async def _pages(
        self, account: AzureAccount, path: str, headers: Mapping[str, str], what: str, right: str
    ) -> list[Mapping[str, Any]]:
        url = f"{account.endpoint}{path}?api-version={API_VERSION}"
        whose = f"Azure Resource Manager ({account.endpoint})"
        entries: list[Mapping[str, Any]] = []
        for _ in range(_PAGES):
            document = await documents.get(self._session, url, headers=headers, whose=whose, right=right, what=what)
            entries += [one for one in document.get("value") or () if isinstance(one, dict)]
            url = str(document.get("nextLink") or "")
            if not url:
                return entries
            # The token is for this endpoint alone, whatever an answer says.
            if not url.startswith(f"{account.endpoint}/"):
                break
        raise Fault(
            f"{whose} has answered with a list of {what} that leads elsewhere or has no end",
            reason=Reason.DISCOVERY_UNAVAILABLE,
            passing=True,
        )


def _resource(account: AzureAccount) -> str:
    """The audience of each cloud is the URL of its Resource Manager; what stands in for one is the public cloud's."""
    own = account.endpoint.startswith("https://management.")
    return account.endpoint if own else "https://management.azure.com"


def _lacks(entry: Mapping[str, Any], found: Mapping[str, FoundModel]) -> bool:
    """Whether a deployment that can be called does not say how many tokens a minute it may use, and its quota may."""
    one = found.get(str(entry.get("name")))
    unknown = one is not None and not one.obstacle and one.quota.tokens_per_minute is None
    return unknown and bool(azure_quotas.shared(entry))


def _given(one: FoundModel, tokens: int) -> FoundModel:
    return replace(one, quota=replace(one.quota, tokens_per_minute=tokens))


def _model(model: Mapping[str, Any]) -> _Model:
    return (str(model.get("format", "")), str(model.get("name", "")), str(model.get("version", "")))


def _deployment(entry: Mapping[str, Any], known: Mapping[_Model, Mapping[str, Any]]) -> FoundModel | None:
    properties = entry.get("properties")
    name = entry.get("name")
    if not isinstance(name, str) or not name or not isinstance(properties, dict):
        return None
    model = properties.get("model")
    of = _model(model if isinstance(model, dict) else {})
    said = {**_capabilities(known.get(of, {})), **_capabilities(properties)}
    return FoundModel(
        name=name,
        upstream=UpstreamModel(name),
        base=of[1],
        facts=_facts(said),
        quota=azure_quotas.of_deployment(properties),
        obstacle=_obstacle(properties, of[0]),
    )


def _obstacle(properties: Mapping[str, Any], format_: str) -> str:
    state = str(properties.get("provisioningState", "Succeeded"))
    if state != "Succeeded":
        return f"its deployment is {state}"
    return f"it speaks the API of {format_}" if format_ in _ELSEWHERE else ""


def _capabilities(of: Mapping[str, Any]) -> Mapping[str, Any]:
    found = of.get("capabilities")
    return found if isinstance(found, dict) else {}


def _facts(said: Mapping[str, Any]) -> Facts:
    """Capabilities are texts, `"true"` and numbers; one that is absent is unknown."""
    embeds, chats = _switch(said.get("embeddings")), _switch(said.get("chatCompletion"))
    return Facts(
        embeddings=None if embeds is None and chats is None else bool(embeds) and not chats,
        json_schema=_switch(said.get("jsonSchemaResponse")),
        context_tokens=_count(said.get("maxContextToken")),
        max_output_tokens=_count(said.get("maxOutputToken")),
    )


def _switch(value: object) -> bool | None:
    return {"true": True, "false": False}.get(str(value).lower())


def _count(value: object) -> int | None:
    text = str(value)
    return int(text) if text.isascii() and text.isdecimal() and 0 < int(text) < 2**53 else None
