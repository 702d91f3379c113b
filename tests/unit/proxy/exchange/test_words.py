import re

from pilothouse_proxy.errors import GatewayError, Kind
from pilothouse_proxy.exchange import words

WORDS = (
    (re.compile(r"messages\[(\d+)\]\.tool_call_id"), r"input[\1].call_id"),
    (re.compile(r"messages\b"), "input"),
)


def test_a_refusal_is_told_in_the_clients_words() -> None:
    error = GatewayError(
        Kind.UNSUPPORTED, "`messages[2].content`: not with `other`, nor messages", param="messages[2].content"
    )
    told = words.told(error, WORDS)
    assert (told.kind, told.param) == (Kind.UNSUPPORTED, "input[2].content")
    assert told.message == "`input[2].content`: not with `other`, nor messages"


def test_the_first_word_that_fits_is_taken() -> None:
    told = words.told(GatewayError(Kind.INVALID_REQUEST, "", param="messages[7].tool_call_id"), WORDS)
    assert told.param == "input[7].call_id"


def test_a_refusal_without_a_parameter_stays_without() -> None:
    assert words.told(GatewayError(Kind.NO_CREDENTIAL, "wait", retry_after_s=2.0), WORDS).retry_after_s == 2.0
