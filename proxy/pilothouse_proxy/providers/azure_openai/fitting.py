"""A body as the API version at hand takes it."""

from collections.abc import Mapping

import msgspec

from pilothouse_proxy.call import Call
from pilothouse_proxy.dialects.openai_chat import lookup, rules
from pilothouse_proxy.exchange import members
from pilothouse_proxy.http.body import Body, whole
from pilothouse_proxy.operations import DialectName, Operation
from pilothouse_proxy.providers.azure_openai.endpoint import meters_streams

_PASSED: Mapping[Operation, DialectName] = {
    Operation.CHAT: DialectName.OPENAI_CHAT,
    Operation.COMPLETIONS: DialectName.OPENAI_COMPLETIONS,
}
"""Of which operation the client itself has written the body."""


def fitted(body: Body, call: Call, api_version: str) -> Body:
    """The body of a call. A client's own is changed in nothing but what the gateway has put in."""
    peek = call.peek
    if call.dialect is not _PASSED.get(call.operation):
        return _translated(whole(body), call, api_version)
    if peek.stream and not peek.include_usage and not meters_streams(api_version):
        # The question for usage is ours, and this version refuses it: what the stream costs is estimated.
        return members.replaced(peek.members, model=call.model.upstream)
    return body


def _translated(body: bytes, call: Call, api_version: str) -> bytes:
    """What the exchange has made: under the names that the version knows."""
    if not meters_streams(api_version):
        return _renamed(body, rules.MAX_COMPLETION_TOKENS, rules.MAX_TOKENS, without="stream_options")
    if lookup.rules(call.model) is rules.UNKNOWN:
        # The name is the deployment's own. What it serves is most likely OpenAI's, whose new models know one name only.
        return _renamed(body, rules.MAX_TOKENS, rules.MAX_COMPLETION_TOKENS)
    return body


def _renamed(body: bytes, old: str, new: str, *, without: str = "") -> bytes:
    found = members.read(body)
    if old not in found and without not in found:
        return body
    kept: dict[str, msgspec.Raw] = {new if name == old else name: raw for name, raw in found.items() if name != without}
    return members.replaced(kept)
