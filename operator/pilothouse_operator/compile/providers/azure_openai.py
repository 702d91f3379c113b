"""Azure OpenAI: the resource's URL, and how it is signed in to.

Scopes: the audiences of Azure's services by cloud (learn.microsoft.com/azure/ai-services/authentication).
"""

from pilothouse_api.conditions import Problem, Reason
from pilothouse_api.resources import urls
from pilothouse_api.resources.providers.azure_openai import AzureCloud, AzureOpenAIAuth, AzureOpenAISpec
from pilothouse_api.snapshot.endpoints.azure_openai import AzureOpenAIEndpoint
from pilothouse_operator.compile import entra, hosts
from pilothouse_operator.compile.identities import AzureAccount, EntraAccess
from pilothouse_operator.compile.ways import OwnUse, Shown, Way
from pilothouse_operator.compile.world import SignInKind

_AUTH = "spec.azureOpenAI.auth"
_SCOPES = {
    AzureCloud.PUBLIC: "https://cognitiveservices.azure.com/.default",
    AzureCloud.US_GOVERNMENT: "https://cognitiveservices.azure.us/.default",
    AzureCloud.CHINA: "https://cognitiveservices.azure.cn/.default",
}
_ARM = {
    AzureCloud.PUBLIC: "https://management.azure.com",
    AzureCloud.US_GOVERNMENT: "https://management.usgovcloudapi.net",
    AzureCloud.CHINA: "https://management.chinacloudapi.cn",
}


def lower(spec: AzureOpenAISpec) -> AzureOpenAIEndpoint:
    """The resource as it is written, in the one form that a URL has here."""
    return AzureOpenAIEndpoint(url=urls.normalised(spec.endpoint), api_version=spec.api_version)


def way(spec: AzureOpenAISpec) -> Way:
    """A key as it is, or an access token for the service, which Entra issues."""
    auth = spec.auth
    if auth.api_key is not None:
        return Way(kind=SignInKind.API_KEY, path=f"{_AUTH}.apiKey", values={"apiKey": auth.api_key})
    kind, entrance = _entrance(auth)
    identity = entra.identity(entrance, entra.authority(auth.authority_host, spec.cloud))
    path = f"{_AUTH}.{kind.value}"
    own = auth.service_principal is None
    return Way(
        kind=kind,
        path=path,
        values={} if auth.service_principal is None else entra.values(auth.service_principal),
        grant=EntraAccess(identity=identity, scope=_SCOPES[spec.cloud]),
        own=OwnUse(field=path, shown=_shown(spec, identity.authority)) if own else None,
    )


def account(spec: AzureOpenAISpec) -> AzureAccount | Problem:
    """Where its deployments are listed."""
    if spec.auth.api_key is not None:
        return Problem(
            reason=Reason.NOT_DISCOVERABLE,
            message="deployments are listed by Azure Resource Manager, which takes no API key: sign in with a service "
            "principal, a managed or a workload identity, or leave discovery out",
            field=f"{_AUTH}.apiKey",
        )
    if spec.resource_id is None:
        return Problem(
            reason=Reason.NOT_DISCOVERABLE,
            message="is needed for discovery: Azure's id of the resource (its JSON view in the portal shows it)",
            field="spec.azureOpenAI.resourceId",
        )
    _, entrance = _entrance(spec.auth)
    return AzureAccount(
        identity=entra.identity(entrance, entra.authority(spec.auth.authority_host, spec.cloud)),
        resource_id=spec.resource_id,
        endpoint=_arm(spec),
    )


def _arm(spec: AzureOpenAISpec) -> str:
    return _ARM[spec.cloud] if spec.management_endpoint is None else urls.normalised(spec.management_endpoint)


def _entrance(auth: AzureOpenAIAuth) -> tuple[SignInKind, entra.Entrance]:
    if auth.service_principal is not None:
        return SignInKind.SERVICE_PRINCIPAL, auth.service_principal
    if auth.managed_identity is not None:
        return SignInKind.MANAGED_IDENTITY, auth.managed_identity
    if auth.workload_identity is not None:
        return SignInKind.WORKLOAD_IDENTITY, auth.workload_identity
    raise AssertionError("the rules of AzureOpenAIAuth let no auth through without a way")


def _shown(spec: AzureOpenAISpec, authority: str) -> tuple[Shown, ...]:
    """The resource gets the token, the authority what it is issued for."""
    endpoint = urls.normalised(spec.endpoint)
    shown = []
    if not hosts.of_azure_openai(endpoint):
        shown.append(Shown(url=endpoint, field="spec.azureOpenAI.endpoint"))
    if not hosts.of_arm(_arm(spec)):
        shown.append(Shown(url=_arm(spec), field="spec.azureOpenAI.managementEndpoint"))
    if not hosts.of_entra(authority):
        shown.append(Shown(url=authority, field=f"{_AUTH}.authorityHost"))
    return tuple(shown)
