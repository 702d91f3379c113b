"""Where the API server keeps things."""

from dataclasses import dataclass

from pilothouse_api.names import API_VERSION, GROUP
from pilothouse_operator.compile.world import Kind

VERSION = API_VERSION.removeprefix(f"{GROUP}/")


@dataclass(frozen=True, slots=True)
class ApiResource:
    """One collection. `group` is empty for the core API."""

    group: str
    version: str
    plural: str

    @property
    def full_name(self) -> str:
        """`plural.group`, as RBAC rules and CRDs name it."""
        return f"{self.plural}.{self.group}" if self.group else self.plural

    @property
    def root(self) -> str:
        """Path of the API group's version."""
        return f"/apis/{self.group}/{self.version}" if self.group else f"/api/{self.version}"

    def path(self, *, namespace: str | None = None, name: str = "", subresource: str = "") -> str:
        """Path of the collection, of one object in it, or of an object's subresource."""
        parts = [self.root, *(("namespaces", namespace) if namespace else ()), self.plural, name, subresource]
        return "/".join(part for part in parts if part)


def of(kind: Kind) -> ApiResource:
    """The collection of one of our kinds."""
    return ApiResource(GROUP, VERSION, kind.plural)


SECRETS = ApiResource("", "v1", "secrets")
CONFIG_MAPS = ApiResource("", "v1", "configmaps")
NAMESPACES = ApiResource("", "v1", "namespaces")
PODS = ApiResource("", "v1", "pods")
ENDPOINT_SLICES = ApiResource("discovery.k8s.io", "v1", "endpointslices")
LEASES = ApiResource("coordination.k8s.io", "v1", "leases")
EVENTS = ApiResource("events.k8s.io", "v1", "events")
CRDS = ApiResource("apiextensions.k8s.io", "v1", "customresourcedefinitions")
TOKEN_REVIEWS = ApiResource("authentication.k8s.io", "v1", "tokenreviews")


def lease_name(release: str) -> str:
    """Of the Lease by which the replicas of a release elect their leader."""
    return f"{release}-operator"


CONFIDENTIAL = frozenset({SECRETS, TOKEN_REVIEWS})
"""What an answer says of these may repeat what was sent: it is not passed on to readers."""
