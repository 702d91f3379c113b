"""DeepSeek-R1: a prompt that opens the reasoning; the answer's text holds it up to `</think>`.

https://docs.aws.amazon.com/bedrock/latest/userguide/model-parameters-deepseek.html
"""

import msgspec

from pilothouse_api.snapshot.providers import Model
from pilothouse_proxy.call import Call
from pilothouse_proxy.dialects.bedrock_invoke import asking, prompts, rows, templates, turns, wire
from pilothouse_proxy.dialects.bedrock_invoke.rows import Row
from pilothouse_proxy.dialects.bedrock_invoke.said import Family, Said, Thoughts
from pilothouse_proxy.exchange.reply import Finish
from pilothouse_proxy.exchange.request import Request

_answer = msgspec.json.Decoder(wire.DeepSeekAnswer)


def _row(_: Model) -> Row:
    return rows.DEEPSEEK


def _body(request: Request, call: Call, row: Row) -> dict[str, object]:
    conversation = turns.gather(request, row, turns.Rendering.TEXT)
    body: dict[str, object] = {
        "prompt": prompts.write(conversation, templates.DEEPSEEK),
        "max_tokens": asking.limit(request, call.model, row),
        **asking.sampling(request),
    }
    stop = asking.stops(request)
    if stop:
        body["stop"] = stop
    return body


def _said(document: bytes) -> Said:
    answer = _answer.decode(document)
    if not answer.choices:
        return Said()
    return Said(text=answer.choices[0].text, reason=answer.choices[0].stop_reason)


FAMILY: Family = Family(
    row=_row,
    body=_body,
    whole=_said,
    document=_said,
    finishes={"stop": Finish.STOP, "length": Finish.LENGTH},
    thoughts=Thoughts(close="</think>"),
)
