"""Mistral Large 2407 and later, Pixtral: messages and tools made much like OpenAI's.

https://docs.aws.amazon.com/bedrock/latest/userguide/model-parameters-mistral-chat-completion.html
"""

import hashlib
import re

from pilothouse_api.snapshot.providers import Model
from pilothouse_proxy.call import Call
from pilothouse_proxy.dialects.bedrock_invoke import asking, chat, naming, rows
from pilothouse_proxy.dialects.bedrock_invoke.rows import Row
from pilothouse_proxy.dialects.bedrock_invoke.said import Family
from pilothouse_proxy.exchange.request import Request

_NOTED: dict[str, object] = {"role": "assistant", "content": "Noted."}

_ID = re.compile(r"[a-zA-Z0-9]{9}")


def _row(model: Model) -> Row:
    return naming.fitting(model, {"pixtral": rows.PIXTRAL}, rows.MISTRAL_CHAT)


def _body(request: Request, call: Call, row: Row) -> dict[str, object]:
    tools = chat.tools(request)
    body: dict[str, object] = {
        "messages": _parted(chat.messages(request, row, tools, _call_id)),
        "max_tokens": asking.limit(request, call.model, row),
        **asking.sampling(request),
    }
    if tools:
        body["tools"] = tools
        body.update(chat.choice(request, "any"))
    return body


def _parted(messages: list[dict[str, object]]) -> list[dict[str, object]]:
    """A word of the assistant's between results and the user's next message, which may not follow these."""
    parted: list[dict[str, object]] = []
    for message in messages:
        if message["role"] == "user" and parted and parted[-1]["role"] == "tool":
            parted.append(_NOTED)
        parted.append(message)
    return parted


def _call_id(call: str) -> str:
    """Nine letters and digits, as Mistral's models make them and take them back; of any other id a hash."""
    return call if _ID.fullmatch(call) else hashlib.sha256(call.encode("utf-8", "surrogatepass")).hexdigest()[:9]


FAMILY: Family = Family(
    row=_row, body=_body, whole=chat.said, document=chat.said, finishes=chat.FINISHES, failures=chat.FAILURES
)
