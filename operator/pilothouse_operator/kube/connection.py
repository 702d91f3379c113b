"""Signing in to the API server: a pod's own account, or a kubeconfig with its exec plug-ins."""

import asyncio
import enum
import hashlib
import importlib.metadata
import logging
import os
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

from kubernetes.aio import config as kubernetes_config
from kubernetes.aio.client import ApiClient, Configuration
from kubernetes.aio.config import incluster_config

from pilothouse_api.secret import Secret
from pilothouse_operator.kube.errors import Unauthorized

_log = logging.getLogger(__name__)

_RENEWED_AT_MOST_EACH_S = 5.0

_Load = Callable[[Configuration], Awaitable[None]]


class ProxyEnv(enum.Enum):
    """Whether HTTPS_PROXY and NO_PROXY of the environment apply to calls to the API server."""

    IGNORE = "ignore"
    USE = "use"


@dataclass(frozen=True, slots=True, kw_only=True)
class SignIn:
    """How to reach the API server at this moment, for a client that is not ours. Paths are of PEM files."""

    server: str
    scheme: str | None
    token: Secret | None
    ca: str | None
    certificate: str | None
    private_key: str | None
    insecure: bool
    proxy_url: str | None
    proxy_env: ProxyEnv


class Connection:
    """One API server and our account there. The token is read anew when its file changes, and after each 401."""

    def __init__(self, *, load: _Load, token_file: Path | None, proxy_env: ProxyEnv) -> None:
        self._load = load
        self._token_file = token_file
        self._token_mark = 0
        self._proxy_env = proxy_env
        self._renewal = asyncio.Lock()
        self._renewed = float("-inf")
        self._configuration = Configuration()
        self._client: ApiClient | None = None
        self._retired: list[ApiClient] = []
        self._tls: tuple[object, ...] = ()

    @property
    def server(self) -> str:
        """URL without a final slash."""
        return str(self._configuration.host).rstrip("/")

    async def client(self) -> ApiClient:
        """Ready to be called with `headers()`. One pool of connections, without a limit: each watch holds one."""
        if self._client is None:
            return await self._sign_in()
        if self._token_file and _mark(self._token_file) != self._token_mark:
            try:
                return await self._sign_in()
            except Unauthorized as error:
                # A file that is just being replaced: what we have may still be good.
                _log.warning("%s", error)
        return self._client

    def headers(self) -> dict[str, str]:
        """`Authorization`, unless a client certificate speaks for us."""
        token = self._configuration.api_key.get("BearerToken")
        return {"Authorization": str(token).strip()} if token else {}

    async def renew(self) -> None:
        """After a refusal: reads every file and asks every plug-in again, but not more than each 5 s."""
        async with self._renewal:
            if time.monotonic() - self._renewed >= _RENEWED_AT_MOST_EACH_S:
                self._renewed = time.monotonic()
                await self._sign_in()

    async def sign_in(self) -> SignIn:
        """What another client needs; renewed first, for it asks because it was refused or is new."""
        await self.renew()
        configuration = self._configuration
        scheme, _, token = self.headers().get("Authorization", "").partition(" ")
        return SignIn(
            server=self.server,
            scheme=scheme or None,
            token=Secret(token) if token else None,
            ca=configuration.ssl_ca_cert,
            certificate=configuration.cert_file,
            private_key=configuration.key_file,
            insecure=not configuration.verify_ssl,
            proxy_url=configuration.proxy,
            proxy_env=self._proxy_env,
        )

    async def close(self) -> None:
        """Ends every connection."""
        clients, self._client, self._retired = [self._client, *self._retired], None, []
        for client in clients:
            if client is not None:
                await client.close()  # type: ignore[no-untyped-call]  # generated code without types

    async def _sign_in(self) -> ApiClient:
        self._token_mark = _mark(self._token_file) if self._token_file else 0
        configuration = Configuration()
        configuration.connection_pool_maxsize = 0
        configuration.client_session_kwargs = {"trust_env": self._proxy_env is ProxyEnv.USE}
        try:
            await self._load(configuration)
        except Exception as error:
            # The loader lets anything through that a malformed file can cause, down to AttributeError.
            raise Unauthorized(f"no way to sign in to the API server: {error or type(error).__name__}") from error
        tls = _tls_marks(configuration)
        self._configuration = configuration
        if self._client is None or tls != self._tls:
            if self._client is not None:
                self._retired.append(self._client)
            self._client, self._tls = ApiClient(configuration), tls
            self._client.user_agent = f"pilothouse-operator/{importlib.metadata.version('pilothouse')}"
        return self._client


async def connect(*, kubeconfig: Path | None, context: str | None, proxy_env: ProxyEnv) -> Connection:
    """By the kubeconfig or context named; else as the pod that we run in; else by the user's own kubeconfig.

    Raises Unauthorized, which says what is missing; nothing is asked of the API server yet.
    """
    in_cluster = kubeconfig is None and context is None and incluster_config.SERVICE_HOST_ENV_NAME in os.environ
    if in_cluster:
        token_file = Path(incluster_config.SERVICE_TOKEN_FILENAME)
        connection = Connection(load=_load_pod, token_file=token_file, proxy_env=proxy_env)
    else:
        connection = Connection(load=_kubeconfig_loader(kubeconfig, context), token_file=None, proxy_env=proxy_env)
    await connection.client()
    return connection


async def _load_pod(configuration: Configuration) -> None:
    loader = incluster_config.InClusterConfigLoader(  # type: ignore[no-untyped-call]  # the client has no types here
        token_filename=incluster_config.SERVICE_TOKEN_FILENAME,
        cert_filename=incluster_config.SERVICE_CERT_FILENAME,
        try_refresh_token=False,
    )
    loader.load_and_set(configuration)  # type: ignore[no-untyped-call]  # the client has no types here


def _kubeconfig_loader(kubeconfig: Path | None, context: str | None) -> _Load:
    async def load(configuration: Configuration) -> None:
        _require(kubeconfig)
        await kubernetes_config.load_kube_config(  # type: ignore[no-untyped-call]  # the client has no types here
            config_file=str(kubeconfig) if kubeconfig else None,
            context=context,
            client_configuration=configuration,
            persist_config=False,
        )

    return load


def _require(kubeconfig: Path | None) -> None:
    default = kubernetes_config.KUBE_CONFIG_DEFAULT_LOCATION
    paths = [str(kubeconfig)] if kubeconfig else default.split(os.pathsep)
    if not any(Path(path).expanduser().is_file() for path in paths if path):
        raise FileNotFoundError(f"this is no pod, and there is no kubeconfig at {os.pathsep.join(paths)}")


def _mark(path: Path) -> int:
    """Kubelets replace the file; its time tells."""
    try:
        return path.stat().st_mtime_ns
    except OSError:
        return 0


def _tls_marks(configuration: Configuration) -> tuple[object, ...]:
    # By content: a kubelet writes the CA anew, unchanged, each time that it renews the token beside it.
    files = (configuration.ssl_ca_cert, configuration.cert_file, configuration.key_file)
    return (configuration.host, *files, *(_digest(Path(file)) if file else b"" for file in files))


def _digest(path: Path) -> bytes:
    try:
        return hashlib.sha256(path.read_bytes()).digest()
    except OSError:
        return b""
