"""Secrets with versions, each enabled, disabled or destroyed, and who may read them."""

from __future__ import annotations

import base64
import enum
from dataclasses import dataclass, field
from typing import Any

from tests.simulators.google.errors import Refused


class State(enum.StrEnum):
    ENABLED = "ENABLED"
    DISABLED = "DISABLED"
    DESTROYED = "DESTROYED"


@dataclass
class Version:
    content: bytes
    state: State = State.ENABLED


@dataclass
class Kept:
    """One secret; `readers` are accounts."""

    readers: set[str] = field(default_factory=set)
    versions: list[Version] = field(default_factory=list)
    aliases: dict[str, int] = field(default_factory=dict)


@dataclass
class SecretManager:
    """Secrets by resource name (`projects/p/secrets/s`, `projects/p/locations/l/secrets/s`).

    `enabled`: the API is on. `damaged`: checksums are wrong.
    """

    secrets: dict[str, Kept] = field(default_factory=dict)
    enabled: bool = True
    damaged: bool = False

    def add(self, name: str, content: bytes, *readers: str) -> Kept:
        """A new version, of a new secret if there is none."""
        kept = self.secrets.setdefault(name, Kept())
        kept.readers.update(readers)
        kept.versions.append(Version(content))
        return kept

    def access(self, name: str, version: str, email: str) -> dict[str, Any]:
        """The answer of `versions.access`; raises Refused."""
        project = name.split("/")[1]
        if not self.enabled:
            detail = {"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": "SERVICE_DISABLED"}
            words = f"Secret Manager API has not been used in project {project} before or it is disabled."
            raise Refused(403, "PERMISSION_DENIED", words, [detail])
        kept = self.secrets.get(name)
        if kept is not None and email not in kept.readers:
            words = f"Permission 'secretmanager.versions.access' denied for resource '{name}/versions/{version}'."
            raise Refused(403, "PERMISSION_DENIED", words)
        if kept is None or not kept.versions:
            raise Refused(404, "NOT_FOUND", f"Secret [{name}] not found or has no versions.")
        number = self._number(kept, version)
        if not 1 <= number <= len(kept.versions):
            raise Refused(404, "NOT_FOUND", f"Secret Version [{name}/versions/{version}] not found.")
        found = kept.versions[number - 1]
        if found.state is not State.ENABLED:
            words = f"Secret Version [{name}/versions/{number}] is in {found.state} state."
            raise Refused(400, "FAILED_PRECONDITION", words)
        checksum = crc32c(found.content) ^ (1 if self.damaged else 0)
        payload = {"data": base64.b64encode(found.content).decode(), "dataCrc32c": str(checksum)}
        return {"name": f"{name}/versions/{number}", "payload": payload}

    def _number(self, kept: Kept, version: str) -> int:
        if version == "latest":
            return len(kept.versions)
        return int(version) if version.isdigit() else kept.aliases.get(version, 0)


def crc32c(content: bytes) -> int:
    """RFC 3720's checksum, bit by bit: slow, and nothing like a table."""
    crc = 0xFFFFFFFF
    for byte in content:
        crc ^= byte
        for _ in range(8):
            crc = (crc >> 1) ^ 0x82F63B78 if crc & 1 else crc >> 1
    return crc ^ 0xFFFFFFFF
