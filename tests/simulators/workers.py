"""Several processes behind the same two ports, for load that one core cannot answer.

Each worker is a complete set of simulators with a private admin port; the parent's admin API passes every call on to
all of them and joins the answers. Counts are summed and records joined in the order of time; faults, limits and caches
are each worker's own, so a fault with a count happens up to that often in every worker.
"""

from __future__ import annotations

import asyncio
import json
import socket
import sys
from collections.abc import Mapping, Sequence
from typing import Any

_START_S = 30


def free_port(host: str) -> int:
    """A port that was free a moment ago. Workers need to know it before the first of them listens."""
    with socket.socket() as probe:
        probe.bind((host, 0))
        port: int = probe.getsockname()[1]
        return port


class Workers:
    """`start` returns when all workers serve; `stop` ends them."""

    def __init__(self, *, number: int, host: str, bedrock_port: int, azure_port: int, region: str) -> None:
        self._number = number
        self._host = host
        self._bedrock_port = bedrock_port or free_port(host)
        self._azure_port = azure_port or free_port(host)
        self._region = region
        self._processes: list[asyncio.subprocess.Process] = []
        self._admin_ports: list[int] = []

    async def start(self) -> dict[str, str]:
        """The shared addresses, without the admin API's."""
        arguments = [
            *("--host", self._host, "--region", self._region, "--admin-port", "0", "--share-ports"),
            *("--bedrock-port", str(self._bedrock_port), "--azure-port", str(self._azure_port)),
        ]
        addresses: dict[str, str] = {}
        for _ in range(self._number):
            process = await asyncio.create_subprocess_exec(
                sys.executable, "-m", "tests.simulators", *arguments, stdout=asyncio.subprocess.PIPE
            )
            self._processes.append(process)
            assert process.stdout is not None
            line = await asyncio.wait_for(process.stdout.readline(), _START_S)
            if not line:
                await self.stop()
                raise OSError(f"a worker ended at once, status {await process.wait()}")
            addresses = json.loads(line)
            self._admin_ports.append(int(addresses.pop("admin").rpartition(":")[2]))
        return addresses

    async def stop(self) -> None:
        for process in self._processes:
            if process.returncode is None:
                process.terminate()
        for process in self._processes:
            await process.wait()

    async def serve_admin(self, port: int) -> asyncio.Server:
        return await asyncio.start_server(self._admin, self._host, port)

    async def _admin(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One call a connection: read it whole, pass it on, join the answers."""
        try:
            head = await reader.readuntil(b"\r\n\r\n")
            length = _content_length(head)
            body = await reader.readexactly(length)
            request_line, _, _ = head.partition(b"\r\n")
            forwarded = (
                request_line + b"\r\nhost: workers\r\nconnection: close\r\ncontent-length: %d\r\n\r\n" % length + body
            )
            replies = await asyncio.gather(*(self._ask(port, forwarded) for port in self._admin_ports))
            status = max(status for status, _ in replies)
            path = request_line.split(b" ")[1].partition(b"?")[0]
            joined = json.dumps(_joined(path, [payload for _, payload in replies])).encode()
            start = b"HTTP/1.1 %d Simulators\r\ncontent-type: application/json\r\nconnection: close\r\n" % status
            writer.write(start + b"content-length: %d\r\n\r\n" % len(joined) + joined)
            await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass  # the caller went away, or a worker is being stopped
        finally:
            writer.close()

    async def _ask(self, port: int, request: bytes) -> tuple[int, Any]:
        reader, writer = await asyncio.open_connection(self._host, port)
        writer.write(request)
        raw = await reader.read()
        writer.close()
        head, _, body = raw.partition(b"\r\n\r\n")
        return int(head.split(b" ", 2)[1]), json.loads(body)


def _content_length(head: bytes) -> int:
    for line in head.split(b"\r\n")[1:]:
        name, _, value = line.partition(b":")
        if name.strip().lower() == b"content-length":
            return int(value)
    return 0


def _joined(path: bytes, payloads: Sequence[Any]) -> Any:
    """One answer from all: records by time, counts summed, anything else as the first worker says it."""
    if path == b"/requests" and all("requests" in payload for payload in payloads):
        records = [record for payload in payloads for record in payload["requests"]]
        records.sort(key=lambda record: record["receivedAt"])
        return {"requests": records, "last": max(payload["last"] for payload in payloads)}
    return summed(payloads) if path == b"/counts" else payloads[0]


def summed(trees: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Nested mappings with numbers as leaves, added up."""
    total: dict[str, Any] = {}
    for tree in trees:
        for name, value in tree.items():
            if isinstance(value, Mapping):
                total[name] = summed([total.get(name, {}), value])
            else:
                total[name] = total.get(name, 0) + value
    return total
