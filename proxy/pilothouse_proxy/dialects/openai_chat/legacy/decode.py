"""A client's legacy completion request to the exchange: the prompt becomes one turn of the user's.

What only models that continue text can do is refused by name, unless its value asks for nothing.
"""

from collections.abc import Mapping
from typing import TypeVar

import msgspec

from pilothouse_proxy.call import Call
from pilothouse_proxy.errors import GatewayError, Kind
from pilothouse_proxy.exchange import members as members_
from pilothouse_proxy.exchange.parts import Text
from pilothouse_proxy.exchange.request import Request, Role, Turn

T = TypeVar("T")

_number: msgspec.json.Decoder[float | None] = msgspec.json.Decoder(float | None)
_texts: msgspec.json.Decoder[str | list[str] | None] = msgspec.json.Decoder(str | list[str] | None)
_any = msgspec.json.Decoder(object)

_TRANSLATED = frozenset({"model", "prompt", "stream", "stream_options", "max_tokens", "temperature", "top_p", "stop"})
_ABOUT_THE_CALLER = frozenset({"user"})
_NEUTRAL: Mapping[str, object] = {
    "n": 1,
    "best_of": 1,
    "echo": False,
    "suffix": "",
    "frequency_penalty": 0,
    "presence_penalty": 0,
    "logit_bias": {},
}
"""Values that ask for nothing; null does so everywhere."""

_OF_TEXT_MODELS: Mapping[str, str] = {
    "n": "ask once for each answer",
    "best_of": "ask once for each answer",
    "echo": "the answer does not hold the prompt",
    "suffix": "chat models do not insert text",
    "logprobs": "chat models are asked for them through chat completions",
}


def decode(call: Call) -> Request:
    """The neutral request of a call.

    Raises:
        GatewayError: INVALID_REQUEST or UNSUPPORTED that names the parameter.
    """
    members = call.peek.members
    others = {
        name: raw
        for name, raw in members.items()
        if name not in _TRANSLATED and name not in _ABOUT_THE_CALLER and not _asks_nothing(members, name)
    }
    for name, hint in _OF_TEXT_MODELS.items():
        if name in others:
            raise _unsupported(name, hint)
    if call.peek.max_output_tokens == 0:
        raise _unsupported("max_tokens", "it must be at least 1")
    stop = _read(members, "stop", _texts)
    prompt = Turn(role=Role.USER, parts=(Text(text=_prompt(members)),), at=0)
    return Request(
        turns=(prompt,),
        max_output_tokens=call.peek.max_output_tokens,
        temperature=_read(members, "temperature", _number),
        top_p=_read(members, "top_p", _number),
        stop=(stop,) if isinstance(stop, str) else tuple(stop or ()),
        others=others,
    )


def _prompt(members: members_.Members) -> str:
    prompt = _read(members, "prompt", _any)
    if isinstance(prompt, list) and len(prompt) == 1:
        prompt = prompt[0]
    if isinstance(prompt, list) and prompt and not isinstance(prompt[0], str):
        raise _unsupported("prompt", "token ids mean nothing to another model; send text")
    if isinstance(prompt, list):
        raise _unsupported("prompt", "send one prompt a request")
    if isinstance(prompt, int):
        raise _unsupported("prompt", "token ids mean nothing to another model; send text")
    if not isinstance(prompt, str) or not prompt:
        raise GatewayError(Kind.INVALID_REQUEST, "`prompt` must be a text that is not empty", param="prompt")
    return prompt


def _unsupported(param: str, hint: str) -> GatewayError:
    message = f"`{param}` is not supported by chat models, which serve this completion: {hint}"
    return GatewayError(Kind.UNSUPPORTED, message, param=param)


def _asks_nothing(members: members_.Members, name: str) -> bool:
    if bytes(members[name]) == b"null":
        return True
    return name in _NEUTRAL and members_.value(members, name, _any) == _NEUTRAL[name]


def _read(members: members_.Members, name: str, decoder: msgspec.json.Decoder[T]) -> T | None:
    return members_.value(members, name, decoder) if name in members else None
