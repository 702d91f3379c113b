"""gpt-oss, Qwen3, DeepSeek V3, Kimi, GLM, MiniMax, Gemma, Nemotron: the body of OpenAI's chat completions.

https://docs.aws.amazon.com/bedrock/latest/userguide/model-parameters-openai.html
"""

from msgspec.structs import replace

from pilothouse_api.snapshot.providers import Model
from pilothouse_proxy.call import Call
from pilothouse_proxy.dialects.bedrock_invoke import asking, chat, naming, rows
from pilothouse_proxy.dialects.bedrock_invoke.rows import Row
from pilothouse_proxy.dialects.bedrock_invoke.said import Family, Thoughts
from pilothouse_proxy.exchange.request import Request

_ROWS = {
    "gpt-oss": rows.GPT_OSS,
    "deepseek.v3": replace(rows.DEMANDING, name="DeepSeek V3"),
    "glm": replace(rows.DEMANDING, name="GLM"),
    "kimi": replace(rows.REASONING, name="Kimi"),
    "qwen3": replace(rows.OPENAI, name="Qwen 3"),
    "qwen3-vl": replace(rows.OPENAI, name="Qwen 3 VL", images=True),
    "minimax": replace(rows.OPENAI, name="MiniMax"),
    "gemma": replace(rows.OPENAI, name="Gemma"),
    "nemotron": replace(rows.OPENAI, name="Nemotron"),
}


def _row(model: Model) -> Row:
    return naming.fitting(model, _ROWS, rows.OPENAI)


def _body(request: Request, call: Call, row: Row) -> dict[str, object]:
    tools = chat.tools(request)
    limit = "max_completion_tokens" if row is rows.GPT_OSS else "max_tokens"
    body: dict[str, object] = {
        "messages": chat.messages(request, row, tools),
        limit: asking.limit(request, call.model, row),
        **asking.sampling(request),
        **asking.extras(request, row),
    }
    if tools:
        body["tools"] = tools
        body.update(chat.choice(request, "required"))
    stop = asking.stops(request)
    if stop:
        body["stop"] = stop
    effort = asking.effort(request)
    if effort is not None:
        body["reasoning_effort"] = effort
    schema = request.answer_schema
    if schema is not None:
        described: dict[str, object] = {"name": schema.name, "schema": schema.schema}
        if schema.description.strip():
            described["description"] = schema.description
        body["response_format"] = {"type": "json_schema", "json_schema": described}
    return body


FAMILY: Family = Family(
    row=_row,
    body=_body,
    whole=chat.said,
    document=chat.said,
    finishes=chat.FINISHES,
    failures=chat.FAILURES,
    # gpt-oss writes its reasoning into the text; the others have a member for it.
    thoughts=Thoughts(open="<reasoning>", close="</reasoning>"),
)
