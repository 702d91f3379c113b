"""Chat or legacy completions to a provider that speaks them: bytes pass, unknown members survive as they came.

Only `model` is replaced, and on streams `stream_options.include_usage` is set, because all accounting rests on it; the
relay keeps the usage chunk from a client that did not ask for it. `max_tokens` is renamed for models that refuse it.
"""

from typing import Final

import msgspec

from pilothouse_proxy.call import Answer, Call, Peek
from pilothouse_proxy.dialects.openai_chat import ahead, lookup, relay, rules, views
from pilothouse_proxy.dialects.openai_chat import usage as wire_usage
from pilothouse_proxy.errors import UpstreamBroken
from pilothouse_proxy.exchange import members
from pilothouse_proxy.http.body import Body
from pilothouse_proxy.http.messages import Headers
from pilothouse_proxy.operations import DialectName
from pilothouse_proxy.ports import StreamRelay

_reply: Final = msgspec.json.Decoder(views.Reply)
_options: Final[msgspec.json.Decoder[dict[str, msgspec.Raw] | None]] = msgspec.json.Decoder(
    dict[str, msgspec.Raw] | None
)
_TRUE: Final = msgspec.Raw(b"true")
_OLD_LIMIT: Final = rules.MAX_TOKENS
_NEW_LIMIT: Final = rules.MAX_COMPLETION_TOKENS
_CHAT: Final = DialectName.OPENAI_CHAT
"""A member of an enum is looked up anew at each use."""


class PassThrough:
    """`Translation` from openai.chat to openai.chat, and from openai.completions to openai.completions."""

    def request(self, call: Call) -> Body:
        """The client's body under the upstream's model name.

        Raises:
            GatewayError: UNSUPPORTED, what the model is known to refuse.
        """
        peek = call.peek
        sent = peek.members
        if call.dialect is _CHAT:
            ahead.check(call)
        if _OLD_LIMIT in sent and _wants_the_new_limit(call):
            sent = {_NEW_LIMIT if name == _OLD_LIMIT else name: sent[name] for name in sent}
        if peek.stream and not peek.include_usage:
            return members.replaced(sent, model=call.model.upstream, stream_options=_metered(peek))
        if sent is peek.members:
            return members.renamed(call.body, sent, call.model.upstream)
        return members.replaced(sent, model=call.model.upstream)

    def reply(self, call: Call, headers: Headers, body: bytes) -> Answer:
        """The provider's body, byte for byte, whatever extra members it has (content filter results, citations …)."""
        try:
            reply = _reply.decode(body)
        except (ValueError, RecursionError) as error:
            raise UpstreamBroken(f"the provider's answer is not a completion: {error}") from None
        reasons = [choice.finish_reason for choice in reply.choices if choice.finish_reason]
        return Answer(
            body=body,
            usage=None if reply.usage is None else wire_usage.decode(reply.usage),
            finish_reason=reasons[0] if reasons else "",
        )

    def relay(self, call: Call, headers: Headers) -> StreamRelay:
        """Events as they came, but for the usage chunk of a client that did not ask for it."""
        return relay.Relay(include_usage=call.peek.include_usage)


def _wants_the_new_limit(call: Call) -> bool:
    """Only where the client would be refused otherwise; what it says in both ways, or as null, is its own affair."""
    sent = call.peek.members
    return (
        call.dialect is _CHAT
        and _NEW_LIMIT not in sent
        and not lookup.rules(call.model).old_limit
        and bytes(sent[_OLD_LIMIT]) != b"null"
    )


def _metered(peek: Peek) -> dict[str, msgspec.Raw]:
    """The client's `stream_options` with the question for usage."""
    options: dict[str, msgspec.Raw] = {}
    if "stream_options" in peek.members:
        sent = members.value(peek.members, "stream_options", _options)
        options = {} if sent is None else sent
    options["include_usage"] = _TRUE
    return options
