"""Where planted secrets are searched for: what a process shows of itself, what a proxy keeps, what a cluster shows."""

import base64
import contextlib
import http.client
import json
import os
import stat
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Any, Protocol

import msgspec

from pilothouse_api.snapshot import canonical
from pilothouse_api.snapshot.stream import Publication, Renewal
from pilothouse_proxy.config import lastgood
from tests.planted import PLANTED, Planted

PAGES = ("/metrics", "/healthz", "/readyz")
KINDS = "llmproviders,modelroutes,usagequotas,configmaps,leases,serviceaccounts,pods,endpointslices"

Place = tuple[str, str | bytes]


def of_process(pid: int, name: str, *, given: Collection[str] = ()) -> Iterator[Place]:
    """Command line and environment, as everybody with the same user id can read them. Nothing of one that has ended.

    `given`: variables that whoever started it had secrets in.
    """
    with contextlib.suppress(OSError):
        yield f"the command line of {name}", Path(f"/proc/{pid}/cmdline").read_bytes()
        variables = Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
        kept = [each for each in variables if os.fsdecode(each.partition(b"=")[0]) not in given]
        yield f"the environment of {name}", b"\0".join(kept)


def of_pages(port: int, name: str) -> Iterator[Place]:
    """What it tells on its port for metrics and health."""
    for page in PAGES:
        with contextlib.suppress(OSError, http.client.HTTPException):
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
            with contextlib.closing(connection):
                connection.request("GET", page)
                yield f"{page} of {name}", connection.getresponse().read()


def of_headers(headers: Mapping[str, str]) -> str:
    """As text."""
    return "\n".join(f"{name}: {value}" for name, value in headers.items())


def plant_state(directory: Path, *, planted: Planted = PLANTED) -> None:
    """Plants the credentials of a proxy's last good configuration; whoever else could read them is a fault by itself.

    So sessions and tokens are searched for that some cloud has issued meanwhile.
    """
    for name in (lastgood.FILE, lastgood.RENEWALS_FILE):
        path = directory / name
        try:
            mode, lines = stat.S_IMODE(path.stat().st_mode), path.read_bytes().splitlines()
        except OSError:
            continue
        assert mode == 0o600, f"{path} has mode {mode:o}"
        for line in lines:
            planted.plant(f"a credential in {path}", *_credentials(line))


def _credentials(line: bytes) -> list[str]:
    try:
        told = canonical.decode_line(line)
        if isinstance(told, Publication):
            snapshot = canonical.decode(told.snapshot)
            return _revealed([snapshot.credentials, snapshot.proxy_credentials])
        return _revealed(told.credentials) if isinstance(told, Renewal) else []
    except msgspec.MsgspecError:
        return []


def _revealed(value: object) -> list[str]:
    """Of every Secret in it, which msgspec does not know to encode."""
    found: list[str] = []
    msgspec.to_builtins(value, enc_hook=lambda secret: found.append(secret.reveal()))
    return found


class Plane(Protocol):
    """An API server that can be asked as an administrator."""

    audit_log: Path

    def kubectl(self, *arguments: str, check: bool = ...) -> Any: ...


def plant_cluster(plane: Plane, *, planted: Planted = PLANTED) -> None:
    """Plants every value of every Secret that the API server has: keys, the CA's private key, what replicas share."""
    found = plane.kubectl("get", "secrets", "--all-namespaces", "-o", "json", check=False)
    with contextlib.suppress(ValueError):
        for secret in json.loads(found.stdout)["items"]:
            at = f"{secret['metadata']['namespace']}/{secret['metadata']['name']}"
            for key, value in (secret.get("data") or {}).items():
                text = base64.b64decode(value).decode(errors="replace")
                planted.plant(f"{key} of the Secret {at}", text)


def of_cluster(plane: Plane) -> Iterator[Place]:
    """Manifests and statuses, Events, ConfigMaps, and what the API server noted of the calls to it."""
    for kind in (*KINDS.split(","), "events", "events.events.k8s.io"):
        shown = plane.kubectl("get", kind, "--all-namespaces", "-o", "yaml", "--show-managed-fields", check=False)
        yield f"`kubectl get {kind} -o yaml`", shown.stdout
    with contextlib.suppress(OSError):
        yield "the API server's audit log", plane.audit_log.read_bytes()
