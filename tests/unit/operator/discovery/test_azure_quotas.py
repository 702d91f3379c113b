"""Limits as Resource Manager writes them: its reference of deployments (`rateLimits`) and of usages."""

from __future__ import annotations

from typing import Any

import pytest

from pilothouse_operator.compile.discovered import Quota
from pilothouse_operator.discovery import azure_quotas

RESOURCE = "/subscriptions/s-1/resourceGroups/g/providers/Microsoft.CognitiveServices/accounts/a"


def rule(key: str, count: Any, period: Any = 60) -> dict[str, Any]:
    return {"key": key, "count": count, "renewalPeriod": period}


@pytest.mark.parametrize(
    ("rules", "quota"),
    [
        ([rule("request", 8, 10), rule("token", 8_000)], Quota(requests_per_minute=48, tokens_per_minute=8_000)),
        ([rule("token", 9), rule("token", 2, 30)], Quota(tokens_per_minute=4)),
        ([rule("token", 1e300)], Quota(tokens_per_minute=2**53)),
        ([rule("request", 8, 0), rule("token", "8"), rule("token", True), rule("image", 3), "x", {}], Quota()),
        (None, Quota()),
    ],
)
def test_limits_are_told_by_the_minute(rules: Any, quota: Quota) -> None:
    assert azure_quotas.of_deployment({"rateLimits": rules}) == quota


def deployment(sku: Any, **model: Any) -> dict[str, Any]:
    return {"name": "d", "sku": sku, "properties": {"model": {"format": "OpenAI", "name": "gpt-5", **model}}}


@pytest.mark.parametrize(
    ("entry", "name"),
    [
        (deployment({"name": "GlobalStandard", "capacity": 5}), "openai.globalstandard.gpt-5"),
        (deployment({"name": "GlobalProvisionedManaged"}), ""),
        (deployment({"name": "Standard"}, name=None), ""),
        (deployment(None), ""),
        ({"name": "d"}, ""),
    ],
)
def test_a_deployment_shares_the_quota_of_its_model_and_sku(entry: dict[str, Any], name: str) -> None:
    assert azure_quotas.shared(entry) == name


def test_a_location_s_quotas_count_where_they_are_of_tokens() -> None:
    def usage(value: str, text: str, limit: Any) -> dict[str, Any]:
        return {"name": {"value": value, "localizedValue": text}, "limit": limit, "currentValue": 1.0}

    usages = [
        usage("OpenAI.GlobalStandard.gpt-5", "Tokens Per Minute (thousands) - gpt-5 - GlobalStandard", 1_000.0),
        usage("OpenAI.ProvisionedManaged", "Provisioned Managed Throughput Unit", 100.0),
        usage("OpenAI.Standard.x", "Tokens Per Minute (thousands) - x", None),
        {"name": None, "limit": 3},
    ]
    assert azure_quotas.of_location(usages) == {"openai.globalstandard.gpt-5": 1_000_000}


@pytest.mark.parametrize(
    ("location", "path"),
    [
        ("eastus2", "/subscriptions/s-1/providers/Microsoft.CognitiveServices/locations/eastus2/usages"),
        ("Sweden Central", "/subscriptions/s-1/providers/Microsoft.CognitiveServices/locations/swedencentral/usages"),
        ("../../elsewhere", ""),
        (None, ""),
    ],
)
def test_usages_are_those_of_the_account_s_location(location: Any, path: str) -> None:
    assert azure_quotas.usages_path(RESOURCE, {"location": location}) == path
    assert azure_quotas.usages_path("nowhere", {"location": location}) == ""
