"""AI21 Jurassic-2: a transcript in `prompt`; it does not stream.

https://docs.aws.amazon.com/bedrock/latest/userguide/model-parameters-jurassic2.html
"""

import msgspec

from pilothouse_api.snapshot.providers import Model
from pilothouse_proxy.call import Call
from pilothouse_proxy.dialects.bedrock_invoke import asking, prompts, rows, templates, turns, wire
from pilothouse_proxy.dialects.bedrock_invoke.rows import Row
from pilothouse_proxy.dialects.bedrock_invoke.said import Counts, Family, Lead, Said
from pilothouse_proxy.exchange.reply import Finish
from pilothouse_proxy.exchange.request import Request

_OWN_STOP = "\nUser:"
"""Else the model goes on with the user's next turn."""

_answer = msgspec.json.Decoder(wire.JurassicAnswer)


def _row(_: Model) -> Row:
    return rows.JURASSIC


def _body(request: Request, call: Call, row: Row) -> dict[str, object]:
    conversation = turns.gather(request, row, turns.Rendering.TEXT)
    return {
        "prompt": prompts.write(conversation, templates.JURASSIC),
        "maxTokens": asking.limit(request, call.model, row),
        **asking.sampling(request, top_p="topP"),
        "stopSequences": asking.stops(request, _OWN_STOP),
    }


def _said(body: bytes) -> Said:
    answer = _answer.decode(body)
    if not answer.completions:
        raise ValueError("it has no completions")
    completion = answer.completions[0]
    return Said(
        text=completion.data.text,
        reason=completion.finishReason.reason,
        counts=Counts(
            input_tokens=None if answer.prompt is None else len(answer.prompt.tokens),
            output_tokens=len(completion.data.tokens),
        ),
    )


FAMILY: Family = Family(
    row=_row,
    body=_body,
    whole=_said,
    document=_said,
    finishes={"endoftext": Finish.STOP, "stop": Finish.STOP, "length": Finish.LENGTH},
    lead=Lead.TRIMMED,
)
