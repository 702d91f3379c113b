"""AI21 Jamba: messages made like OpenAI's.

https://docs.aws.amazon.com/bedrock/latest/userguide/model-parameters-jamba.html
"""

from pilothouse_api.snapshot.providers import Model
from pilothouse_proxy.call import Call
from pilothouse_proxy.dialects.bedrock_invoke import asking, chat, rows
from pilothouse_proxy.dialects.bedrock_invoke.rows import Row
from pilothouse_proxy.dialects.bedrock_invoke.said import Family
from pilothouse_proxy.exchange.request import Request


def _row(_: Model) -> Row:
    return rows.JAMBA


def _body(request: Request, call: Call, row: Row) -> dict[str, object]:
    tools = chat.tools(request)
    body: dict[str, object] = {
        "messages": chat.messages(request, row, tools),
        "max_tokens": asking.limit(request, call.model, row),
        **asking.sampling(request),
        **asking.extras(request, row),
    }
    if tools:
        body["tools"] = tools
    stop = asking.stops(request)
    if stop:
        body["stop"] = stop
    return body


FAMILY: Family = Family(
    row=_row, body=_body, whole=chat.said, document=chat.said, finishes=chat.FINISHES, failures=chat.FAILURES
)
