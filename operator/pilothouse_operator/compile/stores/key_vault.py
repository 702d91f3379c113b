"""Azure Key Vault: the vault's host tells its cloud, and with it where Entra is asked."""

from pilothouse_api.resources import urls
from pilothouse_api.resources.entra import WorkloadIdentity
from pilothouse_api.resources.providers.azure_openai import AzureCloud
from pilothouse_api.resources.secret_stores import KeyVaultStores
from pilothouse_api.resources.secret_values import AzureKeyVaultRef
from pilothouse_operator.compile import entra, hosts
from pilothouse_operator.compile.identities import KeyVaultAddress
from pilothouse_operator.compile.ways import Entry, OwnUse, Shown

_STORE = "spec.secretStores.azureKeyVault"
_CLOUDS = {".usgovcloudapi.net": AzureCloud.US_GOVERNMENT, ".azure.cn": AzureCloud.CHINA}


def secret(ref: AzureKeyVaultRef, stores: KeyVaultStores, *, path: str) -> Entry:
    """`path` is the field of the reference."""
    vault = urls.normalised(ref.vault_url)
    cloud = next((cloud for suffix, cloud in _CLOUDS.items() if vault.endswith(suffix)), AzureCloud.PUBLIC)
    name, way = _way(stores)
    address = KeyVaultAddress(
        identity=entra.identity(way, entra.authority(stores.authority_host, cloud)),
        vault_url=vault,
        name=ref.name,
        version=ref.version or "",
    )
    if stores.auth is not None and stores.auth.service_principal is not None:
        values = entra.store_values(stores.auth.service_principal)
        return Entry(address=address, values=values, path=f"{_STORE}.auth.{name}")
    shown = []
    if not hosts.of_key_vault(vault):
        shown.append(Shown(url=vault, field=f"{path}.vaultURL"))
    if not hosts.of_entra(address.identity.authority):
        shown.append(Shown(url=address.identity.authority, field=f"{_STORE}.authorityHost"))
    named = path if stores.auth is None else f"{_STORE}.auth.{name}"
    return Entry(address=address, own=OwnUse(field=named, shown=tuple(shown)))


def _way(stores: KeyVaultStores) -> tuple[str, entra.Entrance]:
    auth = stores.auth
    if auth is not None and auth.service_principal is not None:
        return "servicePrincipal", auth.service_principal
    if auth is not None and auth.managed_identity is not None:
        return "managedIdentity", auth.managed_identity
    named = auth.workload_identity if auth is not None else None
    return "workloadIdentity", named or WorkloadIdentity()
