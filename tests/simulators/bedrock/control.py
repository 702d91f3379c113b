"""Bedrock's control plane, as far as it lists what an account has: on the runtime's port, whose paths are others.

https://docs.aws.amazon.com/bedrock/latest/APIReference/API_Operations_Amazon_Bedrock.html. ListFoundationModels has no
pages; the others have, by `maxResults` and `nextToken`, which is worth nothing in another list.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Final
from urllib.parse import parse_qsl, unquote

import msgspec

from tests.simulators import answers, faults
from tests.simulators.answers import Whole
from tests.simulators.bedrock import errors, policy, sigv4
from tests.simulators.bedrock.service import NAME
from tests.simulators.bedrock.voice import VOICE
from tests.simulators.controls import Controls
from tests.simulators.models import BedrockModel
from tests.simulators.recorder import Record
from tests.simulators.wire.replies import Reply
from tests.simulators.wire.server import Request

_ACCOUNT: Final = "123456789012"
_TIME: Final = "2026-01-01T00:00:00Z"
_MOST: Final = 1000
_PAGE: Final = 100
_JSON: Final = [("content-type", "application/json"), ("x-amzn-requestid", answers.REQUEST_ID)]
_AVAILABILITY: Final = "/foundation-model-availability/"

Query = dict[str, str]


class BedrockControl:
    """Answers requests; what there is stands in `controls.models`."""

    def __init__(self, controls: Controls) -> None:
        self._controls = controls
        self._lists: dict[str, tuple[str, Callable[[Query], Whole]]] = {
            "/foundation-models": ("ListFoundationModels", self._foundation_models),
            "/inference-profiles": ("ListInferenceProfiles", self._profiles),
            "/provisioned-model-throughputs": ("ListProvisionedModelThroughputs", self._provisioned),
            "/model-customization/custom-model-deployments": ("ListCustomModelDeployments", self._deployments),
            "/imported-models": ("ListImportedModels", self._imported),
            "/prompt-routers": ("ListPromptRouters", self._routers),
        }

    def __call__(self, request: Request) -> Reply:
        controls = self._controls
        record = controls.recorder.open(NAME, request)
        reply, status = self._reply(request, record)
        controls.recorder.answered(record, status)
        reply.record = record
        return reply

    def _reply(self, request: Request, record: Record) -> tuple[Reply, int]:
        controls = self._controls
        now = controls.now() + controls.settings.bedrock_clock_skew_s
        date = answers.date(now)
        found = self._found(unquote(request.path.decode("latin-1"))) if request.method == b"GET" else None
        if found is None:
            unknown = errors.answer("UnknownOperationException", "The requested operation is not recognized.")
            return faults.sent(unknown, extra=date)
        operation, answer = found
        record.operation = operation
        key = sigv4.verify(request, keys=controls.keys.signing, now=now, region=controls.settings.region)
        refused = key if isinstance(key, sigv4.Refusal) else policy.listing(key, f"bedrock:{operation}")
        if isinstance(key, sigv4.Refusal) or refused is not None:
            assert refused is not None
            return faults.sent(errors.answer(refused.name, refused.message, status=403), extra=date)
        record.credential = key.access_key_id
        fault = controls.faults.take(provider=NAME, model="", operation=operation, streamed=False, request=request)
        if fault is not None:
            record.fault = fault.kind.value
            replaced = faults.instead(fault, VOICE, extra=date)
            if replaced is not None:
                return replaced
        return faults.sent(answer(dict(parse_qsl(request.query.decode("latin-1")))), extra=date)

    def _found(self, path: str) -> tuple[str, Callable[[Query], Whole]] | None:
        if path.startswith(_AVAILABILITY):
            model_id = path.removeprefix(_AVAILABILITY)
            return "GetFoundationModelAvailability", lambda _: self._availability(model_id)
        return self._lists.get(path)

    def _foundation_models(self, query: Query) -> Whole:
        rows = [_summary(model, self._controls.settings.region) for model in self._controls.models.bedrock.values()]
        provider, kind = query.get("byProvider", "").lower(), query.get("byInferenceType", "")
        rows = [row for row in rows if not provider or row["providerName"].lower() == provider]
        rows = [row for row in rows if not kind or kind in row["inferenceTypesSupported"]]
        return _answer({"modelSummaries": rows})

    def _availability(self, model_id: str) -> Whole:
        model = self._controls.models.bedrock.get(model_id)
        if model is None:
            return errors.answer("ValidationException", "The provided model identifier is invalid.")
        return _answer(
            {
                "modelId": model_id,
                "agreementAvailability": {"status": "AVAILABLE" if model.access else "NOT_AVAILABLE"},
                "authorizationStatus": "AUTHORIZED",
                "entitlementAvailability": "AVAILABLE",
                "regionAvailability": "AVAILABLE",
            }
        )

    def _profiles(self, query: Query) -> Whole:
        kind = query.get("type", "SYSTEM_DEFINED")
        if kind not in ("SYSTEM_DEFINED", "APPLICATION"):
            return errors.answer("ValidationException", f"1 validation error detected: type {kind} is not valid")
        rows = self._system_profiles() if kind == "SYSTEM_DEFINED" else self._application_profiles()
        return _page(f"profiles {kind}", "inferenceProfileSummaries", list(rows), query)

    def _system_profiles(self) -> Iterable[dict[str, Any]]:
        region = self._controls.settings.region
        for model in self._controls.models.bedrock.values():
            for geography in model.profiles:
                profile = f"{geography}.{model.id}"
                yield _profile(
                    profile,
                    name=f"{geography.upper()} {model.id}",
                    arn=f"arn:aws:bedrock:{region}:{_ACCOUNT}:inference-profile/{profile}",
                    kind="SYSTEM_DEFINED",
                    models=[_arn(model.id, region)],
                )

    def _application_profiles(self) -> Iterable[dict[str, Any]]:
        for arn, base in self._by_arn("application-inference-profile"):
            number = arn.rpartition("/")[2]
            models = [_arn(base, self._controls.settings.region)]
            yield _profile(number, name=f"profile-{number}", arn=arn, kind="APPLICATION", models=models)

    def _provisioned(self, query: Query) -> Whole:
        region = self._controls.settings.region
        rows = [
            {
                "provisionedModelName": f"provisioned-{arn.rpartition('/')[2]}",
                "provisionedModelArn": arn,
                **{name: _arn(base, region) for name in ("modelArn", "desiredModelArn", "foundationModelArn")},
                "modelUnits": 1,
                "desiredModelUnits": 1,
                "status": "InService",
                "creationTime": _TIME,
                "lastModifiedTime": _TIME,
            }
            for arn, base in self._by_arn("provisioned-model")
        ]
        return _page("provisioned", "provisionedModelSummaries", rows, query)

    def _deployments(self, query: Query) -> Whole:
        region = self._controls.settings.region
        rows = [
            {
                "customModelDeploymentName": f"custom-{arn.rpartition('/')[2]}",
                "customModelDeploymentArn": arn,
                "modelArn": f"arn:aws:bedrock:{region}:{_ACCOUNT}:custom-model/{base}/{arn.rpartition('/')[2]}",
                "createdAt": _TIME,
                "status": "Active",
            }
            for arn, base in self._by_arn("custom-model-deployment")
        ]
        return _page("deployments", "modelDeploymentSummaries", rows, query)

    def _imported(self, query: Query) -> Whole:
        rows = [
            {
                "modelName": f"imported-{arn.rpartition('/')[2]}",
                "modelArn": arn,
                "modelArchitecture": base.partition(".")[2].partition("-")[0],
                "instructSupported": True,
                "creationTime": _TIME,
            }
            for arn, base in self._by_arn("imported-model")
        ]
        return _page("imported", "modelSummaries", rows, query)

    def _routers(self, query: Query) -> Whole:
        region = self._controls.settings.region
        rows = [
            {
                "promptRouterName": f"router-{arn.rpartition('/')[2].partition(':')[0]}",
                "promptRouterArn": arn,
                "routingCriteria": {"responseQualityDifference": 0.0},
                "models": [{"modelArn": _arn(base, region)}],
                "fallbackModel": {"modelArn": _arn(base, region)},
                "status": "AVAILABLE",
                "type": "default",
                "createdAt": _TIME,
                "updatedAt": _TIME,
            }
            for arn, base in self._by_arn("default-prompt-router")
        ]
        return _page("routers", "promptRouterSummaries", rows, query)

    def _by_arn(self, kind: str) -> list[tuple[str, str]]:
        arns = self._controls.models.bedrock_arns
        return [(arn, base) for arn, base in arns.items() if arn.split(":", 5)[-1].partition("/")[0] == kind]


def _arn(model_id: str, region: str) -> str:
    return f"arn:aws:bedrock:{region}::foundation-model/{model_id}"


def _summary(model: BedrockModel, region: str) -> dict[str, Any]:
    return {
        "modelArn": _arn(model.id, region),
        "modelId": model.id,
        "modelName": model.id.partition(".")[2],
        "providerName": model.vendor.title(),
        "inputModalities": ["TEXT", "IMAGE"] if model.vision else ["TEXT"],
        "outputModalities": ["EMBEDDING"] if model.dimensions else ["TEXT"],
        "responseStreamingSupported": model.max_output_tokens > 0 and model.invoke != "jurassic",
        "customizationsSupported": [],
        "inferenceTypesSupported": [
            *(["ON_DEMAND"] if model.on_demand else []),
            *(["INFERENCE_PROFILE"] if model.profiles else []),
        ],
        "modelLifecycle": {"status": "ACTIVE"},
    }


def _profile(profile: str, *, name: str, arn: str, kind: str, models: list[str]) -> dict[str, Any]:
    return {
        "inferenceProfileId": profile,
        "inferenceProfileName": name,
        "inferenceProfileArn": arn,
        "type": kind,
        "status": "ACTIVE",
        "models": [{"modelArn": model} for model in models],
        "createdAt": _TIME,
        "updatedAt": _TIME,
    }


def _page(list_: str, member: str, rows: list[dict[str, Any]], query: Query) -> Whole:
    """`list_` names the list, so that its tokens are of it alone."""
    most = query.get("maxResults", str(_PAGE))
    if not most.isdecimal() or not 1 <= int(most) <= _MOST:
        return errors.answer("ValidationException", f"1 validation error detected: maxResults {most} is not valid")
    begin = 0
    if "nextToken" in query:
        of, _, number = query["nextToken"].rpartition("#")
        if of != list_ or not number.isdecimal():
            return errors.answer("ValidationException", "The provided nextToken is invalid.")
        begin = int(number)
    end = begin + int(most)
    payload: dict[str, Any] = {member: rows[begin:end]}
    if end < len(rows):
        payload["nextToken"] = f"{list_}#{end}"
    return _answer(payload)


def _answer(payload: dict[str, Any]) -> Whole:
    return answers.whole(200, _JSON, msgspec.json.encode(payload))
