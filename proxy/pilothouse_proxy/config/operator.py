"""The way to the operator: its address, its CA and our token, read anew for each connection, for both are rotated."""

from dataclasses import dataclass
from pathlib import Path

import msgspec

from pilothouse_api.snapshot.snapshot import SCHEMA
from pilothouse_api.snapshot.stream import Ack, Refusal, Report
from pilothouse_proxy.http import client, limits, messages, origins

ANSWER_S = 10.0
MAX_ANSWER_BYTES = 64 << 10

_encoder = msgspec.json.Encoder()


class Refused(Exception):
    """The operator answered, but not with success. The text is for the log."""

    def __init__(self, status: int, answer: bytes) -> None:
        told = answer[:200].decode("utf-8", "replace").strip()
        super().__init__(f"the operator answered {status}" + (f": {told}" if told.isprintable() and told else ""))
        self.status = status


class NotReadable(Exception):
    """A file that is needed to reach the operator cannot be read."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Address:
    """`url` of the operator; `ca_file` trusted PEM, None = the system's; `token_file` of the control audience."""

    url: str
    ca_file: Path | None
    token_file: Path


class Operator:
    """One connection's worth: made new for each control stream."""

    def __init__(self, address: Address) -> None:
        """Raises NotReadable, ValueError (the URL)."""
        try:
            ca_bundle = None if address.ca_file is None else address.ca_file.read_text()
        except (OSError, UnicodeError) as error:
            raise NotReadable(f"the operator's CA cannot be read: {error}") from error
        self._token_file = address.token_file
        self._base = origins.base(address.url, connect_timeout_ms=5_000, pool_size=4, ca_bundle=ca_bundle)
        self._client = client.Client(limits.ClientLimits())

    async def subscribe(self, *, first_byte_timeout_s: float) -> client.UpstreamResponse:
        """The open control stream.

        Raises:
            Refused: the operator does not let us in, or not now.
            NotReadable: the token.
            HTTPError: it cannot be reached.
        """
        request = self._request(b"GET", f"/v1/snapshots?schema={SCHEMA}", b"")
        response = await self._client.send(request, first_byte_timeout_s=first_byte_timeout_s)
        if response.status != 200:
            raise Refused(response.status, await response.read(MAX_ANSWER_BYTES, ANSWER_S))
        return response

    async def acknowledge(self, ack: Ack) -> None:
        """Raises as `subscribe`; Refused with 409 where this replica does not know the version yet."""
        await self._post("/v1/acks", _encoder.encode(ack))

    async def report(self, report: Report) -> None:
        """Raises as `subscribe`."""
        await self._post("/v1/reports", _encoder.encode(report))

    async def refuse(self, refusal: Refusal) -> None:
        """Raises as `subscribe`."""
        await self._post("/v1/refusals", _encoder.encode(refusal))

    def close(self) -> None:
        """Close what is idle; the stream ends with its response."""
        self._client.close()

    async def _post(self, path: str, body: bytes) -> None:
        request = self._request(b"POST", path, body)
        response = await self._client.send(request, first_byte_timeout_s=ANSWER_S)
        answer = await response.read(MAX_ANSWER_BYTES, ANSWER_S)
        if response.status // 100 != 2:
            raise Refused(response.status, answer)

    def _request(self, method: bytes, path: str, body: bytes) -> messages.UpstreamRequest:
        try:
            token = self._token_file.read_bytes().strip()
        except OSError as error:
            raise NotReadable(f"the token for the operator cannot be read: {error}") from error
        headers = [(b"authorization", b"Bearer " + token)]
        if body:
            headers.append((b"content-type", b"application/json"))
        return messages.UpstreamRequest(
            origin=self._base.origin,
            method=method,
            target=(self._base.path + path).encode("ascii"),
            headers=headers,
            body=body,
        )
