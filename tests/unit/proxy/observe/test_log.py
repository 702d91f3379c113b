import asyncio
import json
import os
from collections.abc import Iterator
from typing import Any

import pytest

from pilothouse_proxy.exchange.usage import Usage
from pilothouse_proxy.observe import log as log_module
from pilothouse_proxy.observe.log import Format, Log
from pilothouse_proxy.observe.meters import Counter
from pilothouse_proxy.observe.metrics import Metrics
from pilothouse_proxy.observe.outcome import Outcome


class Pipe:
    """A log that writes into a pipe."""

    def __init__(self, form: Format) -> None:
        self.reader, self.writer = os.pipe()
        self.dropped = Counter()
        self.log = Log(descriptor=self.writer, form=form, wall=lambda: 1_700_000_000.25, dropped=self.dropped)

    async def written(self) -> str:
        await self.log.close()
        return os.read(self.reader, 1 << 20).decode()

    def close(self) -> None:
        os.close(self.reader)
        os.close(self.writer)


@pytest.fixture
def as_json() -> Iterator[Pipe]:
    pipe = Pipe(Format.JSON)
    yield pipe
    pipe.close()


@pytest.fixture
def as_text() -> Iterator[Pipe]:
    pipe = Pipe(Format.TEXT)
    yield pipe
    pipe.close()


def outcome(**changed: Any) -> Outcome:
    made = Outcome(method="POST", path="/v1/x", request_id="id-1", started=10.0, meters=Metrics().unrouted("chat"))
    made.status = 200
    for name, value in changed.items():
        setattr(made, name, value)
    return made


async def test_a_json_line_leaves_out_what_never_came_to_be(as_json: Pipe) -> None:
    as_json.log.request(outcome(), ended=10.5)
    assert json.loads(await as_json.written()) == {
        "time": "2023-11-14T22:13:20.250Z",
        "event": "request",
        "request_id": "id-1",
        "method": "POST",
        "path": "/v1/x",
        "status": 200,
        "duration_ms": 500.0,
    }


async def test_events_stand_among_the_requests(as_json: Pipe) -> None:
    as_json.log.event("configuration applied", version="sha256:x", routes=2)
    told = json.loads(await as_json.written())
    assert told == {
        "time": "2023-11-14T22:13:20.250Z",
        "event": "configuration applied",
        "version": "sha256:x",
        "routes": 2,
    }


async def test_a_text_line_tells_the_essentials(as_text: Pipe) -> None:
    as_text.log.request(
        outcome(
            model="chat", provider="clouds/a", upstream_model="gpt", attempts=2, principal="user:apps/alice",
            usage=Usage(input_tokens=3, output_tokens=4, estimated=True), error="timeout", note="clouds/b: timeout",
        ),
        ended=10.5,
    )  # fmt: skip
    assert await as_text.written() == (
        "2023-11-14T22:13:20.250Z POST /v1/x 200 500.0ms chat -> clouds/a/gpt attempts=2 tokens=~3+4"
        " by=user:apps/alice error=timeout clouds/b: timeout id=id-1\n"
    )


async def test_a_client_s_own_words_make_no_lines_and_no_colours(as_text: Pipe) -> None:
    as_text.log.request(outcome(model="a\nb\x1b[31m", path="/\r\n"), ended=10.5)
    written = await as_text.written()
    assert written.count("\n") == 1
    assert "\x1b" not in written
    assert "\r" not in written


async def test_a_client_s_own_words_are_cut(as_json: Pipe) -> None:
    as_json.log.request(outcome(model="x" * 10_000), ended=10.5)
    assert len(json.loads(await as_json.written())["model"]) == 200


async def test_lines_come_in_order_and_whole(as_json: Pipe) -> None:
    for number in range(1_000):
        as_json.log.event("e", number=str(number))
    lines = (await as_json.written()).splitlines()
    assert [json.loads(line)["number"] for line in lines] == [str(number) for number in range(1_000)]


async def test_a_reader_that_stalls_holds_up_nobody_and_lines_are_dropped_and_counted(
    as_json: Pipe, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(log_module, "MAX_WAITING_BYTES", 100_000)
    monkeypatch.setattr(log_module, "BATCH_S", 0.0)
    for _ in range(30):
        for _ in range(100):
            as_json.log.event("e", text="x" * 1_000)
        await asyncio.sleep(0.005)
    assert as_json.dropped.value > 1_000
    # Let it end: read what the other thread is stuck with.
    closing = asyncio.create_task(as_json.log.close())
    while not closing.done():
        await asyncio.to_thread(os.read, as_json.reader, 1 << 20)
        await asyncio.sleep(0.01)


async def test_the_parameter_of_a_failed_attempt_is_not_told_of_an_answer(as_json: Pipe) -> None:
    as_json.log.request(outcome(param="n", error="unsupported"), ended=10.5)
    as_json.log.request(outcome(param="n"), ended=10.5)
    first, second = (json.loads(line) for line in (await as_json.written()).splitlines())
    assert first["param"] == "n"
    assert "param" not in second


async def test_the_text_names_the_parameter(as_text: Pipe) -> None:
    as_text.log.request(outcome(param="n", error="unsupported"), ended=10.5)
    assert " error=unsupported param=n " in await as_text.written()
