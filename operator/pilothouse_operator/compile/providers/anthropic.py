"""A server that speaks Anthropic's API: its base URL, and where its key is kept."""

from pilothouse_api.resources import urls
from pilothouse_api.resources.providers.anthropic import AnthropicSpec
from pilothouse_api.snapshot.endpoints.anthropic import AnthropicEndpoint
from pilothouse_operator.compile.identities import AnthropicServer
from pilothouse_operator.compile.ways import Way
from pilothouse_operator.compile.world import SignInKind


def lower(spec: AnthropicSpec) -> AnthropicEndpoint:
    """The base URL in the one form that a URL has here."""
    return AnthropicEndpoint(url=urls.normalised(spec.base_url))


def account(spec: AnthropicSpec) -> AnthropicServer:
    """The server itself lists its models; how it is reached stands elsewhere in the manifest."""
    return AnthropicServer(url=urls.normalised(spec.base_url))


def way(spec: AnthropicSpec) -> Way:
    """The key as it is; nothing for a server that asks for none."""
    if spec.auth is None:
        return Way(kind=SignInKind.NONE)
    return Way(kind=SignInKind.API_KEY, path="spec.anthropic.auth.apiKey", values={"apiKey": spec.auth.api_key})
