"""Names of tools and ids of calls as Converse wants them: `[a-zA-Z0-9_-]{1,64}`, ids with `.` and `:` too.

Others (Model Context Protocol servers make long ones) get a stand-in that depends on nothing but the name, so that
prompts stay byte-equal between requests and caches hold; the answer's names are turned back by the request's tools.
"""

import hashlib
import re
from collections.abc import Mapping
from typing import Final

from pilothouse_proxy.exchange.request import Request

_NAME: Final = re.compile(r"[a-zA-Z0-9_-]{1,64}")
_ID: Final = re.compile(r"[a-zA-Z0-9_.:-]{1,64}")
_FOREIGN: Final = re.compile(r"[^a-zA-Z0-9_-]")


def tool_name(name: str) -> str:
    """The name itself where it fits; else what is legible of it and a hash."""
    if _NAME.fullmatch(name):
        return name
    return f"{_FOREIGN.sub('_', name)[:51]}_{_digest(name)[:12]}"


def call_id(call: str) -> str:
    """The id itself where it fits, else a hash."""
    return call if _ID.fullmatch(call) else f"call_{_digest(call)[:32]}"


def originals(request: Request) -> Mapping[str, str]:
    """Stand-in → name, for the request's tools that needed one."""
    return {tool_name(tool.name): tool.name for tool in request.tools if not _NAME.fullmatch(tool.name)}


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
