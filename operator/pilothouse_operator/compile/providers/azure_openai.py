"""Azure OpenAI: the resource's URL, and where its key is kept."""

from collections.abc import Mapping

from pilothouse_api.resources import urls
from pilothouse_api.resources.providers.azure_openai import AzureOpenAISpec
from pilothouse_api.resources.refs import SecretKeyRef
from pilothouse_api.snapshot.endpoints.azure_openai import AzureOpenAIEndpoint


def lower(spec: AzureOpenAISpec) -> AzureOpenAIEndpoint:
    """The resource as it is written, in the one form that a URL has here."""
    return AzureOpenAIEndpoint(url=urls.normalised(spec.endpoint), api_version=spec.api_version)


def secrets(spec: AzureOpenAISpec) -> Mapping[str, SecretKeyRef]:
    """Secret keys by the manifest's field of `auth`."""
    return {"apiKey": spec.auth.api_key.secret_key_ref}
