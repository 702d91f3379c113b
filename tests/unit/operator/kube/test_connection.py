import os
import stat
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from pilothouse_api.secret import Secret
from pilothouse_operator.kube.connection import Connection, ProxyEnv, connect
from pilothouse_operator.kube.errors import Unauthorized


def certificate() -> str:
    """Some certificate in PEM."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "test")])
    begin = datetime(2020, 1, 1, tzinfo=UTC)
    builder = x509.CertificateBuilder(issuer_name=name, subject_name=name, public_key=key.public_key())
    builder = builder.serial_number(1).not_valid_before(begin).not_valid_after(begin + timedelta(days=36500))
    return builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM).decode()


def rewrite(kubeconfig: Path, **user: Any) -> None:
    document = yaml.safe_load(kubeconfig.read_text())
    document["users"][0]["user"] = user
    kubeconfig.write_text(yaml.safe_dump(document))


async def opened(kubeconfig: Path | None, context: str | None = None) -> Connection:
    return await connect(kubeconfig=kubeconfig, context=context, proxy_env=ProxyEnv.IGNORE)


async def test_another_client_gets_what_it_needs(connection: Connection) -> None:
    sign_in = await connection.sign_in()
    assert sign_in.server == connection.server
    assert (sign_in.scheme, sign_in.token) == ("Bearer", Secret("first-token"))
    assert "first-token" not in repr(sign_in)


async def test_a_plug_in_is_asked_for_the_token(kubeconfig: Path, tmp_path: Path) -> None:
    plugin = tmp_path / "plugin"
    credential = '{"apiVersion": "client.authentication.k8s.io/v1", "kind": "ExecCredential", "status": {"token": "T"}}'
    plugin.write_text(f"#!{sys.executable}\nprint('{credential}')\n")
    plugin.chmod(stat.S_IRWXU)
    rewrite(kubeconfig, exec={"apiVersion": "client.authentication.k8s.io/v1", "command": str(plugin)})
    connection = await opened(kubeconfig)
    assert connection.headers() == {"Authorization": "Bearer T"}
    await connection.close()


async def test_an_unknown_context_is_named(kubeconfig: Path) -> None:
    with pytest.raises(Unauthorized, match="elsewhere"):
        await opened(kubeconfig, "elsewhere")


async def test_a_missing_kubeconfig_is_named(tmp_path: Path) -> None:
    with pytest.raises(Unauthorized, match="nothing-here"):
        await opened(tmp_path / "nothing-here")


async def test_a_malformed_kubeconfig_is_no_crash(tmp_path: Path) -> None:
    path = tmp_path / "kubeconfig"
    path.write_text("- not\n- a kubeconfig\n")
    with pytest.raises(Unauthorized, match="no way to sign in"):
        await opened(path)


@pytest.fixture
def pod(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Path, Path]:
    """The files that a kubelet gives a pod: token and CA."""
    token, ca = tmp_path / "token", tmp_path / "ca.crt"
    token.write_text("first")
    ca.write_text(certificate())
    monkeypatch.setattr("kubernetes.aio.config.incluster_config.SERVICE_TOKEN_FILENAME", str(token))
    monkeypatch.setattr("kubernetes.aio.config.incluster_config.SERVICE_CERT_FILENAME", str(ca))
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "::1")
    monkeypatch.setenv("KUBERNETES_SERVICE_PORT", "6443")
    return token, ca


async def test_connections_outlive_a_new_token_but_not_a_new_ca(pod: tuple[Path, Path]) -> None:
    """A kubelet writes both files anew each time, whatever has changed."""
    token, ca = pod
    connection = await opened(None)
    before = await connection.client()
    for path, content in ((ca, ca.read_text()), (token, "second")):
        path.unlink()
        path.write_text(content)
        os.utime(path, (1, 1))
    assert await connection.client() is before
    ca.write_text(certificate())
    os.utime(token, (2, 2))
    assert await connection.client() is not before
    await connection.close()


async def test_a_pods_token_is_read_again_when_the_file_changes(pod: tuple[Path, Path]) -> None:
    token, _ = pod
    connection = await opened(None)
    assert connection.server == "https://[::1]:6443"
    assert connection.headers() == {"Authorization": "bearer first"}
    token.write_text("second")
    os.utime(token, (1, 1))
    await connection.client()
    assert connection.headers() == {"Authorization": "bearer second"}
    token.write_text("")
    await connection.client()
    assert connection.headers() == {"Authorization": "bearer second"}
    await connection.close()
