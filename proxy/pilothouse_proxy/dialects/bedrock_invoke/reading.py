"""A whole native answer to a neutral reply."""

import hashlib

from pilothouse_api.snapshot.providers import Model
from pilothouse_proxy.dialects.bedrock_invoke import counting
from pilothouse_proxy.dialects.bedrock_invoke.said import CallPiece, Family, Lead, Said
from pilothouse_proxy.dialects.bedrock_invoke.thoughts import Splitter
from pilothouse_proxy.errors import UpstreamBroken
from pilothouse_proxy.exchange.parts import Text, Thinking, ToolCall
from pilothouse_proxy.exchange.reply import Finish, Reply, ReplyPart
from pilothouse_proxy.exchange.request import Request, Role


def reply(family: Family, request: Request, model: Model, body: bytes) -> Reply:
    """The reply, with the token counts that the body has: see `counting.completed` for the rest.

    Raises:
        UpstreamBroken: not an answer of the family, or one whose model has failed to write a whole one.
    """
    try:
        said = family.whole(body)
    except (ValueError, RecursionError) as error:
        raise UpstreamBroken(f"the provider's answer is not one of {family.row(model).name} models: {error}") from None
    if said.reason is None and not (said.text or said.thinking or said.calls):
        raise UpstreamBroken(f"the provider's answer says nothing that {family.row(model).name} models say")
    reason = said.reason or ""
    if reason in family.failures:
        raise UpstreamBroken(f"the model has failed to answer ({reason})")
    calls = tuple(called(request, at, piece) for at, piece in enumerate(said.calls))
    unknown = list(said.unknown)
    return Reply(
        parts=(*_words(family, request, said), *calls),
        finish=finish_of(family, reason, unknown, calls=len(calls)),
        usage=counting.told(said.counts),
        stop_sequence=said.stop_sequence,
        unknown=tuple(unknown),
    )


def finish_of(family: Family, reason: str, unknown: list[str], *, calls: int) -> Finish:
    """Why the model stopped; a reason that is new ends the answer as any other, and is noted."""
    finish = family.finishes.get(reason)
    if finish is None:
        unknown.append(f"stopReason.{reason[:64]}")
        finish = Finish.STOP
    if calls and finish is Finish.STOP:
        return Finish.TOOL_CALLS
    return Finish.STOP if finish is Finish.TOOL_CALLS and not calls else finish


def called(request: Request, at: int, piece: CallPiece) -> ToolCall:
    """The call, with an id that is made where the family has none."""
    return ToolCall(id=piece.id or made_id(request, at, piece.name), name=piece.name, arguments=piece.arguments or "{}")


def made_id(request: Request, at: int, name: str) -> str:
    """An id by the place in the conversation: the same whenever the request is, and no other call's of the history."""
    place = f"{len(request.turns)}/{at}/{name}"
    return f"call_{hashlib.sha256(place.encode('utf-8', 'surrogatepass')).hexdigest()[:24]}"


def trims(family: Family, request: Request) -> bool:
    """Whether blanks at the head of the answer are left out."""
    return family.lead is Lead.TRIMMED and request.turns[-1].role is not Role.ASSISTANT


def _words(family: Family, request: Request, said: Said) -> list[ReplyPart]:
    thinking, text = said.thinking, said.text
    if family.thoughts is not None:
        splitter = Splitter(family.thoughts)
        first, last = splitter.feed(text), splitter.end()
        thinking, text = thinking + first[0] + last[0], first[1] + last[1]
    if trims(family, request):
        text = text.lstrip()
    parts: list[ReplyPart] = []
    if thinking:
        parts.append(Thinking(text=thinking))
    if text:
        parts.append(Text(text=text))
    return parts
