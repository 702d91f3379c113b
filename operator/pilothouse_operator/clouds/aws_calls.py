"""Calls to AWS's services: botocore in threads of its own, and its errors as values of ours.

What AWS says of an error may quote what was sent. So it stays in here: what leaves is the code, and who was refused.
"""

import asyncio
import enum
import os
import re
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeVar
from urllib.parse import urlsplit

import botocore
from botocore import exceptions
from botocore.config import Config
from botocore.parsers import ResponseParserError
from botocore.session import Session

from pilothouse_api.secret import Secret
from pilothouse_operator.clouds.aws_keys import Keys

_Result = TypeVar("_Result")

# Threads of our own: while a service is away they wait for it, and the event loop resolves names in its own. Whoever
# names an endpoint can make it slow: calls to such wait for each other, not those to AWS's own.
_THREADS = 8
_CONNECT_S = 2
_READ_S = 5
_LONGEST_S = 10.0

# One client costs 3 ms, 200 KiB and a TLS connection; most identities share one.
_CLIENTS = 64

_PRINCIPAL = re.compile(r"User: (arn:[\w+=,.@:/-]+) is not authorized")

# No profiles, no SSO: the files of whoever started the operator are not its identity.
_NO_FILES = {
    "profile": (None, None, None, None),
    "config_file": (None, None, os.devnull, None),
    "credentials_file": (None, None, os.devnull, None),
}


class Service(enum.StrEnum):
    """As botocore names them."""

    STS = "sts"
    SECRETS_MANAGER = "secretsmanager"
    SSM = "ssm"
    BEDROCK = "bedrock"
    QUOTAS = "service-quotas"


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """A service of a region. `url` instead of the public one."""

    service: Service
    region: str
    url: str = ""

    @property
    def host(self) -> str:
        """What a message calls it as long as botocore has not named it."""
        return _host(self.url) if self.url else f"{self.service} in {self.region}"


class Trouble(enum.Enum):
    """What became of a call."""

    UNREACHABLE = "unreachable"
    FAILING = "failing"
    THROTTLED = "throttled"
    KEYS_REFUSED = "keys refused"
    """The keys are unknown, have ended, or do not fit together: others may do."""
    CLOCK = "clock"
    FORBIDDEN = "forbidden"
    REFUSED = "refused"
    """As the request stands."""


# Codes by service model and by the common errors: https://docs.aws.amazon.com/STS/latest/APIReference/CommonErrors.html
_TROUBLES: Mapping[str, Trouble] = {
    "AccessDenied": Trouble.FORBIDDEN,
    "AccessDeniedException": Trouble.FORBIDDEN,
    "UnauthorizedOperation": Trouble.FORBIDDEN,
    "AuthFailure": Trouble.KEYS_REFUSED,
    "ExpiredToken": Trouble.KEYS_REFUSED,
    "ExpiredTokenException": Trouble.KEYS_REFUSED,
    "IncompleteSignature": Trouble.KEYS_REFUSED,
    "IncompleteSignatureException": Trouble.KEYS_REFUSED,
    "InvalidAccessKeyId": Trouble.KEYS_REFUSED,
    "InvalidClientTokenId": Trouble.KEYS_REFUSED,
    "InvalidSignatureException": Trouble.KEYS_REFUSED,
    "MissingAuthenticationToken": Trouble.KEYS_REFUSED,
    "SignatureDoesNotMatch": Trouble.KEYS_REFUSED,
    "UnrecognizedClientException": Trouble.KEYS_REFUSED,
    "RequestExpired": Trouble.CLOCK,
    "RequestTimeTooSkewed": Trouble.CLOCK,
    "PriorRequestNotComplete": Trouble.THROTTLED,
    "RequestLimitExceeded": Trouble.THROTTLED,
    "RequestThrottled": Trouble.THROTTLED,
    "RequestThrottledException": Trouble.THROTTLED,
    "SlowDown": Trouble.THROTTLED,
    "ThrottledException": Trouble.THROTTLED,
    "Throttling": Trouble.THROTTLED,
    "ThrottlingException": Trouble.THROTTLED,
    "TooManyRequestsException": Trouble.THROTTLED,
    "IDPCommunicationError": Trouble.FAILING,
    "InternalFailure": Trouble.FAILING,
    "InternalServerError": Trouble.FAILING,
    "InternalServiceError": Trouble.FAILING,
    "ServiceUnavailable": Trouble.FAILING,
}


class CallFailed(Exception):
    """A call that gave nothing. `code` is AWS's, or empty where no answer came; `host` is who was asked."""

    def __init__(
        self,
        trouble: Trouble,
        *,
        host: str,
        code: str = "",
        told: str = "",
        retry_after_s: float | None = None,
    ) -> None:
        super().__init__(f"{host}: {code or trouble.value}")
        self.trouble = trouble
        self.host = host
        self.code = code
        self.retry_after_s = retry_after_s
        self._told = Secret(told)

    @property
    def stale(self) -> bool:
        """Whether other keys of the same identity may do: these are refused, or what is as old is denied everything.

        So IAM revokes the sessions of a role: https://docs.aws.amazon.com/IAM/latest/UserGuide/id_roles_use_revoke-sessions.html
        """
        denied = self.trouble is Trouble.FORBIDDEN and self.says("with an explicit deny in an identity-based policy")
        return denied or self.trouble is Trouble.KEYS_REFUSED

    @property
    def principal(self) -> str:
        """The ARN of whom AWS has refused, where it says so."""
        found = _PRINCIPAL.search(self._told.reveal())
        return found[1] if found else ""

    def says(self, words: str) -> bool:
        """Whether AWS's own text has these words, in whatever case: to tell apart what shares a code."""
        return words.lower() in self._told.reveal().lower()


class AWSCalls:
    """Clients by endpoint and keys, made when needed. One for the whole process; `close` it."""

    def __init__(self) -> None:
        self._session = Session(session_vars=_NO_FILES)
        self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="aws")
        self._threads_of_named = ThreadPoolExecutor(_THREADS, thread_name_prefix="aws-named")
        self._clients: dict[tuple[Endpoint, Keys | None], Any] = {}
        self._lock = threading.Lock()

    async def call(
        self, endpoint: Endpoint, keys: Keys | None, operation: str, parameters: Mapping[str, Any]
    ) -> Mapping[str, Any]:
        """The answer of `operation` (`assume_role`); unsigned without keys. Raises CallFailed."""
        try:
            threads = self._threads_of_named if endpoint.url else self._threads
            return await _run(threads, partial(self._called, endpoint, keys, operation, parameters))
        except TimeoutError:
            raise CallFailed(Trouble.UNREACHABLE, host=endpoint.host) from None

    async def run(self, blocking: Callable[[], _Result]) -> _Result:
        """In one of the threads. Raises TimeoutError after some seconds: the thread still ends by itself."""
        return await _run(self._threads, blocking)

    def close(self) -> None:
        """Nothing may be called after it."""
        for threads in (self._threads, self._threads_of_named):
            threads.shutdown(wait=False, cancel_futures=True)
        with self._lock:
            clients, self._clients = self._clients, {}
        for client in clients.values():
            client.close()

    def _called(
        self, endpoint: Endpoint, keys: Keys | None, operation: str, parameters: Mapping[str, Any]
    ) -> Mapping[str, Any]:
        host = endpoint.host
        try:
            client = self._client(endpoint, keys)
        except (exceptions.BotoCoreError, ValueError) as error:
            raise CallFailed(Trouble.REFUSED, host=host, code=type(error).__name__) from None
        try:
            host = _host(client.meta.endpoint_url)
            answer: Mapping[str, Any] = getattr(client, operation)(**parameters)
        except exceptions.ClientError as error:
            raise _answered(error, host) from None
        except (exceptions.ConnectionError, exceptions.HTTPClientError):
            raise CallFailed(Trouble.UNREACHABLE, host=host) from None
        except exceptions.BotoCoreError as error:
            # Before anything was sent: no such region, or a parameter of a form that the service model excludes.
            raise CallFailed(Trouble.REFUSED, host=host, code=type(error).__name__) from None
        except (ResponseParserError, LookupError, TypeError, ValueError):
            # Whatever botocore's parsers stumble over, such as the page of a proxy with status 200.
            raise CallFailed(Trouble.FAILING, host=host, code="an answer that is not AWS's") from None
        return answer

    def _client(self, endpoint: Endpoint, keys: Keys | None) -> Any:
        with self._lock:
            client = self._clients.pop((endpoint, keys), None)
            if client is None:
                client = self._made(endpoint, keys)
            self._clients[endpoint, keys] = client
            if len(self._clients) > _CLIENTS:
                self._clients.pop(next(iter(self._clients))).close()
            return client

    def _made(self, endpoint: Endpoint, keys: Keys | None) -> Any:
        signing: dict[str, Any] = {}
        if keys is not None:
            token = keys.session_token
            signing["aws_access_key_id"] = keys.access_key_id
            signing["aws_secret_access_key"] = keys.secret_access_key.reveal()
            signing["aws_session_token"] = None if token is None else token.reveal()
        config = Config(
            connect_timeout=_CONNECT_S,
            read_timeout=_READ_S,
            retries={"total_max_attempts": 1},  # whoever asks paces
            max_pool_connections=_THREADS,
            signature_version=botocore.UNSIGNED if keys is None else None,
            user_agent_appid="pilothouse",
        )
        return self._session.create_client(
            endpoint.service.value,
            region_name=endpoint.region,
            endpoint_url=endpoint.url or None,
            config=config,
            **signing,
        )


async def _run(threads: ThreadPoolExecutor, blocking: Callable[[], _Result]) -> _Result:
    async with asyncio.timeout(_LONGEST_S):
        return await asyncio.get_running_loop().run_in_executor(threads, blocking)


def _host(url: str) -> str:
    return urlsplit(url).netloc.rpartition("@")[2]


def _answered(error: Any, host: str) -> CallFailed:
    """What an answer that is an error means."""
    details = error.response.get("Error") or {}
    metadata = error.response.get("ResponseMetadata") or {}
    status = metadata.get("HTTPStatusCode", 0)
    code = str(details.get("Code") or status)
    told = str(details.get("Message") or "")
    trouble = _TROUBLES.get(code)
    if trouble is Trouble.KEYS_REFUSED and ("Signature expired" in told or "not yet current" in told):
        trouble = Trouble.CLOCK
    if trouble is None:
        trouble = Trouble.THROTTLED if status == 429 else Trouble.FAILING if status >= 500 else Trouble.REFUSED
    after = str((metadata.get("HTTPHeaders") or {}).get("retry-after", ""))
    retry_after_s = float(after) if after.isascii() and after.isdigit() else None
    return CallFailed(trouble, host=host, code=code, told=told, retry_after_s=retry_after_s)
