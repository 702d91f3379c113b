import hashlib
from typing import Any

import pytest

from pilothouse_proxy.auth import subject, tokens


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> tokens.Verifier:
    monkeypatch.setattr(tokens, "CACHED_TOKENS", 3)
    verifier = tokens.Verifier(())
    monkeypatch.setattr(
        tokens.Verifier,
        "_checked",
        lambda self, token, now: {"sub": "system:serviceaccount:ns:app", "exp": float(token)},
    )
    return verifier


def remember(verifier: tokens.Verifier, expires: int, *, now: float = 0.0) -> bytes:
    digest = hashlib.sha256(str(expires).encode()).digest()
    verifier.verify(str(expires), digest, now=now)
    return digest


def test_what_is_remembered_is_bounded_and_expired_tokens_go_first(small: Any) -> None:
    digests = [remember(small, expires) for expires in (10, 100, 200)]
    newest = remember(small, 300, now=50.0)
    assert small.remembered(digests[0], now=50.0) is None
    for digest in (*digests[1:], newest):
        assert isinstance(small.remembered(digest, now=50.0), subject.Subject)


def test_when_none_has_expired_the_oldest_goes(small: Any) -> None:
    digests = [remember(small, expires) for expires in (1_000, 2_000, 3_000, 4_000)]
    assert [small.remembered(digest, now=0.0) is not None for digest in digests] == [False, True, True, True]
