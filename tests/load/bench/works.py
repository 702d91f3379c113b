"""The kinds of load, and what a good answer to each looks like."""

import enum
import json
import pathlib
from dataclasses import dataclass

from tests.load.bench import payloads


class Upstream(enum.StrEnum):
    """What the upstream speaks. The client speaks OpenAI's dialect always."""

    OPENAI = "openai"
    BEDROCK = "bedrock"


@dataclass(frozen=True, slots=True)
class Work:
    """One kind of load. `events` of an answer, 0 where it comes whole; a paced stream sends one every 10 ms."""

    name: str
    body: str
    upstream: Upstream = Upstream.OPENAI
    events: int = 0
    paced: bool = False


CHAT = Work("chat", "chat.json")
WORKS = (
    CHAT,
    Work("chat_100k", "big.json"),
    Work("sse", "sse.json", events=payloads.EVENTS),
    Work("sse_paced", "paced.json", events=payloads.EVENTS, paced=True),
    Work("bedrock", "chat.json", Upstream.BEDROCK),
    Work("bedrock_paced", "paced.json", Upstream.BEDROCK, events=payloads.EVENTS, paced=True),
)


def write_body(work: Work, model: str, folder: pathlib.Path) -> pathlib.Path:
    """The request body of some work, asking for one model."""
    body = (folder / work.body).read_text().replace('"MODEL"', json.dumps(model))
    target = folder / f"{model.replace('/', '-')}-{work.body}"
    if not target.exists() or target.read_text() != body:
        target.write_text(body)
    return target


def complaint(work: Work, status: int, body: bytes) -> str:
    """Why this is not the answer that was asked for; empty if it is."""
    if status != 200:
        return f"status {status}: {body[:300].decode(errors='replace')}"
    try:
        good = _is_stream(body) if work.events else _says(json.loads(body)["choices"][0]["message"]["content"])
    except (ValueError, LookupError, TypeError):
        good = False
    return "" if good else f"not the answer that was asked for: {body[-300:].decode(errors='replace')}"


def _says(text: str) -> bool:
    return text.strip().startswith("the pilot brings")


def _is_stream(body: bytes) -> bool:
    data = [line[5:].strip() for line in body.decode().splitlines() if line.startswith("data:")]
    chunks = [json.loads(each) for each in data if each != "[DONE]"]
    text = "".join(c["choices"][0]["delta"].get("content") or "" for c in chunks if c["choices"])
    return data[-1] == "[DONE]" and _says(text) and any(chunk.get("usage") for chunk in chunks)
