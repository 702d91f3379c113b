"""Pydantic AI, an agent framework, through the proxy to both clouds.

OPENAI_BASE_URL and OPENAI_API_KEY name the proxy, which serves `claude` (Bedrock) and `gpt` (Azure).
"""

import pytest
from pydantic import BaseModel
from pydantic_ai import Agent, BinaryContent, ModelHTTPError
from pydantic_ai.models.openai import OpenAIChatModel
from pydantic_ai.providers.openai import OpenAIProvider

CLOUDS = ["claude", "gpt"]


class Weather(BaseModel):
    city: str
    degrees: int


def model(name: str) -> OpenAIChatModel:
    return OpenAIChatModel(name, provider=OpenAIProvider())


@pytest.mark.parametrize("name", CLOUDS)
async def test_an_agent_answers_and_counts(name: str) -> None:
    result = await Agent(model(name), instructions="Be brief.").run("Hello")
    assert result.output.startswith("You said: Hello (")
    assert "system='Be brief.'" in result.output
    assert result.usage.input_tokens > 0
    assert result.usage.output_tokens > 0


@pytest.mark.parametrize("name", CLOUDS)
async def test_an_agent_uses_its_tool_and_goes_on(name: str) -> None:
    agent = Agent(model(name))
    asked: list[str] = []

    @agent.tool_plain
    def get_weather(city: str) -> str:
        """The weather of a city."""
        asked.append(city)
        return f"rain in {city}"

    result = await agent.run('call get_weather {"city": "Oslo"} and call get_weather {"city": "Rome"}')
    assert sorted(asked) == ["Oslo", "Rome"]
    assert result.output.startswith("The tools said: rain in Oslo | rain in Rome (")
    assert result.usage.requests == 2


@pytest.mark.parametrize("name", CLOUDS)
async def test_a_typed_output_is_validated(name: str) -> None:
    result = await Agent(model(name), output_type=Weather).run("Hello")
    assert result.output == Weather(city="value", degrees=1)


@pytest.mark.parametrize("name", CLOUDS)
async def test_a_stream_arrives_piece_by_piece(name: str) -> None:
    async with Agent(model(name)).run_stream("simulate words=20") as result:
        pieces = [piece async for piece in result.stream_text(delta=True, debounce_by=None)]
    assert "".join(pieces) == " ".join(f"word{number}" for number in range(1, 21))
    assert len(pieces) > 1
    assert result.usage.output_tokens == 20


@pytest.mark.parametrize("name", CLOUDS)
async def test_a_conversation_goes_on(name: str) -> None:
    agent = Agent(model(name))
    first = await agent.run("One")
    second = await agent.run("Two", message_history=first.all_messages())
    assert second.output.startswith("You said: Two (")
    assert "turns=3" in second.output


@pytest.mark.parametrize("name", CLOUDS)
async def test_an_image_arrives(name: str) -> None:
    pixel = BinaryContent(data=b"\x89PNG\r\n\x1a\n", media_type="image/png")
    assert "images=1" in (await Agent(model(name)).run(["Look", pixel])).output


async def test_an_unknown_model_is_not_found() -> None:
    with pytest.raises(ModelHTTPError) as caught:
        await Agent(model("nothing")).run("Hello")
    assert caught.value.status_code == 404
