"""How many tokens are asked for at once, and how long one is waited for."""

import asyncio
from typing import Any

import pytest
from azure.core.credentials import AccessTokenInfo

from pilothouse_operator.clouds import entra
from pilothouse_operator.clouds.entra import EntraCredential
from pilothouse_operator.compile.identities import EntraIdentity, EntraWay
from pilothouse_operator.ports import Fault

IDENTITY = EntraIdentity(way=EntraWay.WORKLOAD_IDENTITY, authority="https://login.example")


class Answering:
    """A credential of the SDK's kind that answers when it is let."""

    def __init__(self) -> None:
        self.at_once = self.most = 0
        self.go = asyncio.Event()

    async def get_token_info(self, *scopes: str, options: Any = None) -> AccessTokenInfo:
        self.at_once += 1
        self.most = max(self.most, self.at_once)
        try:
            await self.go.wait()
        finally:
            self.at_once -= 1
        return AccessTokenInfo("token", 4_000_000_000)

    async def close(self) -> None:
        pass

    async def __aenter__(self) -> "Answering":
        return self

    async def __aexit__(self, *_: object) -> None:
        pass


def credential(inner: Answering, turns: asyncio.Semaphore) -> EntraCredential:
    return EntraCredential(inner, identity=IDENTITY, values={}, turns=turns)


async def test_a_crowd_waits_for_its_turns() -> None:
    inner, turns = Answering(), asyncio.Semaphore(2)
    asked = [asyncio.ensure_future(credential(inner, turns).get_token_info("scope")) for _ in range(7)]
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert inner.at_once == 2
    inner.go.set()
    assert len(await asyncio.gather(*asked)) == 7
    assert inner.most == 2


async def test_the_time_in_the_line_is_not_held_against_anyone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(entra, "PATIENCE_S", 0.05)
    inner, turns = Answering(), asyncio.Semaphore(1)
    inner.go.set()
    await turns.acquire()
    waiting = asyncio.ensure_future(credential(inner, turns).get_token_info("scope"))
    await asyncio.sleep(0.2)
    assert not waiting.done()
    turns.release()
    assert (await waiting).token == "token"


async def test_who_is_cancelled_gives_the_turn_back() -> None:
    inner, turns = Answering(), asyncio.Semaphore(1)
    first = asyncio.ensure_future(credential(inner, turns).get_token_info("scope"))
    await asyncio.sleep(0)
    first.cancel()
    inner.go.set()
    assert (await credential(inner, turns).get_token_info("scope")).token == "token"


async def test_who_does_not_answer_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(entra, "PATIENCE_S", 0.01)
    with pytest.raises(Fault, match=r"within 0\.01 s"):
        await credential(Answering(), asyncio.Semaphore(1)).get_token_info("scope")
