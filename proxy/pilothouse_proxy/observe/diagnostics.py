"""Warnings and tracebacks: on standard error, at once, one line each in JSON."""

import logging
import time

import msgspec

from pilothouse_proxy.observe.log import Format

_encoder = msgspec.json.Encoder()


class _JSONLines(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, str] = {
            "time": _stamp(record.created),
            "event": "log",
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        if record.exc_info:
            line["traceback"] = self.formatException(record.exc_info)
        return _encoder.encode(line).decode()


class _TextLines(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        line = f"{_stamp(record.created)} {record.levelname} {record.getMessage()}"
        return f"{line}\n{self.formatException(record.exc_info)}" if record.exc_info else line


def configure(*, form: Format) -> None:
    """Send what the program logs to standard error. Called once, by the command line."""
    writer = logging.StreamHandler()
    writer.setFormatter(_JSONLines() if form is Format.JSON else _TextLines())
    logging.basicConfig(level=logging.INFO, handlers=[writer])
    # asyncio tells of slow callbacks and of its selector; only what is wrong matters here.
    logging.getLogger("asyncio").setLevel(logging.WARNING)


def _stamp(created: float) -> str:
    return f"{time.strftime('%Y-%m-%dT%H:%M:%S', time.gmtime(created))}.{int(created % 1 * 1_000):03d}Z"
