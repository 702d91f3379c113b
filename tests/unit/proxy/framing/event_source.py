"""The reader of the standard, written after its text alone: https://html.spec.whatwg.org/#event-stream-interpretation.

Character by character, as the grammar and the processing model of §9.2.5 and §9.2.6 say it, without regard to speed; it
shares nothing with the code that it is held against.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Message:
    """What an EventSource would dispatch."""

    kind: str
    text: str
    last_id: str


class EventSource:
    """One stream, whole."""

    def __init__(self) -> None:
        self.messages: list[Message] = []
        self.reconnection_ms: int | None = None
        self._data = ""
        self._kind = ""
        self._id = ""
        self._last_id = ""

    def read(self, stream: bytes) -> list[Message]:
        text = stream.decode("utf-8", "replace")
        # UTF-8 decode strips one mark (https://encoding.spec.whatwg.org/#utf-8-decode).
        position = 1 if text.startswith("\ufeff") else 0
        line = ""
        while position < len(text):
            character = text[position]
            position += 1
            if character not in "\r\n":
                line += character
                continue
            if character == "\r" and text[position : position + 1] == "\n":
                position += 1
            self._line(line)
            line = ""
        # "Once the end of the file is reached, any pending data must be discarded."
        return self.messages

    def _line(self, line: str) -> None:
        if line == "":
            self._dispatch()
        elif line[0] == ":":
            return
        elif ":" in line:
            at = line.index(":")
            value = line[at + 1 :]
            self._field(line[:at], value[1:] if value[:1] == " " else value)
        else:
            self._field(line, "")

    def _field(self, name: str, value: str) -> None:
        if name == "event":
            self._kind = value
        elif name == "data":
            self._data += value + "\n"
        elif name == "id":
            if "\0" not in value:
                self._id = value
        elif name == "retry" and value != "" and all(digit in "0123456789" for digit in value):
            self.reconnection_ms = int(value)

    def _dispatch(self) -> None:
        self._last_id = self._id
        data, kind = self._data, self._kind
        self._data = self._kind = ""
        if data != "":
            self.messages.append(Message(kind or "message", data[:-1], self._last_id))
