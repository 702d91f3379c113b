"""What a session may do of what its role may: its session policy, as IAM evaluates it.

The roles here may do everything, so that a session's policy decides alone. Only statements that allow, without
conditions, are known. https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_evaluation-logic.html
"""

from __future__ import annotations

import fnmatch
import json
from collections.abc import Iterable
from functools import lru_cache
from typing import Any

from tests.simulators.bedrock.sigv4 import Refusal
from tests.simulators.credentials import AccessKey

DENIED_TO_OLDER = "with an explicit deny in an identity-based policy"
ACTIONS = {
    "Converse": "bedrock:InvokeModel",
    "ConverseStream": "bedrock:InvokeModelWithResponseStream",
    "CountTokens": "bedrock:CountTokens",
    "InvokeModel": "bedrock:InvokeModel",
    "InvokeModelWithResponseStream": "bedrock:InvokeModelWithResponseStream",
}


def refusal(
    key: AccessKey, *, model_id: str, operation: str, region: str, by_api_key: bool, service: str = "bedrock"
) -> Refusal | None:
    """Why whoever has this key may not call a model, or None. On `bedrock-mantle` projects are called, not models."""
    if service == "bedrock":
        action, resource = ACTIONS[operation], _arn(model_id, region)
    else:
        action, resource = f"{service}:CreateInference", f"arn:aws:{service}:{region}:111111111111:project/default"
    if key.denied:
        return _denied(key, action, resource, DENIED_TO_OLDER)
    asked = [(action, resource), *([(f"{service}:CallWithBearerToken", "*")] if by_api_key else [])]
    for wanted, at in asked:
        if key.policy and not _allows(key.policy, wanted, at):
            return _denied(key, wanted, at, f"because no session policy allows the {wanted} action")
    return None


def listing(key: AccessKey, action: str) -> Refusal | None:
    """Why whoever has this key may not make a call that is about no single resource, or None."""
    if key.denied:
        return _denied(key, action, "*", DENIED_TO_OLDER)
    if key.policy and not _allows(key.policy, action, "*"):
        return _denied(key, action, "*", f"because no session policy allows the {action} action")
    return None


def _arn(model_id: str, region: str) -> str:
    """Of a base model; what a profile leads to is not looked at."""
    if model_id.startswith("arn:"):
        return model_id
    geography = model_id.partition(".")[0]
    if geography in ("us", "eu", "apac", "jp", "global"):
        return f"arn:aws:bedrock:{region}:111111111111:inference-profile/{model_id}"
    return f"arn:aws:bedrock:{region}::foundation-model/{model_id}"


@lru_cache(maxsize=1024)
def _allows(policy: str, action: str, resource: str) -> bool:
    return any(
        statement["Effect"] == "Allow"
        and _matches(action, statement["Action"])
        and (resource == "*" or _matches(resource, statement["Resource"]))
        for statement in json.loads(policy)["Statement"]
    )


def _matches(text: str, patterns: Any) -> bool:
    several: Iterable[str] = [patterns] if isinstance(patterns, str) else patterns
    return any(fnmatch.fnmatchcase(text, pattern.replace("[", "[[]")) for pattern in several)


def _denied(key: AccessKey, action: str, resource: str, why: str) -> Refusal:
    message = f"User: {key.holder} is not authorized to perform: {action} on resource: {resource} {why}"
    return Refusal("AccessDeniedException", message)
