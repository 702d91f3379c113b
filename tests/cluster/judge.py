"""What the API server says of a manifest, asked over one connection: as `apply --dry-run=server` would, but quickly."""

import http.client
import json
import ssl
import uuid
from types import TracebackType
from typing import Any, Self

from pilothouse_api.names import API_VERSION
from tests.cluster.controlplane.plane import ADMIN_TOKEN, ControlPlane


class Judge:
    """Asks in namespace `default`. Nothing stays there."""

    def __init__(self, plane: ControlPlane, kinds: dict[str, str]) -> None:
        context = ssl.create_default_context(cafile=str(plane.ca))
        self._connection = http.client.HTTPSConnection("127.0.0.1", plane.port, context=context, timeout=30)
        self._kinds = kinds

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._connection.close()

    def created(self, plural: str, spec: dict[str, Any]) -> str:
        """Why it could not be created, empty if it could."""
        return self._ask("POST", plural, "", self._manifest(plural, "case", spec), "&dryRun=All")[1]

    def replaced(self, plural: str, former: dict[str, Any], spec: dict[str, Any]) -> str:
        """Why `spec` could not take the place of `former`, empty if it could."""
        name = f"case-{uuid.uuid4().hex[:8]}"
        stored, refusal = self._ask("POST", plural, "", self._manifest(plural, name, former))
        assert not refusal, refusal
        manifest = self._manifest(plural, name, spec)
        manifest["metadata"]["resourceVersion"] = stored["metadata"]["resourceVersion"]
        try:
            return self._ask("PUT", plural, f"/{name}", manifest, "&dryRun=All")[1]
        finally:
            self._ask("DELETE", plural, f"/{name}", None)

    def _manifest(self, plural: str, name: str, spec: dict[str, Any]) -> dict[str, Any]:
        return {"apiVersion": API_VERSION, "kind": self._kinds[plural], "metadata": {"name": name}, "spec": spec}

    def _ask(self, method: str, plural: str, rest: str, document: Any, more: str = "") -> tuple[dict[str, Any], str]:
        path = f"/apis/{API_VERSION}/namespaces/default/{plural}{rest}?fieldValidation=Strict{more}"
        headers = {"Authorization": f"Bearer {ADMIN_TOKEN}", "Content-Type": "application/json"}
        self._connection.request(method, path, None if document is None else json.dumps(document), headers)
        answer = self._connection.getresponse()
        told: dict[str, Any] = json.loads(answer.read())
        return told, "" if answer.status < 300 else str(told["message"])
