"""What the API server says of our CRDs."""

from collections.abc import Mapping
from typing import Any

from pilothouse_operator.compile.world import Kind
from pilothouse_operator.kube import resources
from pilothouse_operator.kube.errors import Forbidden, NotFound
from pilothouse_operator.kube.requests import Api
from pilothouse_operator.sources.standing import Crd, Service

_DEADLINE_S = 5.0


class Crds:
    """Reads the CRD; without the right to do so, asks discovery, which everybody may and which lags a little."""

    def __init__(self, api: Api) -> None:
        self._api = api

    async def look(self, kind: Kind) -> Crd:
        """Raises KubeError when nobody can tell."""
        try:
            crd = await self._api.get(resources.CRDS, name=resources.of(kind).full_name, deadline_s=_DEADLINE_S)
        except NotFound:
            return Crd(Service.GONE)
        except Forbidden:
            return await self._discover(kind)
        metadata = crd["metadata"]
        service = Service.TERMINATING if metadata.get("deletionTimestamp") else Service.SERVED
        return Crd(service, metadata["uid"])

    async def _discover(self, kind: Kind) -> Crd:
        try:
            served = await self._api.raw(resources.of(kind).root, deadline_s=_DEADLINE_S)
        except NotFound:
            return Crd(Service.GONE)
        found: Mapping[str, Any]
        for found in served.get("resources") or ():
            if found.get("name") == kind.plural:
                # A CRD that is being deleted takes no new objects.
                creatable = "create" in (found.get("verbs") or ())
                return Crd(Service.SERVED if creatable else Service.TERMINATING)
        return Crd(Service.GONE)
