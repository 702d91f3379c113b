import subprocess
import sys
import typing

import pytest

from pilothouse_api.snapshot.endpoints.bedrock import BedrockEndpoint
from pilothouse_api.snapshot.providers import Endpoint
from pilothouse_proxy.providers import registry


def test_every_kind_of_endpoint_has_a_provider() -> None:
    tags = {str(endpoint.__struct_config__.tag) for endpoint in typing.get_args(Endpoint)}
    assert tags == set(registry.PROVIDERS)


@pytest.mark.parametrize("kind", sorted(registry.PROVIDERS))
def test_a_provider_calls_itself_what_the_registry_calls_it(kind: str) -> None:
    assert registry.load(kind).kind == kind


def test_an_endpoint_finds_its_provider() -> None:
    assert registry.for_endpoint(BedrockEndpoint(url="https://x", region="eu-west-1")).kind == "bedrock"


def test_an_unknown_kind_is_answered_with_the_known_ones() -> None:
    with pytest.raises(LookupError, match="'vertex'; there are anthropic, azureOpenAI, bedrock, openAI"):
        registry.load("vertex")


def test_nothing_is_loaded_before_a_kind_is_named() -> None:
    code = (
        "import sys; from pilothouse_proxy.providers import registry; registry.load('openAI');"
        "print([name for name in sys.modules if 'providers.bedrock' in name or 'providers.azure' in name])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
