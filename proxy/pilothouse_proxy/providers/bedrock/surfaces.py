"""Which of Bedrock's APIs a model is asked through: in which dialects, at which host, on which path, signed for what.

Sources: Amazon Bedrock user guide, "Endpoints supported by Amazon Bedrock", "Responses API", "Anthropic Messages API".
"""

from collections.abc import Mapping
from typing import Final

import msgspec

from pilothouse_api.names import UpstreamModel
from pilothouse_api.snapshot.endpoints.bedrock import BedrockEndpoint
from pilothouse_api.snapshot.providers import Model
from pilothouse_api.snapshot.settings import MANTLE, PLAIN, Settings, Surface
from pilothouse_proxy.call import Call
from pilothouse_proxy.capabilities import bedrock as capabilities
from pilothouse_proxy.capabilities.rows import Quirk, Row
from pilothouse_proxy.errors import GatewayError, Kind
from pilothouse_proxy.exchange.members import Members
from pilothouse_proxy.http.messages import Headers
from pilothouse_proxy.operations import DialectName
from pilothouse_proxy.providers.bedrock import embedding_models, invoke_models
from pilothouse_proxy.providers.bedrock.invoke_models import Preference

_D: Final = DialectName

_CLIENTS: Final[Mapping[str, DialectName]] = {
    "chat": _D.OPENAI_CHAT,
    "completions": _D.OPENAI_COMPLETIONS,
    "responses": _D.OPENAI_RESPONSES,
    "messages": _D.ANTHROPIC_MESSAGES,
}
"""The dialect of the clients of an operation, of those whose answer a model writes."""

_COUNT: Final = "count_tokens"
_COUNTED: Final = (_D.BEDROCK_COUNT_TOKENS,)

_OPENAI: Final = (_D.OPENAI_CHAT, _D.OPENAI_RESPONSES)
_SPOKEN: Final[Mapping[Surface, tuple[DialectName, ...]]] = {
    Surface.CONVERSE: (),
    Surface.INVOKE: (),
    Surface.OPENAI: _OPENAI,
    Surface.ANTHROPIC: (_D.ANTHROPIC_MESSAGES,),
    Surface.MANTLE_OPENAI: _OPENAI,
    Surface.MANTLE_ANTHROPIC: (_D.ANTHROPIC_MESSAGES,),
}

_INVOKED: Final = ("invoke", "invoke-with-response-stream")
NATIVE: Final[Mapping[DialectName, tuple[str, str]]] = {
    _D.BEDROCK_CONVERSE: ("converse", "converse-stream"),
    _D.BEDROCK_INVOKE_ANTHROPIC: _INVOKED,
    _D.BEDROCK_COUNT_TOKENS: ("count-tokens", "count-tokens"),
    **{row.dialect: _INVOKED for row in invoke_models.ROWS.values()},
    **dict.fromkeys(embedding_models.INVOKED, _INVOKED),
}
"""The dialects that Bedrock alone speaks: the operation's part of the path, for a whole answer and for a stream."""

_PATHS: Final[Mapping[DialectName, str]] = {
    _D.OPENAI_CHAT: "/chat/completions",
    _D.OPENAI_RESPONSES: "/responses",
    _D.ANTHROPIC_MESSAGES: "/anthropic/v1/messages",
}
_RUNTIME_PREFIX: Final = "/openai/v1"

MANTLE_SERVICE: Final = "bedrock-mantle"

_VERSION: Final = b"anthropic-version"
_BETA: Final = b"anthropic-beta"
_DEFAULT_VERSION: Final = b"2023-06-01"
"""The version that every model knows, for clients that name none: those of other APIs."""
_IDENTITY: Final = (b"accept-encoding", b"identity")
"""A compressed answer could not be relayed event by event."""

_CLAUDE: Final = "anthropic.claude-"
_CLAUDE_BEFORE_MESSAGES: Final = ("anthropic.claude-v2", "anthropic.claude-instant")


def dialects(operation: str, model: Model) -> tuple[DialectName, ...]:
    """What an operation can be put to the model in, the best first."""
    row, settings = capabilities.row(model), model.settings or PLAIN
    client = _CLIENTS.get(operation)
    if client is None:
        if operation != _COUNT:
            return embedding_models.dialects(operation, model)
        return _COUNTED if row.counted else ()
    surface = settings.surface or row.surface
    spoken = [] if settings.guardrail is not None else _spoken(surface, row)
    # The client's own language first: in it nothing is lost.
    found = [dialect for dialect in spoken if dialect is client]
    others = [dialect for dialect in spoken if dialect is not client]
    if surface in MANTLE:
        return (*found, *others)
    found += _native(client, row, model)
    return (*found, *others)


def _spoken(surface: Surface, row: Row) -> list[DialectName]:
    """Of the surface's dialects those that are known to be spoken for the model; of a model that is not known, all."""
    known = row.mantle_speaks if surface in MANTLE else row.speaks
    dialects = _SPOKEN[surface]
    return [dialect for dialect in dialects if dialect in known] if row.prefix else list(dialects)


def _native(client: DialectName, row: Row, model: Model) -> list[DialectName]:
    """What Bedrock alone speaks. Converse has nearly all models; a body of Anthropic's goes best as it is.

    But not where the manifest says Converse: that is then meant for all clients.
    """
    chosen = (model.settings or PLAIN).surface
    preference = Preference.INVOKE if chosen is Surface.INVOKE else Preference.CONVERSE
    found = list(invoke_models.dialects(model, preference))
    as_it_is = client is _D.ANTHROPIC_MESSAGES and chosen is not Surface.CONVERSE
    if _takes_messages(row) and (as_it_is or chosen is Surface.INVOKE):
        found.insert(0, _D.BEDROCK_INVOKE_ANTHROPIC)
    return found


def _takes_messages(row: Row) -> bool:
    return row.prefix.startswith(_CLAUDE) and not row.prefix.startswith(_CLAUDE_BEFORE_MESSAGES)


def on_mantle(dialect: DialectName, model: Model) -> bool:
    """Whether the model is asked at the host `bedrock-mantle`."""
    return dialect in _PATHS and model.settings is not None and model.settings.surface in MANTLE


def service(endpoint: BedrockEndpoint, call: Call) -> str:
    """What a signature is for."""
    return MANTLE_SERVICE if on_mantle(call.dialect, call.model) else endpoint.service


def url(endpoint: BedrockEndpoint, dialect: DialectName, model: Model) -> str:
    """The host."""
    return (endpoint.mantle_url or endpoint.url) if on_mantle(dialect, model) else endpoint.url


def model_id(call: Call) -> UpstreamModel:
    """The id in the path. Tokens are counted for models, not for profiles of them."""
    if call.dialect is _D.BEDROCK_COUNT_TOKENS:
        return UpstreamModel(capabilities.base_id(call.model.upstream))
    return call.model.upstream


def path(dialect: DialectName, model: Model) -> str:
    """The path of a dialect that is not Bedrock's own."""
    if dialect is _D.ANTHROPIC_MESSAGES:
        return _PATHS[dialect]
    prefix = capabilities.row(model).mantle_prefix if on_mantle(dialect, model) else _RUNTIME_PREFIX
    return prefix + _PATHS[dialect]


def headers(call: Call) -> Headers:
    """What a request says beside its content type and its sign-in. Converse has members of the body for it."""
    if call.dialect in NATIVE:
        return _invoked(call.model.settings or PLAIN) if NATIVE[call.dialect] == _INVOKED else []
    if call.dialect is not _D.ANTHROPIC_MESSAGES:
        return [_IDENTITY]
    # A client of Messages chooses version and betas itself.
    chosen = [_IDENTITY, (_VERSION, call.headers.get(_VERSION, _DEFAULT_VERSION))]
    betas = call.headers.get(_BETA)
    return chosen if betas is None else [*chosen, (_BETA, betas)]


def _invoked(settings: Settings) -> Headers:
    """What the manifest has set, as InvokeModel has it."""
    found: Headers = []
    guardrail = settings.guardrail
    if guardrail is not None:
        found += [
            (b"x-amzn-bedrock-guardrailidentifier", guardrail.identifier.encode("ascii")),
            (b"x-amzn-bedrock-guardrailversion", guardrail.version.encode("ascii")),
            (b"x-amzn-bedrock-trace", guardrail.trace.upper().encode("ascii")),
        ]
    if settings.latency is not None:
        found.append((b"x-amzn-bedrock-performanceconfig-latency", settings.latency.encode("ascii")))
    if settings.service_tier is not None:
        found.append((b"x-amzn-bedrock-service-tier", settings.service_tier.encode("ascii")))
    return found


def check(call: Call) -> None:
    """Whether a body that passes as it is holds what the surface is known to refuse, or to pass over, for the model.

    Raises:
        GatewayError: UNSUPPORTED that names the parameter.
    """
    if _CLIENTS.get(call.operation) is not call.dialect:
        return
    row = capabilities.row(call.model)
    for quirk in row.quirks:
        if quirk.dialect == call.dialect and _refused(quirk, call.peek.members):
            message = (
                f"`{quirk.param}` is not supported by {row.capabilities.family} models on Amazon Bedrock's own API"
            )
            told = f"{message} of OpenAI's kind" if call.dialect in _OPENAI else message
            raise GatewayError(Kind.UNSUPPORTED, f"{told}: {quirk.hint}" if quirk.hint else told, param=quirk.param)


_EMPTY: Final = frozenset({b"null", b"[]", b"{}"})
_LONGEST_NEUTRAL: Final = 64


def _refused(quirk: Quirk, members: Members) -> bool:
    raw = members.get(quirk.param)
    if raw is None:
        return False
    if quirk.unless_effort is not None and _plain(members.get("reasoning_effort")) == b'"%b"' % (
        quirk.unless_effort.encode()
    ):
        return False
    value = _plain(raw)
    return value in quirk.only if quirk.only else value not in _EMPTY and value not in quirk.neutral


def _plain(raw: msgspec.Raw | None) -> bytes:
    """A short value without blanks. A long one is none that is compared with."""
    if raw is None or len(memoryview(raw)) > _LONGEST_NEUTRAL:
        return b""
    return msgspec.json.encode(msgspec.json.decode(raw))
