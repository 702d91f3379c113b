"""The output items of a response in the making, and what each step of that is told as."""

from collections.abc import Mapping

import msgspec

from pilothouse_proxy.dialects.openai_responses import pack
from pilothouse_proxy.exchange.parts import Citation, RedactedThinking, Thinking

Told = tuple[str, dict[str, object]]
"""Name and members of an event; `sequence_number` comes last, from whoever sends it."""


class Item:
    """What is common to the kinds: one item at a time is open."""

    def __init__(self, kind: str, item_id: str, index: int) -> None:
        self.kind = kind
        self.id = item_id
        self.index = index
        self._pieces: list[str] = []

    @property
    def text(self) -> str:
        """All that has come until now."""
        return "".join(self._pieces)

    @property
    def place(self) -> dict[str, object]:
        """How events name it."""
        return {"item_id": self.id, "output_index": self.index}

    def document(self, status: str) -> dict[str, object]:
        """The item as it is now."""
        raise NotImplementedError

    def opened(self) -> list[Told]:
        """The events of its beginning."""
        item = self.document("in_progress")
        return [("response.output_item.added", {"output_index": self.index, "item": item})]

    def grown(self, piece: str) -> Told:
        """The event of one more piece."""
        raise NotImplementedError

    def closed(self, status: str) -> list[Told]:
        """The events of its end."""
        raise NotImplementedError

    def _done(self, status: str) -> Told:
        return "response.output_item.done", {"output_index": self.index, "item": self.document(status)}


class Spoken(Item):
    """A message with one part."""

    name: str
    """Of the events that tell of its text."""
    member: str
    """Which holds the text in the last of them."""
    extra: Mapping[str, object]
    """What else these say."""

    def __init__(self, item_id: str, index: int) -> None:
        super().__init__("message", item_id, index)

    def part(self, text: str) -> dict[str, object]:
        """The part."""
        raise NotImplementedError

    def document(self, status: str) -> dict[str, object]:
        content = [] if status == "in_progress" else [self.part(self.text)]
        return {"id": self.id, "type": "message", "status": status, "role": "assistant", "content": content}

    def opened(self) -> list[Told]:
        part = {**self.place, "content_index": 0, "part": self.part("")}
        return [*super().opened(), ("response.content_part.added", part)]

    def grown(self, piece: str) -> Told:
        self._pieces.append(piece)
        return f"response.{self.name}.delta", {**self.place, "content_index": 0, "delta": piece, **self.extra}

    def closed(self, status: str) -> list[Told]:
        text = self.text
        at = {**self.place, "content_index": 0}
        return [
            (f"response.{self.name}.done", {**at, self.member: text, **self.extra}),
            ("response.content_part.done", {**at, "part": self.part(text)}),
            self._done(status),
        ]


class Message(Spoken):
    """An unbroken run of text. `start` is where it begins in the text of the whole answer, in characters."""

    name = "output_text"
    member = "text"
    extra: Mapping[str, object] = {"logprobs": []}

    def __init__(self, item_id: str, index: int, start: int) -> None:
        super().__init__(item_id, index)
        self.start = start

    def part(self, text: str) -> dict[str, object]:
        return {"type": "output_text", "text": text, "annotations": [], "logprobs": []}


class Refusal(Spoken):
    """Why the model has declined."""

    name = "refusal"
    member = "refusal"
    extra: Mapping[str, object] = {}

    def part(self, text: str) -> dict[str, object]:
        return {"type": "refusal", "refusal": text}


class Call(Item):
    """The call of a function."""

    def __init__(self, item_id: str, index: int, *, call: int, call_id: str, name: str) -> None:
        super().__init__("function_call", item_id, index)
        self.call = call
        self._call_id = call_id
        self._name = name

    @property
    def whole(self) -> bool:
        """Whether its arguments are complete: nothing can be added to a JSON object."""
        try:
            msgspec.json.decode(self.text)
        except (ValueError, RecursionError):
            return False
        return True

    def document(self, status: str) -> dict[str, object]:
        return {
            "id": self.id,
            "type": "function_call",
            "status": status,
            "call_id": self._call_id,
            "name": self._name,
            "arguments": self.text,
        }

    def grown(self, piece: str) -> Told:
        self._pieces.append(piece)
        return "response.function_call_arguments.delta", {**self.place, "delta": piece}

    def closed(self, status: str) -> list[Told]:
        done = {**self.place, "name": self._name, "arguments": self.text}
        return [("response.function_call_arguments.done", done), self._done(status)]


class Reasoning(Item):
    """What the model thought: as a summary where the client has asked for one, else as the text itself."""

    def __init__(self, item_id: str, index: int, *, summary: bool, packs: bool) -> None:
        super().__init__("reasoning", item_id, index)
        self._summary = summary
        self._packs = packs
        self._blocks: list[pack.Block] = []

    def seal(self, block: Thinking | RedactedThinking) -> None:
        """The block that goes back as it is; after the text, if it has any."""
        if isinstance(block, RedactedThinking) and self._pieces:
            self._blocks.append(Thinking(text=self.text))
        self._blocks.append(block)

    def document(self, status: str) -> dict[str, object]:
        kind = "summary_text" if self._summary else "reasoning_text"
        said = [{"type": kind, "text": self.text}] if self._pieces else []
        item: dict[str, object] = {"id": self.id, "type": "reasoning", "summary": said if self._summary else []}
        if not self._summary and said:
            item["content"] = said
        if self._packs:
            item["encrypted_content"] = pack.packed(self._blocks) if self._blocks else None
        return item

    def begun(self) -> list[Told]:
        """The events before the first piece of text; blocks without any have none."""
        if self._summary:
            part = {"type": "summary_text", "text": ""}
            return [("response.reasoning_summary_part.added", {**self.place, "summary_index": 0, "part": part})]
        part = {"type": "reasoning_text", "text": ""}
        return [("response.content_part.added", {**self.place, "content_index": 0, "part": part})]

    @property
    def empty(self) -> bool:
        """No text has come yet."""
        return not self._pieces

    def grown(self, piece: str) -> Told:
        self._pieces.append(piece)
        if self._summary:
            return "response.reasoning_summary_text.delta", {**self.place, "summary_index": 0, "delta": piece}
        return "response.reasoning_text.delta", {**self.place, "content_index": 0, "delta": piece}

    def closed(self, status: str) -> list[Told]:
        if self.empty:
            return [self._done(status)]
        text = self.text
        if self._summary:
            at = {**self.place, "summary_index": 0}
            part = {"type": "summary_text", "text": text}
            return [
                ("response.reasoning_summary_text.done", {**at, "text": text}),
                ("response.reasoning_summary_part.done", {**at, "part": part}),
                self._done(status),
            ]
        at = {**self.place, "content_index": 0}
        part = {"type": "reasoning_text", "text": text}
        return [
            ("response.reasoning_text.done", {**at, "text": text}),
            ("response.content_part.done", {**at, "part": part}),
            self._done(status),
        ]


def annotations(citations: tuple[Citation, ...], start: int, length: int) -> list[dict[str, object]]:
    """Those of a run of text that begins at character `start` of the answer."""
    return [
        {
            "type": "url_citation",
            "start_index": citation.start - start,
            "end_index": citation.end - start,
            "url": citation.url,
            "title": citation.title,
        }
        for citation in citations
        if start <= citation.start < start + length or (citation.start == start and not length)
    ]
