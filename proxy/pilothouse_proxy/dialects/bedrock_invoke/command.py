"""Cohere Command and Command Light: a transcript in `prompt`.

https://docs.aws.amazon.com/bedrock/latest/userguide/model-parameters-cohere-command.html
"""

from collections.abc import Mapping

import msgspec

from pilothouse_api.snapshot.providers import Model
from pilothouse_proxy.call import Call
from pilothouse_proxy.dialects.bedrock_invoke import asking, prompts, rows, templates, turns, wire
from pilothouse_proxy.dialects.bedrock_invoke.rows import Row
from pilothouse_proxy.dialects.bedrock_invoke.said import Family, Lead, Said
from pilothouse_proxy.exchange.reply import Finish
from pilothouse_proxy.exchange.request import Request

FINISHES: Mapping[str, Finish] = {
    "COMPLETE": Finish.STOP,
    "STOP_SEQUENCE": Finish.STOP,
    "MAX_TOKENS": Finish.LENGTH,
    "ERROR_LIMIT": Finish.LENGTH,
    "ERROR_TOXIC": Finish.CONTENT_FILTER,
}
"""Cohere's, of Command R too."""

FAILURES: frozenset[str] = frozenset({"ERROR", "USER_CANCEL"})

_OWN_STOP = "\nUser:"
"""Else the model goes on with the user's next turn."""

_answer = msgspec.json.Decoder(wire.CommandAnswer)
_chunk = msgspec.json.Decoder(wire.CommandChunk)


def _row(_: Model) -> Row:
    return rows.COMMAND


def _body(request: Request, call: Call, row: Row) -> dict[str, object]:
    conversation = turns.gather(request, row, turns.Rendering.TEXT)
    body: dict[str, object] = {
        "prompt": prompts.write(conversation, templates.COMMAND),
        "max_tokens": asking.limit(request, call.model, row),
        **asking.sampling(request, top_p="p"),
        "stop_sequences": asking.stops(request, _OWN_STOP),
    }
    if call.streams:
        body["stream"] = True  # without it the one document of the stream is the whole answer
    return body


def _whole(body: bytes) -> Said:
    answer = _answer.decode(body)
    if not answer.generations:
        raise ValueError("it has no generations")
    return Said(text=answer.generations[0].text, reason=answer.generations[0].finish_reason)


def _document(document: bytes) -> Said:
    chunk = _chunk.decode(document)
    return Said(text=chunk.text, reason=chunk.finish_reason)


FAMILY: Family = Family(
    row=_row,
    body=_body,
    whole=_whole,
    document=_document,
    finishes=FINISHES,
    failures=FAILURES,
    lead=Lead.TRIMMED,
)
