"""What is set for how a provider's models are called. None: nothing is."""

from pilothouse_api.resources.provider import LLMProviderSpec, ProviderModel
from pilothouse_api.snapshot.settings import PLAIN, Settings
from pilothouse_operator.compile.providers import bedrock


def of_provider(spec: LLMProviderSpec) -> Settings | None:
    """For models of which the manifest says nothing: those that are discovered, or passed on by name."""
    return _set(_defaults(spec))


def of_model(model: ProviderModel, spec: LLMProviderSpec) -> Settings | None:
    """A model's own, over the provider's."""
    return None if spec.bedrock is None else _set(bedrock.settings_of(model, _defaults(spec)))


def _defaults(spec: LLMProviderSpec) -> Settings:
    return PLAIN if spec.bedrock is None else bedrock.settings(spec.bedrock)


def _set(settings: Settings) -> Settings | None:
    return None if settings == PLAIN else settings
