"""What a model is known to refuse of a body that passes as it is: said before it is sent, so that another target may.

Only what is certain, and told by the members alone: the rows of `rules`. The rest is the provider's to judge.
"""

from pilothouse_proxy.dialects.openai_chat import rules
from pilothouse_proxy.dialects.openai_chat.refusal import unsupported
from pilothouse_proxy.exchange.capabilities import Sampling
from pilothouse_proxy.exchange.members import Members, says_nothing
from pilothouse_proxy.ports import Call

_UNREASONED = b'"none"'


def check(call: Call) -> None:
    """Nothing is decoded.

    Raises:
        GatewayError: UNSUPPORTED that names the parameter.
    """
    known = rules.of(call.model)
    if known is rules.UNKNOWN:
        return
    sent = call.peek.members
    effort = bytes(sent["reasoning_effort"]) if "reasoning_effort" in sent else b"null"
    if known.efforts == () and effort not in {b"null", _UNREASONED}:
        raise unsupported(known, "reasoning_effort")
    if known.sampling is Sampling.NONE and not (known.sampled_unreasoned and effort in {b"null", _UNREASONED}):
        _check_sampling(sent, known)


def _check_sampling(sent: Members, known: rules.Rules) -> None:
    for param in ("temperature", "top_p"):
        if param in sent and not says_nothing(sent[param]):
            hint = "only with `reasoning_effort` none" if known.sampled_unreasoned else ""
            raise unsupported(known, param, hint)
