"""Meta Llama. https://docs.aws.amazon.com/bedrock/latest/userguide/model-parameters-meta.html"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Mapping
from typing import Any, Final

from tests.simulators.bedrock.invoke import native
from tests.simulators.bedrock.invoke.native import Asked, Counts, Refused
from tests.simulators.models import BedrockModel
from tests.simulators.speech import Ended, Speech

_REASONS: Final = {Ended.END: "stop", Ended.LENGTH: "length"}
_TURN: Final = re.compile(
    r"<\|(?:start_header_id|header_start)\|>(\w+)<\|(?:end_header_id|header_end)\|>\n\n(.*?)(?:<\|eot(?:_id)?\|>|\Z)",
    re.DOTALL,
)
_INSTRUCTION: Final = re.compile(r"\[INST\](.*?)\[/INST\]", re.DOTALL)
_SYSTEM: Final = re.compile(r"<<SYS>>(.*?)<</SYS>>", re.DOTALL)
_IMAGE: Final = "<|image|>"


def asked(body: Any, model: BedrockModel, *, streamed: bool) -> Asked:
    members = {
        "prompt": native.text(required=True),
        "temperature": native.number(0, 1),
        "top_p": native.number(0, 1),
        "max_gen_len": native.whole_number(1, model.max_output_tokens),
    }
    if model.vision:
        members["images"] = native.texts(20)
    checked = native.check(body, members)
    prompt, images = checked["prompt"], checked.get("images", [])
    for image in images:
        try:
            base64.b64decode(image, validate=True)
        except binascii.Error:
            raise Refused("The provided image is not valid base64.") from None
    if model.vision and prompt.count(_IMAGE) != len(images):
        raise Refused("The number of image tokens in the prompt must match the number of images.")
    return Asked(
        **_conversation(prompt),
        images=len(images),
        facts=native.facts(checked, "temperature", "top_p", "max_gen_len"),
        max_tokens=checked.get("max_gen_len", 512),
    )


def _conversation(prompt: str) -> dict[str, Any]:
    turns = [(role, text) for role, text in _TURN.findall(prompt) if (role, text) != ("assistant", "")]
    said = [text for role, text in turns if role == "user"]
    if said:
        return {
            "said": said[-1].replace(_IMAGE, ""),
            "turns": sum(role != "system" for role, _ in turns),
            "system": "\n".join(text for role, text in turns if role == "system"),
        }
    instructions = _INSTRUCTION.findall(prompt) or [prompt]
    system = _SYSTEM.findall(instructions[0])
    return {
        "said": _SYSTEM.sub("", instructions[-1]).strip(),
        "turns": 2 * len(instructions) - 1,
        "system": system[0].strip() if system else "",
    }


def whole(body: Mapping[str, Any], spoken: Speech, counts: Counts) -> dict[str, Any]:
    return {
        "generation": spoken.text,
        "prompt_token_count": counts.read,
        "generation_token_count": counts.written,
        "stop_reason": native.reason(spoken, _REASONS),
    }


def documents(body: Mapping[str, Any], spoken: Speech, counts: Counts) -> list[dict[str, Any]]:
    pieces = [*spoken.pieces, ""]
    return [
        {
            "generation": piece,
            "prompt_token_count": counts.read if at == 0 else None,
            "generation_token_count": min(at + 1, counts.written),
            "stop_reason": native.reason(spoken, _REASONS) if at == len(pieces) - 1 else None,
        }
        for at, piece in enumerate(pieces)
    ]
