"""Google Cloud's Secret Manager."""

from pilothouse_api.resources import urls
from pilothouse_api.resources.secret_stores import GCPStores
from pilothouse_api.resources.secret_values import GCPSecretManagerRef
from pilothouse_operator.compile import hosts
from pilothouse_operator.compile.identities import GoogleIdentity, GoogleSecretAddress
from pilothouse_operator.compile.ways import Entry, OwnUse, Shown

_STORE = "spec.secretStores.gcp"


def secret(ref: GCPSecretManagerRef, stores: GCPStores, *, path: str) -> Entry:
    """`path` is the field of the reference."""
    endpoint = "" if stores.endpoint is None else urls.normalised(stores.endpoint)
    address = GoogleSecretAddress(
        identity=GoogleIdentity(impersonate=stores.impersonate or ""),
        project=ref.project,
        secret=ref.secret,
        version=ref.version,
        endpoint=endpoint,
    )
    key = stores.auth.service_account_key if stores.auth is not None else None
    if key is not None:
        return Entry(address=address, values={"key": key}, path=f"{_STORE}.auth.serviceAccountKey")
    named = path if stores.auth is None else f"{_STORE}.auth.default"
    foreign = bool(endpoint) and not hosts.of_google_secrets(endpoint)
    shown = (Shown(url=endpoint, field=f"{_STORE}.endpoint"),) if foreign else ()
    return Entry(address=address, own=OwnUse(field=named, shown=shown))
