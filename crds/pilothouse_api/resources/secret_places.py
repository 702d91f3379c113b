"""Every place of an LLMProvider where a secret value may stand, and the rule that needs to know them all."""

from collections.abc import Iterator
from typing import Any

from pydantic.alias_generators import to_snake

from pilothouse_api.resources.rules import Rule
from pilothouse_api.resources.secret_values import SecretValue

PLACES = (
    "bedrock.auth.accessKey.accessKeyId",
    "bedrock.auth.accessKey.secretAccessKey",
    "bedrock.auth.accessKey.sessionToken",
    "bedrock.auth.apiKey",
    "azureOpenAI.auth.apiKey",
    "azureOpenAI.auth.servicePrincipal.clientSecret",
    "azureOpenAI.auth.servicePrincipal.certificate",
    "azureOpenAI.auth.servicePrincipal.password",
    "openAI.auth.apiKey",
    "anthropic.auth.apiKey",
    "connection.proxy.auth.basic.username",
    "connection.proxy.auth.basic.password",
)
"""By the names of the manifest, below `spec`."""

_ATTRIBUTES = {"azureOpenAI": "azure_openai", "openAI": "openai"}


def values(spec: Any) -> Iterator[tuple[str, SecretValue]]:
    """Those that an LLMProviderSpec has, each with its field path."""
    for place in PLACES:
        found = spec
        for step in place.split("."):
            found = None if found is None else getattr(found, _ATTRIBUTES.get(step) or to_snake(step))
        if found is not None:
            yield f"spec.{place}", found


def _has(path: str) -> str:
    """CEL: every step of the path is there."""
    steps = path.split(".")
    return " && ".join(f"has(self.{'.'.join(steps[: end + 1])})" for end in range(len(steps)))


NEEDS_VAULT = Rule(
    cel="(has(self.secretStores) && has(self.secretStores.vault)) || !("
    + " || ".join(f"({_has(f'{place}.vault')})" for place in PLACES)
    + ")",
    message="a value is kept in vault: say in secretStores.vault where that is, and how to sign in",
    holds=lambda it: (
        (it.secret_stores is not None and it.secret_stores.vault is not None)
        or all(value.vault is None for _, value in values(it))
    ),
)
"""Of the other stores, address and sign-in have defaults."""
