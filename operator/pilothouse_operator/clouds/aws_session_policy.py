"""The session policy that narrows a session of STS to the models of a provider. Pure.

A profile of several regions needs the model in each of them, so that models stand with any region there (user guide of
Bedrock, "Prerequisites for inference profiles"; actions and resources: Service Authorization Reference, "Actions,
resources, and condition keys for Amazon Bedrock"). A policy has at most 2,048 characters: where that is too few, models
are summed up by vendor, then all together.
"""

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from pilothouse_operator.compile.identities import BedrockForm, BedrockHost

LONGEST = 2_048
"""AssumeRole, `Policy`: characters of the inline policy."""

# Regions → partition, as in botocore's partitions.json; anything else is in `aws`.
_PARTITIONS = (
    ("us-gov-", "aws-us-gov"),
    ("eusc-", "aws-eusc"),
    ("cn-", "aws-cn"),
    ("us-iso-", "aws-iso"),
    ("us-isob-", "aws-iso-b"),
    ("eu-isoe-", "aws-iso-e"),
    ("us-isof-", "aws-iso-f"),
)

_GEOGRAPHIES = frozenset({"us", "eu", "apac", "au", "jp", "in", "ca", "us-gov", "global"})
_VENDORS = frozenset(
    {
        "ai21",
        "amazon",
        "anthropic",
        "cohere",
        "deepseek",
        "google",
        "luma",
        "meta",
        "minimax",
        "mistral",
        "moonshot",
        "moonshotai",
        "nvidia",
        "openai",
        "qwen",
        "stability",
        "twelvelabs",
        "writer",
        "xai",
        "zai",
    }
)

# Nothing that means more than itself in a policy (`*`, `?`, `${`).
_MODEL = re.compile(r"[A-Za-z0-9._:/-]+")

_SUMMED = frozenset({"foundation-model", "inference-profile"})

_INVOKE = ["bedrock:InvokeModel", "bedrock:InvokeModelWithResponseStream"]
_ON_MODELS = [*_INVOKE, "bedrock:CountTokens", "bedrock:ApplyGuardrail"]
_BEARER = "bedrock:CallWithBearerToken"
_MANTLE = "bedrock-mantle:CreateInference"
_MANTLE_BEARER = "bedrock-mantle:CallWithBearerToken"
"""AWS managed policy AmazonBedrockMantleInferenceAccess. What runs there is named by projects, not by models."""
_SAGEMAKER = ["sagemaker:InvokeEndpoint", "sagemaker:InvokeEndpointWithResponseStream"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """A policy's JSON. `note`: how it opens more than was asked for, and why."""

    text: str
    note: str = ""


@dataclass(slots=True)
class _Reach:
    """What a set of models needs."""

    resources: set[str] = field(default_factory=set)
    profiles: set[str] = field(default_factory=set)
    """Application profiles: which model is behind one does not show in its ARN."""
    endpoints: set[str] = field(default_factory=set)
    """Of SageMaker, which Bedrock's marketplace models run on."""
    vendors: set[str] = field(default_factory=set)
    opaque: set[str] = field(default_factory=set)
    """Routers and managed prompts: they choose among models that nothing here names."""
    malformed: set[str] = field(default_factory=set)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Scope:
    """Where the session will call."""

    partition: str
    region: str
    account: str
    form: BedrockForm
    hosts: tuple[BedrockHost, ...]

    def reach(self, models: Iterable[str]) -> _Reach:
        reach = _Reach()
        for model in models:
            if _MODEL.fullmatch(model) is None:
                reach.malformed.add(model)
            elif model.startswith("arn:"):
                self._add_arn(model, reach)
            else:
                self._add_id(model, reach)
        return reach

    def _add_id(self, model: str, reach: _Reach) -> None:
        first, _, rest = model.partition(".")
        if first in _VENDORS or "." not in rest:
            reach.resources.add(self._foundation(model, self.region))
            reach.vendors.add(first)
            return
        # A geography, known or new: the set grows. A new vendor whose model has a dot in its name looks the same.
        reach.resources.add(self._owned(f"inference-profile/{model}"))
        self._add_model_anywhere(rest, reach)
        if first not in _GEOGRAPHIES:
            reach.resources.add(self._foundation(model, self.region))
            reach.vendors.add(first)

    def _add_arn(self, arn: str, reach: _Reach) -> None:
        service, _, resource = arn.partition(":")[2].partition(":")[2].partition(":")
        kind, _, name = resource.split(":", 2)[-1].partition("/")
        if service == "sagemaker":
            reach.resources |= {arn, self._owned("marketplace/model-endpoint/all-access", region="*")}
            reach.endpoints.add(arn)
        elif kind in {"prompt", "prompt-router", "default-prompt-router"}:
            reach.opaque.add(arn)
        elif kind == "application-inference-profile":
            reach.resources.add(arn)
            reach.profiles.add(arn)
        else:
            reach.resources.add(arn)
            if kind == "foundation-model":
                reach.vendors.add(name.partition(".")[0])
            elif kind == "inference-profile":
                self._add_model_anywhere(name.partition(".")[2], reach)

    def _add_model_anywhere(self, model: str, reach: _Reach) -> None:
        # Global profiles also route to a model that stands in no region.
        reach.resources |= {self._foundation(model, "*"), self._foundation(model, "")}
        reach.vendors.add(model.partition(".")[0])

    def of_vendors(self, reach: _Reach) -> set[str]:
        """The resources, with models and profiles summed up by vendor."""
        summed = {
            resource for resource in reach.resources if resource.split(":", 5)[-1].partition("/")[0] not in _SUMMED
        }
        for vendor in reach.vendors:
            summed |= {
                self._foundation(f"{vendor}.*", "*"),
                self._foundation(f"{vendor}.*", ""),
                self._owned(f"inference-profile/*.{vendor}.*"),
            }
        return summed

    def named(self, reach: _Reach, resources: Iterable[str]) -> str:
        """The policy for these resources, and for what the profiles and endpoints among them lead to."""
        guardrails = {self._owned("guardrail/*"), self._owned("guardrail-profile/*")}
        statements = [_allow(_ON_MODELS, sorted({*resources, *guardrails}))]
        if reach.profiles:
            anything = [self._foundation("*", "*"), self._foundation("*", "")]
            behind = _allow(_INVOKE, anything)
            behind["Condition"] = {"StringEquals": {"bedrock:InferenceProfileArn": sorted(reach.profiles)}}
            statements.append(behind)
        if reach.endpoints:
            statements.append(_by_bedrock(sorted(reach.endpoints)))
        if self.form is BedrockForm.API_KEY:
            statements.append(_allow([_BEARER], ["*"]))
        return _text([*statements, *self._on_mantle()])

    def every(self, reach: _Reach) -> str:
        """The policy for all that Bedrock runs."""
        actions = [*_ON_MODELS, "bedrock:RenderPrompt"]
        statements = [_allow([*actions, _BEARER] if self.form is BedrockForm.API_KEY else actions, ["*"])]
        if reach.endpoints:
            statements.append(_by_bedrock(["*"]))
        return _text([*statements, *self._on_mantle()])

    def _on_mantle(self) -> list[dict[str, Any]]:
        if BedrockHost.MANTLE not in self.hosts:
            return []
        projects = f"arn:{self.partition}:bedrock-mantle:{self.region}:{self.account}:project/*"
        statements = [_allow([_MANTLE], [projects])]
        if self.form is BedrockForm.API_KEY:
            statements.append(_allow([_MANTLE_BEARER], ["*"]))
        return statements

    def _foundation(self, model: str, region: str) -> str:
        return f"arn:{self.partition}:bedrock:{region}::foundation-model/{model}"

    def _owned(self, resource: str, *, region: str | None = None) -> str:
        return f"arn:{self.partition}:bedrock:{region or self.region}:{self.account}:{resource}"


def policies(
    models: Iterable[str],
    *,
    region: str,
    account: str,
    form: BedrockForm,
    hosts: tuple[BedrockHost, ...] = (BedrockHost.RUNTIME,),
) -> tuple[Policy, ...]:
    """The policies for these upstream models (none: every one), the narrowest first; none longer than LONGEST.

    `account` may be empty: any account's, of what the role may use.
    """
    partition = next((name for prefix, name in _PARTITIONS if region.startswith(prefix)), "aws")
    scope = _Scope(partition=partition, region=region, account=account or "*", form=form, hosts=hosts)
    wanted = sorted(set(models))
    reach = scope.reach(wanted)
    every = scope.every(reach)
    if not wanted:
        return (Policy(text=every),)
    left_out = _left_out(reach)
    if reach.opaque:
        return (Policy(text=every, note=_sentences(_opaque(reach), left_out)),)
    found = [Policy(text=scope.named(reach, reach.resources), note=left_out)]
    if reach.vendors:
        vendors = f"every model of {', '.join(sorted(reach.vendors))}"
        found.append(
            Policy(text=scope.named(reach, scope.of_vendors(reach)), note=_sentences(_coarse(vendors), left_out))
        )
    if reach.resources:
        found.append(Policy(text=every, note=_sentences(_coarse("every model of Bedrock"), left_out)))
    return tuple(policy for policy in found if len(policy.text) <= LONGEST)


def _allow(actions: list[str], resources: list[str]) -> dict[str, Any]:
    return {"Effect": "Allow", "Action": actions, "Resource": resources}


def _by_bedrock(endpoints: list[str]) -> dict[str, Any]:
    """Models of the marketplace run on SageMaker, which Bedrock calls in the caller's name."""
    statement = _allow(_SAGEMAKER, endpoints)
    statement["Condition"] = {"StringEquals": {"aws:CalledViaLast": ["bedrock.amazonaws.com"]}}
    return statement


def _text(statements: list[dict[str, Any]]) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": statements}, separators=(",", ":"))


def _sentences(*found: str) -> str:
    return " ".join(sentence for sentence in found if sentence)


def _coarse(what: str) -> str:
    return (
        f"The session may call {what} that its role may: a policy that names each model is longer than a session of "
        "AWS takes. Spread the models over several providers to have it narrower."
    )


def _opaque(reach: _Reach) -> str:
    return (
        f"The session may call every model of Bedrock that its role may: which models {', '.join(sorted(reach.opaque))}"
        " leads to, its name does not tell."
    )


def _left_out(reach: _Reach) -> str:
    if not reach.malformed:
        return ""
    names = ", ".join(ascii(name[:64]) for name in sorted(reach.malformed))
    return f"No session can call {names}: Bedrock has no model ids of that form."
