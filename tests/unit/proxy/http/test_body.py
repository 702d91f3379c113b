"""Bodies in one piece and in several."""

from pilothouse_proxy.http.body import Pieces, whole

PIECES = Pieces([memoryview(b"Ahoy, sailor")[:6], b"dear ", memoryview(b"Ahoy, sailor")[6:]])


def test_who_must_have_all_of_it_in_one_place_gets_it() -> None:
    assert whole(PIECES) == b"Ahoy, dear sailor"
    assert whole(b"Ahoy") == b"Ahoy"


def test_the_length_is_that_of_the_whole() -> None:
    assert len(PIECES) == len(whole(PIECES))
