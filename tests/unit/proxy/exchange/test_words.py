from pilothouse_proxy.errors import GatewayError, Kind
from pilothouse_proxy.exchange import words


def own(name: str) -> str:
    return name.replace("messages", "input")


def test_a_refusal_is_told_in_the_clients_words() -> None:
    error = GatewayError(
        Kind.UNSUPPORTED, "`messages[2].content`: not with `other`, nor messages", param="messages[2].content"
    )
    told = words.told(error, own)
    assert (told.kind, told.param) == (Kind.UNSUPPORTED, "input[2].content")
    assert told.message == "`input[2].content`: not with `other`, nor messages"


def test_a_refusal_without_a_parameter_stays_without() -> None:
    told = words.told(GatewayError(Kind.NO_CREDENTIAL, "wait", retry_after_s=2.0), own)
    assert (told.param, told.retry_after_s) == (None, 2.0)
