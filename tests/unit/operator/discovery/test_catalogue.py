"""What is known of models at large, against genai-prices itself."""

import pytest
from genai_prices.data import providers

from pilothouse_api.snapshot.facts import Facts
from pilothouse_operator.discovery import catalogue

PLACES = {"bedrock": "aws", "https://api.openai.com/v1": "openai", "https://api.groq.com/openai/v1": "groq"}


@pytest.mark.parametrize("place", PLACES)
def test_every_model_is_found_as_the_package_finds_it(place: str) -> None:
    (provider,) = (one for one in providers if one.id == PLACES[place])
    for model in provider.models:
        found = provider.find_model(model.id)
        if found is not None and found.id == model.id:
            assert catalogue.facts(place, model.id).context_tokens == found.context_window, model.id


def test_a_price_is_in_millionths_of_a_dollar_for_a_million_tokens() -> None:
    price = catalogue.facts("https://api.openai.com/v1", "gpt-4o").price
    assert price is not None
    assert (price.input, price.output, price.cached_input) == (2_500_000, 10_000_000, 1_250_000)


def test_a_model_of_azure_is_known_as_openai_s() -> None:
    assert catalogue.facts("azureOpenAI", "gpt-4o") == catalogue.facts("https://api.openai.com/v1", "gpt-4o")


def test_an_inference_profile_has_the_price_of_its_geography() -> None:
    near, everywhere = (
        catalogue.facts("bedrock", f"{geography}.anthropic.claude-sonnet-4-5-20250929-v1:0").price
        for geography in ("eu", "global")
    )
    assert near is not None and everywhere is not None
    assert (near.input or 0) > (everywhere.input or 0)


def test_a_server_of_one_s_own_may_call_its_models_what_it_likes() -> None:
    assert catalogue.facts("http://vllm.models.svc:8000/v1", "gpt-4o") == Facts()


def test_what_nobody_knows_is_unknown() -> None:
    assert catalogue.facts("bedrock", "nobody.model-1") == Facts()


def test_the_data_names_its_source() -> None:
    assert catalogue.source().startswith("genai-prices ")
