"""Which URLs are the clouds' own: what is sent there is seen by nobody else.

Only hosts that the cloud names by itself count: `*.amazonaws.com` would let load balancers and buckets through.
Sources: botocore's partitions.json, AWS's "Access an AWS service using an interface VPC endpoint", Azure's lists of
endpoints by cloud, Google's service endpoints.
"""

import re

_REGION = r"[a-z]{2,5}(-[a-z]+)+-[0-9]{1,2}"
_PARTITION = r"(amazonaws\.com(\.cn)?|amazonaws\.eu|c2s\.ic\.gov|sc2s\.sgov\.gov|cloud\.adc-e\.uk|csp\.hci\.ic\.gov)"
_AZURE_OPENAI = re.compile(
    r"https://[a-z0-9-]+\.(openai|cognitiveservices|services\.ai)\.azure\.(com|us|cn)",
)
_OPENAI = re.compile(r"https://([a-z]{2}\.)?api\.openai\.com/v1")
_AZURE_OPENAI_V1 = re.compile(_AZURE_OPENAI.pattern + "/openai/v1")
_KEY_VAULT = re.compile(r"https://[a-z0-9-]+\.vault\.(azure\.net|usgovcloudapi\.net|azure\.cn)")
_ENTRA = re.compile(
    r"https://(login\.microsoftonline\.(com|us)|login\.windows\.net|login\.chinacloudapi\.cn"
    r"|login\.partner\.microsoftonline\.cn)"
)
_ARM = re.compile(r"https://management\.(azure\.com|usgovcloudapi\.net|chinacloudapi\.cn)")
_GOOGLE_SECRETS = re.compile(r"https://secretmanager(\.[a-z0-9-]+\.rep)?\.googleapis\.com")


def of_aws(url: str, service: str) -> bool:
    """Whether it is the service itself, in any region and partition, or an interface endpoint to it."""
    regional = rf"(vpce-[a-z0-9-]+\.)?{service}(-fips)?\.{_REGION}\.(vpce\.)?{_PARTITION}"
    return re.fullmatch(rf"https://({service}\.amazonaws\.com|{regional})", url) is not None


def of_azure_openai(url: str) -> bool:
    """Whether it is a resource of Azure OpenAI or of Foundry."""
    return _AZURE_OPENAI.fullmatch(url) is not None


def has_responses(base_url: str) -> bool:
    """Whether OpenAI's Responses are served below it: by OpenAI itself, or by Azure in its v1 form."""
    return any(pattern.fullmatch(base_url) is not None for pattern in (_OPENAI, _AZURE_OPENAI_V1))


def of_key_vault(url: str) -> bool:
    """Whether it is a vault of Azure Key Vault."""
    return _KEY_VAULT.fullmatch(url) is not None


def of_entra(url: str) -> bool:
    """Whether it is the sign-in of one of Microsoft's clouds."""
    return _ENTRA.fullmatch(url) is not None


def of_arm(url: str) -> bool:
    """Whether it is the Azure Resource Manager of one of Microsoft's clouds."""
    return _ARM.fullmatch(url) is not None


def of_google_secrets(url: str) -> bool:
    """Whether it is Google's Secret Manager, global or of one region."""
    return _GOOGLE_SECRETS.fullmatch(url) is not None
