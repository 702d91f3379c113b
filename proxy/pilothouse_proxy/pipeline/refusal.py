"""Answers to requests that reach no provider, or that none has answered."""

from pilothouse_proxy import errors
from pilothouse_proxy.errors import Failure, GatewayError, Kind, Shape
from pilothouse_proxy.http import heads, messages
from pilothouse_proxy.http.messages import Lines
from pilothouse_proxy.http.responder import Responder
from pilothouse_proxy.observe.outcome import Outcome

UNSIGNED_RETRY_S = 2.0
"""A credential that is due comes within seconds, if it comes."""

_NOTHING = Lines(b"")


def refuse(responder: Responder, outcome: Outcome, error: GatewayError, more: Lines = _NOTHING) -> None:
    """Answer with an error, unless an answer has begun: its missing end tells the client then."""
    answer = errors.from_error(error, shape=outcome.shape, request_id=outcome.request_id)
    outcome.error, outcome.param = error.kind, error.param or ""
    if responder.started:
        # Only a fault of our own comes this late.
        return
    outcome.status = answer.status
    lines = heads.header_lines([*answer.headers, *ids(outcome)])
    responder.respond(answer.status, Lines(lines + more), answer.body)


def named(outcome: Outcome) -> tuple[bytes, bytes]:
    """The header by which an answer is found in the log."""
    return (b"x-request-id", outcome.request_id.encode("ascii"))


def ids(outcome: Outcome) -> list[tuple[bytes, bytes]]:
    """The same, and the name under which Anthropic's clients look for it."""
    name, request_id = named(outcome)
    headers = [(name, request_id)]
    if outcome.shape is Shape.ANTHROPIC:
        headers.append((b"request-id", request_id))
    return headers


def unserved(model: str) -> GatewayError:
    """No target has the model."""
    message = f"no provider of the route that serves `{model}` has a model of that name"
    return GatewayError(Kind.MODEL_NOT_FOUND, message, param="model")


def unsigned(provider: str, *, ended: bool) -> GatewayError:
    """A target cannot be tried, for nobody can sign in to its provider now."""
    what = "has ended, and no other one has come" if ended else "has not come from the operator yet"
    message = f'the credential of provider "{provider}" {what}'
    return GatewayError(Kind.NO_CREDENTIAL, message, retry_after_s=UNSIGNED_RETRY_S)


def unanswered(error: messages.HTTPError, label: str) -> Failure:
    """What it means that no answer came, or not all of one."""
    kind = Kind.UNAVAILABLE
    if isinstance(error, messages.ConnectError):
        kind = Kind.CONNECT
    elif isinstance(error, messages.TimedOut):
        kind = Kind.CONNECT if error.phase is messages.Phase.CONNECT else Kind.TIMEOUT
    elif isinstance(error, messages.ProtocolError | messages.TooLarge):
        kind = Kind.PROVIDER_ERROR
    return Failure(kind=kind, message=f'provider "{label}": {error}', note=str(error))
