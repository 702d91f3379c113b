"""A whole response to a neutral reply."""

import msgspec

from pilothouse_proxy.dialects.openai_responses import errors, filters, reasoning, views
from pilothouse_proxy.dialects.openai_responses import usage as wire_usage
from pilothouse_proxy.errors import UpstreamBroken
from pilothouse_proxy.exchange import estimate
from pilothouse_proxy.exchange.parts import Citation, Text, ToolCall
from pilothouse_proxy.exchange.reply import Finish, Reply, ReplyPart
from pilothouse_proxy.exchange.usage import Usage

_answer = msgspec.json.Decoder(views.Answer)
_REASONS = {
    "max_output_tokens": Finish.LENGTH,
    "content_filter": Finish.CONTENT_FILTER,
}
_ENDED = frozenset({None, "completed", "incomplete"})


def reply(body: bytes) -> Reply:
    """The reply.

    Raises:
        UpstreamBroken: not a response, or one that has failed.
    """
    try:
        answer = _answer.decode(body)
    except (ValueError, RecursionError) as error:
        raise UpstreamBroken(f"the provider's answer is not a response: {error}") from None
    if answer.status == "failed":
        raise UpstreamBroken(f"the provider reports a failed response: {errors.failure(answer.error).message}")
    if answer.status not in _ENDED:
        raise UpstreamBroken(f"the provider's response has not ended, it is {str(answer.status)[:64]!r}")
    gathered = Gathered()
    for item in answer.output:
        gathered.add(item)
    refusal = "".join(gathered.refusals)
    finish = finish_of(answer, gathered.unknown, called=gathered.called, refused=bool(refusal))
    return Reply(
        parts=tuple(gathered.parts),
        finish=finish,
        usage=usage_of(answer, gathered.shown_bytes),
        refusal=refusal or None,
        citations=tuple(gathered.citations),
        findings=filters.decode(answer.content_filters),
        service_tier=answer.service_tier,
        unknown=tuple(gathered.unknown),
    )


def finish_of(answer: views.Answer, unknown: list[str], *, called: bool, refused: bool) -> Finish:
    """Why it ended; a reason that is new ends it as any other, and is noted."""
    if refused:
        return Finish.CONTENT_FILTER
    if answer.status == "incomplete":
        reason = (answer.incomplete_details.reason if answer.incomplete_details else None) or ""
        finish = _REASONS.get(reason)
        if finish is not None:
            return finish
        unknown.append(f"incomplete.{reason[:64]}")
        return Finish.STOP
    return Finish.TOOL_CALLS if called else Finish.STOP


def usage_of(answer: views.Answer, shown_bytes: int) -> Usage:
    """As reported; a server that does not report is guessed at by what it said."""
    if answer.usage is None:
        return Usage(output_tokens=estimate.output_tokens(shown_bytes), estimated=True)
    return wire_usage.decode(answer.usage)


class Gathered:
    """Output items, one after the other."""

    def __init__(self) -> None:
        self.parts: list[ReplyPart] = []
        self.citations: list[Citation] = []
        self.refusals: list[str] = []
        self.unknown: list[str] = []
        self.shown_bytes = 0
        self.called = False
        self._characters = 0
        """Of text so far: where a citation's text starts."""

    def add(self, item: views.Item) -> None:
        """One item; a kind that no other dialect has a place for is noted."""
        if item.type == "message":
            for content in item.content or ():
                self._add_content(content)
        elif item.type == "function_call":
            self.called = True
            self.shown_bytes += len(item.arguments)
            self.parts.append(ToolCall(id=item.call_id, name=item.name, arguments=item.arguments or "{}"))
        elif item.type == "reasoning":
            self.parts += reasoning.parts(item)
        else:
            self.unknown.append(f"output.{item.type[:64]}")

    def _add_content(self, content: views.Content) -> None:
        if content.type == "refusal":
            self.shown_bytes += len(content.refusal)
            self.refusals.append(content.refusal)
            return
        if content.type != "output_text":
            self.unknown.append(f"content.{content.type[:64]}")
            return
        text = content.text
        start, self._characters = self._characters, self._characters + len(text)
        self.shown_bytes += len(text)
        for found in content.annotations or ():
            if found.type != "url_citation":
                self.unknown.append("citation")
                continue
            self.citations.append(
                Citation(url=found.url, title=found.title, start=start + found.start_index, end=start + found.end_index)
            )
        if text:
            self.parts.append(Text(text=text))
