"""Amazon Titan Text: a transcript in `inputText`.

https://docs.aws.amazon.com/bedrock/latest/userguide/model-parameters-titan-text.html
"""

import msgspec
from msgspec.structs import replace

from pilothouse_api.snapshot.providers import Model
from pilothouse_proxy.call import Call
from pilothouse_proxy.dialects.bedrock_invoke import asking, naming, prompts, rows, templates, turns, wire
from pilothouse_proxy.dialects.bedrock_invoke.rows import Row
from pilothouse_proxy.dialects.bedrock_invoke.said import Counts, Family, Lead, Said
from pilothouse_proxy.exchange.reply import Finish
from pilothouse_proxy.exchange.request import Request

_OWN_STOP = "User:"
"""Else the model goes on with the user's next turn."""

_answer = msgspec.json.Decoder(wire.TitanAnswer)
_chunk = msgspec.json.Decoder(wire.TitanChunk)
_ROWS = {word: replace(rows.TITAN_TEXT, output_ceiling=most) for word, most in rows.TITAN_CEILINGS.items()}


def _row(model: Model) -> Row:
    return naming.fitting(model, _ROWS, rows.TITAN_TEXT)


def _body(request: Request, call: Call, row: Row) -> dict[str, object]:
    conversation = turns.gather(request, row, turns.Rendering.TEXT)
    return {
        "inputText": prompts.write(conversation, templates.TITAN),
        "textGenerationConfig": {
            "maxTokenCount": asking.limit(request, call.model, row),
            **asking.sampling(request, top_p="topP"),
            "stopSequences": asking.stops(request, _OWN_STOP),
        },
    }


def _whole(body: bytes) -> Said:
    answer = _answer.decode(body)
    if not answer.results:
        raise ValueError("it has no results")
    result = answer.results[0]
    return Said(
        text=result.outputText,
        reason=result.completionReason,
        counts=Counts(input_tokens=answer.inputTextTokenCount, output_tokens=result.tokenCount),
    )


def _document(document: bytes) -> Said:
    chunk = _chunk.decode(document)
    return Said(
        text=chunk.outputText,
        reason=chunk.completionReason,
        counts=Counts(input_tokens=chunk.inputTextTokenCount, output_tokens=chunk.totalOutputTextTokenCount),
    )


FAMILY: Family = Family(
    row=_row,
    body=_body,
    whole=_whole,
    document=_document,
    finishes={
        "FINISH": Finish.STOP,
        "FINISHED": Finish.STOP,
        "STOP_CRITERIA_MET": Finish.STOP,
        "LENGTH": Finish.LENGTH,
        "CONTENT_FILTERED": Finish.CONTENT_FILTER,
    },
    failures=frozenset({"RAG_QUERY_WHEN_RAG_DISABLED"}),
    lead=Lead.TRIMMED,
)
