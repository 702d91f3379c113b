"""A server that speaks the OpenAI API: its base URL, and where its key is kept."""

from pilothouse_api.resources import urls
from pilothouse_api.resources.providers.openai import OpenAISpec
from pilothouse_api.resources.providers.openai import Responses as AskedResponses
from pilothouse_api.snapshot.endpoints.openai import OpenAIEndpoint, Responses
from pilothouse_operator.compile import hosts
from pilothouse_operator.compile.identities import ModelServer
from pilothouse_operator.compile.ways import Way
from pilothouse_operator.compile.world import SignInKind


def lower(spec: OpenAISpec) -> OpenAIEndpoint:
    """The base URL in the one form that a URL has here."""
    url = urls.normalised(spec.base_url)
    return OpenAIEndpoint(url=url, responses=_responses(spec.responses, url))


def _responses(asked: AskedResponses | None, url: str) -> Responses:
    """As the manifest says; without a word, by who the server is."""
    native = asked is AskedResponses.NATIVE if asked is not None else hosts.has_responses(url)
    return Responses.NATIVE if native else Responses.TRANSLATED


def account(spec: OpenAISpec) -> ModelServer:
    """The server itself lists its models; how it is reached stands elsewhere in the manifest."""
    return ModelServer(url=urls.normalised(spec.base_url))


def way(spec: OpenAISpec) -> Way:
    """The key as it is; nothing for a server that asks for none."""
    if spec.auth is None:
        return Way(kind=SignInKind.NONE)
    return Way(kind=SignInKind.API_KEY, path="spec.openAI.auth.apiKey", values={"apiKey": spec.auth.api_key})
