"""A whole reply told as a stream: for models that cannot stream what they are asked, to clients that can."""

from pilothouse_proxy.exchange import events
from pilothouse_proxy.exchange.filters import Stage
from pilothouse_proxy.exchange.parts import RedactedThinking, Text, Thinking, ToolCall
from pilothouse_proxy.exchange.reply import Reply


def events_of(reply: Reply) -> list[events.Event]:
    """All events, the last one too. Put together again they are the reply."""
    told: list[events.Event] = [events.Started()]
    on_prompt = tuple(finding for finding in reply.findings if finding.stage is Stage.PROMPT)
    on_reply = tuple(finding for finding in reply.findings if finding.stage is Stage.COMPLETION)
    if on_prompt:
        told.append(events.Judged(on_prompt))
    calls = 0
    for part in reply.parts:
        if isinstance(part, Text):
            told.append(events.TextDelta(part.text))
        elif isinstance(part, ToolCall):
            told.append(events.ToolCallStarted(calls, part.id, part.name))
            told.append(events.ToolCallDelta(calls, part.arguments))
            calls += 1
        else:
            if isinstance(part, Thinking) and part.text:
                told.append(events.ThinkingDelta(part.text))
            if isinstance(part, RedactedThinking) or part.signature is not None:
                told.append(events.ThinkingEnded(part))
    if on_reply:
        told.append(events.Judged(on_reply))
    told.append(events.Finished(reply.finish, reply.stop_sequence, reply.refusal))
    told.append(events.Settled(reply.usage, reply.service_tier))
    return told
