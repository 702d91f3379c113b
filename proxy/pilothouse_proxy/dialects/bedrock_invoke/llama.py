"""Meta Llama: a prompt in the format of the model's generation.

https://docs.aws.amazon.com/bedrock/latest/userguide/model-parameters-meta.html
"""

import msgspec

from pilothouse_api.snapshot.providers import Model
from pilothouse_proxy.call import Call
from pilothouse_proxy.dialects.bedrock_invoke import asking, naming, prompts, rows, templates, turns, wire
from pilothouse_proxy.dialects.bedrock_invoke.rows import Row
from pilothouse_proxy.dialects.bedrock_invoke.said import Counts, Family, Lead, Said
from pilothouse_proxy.exchange.reply import Finish
from pilothouse_proxy.exchange.request import Request

_answer = msgspec.json.Decoder(wire.LlamaAnswer)

_ROWS = {
    "llama2": rows.LLAMA_2,
    "llama-2": rows.LLAMA_2,
    "llama3-8b": rows.LLAMA_3,
    "llama3-70b": rows.LLAMA_3,
    "llama3-2-11b": rows.LLAMA_VISION,
    "llama3-2-90b": rows.LLAMA_VISION,
    "llama4": rows.LLAMA_4,
    "llama-4": rows.LLAMA_4,
}
_TEMPLATES = {
    "llama2": templates.LLAMA_2,
    "llama-2": templates.LLAMA_2,
    "llama4": templates.LLAMA_4,
    "llama-4": templates.LLAMA_4,
}


def _row(model: Model) -> Row:
    return naming.fitting(model, _ROWS, rows.LLAMA)


def _body(request: Request, call: Call, row: Row) -> dict[str, object]:
    template = naming.fitting(call.model, _TEMPLATES, templates.LLAMA_3)
    conversation = turns.gather(request, row, turns.Rendering.TEXT)
    body: dict[str, object] = {
        "prompt": prompts.write(conversation, template),
        "max_gen_len": asking.limit(request, call.model, row),
        **asking.sampling(request),
    }
    images = prompts.images(conversation)
    if images:
        body["images"] = images
    return body


def _said(document: bytes) -> Said:
    answer = _answer.decode(document)
    return Said(
        text=answer.generation,
        reason=answer.stop_reason,
        counts=Counts(input_tokens=answer.prompt_token_count, output_tokens=answer.generation_token_count),
    )


FAMILY: Family = Family(
    row=_row,
    body=_body,
    whole=_said,
    document=_said,
    finishes={"stop": Finish.STOP, "length": Finish.LENGTH},
    lead=Lead.TRIMMED,
)
