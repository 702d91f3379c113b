"""A kind of provider is one word, with a file of that name in every room: this test names the one that is missing."""

from pathlib import Path

import pytest

from pilothouse_api.resources.provider import LLMProviderSpec, ProviderKind
from pilothouse_api.snapshot.providers import Endpoint
from pilothouse_proxy.providers import registry

ROOT = Path(__file__).parents[2]
WORDS = {
    ProviderKind.BEDROCK: "bedrock",
    ProviderKind.AZURE_OPENAI: "azure_openai",
    ProviderKind.OPENAI: "openai",
    ProviderKind.ANTHROPIC: "anthropic",
}
ROOMS = (
    "crds/pilothouse_api/resources/providers/{word}.py",
    "crds/pilothouse_api/snapshot/endpoints/{word}.py",
    "operator/pilothouse_operator/compile/providers/{word}.py",
    "proxy/pilothouse_proxy/providers/{word}",
    "tests/golden/errors/{word}",
    "docs/providers/{word}.md",
)


def test_every_kind_has_a_word_and_a_field_of_the_union() -> None:
    assert WORDS.keys() == set(ProviderKind)
    fields = {field.alias or name for name, field in LLMProviderSpec.model_fields.items()}
    assert {kind.value for kind in ProviderKind} <= fields


def test_the_endpoints_of_snapshots_have_the_tags_of_the_kinds() -> None:
    tags = {member.__struct_config__.tag for member in Endpoint.__args__}
    assert tags == {kind.value for kind in ProviderKind}


@pytest.mark.parametrize("kind", ProviderKind)
@pytest.mark.parametrize("room", ROOMS)
def test_a_kind_has_a_place_in_every_room(kind: ProviderKind, room: str) -> None:
    path = ROOT / room.format(word=WORDS[kind])
    assert path.exists(), f"{path.relative_to(ROOT)} is missing"


@pytest.mark.parametrize("kind", ProviderKind)
def test_a_proxy_can_load_every_kind(kind: ProviderKind) -> None:
    assert registry.load(kind.value).kind == kind.value
