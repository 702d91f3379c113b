"""A server that speaks the OpenAI API: its base URL, and where its key is kept."""

from collections.abc import Mapping

from pilothouse_api.resources import urls
from pilothouse_api.resources.providers.openai import OpenAISpec
from pilothouse_api.resources.refs import SecretKeyRef
from pilothouse_api.snapshot.endpoints.openai import OpenAIEndpoint


def lower(spec: OpenAISpec) -> OpenAIEndpoint:
    """The base URL in the one form that a URL has here."""
    return OpenAIEndpoint(url=urls.normalised(spec.base_url))


def secrets(spec: OpenAISpec) -> Mapping[str, SecretKeyRef]:
    """Secret keys by the manifest's field of `auth`; none for a server that asks for no key."""
    return {} if spec.auth is None else {"apiKey": spec.auth.api_key.secret_key_ref}
