import pytest

from pilothouse_api.names import ModelName, UpstreamModel
from pilothouse_api.snapshot.providers import Model
from pilothouse_proxy.call import Call, Peek
from pilothouse_proxy.dialects.openai_responses import words
from pilothouse_proxy.errors import GatewayError, Kind
from pilothouse_proxy.operations import DialectName, Operation

CALL = Call(
    operation=Operation.RESPONSES,
    request_id="r",
    created=0,
    peek=Peek(model=ModelName("m")),
    body=b"",
    model=Model(upstream=UpstreamModel("m")),
    dialect=DialectName.BEDROCK_CONVERSE,
    streams=False,
)


@pytest.mark.parametrize(
    ("theirs", "own"),
    [
        ("messages[2].content[0]", "input[2].content[0]"),
        ("messages[7].tool_call_id", "input[7].call_id"),
        ("messages[1].tool_calls[0].function.arguments", "input[1]"),
        ("messages[-1].content[0]", "instructions"),
        ("max_completion_tokens", "max_output_tokens"),
        ("response_format.json_schema.schema", "text.format.schema"),
        ("tools[3].function.parameters", "tools[3].parameters"),
        ("reasoning_effort", "reasoning.effort"),
        ("temperature", "temperature"),
    ],
)
def test_a_refusal_names_what_the_client_has_sent(theirs: str, own: str) -> None:
    told = words.own(GatewayError(Kind.UNSUPPORTED, f"`{theirs}`: not here", param=theirs), CALL)
    assert (told.message, told.param) == (f"`{own}`: not here", own)
