"""The examples hold for our own parser, too: nothing in them is unknown or ignored."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from pilothouse_api.names import API_VERSION
from pilothouse_api.resources.parsing import Parsed, parse
from pilothouse_api.resources.provider import LLMProviderSpec, ProviderKind
from pilothouse_api.resources.providers.anthropic import AnthropicAuth
from pilothouse_api.resources.providers.azure_openai import AzureOpenAIAuth
from pilothouse_api.resources.providers.bedrock import BedrockAuth
from pilothouse_api.resources.providers.openai import OpenAIAuth
from pilothouse_api.resources.quota import UsageQuotaSpec
from pilothouse_api.resources.route import ModelRouteSpec
from pilothouse_api.resources.secret_values import SecretValue

FOLDER = Path(__file__).parents[4] / "examples" / "manifests"
FILES = sorted(FOLDER.glob("*.yaml"))
SPECS: dict[str, Any] = {
    "LLMProvider": LLMProviderSpec,
    "ModelRoute": ModelRouteSpec,
    "UsageQuota": UsageQuotaSpec,
}

NOT_SHOWN = {"stsEndpoint", "authorityHost", "sessionPolicy"}
"""Of `auth`: for private networks, and for who knows better."""


def documents(path: Path) -> list[dict[str, Any]]:
    return [it for it in yaml.safe_load_all(path.read_text()) if it["apiVersion"] == API_VERSION]


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_an_example_is_parsed_without_a_remark(path: Path) -> None:
    for document in documents(path):
        found = parse(SPECS[document["kind"]], document["spec"])
        assert isinstance(found, Parsed), found
        assert found.ignored == ()


def test_every_kind_of_resource_and_of_provider_has_an_example() -> None:
    found = [document for path in FILES for document in documents(path)]
    assert {document["kind"] for document in found} == SPECS.keys()
    kinds = {next(iter(it["spec"].keys() & set(ProviderKind))) for it in found if it["kind"] == "LLMProvider"}
    assert kinds == set(ProviderKind)


def members(value: Any) -> Iterator[str]:
    """Names of all fields, at whatever depth."""
    if isinstance(value, dict):
        for name, inner in value.items():
            yield name
            yield from members(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from members(inner)


def test_every_way_to_sign_in_and_every_store_has_an_example() -> None:
    specs = [it["spec"] for path in FILES for it in documents(path) if it["kind"] == "LLMProvider"]
    used = {name for spec in specs for name in members(spec)}
    auths = (BedrockAuth, AzureOpenAIAuth, OpenAIAuth, AnthropicAuth, SecretValue)
    assert {field.alias for auth in auths for field in auth.model_fields.values()} - used == NOT_SHOWN


def test_every_example_is_explained_in_the_list() -> None:
    listed = (FOLDER / "README.md").read_text()
    assert [path.name for path in FILES if f"`{path.name}`" not in listed] == []
