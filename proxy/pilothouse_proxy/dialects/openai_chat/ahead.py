"""What a model is known to refuse of a body that passes as it is: said before it is sent, so that another target may.

Only what is certain, and told by the members alone: the rows of `rules`. The rest is the provider's to judge.
"""

from typing import Final

from pilothouse_proxy.call import Call
from pilothouse_proxy.dialects.openai_chat import lookup, rules
from pilothouse_proxy.dialects.openai_chat.refusal import unsupported
from pilothouse_proxy.exchange.capabilities import Sampling
from pilothouse_proxy.exchange.members import sampled_by

_NO_EFFORT: Final = frozenset({b"null", b'"none"'})
# A member of an enum is looked up anew at each use.
_NEITHER: Final = Sampling.NONE


def check(call: Call) -> None:
    """Nothing is decoded.

    Raises:
        GatewayError: UNSUPPORTED that names the parameter.
    """
    sent = call.peek.members
    if "reasoning_effort" not in sent and "temperature" not in sent and "top_p" not in sent:
        return
    known = lookup.rules(call.model)
    if known is rules.UNKNOWN:
        return
    effort = bytes(sent["reasoning_effort"]) if "reasoning_effort" in sent else b"null"
    if known.efforts == () and effort not in _NO_EFFORT:
        raise unsupported(known, "reasoning_effort")
    if known.sampling is _NEITHER and not (known.sampled_unreasoned and effort in _NO_EFFORT):
        sampled = sampled_by(sent)
        if sampled:
            hint = "only with `reasoning_effort` none" if known.sampled_unreasoned else ""
            raise unsupported(known, sampled, hint)
