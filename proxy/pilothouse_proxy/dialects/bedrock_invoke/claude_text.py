"""Anthropic's text completions: Claude 2 and Claude Instant.

https://docs.aws.amazon.com/bedrock/latest/userguide/model-parameters-anthropic-claude-text-completion.html
"""

import msgspec

from pilothouse_api.snapshot.providers import Model
from pilothouse_proxy.call import Call
from pilothouse_proxy.dialects.bedrock_invoke import asking, prompts, rows, templates, turns, wire
from pilothouse_proxy.dialects.bedrock_invoke.rows import Row
from pilothouse_proxy.dialects.bedrock_invoke.said import Family, Lead, Said
from pilothouse_proxy.exchange.reply import Finish
from pilothouse_proxy.exchange.request import Request

_VERSION = "bedrock-2023-05-31"
_OWN_STOP = "\n\nHuman:"

_completion = msgspec.json.Decoder(wire.ClaudeCompletion)


def _row(_: Model) -> Row:
    return rows.CLAUDE_TEXT


def _body(request: Request, call: Call, row: Row) -> dict[str, object]:
    conversation = turns.gather(request, row, turns.Rendering.TEXT)
    return {
        "anthropic_version": _VERSION,
        "prompt": prompts.write(conversation, templates.CLAUDE),
        "max_tokens_to_sample": asking.limit(request, call.model, row),
        **asking.sampling(request),
        "stop_sequences": asking.stops(request, _OWN_STOP),
    }


def _said(document: bytes) -> Said:
    completion = _completion.decode(document)
    return Said(
        text=completion.completion,
        reason=completion.stop_reason,
        # Our own sequence is none of the client's.
        stop_sequence=None if completion.stop == _OWN_STOP else completion.stop,
    )


FAMILY: Family = Family(
    row=_row,
    body=_body,
    whole=_said,
    document=_said,
    finishes={"stop_sequence": Finish.STOP, "max_tokens": Finish.LENGTH, "stop": Finish.STOP},
    lead=Lead.TRIMMED,
)
