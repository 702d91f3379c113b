import asyncio
import logging
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from pilothouse_api.secret import Secret
from pilothouse_api.snapshot.identity import KeyHolder
from pilothouse_operator.compile.world import Kind, ResourceKey, World
from pilothouse_operator.ports import SecretAbsent, SecretContent, SecretState
from pilothouse_operator.sources.directory import Directory

ROUTE = """\
apiVersion: pilothouse.dev/v1alpha1
kind: ModelRoute
metadata: {name: chat}
spec: {models: [chat]}
"""
SECRET = """\
apiVersion: v1
kind: Secret
metadata: {name: aws}
stringData: {key: "${AWS_KEY}"}
"""
API_KEY = """\
apiVersion: v1
kind: Secret
metadata: {name: ana, namespace: team-a, labels: {pilothouse.dev/type: api-key}}
stringData: {key: sk-0123456789abcdef}
"""
CHAT = ResourceKey(Kind.ROUTE, "default", "chat")


class SystemClock:
    def monotonic(self) -> float:
        return time.monotonic()

    def wall(self) -> float:
        return time.time()


@pytest.fixture
def directory(tmp_path: Path) -> Directory:
    return Directory(root=tmp_path, environ={"AWS_KEY": "first"}, clock=SystemClock())


class Changes:
    """Counts what is announced and waits for the next."""

    def __init__(self) -> None:
        self.count = 0
        self._event = asyncio.Event()

    def __call__(self) -> None:
        self.count += 1
        self._event.set()

    async def next(self) -> None:
        async with asyncio.timeout(10):
            await self._event.wait()
        self._event.clear()


@asynccontextmanager
async def watched(directory: Directory) -> AsyncIterator[Changes]:
    changes = Changes()
    task = asyncio.create_task(directory.source.run(changes))
    try:
        await changes.next()
        yield changes
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


def world(directory: Directory) -> World:
    assert directory.source.world is not None
    return directory.source.world


def test_there_is_no_world_before_the_first_reading(directory: Directory) -> None:
    assert directory.source.world is None
    assert directory.callers.identity is None
    absent = directory.secrets.read("default", "aws")
    assert isinstance(absent, SecretAbsent)
    assert absent.state is SecretState.PENDING


def test_one_reading_gives_all_three_views(directory: Directory, tmp_path: Path) -> None:
    (tmp_path / "all.yaml").write_text(f"{ROUTE}---\n{SECRET}---\n{API_KEY}")
    directory.load()
    assert list(world(directory).resources) == [CHAT]
    assert directory.location(CHAT) == "all.yaml:1"
    assert directory.secrets.read("default", "aws") == SecretContent(values={"key": Secret("first")})
    assert directory.callers.identity is not None
    assert list(directory.callers.identity.api_keys.values()) == [KeyHolder(namespace="team-a", user="ana")]
    assert directory.problems == ()
    assert directory.callers.problems == ()


def test_callers_without_a_key_are_let_in_only_when_asked_for(tmp_path: Path) -> None:
    anyone = KeyHolder(namespace="default", user="anonymous")
    directory = Directory(root=tmp_path, environ={}, clock=SystemClock(), anonymous=anyone)
    directory.load()
    assert directory.callers.identity is not None
    assert directory.callers.identity.anonymous == anyone


def test_an_absent_secret_is_named(directory: Directory) -> None:
    directory.load()
    absent = directory.secrets.read("default", "aws")
    assert isinstance(absent, SecretAbsent)
    assert absent.state is SecretState.NOT_FOUND
    assert "Secret default/aws" in absent.message


async def test_an_edit_is_seen_and_announced(directory: Directory, tmp_path: Path) -> None:
    (tmp_path / "route.yaml").write_text(ROUTE)
    async with watched(directory) as changes:
        (tmp_path / "route.yaml").write_text(ROUTE.replace("[chat]", "[chat, gpt]"))
        await changes.next()
        assert world(directory).resources[CHAT].spec == {"models": ["chat", "gpt"]}


async def test_a_new_file_in_a_new_folder_is_seen(directory: Directory, tmp_path: Path) -> None:
    async with watched(directory) as changes:
        (tmp_path / "team").mkdir()
        (tmp_path / "team" / "route.yaml").write_text(ROUTE)
        await changes.next()
        assert list(world(directory).resources) == [CHAT]


async def test_a_malformed_edit_is_reported_once_and_healed(
    directory: Directory, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "route.yaml"
    path.write_text(ROUTE)
    caplog.set_level(logging.INFO, logger="pilothouse_operator")
    async with watched(directory) as changes:
        path.write_text("kind: [\n")
        while not directory.problems:  # noqa: ASYNC110 - a problem alone is logged, not announced
            await asyncio.sleep(0.02)
        assert list(world(directory).resources) == [CHAT]
        path.write_text(ROUTE.replace("[chat]", "[gpt]"))
        await changes.next()
    messages = [record.message for record in caplog.records if "route.yaml:2" in record.message]
    assert [message.startswith("solved: ") for message in messages] == [False, True]


async def test_the_other_views_are_told_too(directory: Directory, tmp_path: Path) -> None:
    told = Changes()
    listening = [asyncio.create_task(view.run(told)) for view in (directory.secrets, directory.callers)]
    async with watched(directory) as changes:
        (tmp_path / "key.yaml").write_text(API_KEY)
        await changes.next()
    assert told.count >= 2
    for task in listening:
        task.cancel()
    await asyncio.gather(*listening, return_exceptions=True)


async def test_a_directory_that_is_not_there_yet_is_waited_for(tmp_path: Path) -> None:
    directory = Directory(root=tmp_path / "later", environ={}, clock=SystemClock())
    async with watched(directory) as changes:
        assert directory.problems[0].field == "./"
        (tmp_path / "later").mkdir()
        (tmp_path / "later" / "route.yaml").write_text(ROUTE)
        await changes.next()
        assert list(world(directory).resources) == [CHAT]
        assert directory.problems == ()
