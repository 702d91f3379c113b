"""What deployments of Azure may use in a minute: by their own rate limits, else by the location's quota. Pure.

https://learn.microsoft.com/rest/api/aiservices/accountmanagement/deployments/list (`rateLimits`) and …/usages/list.
Deployments of one model and SKU in a subscription share the location's quota, in thousands of tokens a minute;
provisioned ones take from throughput units, which say nothing of tokens.
"""

import math
import re
from collections.abc import Iterable, Mapping
from typing import Any

from pilothouse_operator.compile.discovered import Quota

_LARGEST = 2**53
_MINUTE_S = 60
_THOUSANDS = "(thousands)"
_LOCATION = re.compile(r"[a-z0-9]+")


def of_deployment(properties: Mapping[str, Any]) -> Quota:
    """Each key's limit, in whatever period, by the minute; of several the smallest."""
    rules = properties.get("rateLimits")
    told: dict[str, int] = {}
    for rule in rules if isinstance(rules, list) else ():
        if not isinstance(rule, dict):
            continue
        key, count, period_s = str(rule.get("key")), _number(rule.get("count")), _number(rule.get("renewalPeriod"))
        if count is not None and period_s:
            per_minute = _whole(count * _MINUTE_S / period_s)
            told[key] = min(per_minute, told.get(key, per_minute))
    return Quota(requests_per_minute=told.get("request"), tokens_per_minute=told.get("token"))


def shared(entry: Mapping[str, Any]) -> str:
    """The name of the quota that a deployment takes tokens from, such as `openai.globalstandard.gpt-5`; empty: none."""
    sku, properties = entry.get("sku"), entry.get("properties")
    model = properties.get("model") if isinstance(properties, dict) else None
    if not isinstance(sku, dict) or not isinstance(model, dict):
        return ""
    parts = [str(part or "") for part in (model.get("format"), sku.get("name"), model.get("name"))]
    return ".".join(parts).lower() if all(parts) and "provisioned" not in parts[1].lower() else ""


def of_location(usages: Iterable[Mapping[str, Any]]) -> Mapping[str, int]:
    """Tokens a minute, by the name of the quota. What is counted in another unit is left out."""
    found = {}
    for usage in usages:
        name, limit = usage.get("name"), _number(usage.get("limit"))
        if isinstance(name, dict) and limit is not None and _THOUSANDS in str(name.get("localizedValue")).lower():
            found[str(name.get("value")).lower()] = _whole(limit * 1_000)
    return found


def usages_path(resource_id: str, account: Mapping[str, Any]) -> str:
    """Where Resource Manager has the usages of the location of this account (its document); empty: it tells none."""
    location = str(account.get("location") or "").replace(" ", "").lower()
    parts = resource_id.split("/")
    if not _LOCATION.fullmatch(location) or len(parts) < 3:
        return ""
    return f"/subscriptions/{parts[2]}/providers/Microsoft.CognitiveServices/locations/{location}/usages"


def _number(value: object) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return float(value) if math.isfinite(value) and value >= 0 else None


def _whole(value: float) -> int:
    return int(min(value, _LARGEST))
