"""A whole reply told as events."""

from pilothouse_proxy.exchange import events, telling
from pilothouse_proxy.exchange.filters import Finding, Stage
from pilothouse_proxy.exchange.parts import Text
from pilothouse_proxy.exchange.reply import Finish, Reply
from pilothouse_proxy.exchange.usage import Usage

ON_PROMPT = Finding(stage=Stage.PROMPT, category="hate", filtered=False)
ON_REPLY = Finding(stage=Stage.COMPLETION, category="hate", filtered=True)


def test_findings_on_the_prompt_come_before_the_words_and_those_on_the_reply_behind() -> None:
    reply = Reply(parts=(Text(text="hi"),), finish=Finish.CONTENT_FILTER, usage=Usage(), findings=(ON_REPLY, ON_PROMPT))
    assert telling.events_of(reply) == [
        events.Started(),
        events.Judged((ON_PROMPT,)),
        events.TextDelta("hi"),
        events.Judged((ON_REPLY,)),
        events.Finished(Finish.CONTENT_FILTER),
        events.Settled(Usage()),
    ]


def test_without_findings_nothing_is_told_of_filters() -> None:
    told = telling.events_of(Reply(parts=(), finish=Finish.STOP, usage=Usage()))
    assert told == [events.Started(), events.Finished(Finish.STOP), events.Settled(Usage())]
