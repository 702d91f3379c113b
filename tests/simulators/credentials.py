"""The keys that the simulators accept. None of them opens anything else."""

from __future__ import annotations

from collections import ChainMap
from collections.abc import Mapping, MutableMapping
from typing import cast

import msgspec

ACCESS_KEY_ID = "AKIASIMULATOR0000001"
SECRET_ACCESS_KEY = "simulator/Secret+AccessKey00000000000001"
SESSION_ACCESS_KEY_ID = "ASIASIMULATOR0000001"
SESSION_SECRET_ACCESS_KEY = "simulator/Session+SecretKey0000000000001"
SESSION_TOKEN = "simulatorSessionToken//////////wEaCXVzLWVhc3QtMSJHMEUCIQD0000000000001=="
AZURE_API_KEY = "simulator-azure-key-000000000001"
AZURE_API_KEY_2 = "simulator-azure-key-000000000002"
OPENAI_API_KEY = "sk-simulator-0000000000000000000000000001"
ANTHROPIC_API_KEY = "sk-ant-simulator-000000000000000000000001"


class AccessKey(msgspec.Struct, rename="camel", forbid_unknown_fields=True, frozen=True, kw_only=True):
    """`expires_at` is in Unix seconds; a key with a session token must be sent with it.

    `holder`: the ARN of who has it. `denied`: a policy denies everything to them. `policy`: of their session (JSON).
    """

    access_key_id: str
    secret_access_key: str
    session_token: str | None = None
    expires_at: float | None = None
    holder: str = ""
    denied: bool = False
    policy: str = ""


class Keyring:
    """Keys by provider. API keys carry a name, by which the recorder tells them apart without showing them.

    `entra`: public keys (PEM) by id of those whose access tokens Azure takes (`entra.tokens.Mint.public_keys`). A token
    is recorded by the application and the number of the token. `revoked`: numbers (`uti`) of such as ended early.
    `bedrock`: long-term API keys. `issued`: access keys that somebody else keeps, beside `access_keys`.
    """

    def __init__(self) -> None:
        self.access_keys: dict[str, AccessKey] = {}
        self.anthropic: dict[str, str] = {}
        self.azure: dict[str, str] = {}
        self.bedrock: dict[str, str] = {}
        self.entra: dict[str, str] = {}
        self.revoked: set[str] = set()
        self.issued: Mapping[str, AccessKey] = {}
        self.openai: dict[str, str] = {}
        self.reset()

    def reset(self) -> None:
        """Back to the published keys."""
        self.access_keys.clear()
        for key in (
            AccessKey(access_key_id=ACCESS_KEY_ID, secret_access_key=SECRET_ACCESS_KEY),
            AccessKey(
                access_key_id=SESSION_ACCESS_KEY_ID,
                secret_access_key=SESSION_SECRET_ACCESS_KEY,
                session_token=SESSION_TOKEN,
            ),
        ):
            self.access_keys[key.access_key_id] = key
        self.anthropic.clear()
        self.anthropic.update({ANTHROPIC_API_KEY: "key1"})
        self.azure.clear()
        self.azure.update({AZURE_API_KEY: "key1", AZURE_API_KEY_2: "key2"})
        self.bedrock.clear()
        self.entra.clear()
        self.revoked.clear()
        self.openai.clear()
        self.openai.update({OPENAI_API_KEY: "key1"})

    @property
    def signing(self) -> Mapping[str, AccessKey]:
        """All access keys that Bedrock takes."""
        return ChainMap(self.access_keys, cast(MutableMapping[str, AccessKey], self.issued))
