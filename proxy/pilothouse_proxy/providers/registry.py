"""The kinds of provider, by the tag of their endpoint in the snapshot. A kind is loaded when a snapshot names it."""

import importlib
from collections.abc import Mapping
from typing import cast

from pilothouse_api.snapshot.providers import Endpoint
from pilothouse_proxy.ports import Provider

PROVIDERS: Mapping[str, str] = {
    "anthropic": "pilothouse_proxy.providers.anthropic.provider:PROVIDER",
    "azureOpenAI": "pilothouse_proxy.providers.azure_openai.provider:PROVIDER",
    "bedrock": "pilothouse_proxy.providers.bedrock.provider:PROVIDER",
    "openAI": "pilothouse_proxy.providers.openai.provider:PROVIDER",
}


def load(kind: str) -> Provider:
    """The provider of a kind.

    Raises:
        LookupError: no such kind; the text names those that there are.
    """
    if kind not in PROVIDERS:
        raise LookupError(f"no provider of kind {kind!r}; there are {', '.join(sorted(PROVIDERS))}")
    module, _, attribute = PROVIDERS[kind].partition(":")
    return cast(Provider, getattr(importlib.import_module(module), attribute))


def for_endpoint(endpoint: Endpoint) -> Provider:
    """The provider that serves an endpoint.

    Raises:
        LookupError: as `load`.
    """
    return load(str(endpoint.__struct_config__.tag))
