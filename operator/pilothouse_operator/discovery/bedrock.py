"""Bedrock in one region, by its control plane.

https://docs.aws.amazon.com/bedrock/latest/APIReference/API_Operations_Amazon_Bedrock.html. A model that is listed
is not one that can be called: many are reached by inference profiles alone, and others need an agreement first.
"""

import asyncio
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from pilothouse_api.conditions import Reason
from pilothouse_api.names import UpstreamModel
from pilothouse_api.secret import Secret
from pilothouse_api.snapshot.facts import Facts
from pilothouse_operator.clouds import aws_faults
from pilothouse_operator.clouds.aws import AWSIdentities
from pilothouse_operator.clouds.aws_calls import CallFailed, Endpoint, Service, Trouble
from pilothouse_operator.compile.discovered import UNTOLD, FoundModel, Listed
from pilothouse_operator.compile.identities import Account, BedrockAccount
from pilothouse_operator.discovery import bedrock_quotas
from pilothouse_operator.discovery.bedrock_quotas import Quotas, Way
from pilothouse_operator.ports import Fault

# Pages of one list: 1,000 entries each, as many as AWS gives.
_PAGES = 20
_AT_ONCE = 4
# Bedrock has some thousand quotas, AWS gives a hundred at once. They may take no more of a list's time than this.
_QUOTA_PAGES = 60
_QUOTAS_S = 10.0
_ACCOUNTS = 256

# Application profiles may have some in their names, which no route could say.
_BLANK = re.compile(r"\s")

_ON_DEMAND = "needs an inference profile or provisioned throughput"
_UNAVAILABLE: Mapping[str, tuple[str, str, str]] = {
    "agreementAvailability": ("AVAILABLE", "status", "the account has not agreed to the model's terms"),
    "authorizationStatus": ("AUTHORIZED", "", "the account is not authorised for the model"),
    "entitlementAvailability": ("AVAILABLE", "", "the account is not entitled to the model"),
    "regionAvailability": ("AVAILABLE", "", "the model is not offered in this region"),
}


@dataclass(frozen=True, slots=True)
class _Source:
    """One list of what is called by its ARN: operation, member of the answer, and members of an entry.

    `state`: where the state stands, and the one in which the model can be called.
    """

    operation: str
    action: str
    parameters: Mapping[str, Any]
    member: str
    name: str
    arn: str
    base: str
    state: tuple[str, str]


_BY_ARN = (
    _Source(
        "list_provisioned_model_throughputs",
        "ListProvisionedModelThroughputs",
        {"maxResults": 1000},
        "provisionedModelSummaries",
        "provisionedModelName",
        "provisionedModelArn",
        "foundationModelArn",
        ("status", "InService"),
    ),
    _Source(
        "list_custom_model_deployments",
        "ListCustomModelDeployments",
        {"maxResults": 1000},
        "modelDeploymentSummaries",
        "customModelDeploymentName",
        "customModelDeploymentArn",
        "modelArn",
        ("status", "Active"),
    ),
    _Source(
        "list_imported_models",
        "ListImportedModels",
        {"maxResults": 1000},
        "modelSummaries",
        "modelName",
        "modelArn",
        "modelArchitecture",
        ("", ""),
    ),
    _Source(
        "list_prompt_routers",
        "ListPromptRouters",
        {"maxResults": 100},
        "promptRouterSummaries",
        "promptRouterName",
        "promptRouterArn",
        "",
        ("status", "AVAILABLE"),
    ),
)


class BedrockModels:
    """A `ports.Lister` for BedrockAccount. `quotas_s`: how long quotas are waited for."""

    def __init__(self, *, identities: AWSIdentities, quotas_s: float = _QUOTAS_S) -> None:
        self._identities = identities
        self._quotas_s = quotas_s
        self._obstacles: dict[BedrockAccount, dict[str, str]] = {}
        """What was last heard of the availability of each model."""
        self._quotas: dict[BedrockAccount, Quotas] = {}

    async def models(self, account: Account, values: Mapping[str, Secret]) -> Listed:
        """Foundation models, inference profiles, and what is called by an ARN. Raises Fault."""
        if not isinstance(account, BedrockAccount):
            raise TypeError(f"a {type(account).__name__} is none of Bedrock")
        caller = _Caller(self._identities, account, values)
        answer = await caller.call("list_foundation_models", "ListFoundationModels", {})
        summaries = {str(one["modelId"]): one for one in answer.get("modelSummaries") or ()}
        profiles = [
            one
            for kind in ("SYSTEM_DEFINED", "APPLICATION")
            for one in await caller.pages(
                "list_inference_profiles",
                "ListInferenceProfiles",
                {"typeEquals": kind, "maxResults": 1000},
                "inferenceProfileSummaries",
            )
        ]
        obstacles = await self._availability(caller, account, _called(summaries, profiles))
        quotas, notes = await self._allowed(caller, account)
        found = [_foundation(one, obstacles, quotas) for one in summaries.values()]
        found += [_profile(one, summaries, obstacles, quotas) for one in profiles]
        for source in _BY_ARN:
            found += await _deployed(caller, source, summaries)
        return Listed(models=_named(found), notes=notes)

    async def _availability(self, caller: "_Caller", account: BedrockAccount, bases: list[str]) -> Mapping[str, str]:
        """Why models cannot be called, by id; as last heard where nobody tells now."""
        known = self._obstacles.pop(account, {})
        turns = asyncio.Semaphore(_AT_ONCE)
        answers = await asyncio.gather(*(_obstacle(caller, turns, base) for base in bases))
        heard = {
            base: known.get(base, "") if answer is None else answer for base, answer in zip(bases, answers, strict=True)
        }
        self._obstacles[account] = heard
        if len(self._obstacles) > _ACCOUNTS:
            del self._obstacles[next(iter(self._obstacles))]
        return heard

    async def _allowed(self, caller: "_Caller", account: BedrockAccount) -> tuple[Quotas, tuple[str, ...]]:
        """Quotas, and why there are none: hints, for want of which no list fails. As last heard if nobody answers."""
        known = self._quotas.get(account, {})
        notes: tuple[str, ...] = ()
        try:
            async with asyncio.timeout(self._quotas_s):
                quotas = bedrock_quotas.read(await caller.quotas())
        except TimeoutError:
            quotas, notes = known, (f"quotas are as last heard: they have not come within {self._quotas_s:g} s",)
        except Fault as fault:
            told = f"quotas are {'as last heard' if fault.passing else 'not known'}: {fault.message}"
            quotas, notes = known if fault.passing else {}, (told,)
        self._quotas.pop(account, None)
        self._quotas[account] = quotas
        if len(self._quotas) > _ACCOUNTS:
            del self._quotas[next(iter(self._quotas))]
        return quotas, notes


class _Caller:
    """Calls as one identity, to one control plane, and what stands beside it."""

    def __init__(self, identities: AWSIdentities, account: BedrockAccount, values: Mapping[str, Secret]) -> None:
        self._identities = identities
        self._identity = account.identity
        self._values = {name: value for name, value in values.items() if name in _KEYS}
        self._endpoint = Endpoint(service=Service.BEDROCK, region=account.region, url=account.endpoint)
        self._of_quotas = Endpoint(service=Service.QUOTAS, region=account.region, url=account.endpoint)

    async def call(self, operation: str, action: str, parameters: Mapping[str, Any]) -> Mapping[str, Any]:
        """Raises Fault."""
        return await self._identities.call(
            self._identity,
            self._values,
            self._endpoint,
            operation,
            parameters,
            fault=lambda failed, who: _Refused(failed, aws_faults.listed(failed, action=f"bedrock:{action}", who=who)),
        )

    async def pages(self, operation: str, action: str, parameters: Mapping[str, Any], member: str) -> list[Any]:
        """The entries of all pages. Raises Fault."""
        entries: list[Any] = []
        asked = dict(parameters)
        for _ in range(_PAGES):
            answer = await self.call(operation, action, asked)
            entries += answer.get(member) or ()
            token = answer.get("nextToken")
            if not token:
                return entries
            asked["nextToken"] = token
        raise Fault(
            f"Bedrock's list of {member} has no end after {_PAGES} pages",
            reason=Reason.DISCOVERY_UNAVAILABLE,
            passing=True,
        )

    async def quotas(self) -> list[Any]:
        """The account's quotas of Bedrock in the region, as far as pages are read. Raises Fault."""
        entries: list[Any] = []
        asked: dict[str, Any] = {"ServiceCode": "bedrock", "MaxResults": 100}
        for _ in range(_QUOTA_PAGES):
            answer = await self._identities.call(
                self._identity,
                self._values,
                self._of_quotas,
                "list_service_quotas",
                asked,
                fault=lambda failed, who: aws_faults.listed(
                    failed, action="servicequotas:ListServiceQuotas", who=who, what="quotas"
                ),
            )
            entries += answer.get("Quotas") or ()
            token = answer.get("NextToken")
            if not token:
                break
            asked["NextToken"] = token
        return entries


_KEYS = frozenset({"accessKeyId", "secretAccessKey", "sessionToken"})


class _Refused(Fault):
    """A fault that still knows what kind of trouble it was."""

    def __init__(self, failed: CallFailed, fault: Fault) -> None:
        super().__init__(
            fault.message,
            reason=fault.reason,
            passing=fault.passing,
            throttled=fault.throttled,
            retry_after_s=fault.retry_after_s,
        )
        self.trouble = failed.trouble


async def _obstacle(caller: _Caller, turns: asyncio.Semaphore, base: str) -> str | None:
    """Why it cannot be called, empty if it can; None: nobody tells. The right to ask is not everybody's."""
    async with turns:
        try:
            answer = await caller.call(
                "get_foundation_model_availability", "GetFoundationModelAvailability", {"modelId": base}
            )
        except _Refused:
            return None
    for member, (good, inner, why) in _UNAVAILABLE.items():
        state = answer.get(member)
        state = state.get(inner) if inner and isinstance(state, dict) else state
        if isinstance(state, str) and state != good:
            return why
    return ""


def _called(summaries: Mapping[str, Any], profiles: list[Any]) -> list[str]:
    """The foundation models that can be called at all, by themselves or by a profile."""
    by_profile = {_base_of(one) for one in profiles}
    return [base for base, one in summaries.items() if _on_demand(one) or base in by_profile]


def _on_demand(summary: Mapping[str, Any]) -> bool:
    return "ON_DEMAND" in (summary.get("inferenceTypesSupported") or ("ON_DEMAND",))


def _foundation(summary: Mapping[str, Any], obstacles: Mapping[str, str], quotas: Quotas) -> FoundModel:
    base = str(summary["modelId"])
    return FoundModel(
        name=base,
        upstream=UpstreamModel(base),
        facts=_facts(summary),
        quota=bedrock_quotas.of(quotas, Way.ON_DEMAND, summary),
        obstacle=obstacles.get(base, "") if _on_demand(summary) else _ON_DEMAND,
    )


def _profile(
    profile: Mapping[str, Any], summaries: Mapping[str, Any], obstacles: Mapping[str, str], quotas: Quotas
) -> FoundModel:
    """One of AWS's own is called by its id, which tells the model; one of the account's by its ARN.

    Of the latter nothing tells from which quota it takes: a model's or that of one of AWS's profiles.
    """
    base = _base_of(profile)
    own = profile.get("type") == "APPLICATION"
    status = profile.get("status", "ACTIVE")
    summary = summaries.get(base, {})
    way = bedrock_quotas.way(str(profile["inferenceProfileId"]), base)
    return FoundModel(
        name=str(profile["inferenceProfileName" if own else "inferenceProfileId"]),
        upstream=UpstreamModel(str(profile["inferenceProfileArn" if own else "inferenceProfileId"])),
        base=base if own else "",
        facts=_facts(summary),
        quota=UNTOLD if own else bedrock_quotas.of(quotas, way, summary),
        obstacle=obstacles.get(base, "") if status == "ACTIVE" else f"its inference profile is {status}",
    )


async def _deployed(caller: _Caller, source: _Source, summaries: Mapping[str, Any]) -> list[FoundModel]:
    try:
        entries = await caller.pages(source.operation, source.action, source.parameters, source.member)
    except _Refused as refused:
        # Without the right to list them, or in a region that has no such thing, there are none.
        if refused.trouble in (Trouble.FORBIDDEN, Trouble.REFUSED):
            return []
        raise
    found = []
    member, good = source.state
    for entry in entries:
        base = _model_of(str(entry.get(source.base, ""))) if source.base else _base_of(entry)
        state = str(entry.get(member, good)) if member else good
        found.append(
            FoundModel(
                name=str(entry[source.name]),
                upstream=UpstreamModel(str(entry[source.arn])),
                base=base,
                facts=_facts(summaries.get(base, {})),
                obstacle="" if state == good else f"its deployment is {state}",
            )
        )
    return found


def _base_of(entry: Mapping[str, Any]) -> str:
    """The first model behind a profile or router, by its id."""
    models: list[dict[str, Any]] = entry.get("models") or [{}]
    return _model_of(str(models[0].get("modelArn", "")))


def _model_of(arn: str) -> str:
    """`…:foundation-model/ID` and `…:custom-model/ID/NUMBER` → the id; what is no ARN stays."""
    resource = arn.split(":", 5)[-1] if arn.startswith("arn:") else ""
    return resource.split("/")[1] if "/" in resource else arn


def _facts(summary: Mapping[str, Any]) -> Facts:
    if not summary:
        return Facts()
    inputs, outputs = summary.get("inputModalities"), summary.get("outputModalities")
    return Facts(
        streaming=summary.get("responseStreamingSupported"),
        vision="IMAGE" in inputs if inputs else None,
        audio=bool({"AUDIO", "SPEECH"} & set(inputs)) if inputs else None,
        embeddings="EMBEDDING" in outputs if outputs else None,
    )


def _named(found: list[FoundModel]) -> tuple[FoundModel, ...]:
    """By upstream name, each under a name of its own: of two by one name neither has it, nor one with blanks."""
    names: dict[str, int] = {}
    for one in found:
        names[one.name] = names.get(one.name, 0) + 1
    unique = {
        one.upstream: one if names[one.name] == 1 and not _BLANK.search(one.name) else _by_upstream(one)
        for one in found
    }
    return tuple(unique[upstream] for upstream in sorted(unique))


def _by_upstream(one: FoundModel) -> FoundModel:
    return replace(one, name=one.upstream)
