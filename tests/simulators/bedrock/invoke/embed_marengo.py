"""TwelveLabs Marengo Embed 2.7 and 3.0, synchronous texts. The generation shows in the length of its vectors."""

from __future__ import annotations

from typing import Any

from tests.simulators import speech
from tests.simulators.bedrock.invoke.schema import Invoked, Key, Refused, check
from tests.simulators.models import BedrockModel
from tests.simulators.openai_chat.embeddings import vector


def answer(body: Any, model: BedrockModel) -> Invoked:
    kind = Key(kind=str, required=True, values=("text",))
    if model.dimensions == (512,):
        check(body, {"inputType": kind, "text": Key(kind=dict, required=True)})
        check(body["text"], {"inputText": Key(kind=str, required=True, least=1)}, "#/text")
        text = body["text"]["inputText"]
    else:
        truncate = Key(kind=str, values=("end", "none"))
        keys = {"inputType": kind, "inputText": Key(kind=str, required=True, least=1), "textTruncate": truncate}
        check(body, keys)
        text = body["inputText"]
    tokens = speech.count_tokens(text)
    if tokens > model.context_window and body.get("textTruncate") != "end":
        raise Refused(f"Too many input tokens: {tokens}, at most {model.context_window} are allowed.")
    return Invoked(body={"data": [{"embedding": list(vector(text, model.dimensions[0]))}]}, input_tokens=tokens)
