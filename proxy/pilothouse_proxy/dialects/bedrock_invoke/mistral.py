"""Mistral 7B, Mixtral 8x7B, Mistral Large 2402: a prompt with `[INST]`.

https://docs.aws.amazon.com/bedrock/latest/userguide/model-parameters-mistral-text-completion.html
"""

import msgspec

from pilothouse_api.snapshot.providers import Model
from pilothouse_proxy.call import Call
from pilothouse_proxy.dialects.bedrock_invoke import asking, naming, prompts, rows, templates, turns, wire
from pilothouse_proxy.dialects.bedrock_invoke.rows import Row
from pilothouse_proxy.dialects.bedrock_invoke.said import Family, Lead, Said
from pilothouse_proxy.exchange.reply import Finish
from pilothouse_proxy.exchange.request import Request

_answer = msgspec.json.Decoder(wire.MistralAnswer)


def _row(model: Model) -> Row:
    return naming.fitting(model, {"mixtral": rows.MIXTRAL}, rows.MISTRAL)


def _body(request: Request, call: Call, row: Row) -> dict[str, object]:
    conversation = turns.gather(request, row, turns.Rendering.TEXT)
    body: dict[str, object] = {
        "prompt": prompts.write(conversation, templates.MISTRAL),
        "max_tokens": asking.limit(request, call.model, row),
        **asking.sampling(request),
    }
    stop = asking.stops(request)
    if stop:
        body["stop"] = stop
    return body


def _said(document: bytes) -> Said:
    answer = _answer.decode(document)
    if not answer.outputs:
        return Said()
    return Said(text=answer.outputs[0].text, reason=answer.outputs[0].stop_reason)


FAMILY: Family = Family(
    row=_row,
    body=_body,
    whole=_said,
    document=_said,
    finishes={"stop": Finish.STOP, "length": Finish.LENGTH},
    lead=Lead.TRIMMED,
)
