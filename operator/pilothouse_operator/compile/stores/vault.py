"""HashiCorp Vault, KV version 2.

No host is Vault's own: a server that is shown the operator's token must be permitted by its URL.
"""

from pilothouse_api.resources import urls
from pilothouse_api.resources.secret_stores import VaultStore
from pilothouse_api.resources.secret_values import VaultRef
from pilothouse_operator.compile import certificates
from pilothouse_operator.compile.identities import VaultAddress, VaultIdentity
from pilothouse_operator.compile.ways import Entry, OwnUse, Shown

_STORE = "spec.secretStores.vault"
CA_BUNDLE = f"{_STORE}.caBundle"


def secret(ref: VaultRef, store: VaultStore) -> Entry:
    """The bundle of the store has been looked at before: a damaged one leaves the provider out.

    Raises:
        ValueError: it is damaged.
    """
    bundle = "" if store.ca_bundle is None else certificates.bundle(store.ca_bundle, CA_BUNDLE)
    if not isinstance(bundle, str):
        raise ValueError(f"{bundle.field} {bundle.message}")
    kubernetes = store.auth.kubernetes
    server = urls.normalised(store.server)
    address = VaultAddress(
        identity=VaultIdentity() if kubernetes is None else VaultIdentity(role=kubernetes.role, mount=kubernetes.mount),
        server=server,
        path=ref.path,
        mount=ref.mount,
        version=ref.version or 0,
        namespace=store.namespace or "",
        ca_bundle=bundle,
    )
    if store.auth.token is not None:
        return Entry(address=address, values={"token": store.auth.token}, path=f"{_STORE}.auth.token")
    shown = (Shown(url=server, field=f"{_STORE}.server"),)
    return Entry(address=address, own=OwnUse(field=f"{_STORE}.auth.kubernetes", shown=shown))
