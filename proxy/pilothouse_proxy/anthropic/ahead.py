"""What a model is known to refuse of a body that passes as it is: said before it is sent, so that another target may.

Only what is certain, and told by the members alone: the rows of `capabilities`. The rest is the provider's to judge.
"""

import msgspec

from pilothouse_api.snapshot.providers import Model
from pilothouse_proxy.anthropic import capabilities, refusal
from pilothouse_proxy.exchange.capabilities import Capabilities, Reasoning, Sampling
from pilothouse_proxy.exchange.members import Members, sampled_by
from pilothouse_proxy.exchange.request import ToolMode


class _Typed(msgspec.Struct):
    type: str = ""


class _Output(msgspec.Struct):
    format: msgspec.Raw = msgspec.Raw(b"null")


_typed = msgspec.json.Decoder(_Typed)
_output = msgspec.json.Decoder(_Output)
_FORCED = {"any": ToolMode.ANY, "tool": ToolMode.NAMED}


def check(model: Model, sent: Members) -> None:
    """Looks at few members, and decodes small ones.

    Raises:
        GatewayError: UNSUPPORTED that names the parameter.
    """
    caps = capabilities.of(model)
    if caps is capabilities.UNKNOWN:
        return
    if caps.sampling is Sampling.NONE and (sampled := sampled_by(sent)):
        raise refusal.unsupported(caps, sampled)
    if "thinking" in sent:
        _check_thinking(sent, caps)
    if "tool_choice" in sent:
        mode = _FORCED.get(_type(sent["tool_choice"]))
        if mode is not None and mode not in caps.tools:
            raise refusal.unsupported(caps, "tool_choice.type", "it takes auto and none")
    if "output_config" in sent and not caps.answer_schema:
        _check_format(sent, caps)


def _check_thinking(sent: Members, caps: Capabilities) -> None:
    asked = _type(sent["thinking"])
    if caps.reasoning is Reasoning.NONE and asked not in {"", "disabled"}:
        raise refusal.unsupported(caps, "thinking")
    if caps.reasoning is Reasoning.ADAPTIVE and asked == "enabled" and caps.sampling is Sampling.NONE:
        # Until Claude 4.6 a budget was still taken.
        raise refusal.unsupported(caps, "thinking.type", "ask for `adaptive` and an effort")


def _check_format(sent: Members, caps: Capabilities) -> None:
    try:
        asked = _output.decode(sent["output_config"]).format
    except ValueError:
        return
    if bytes(asked) != b"null":
        raise refusal.unsupported(caps, "output_config.format")


def _type(raw: msgspec.Raw) -> str:
    """Of an object with a `type`; what is none is the provider's to refuse."""
    try:
        return _typed.decode(raw).type
    except ValueError:
        return ""
