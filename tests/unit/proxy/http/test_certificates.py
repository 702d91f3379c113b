import asyncio
import contextlib
import os
import socket
import ssl
import subprocess
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization

from pilothouse_proxy.http import certificates as certificates_module
from pilothouse_proxy.http import tls
from pilothouse_proxy.http.certificates import Certificates
from pilothouse_proxy.http.inbound import TLSFiles
from tests.unit.proxy.http.certificates import Authority
from tests.unit.proxy.http.rig import Rig, echo, peer, serving, until

GET = b"GET /a HTTP/1.1\r\nHost: h\r\n\r\n"


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path, "throw-away")


def put(authority: Authority, folder: Path, *hosts: str) -> None:
    """A new pair in a directory."""
    folder.mkdir(parents=True, exist_ok=True)
    leaf = authority.leaf(*hosts)
    os.replace(leaf.cert_file, folder / "tls.crt")
    os.replace(leaf.key_file, folder / "tls.key")


def files(folder: Path, sni_dir: Path | None = None) -> TLSFiles:
    return TLSFiles(cert=folder / "tls.crt", key=folder / "tls.key", sni_dir=sni_dir)


def looked(certificates: Certificates) -> None:
    """Twice: what has changed must have stayed so."""
    certificates.look()
    certificates.look()


async def names(authority: Authority, port: int, asked: str | None) -> list[str]:
    """In the certificate that a caller gets who asks for this name."""
    context = ssl.create_default_context(cadata=authority.pem)
    context.check_hostname = False
    _, writer = await asyncio.open_connection("127.0.0.1", port, ssl=context, server_hostname=asked or "")
    der = writer.get_extra_info("ssl_object").getpeercert(binary_form=True)
    writer.close()
    with contextlib.suppress(OSError):
        await writer.wait_closed()
    extension = x509.load_der_x509_certificate(der).extensions.get_extension_for_class(x509.SubjectAlternativeName)
    return extension.value.get_values_for_type(x509.DNSName)


@contextlib.asynccontextmanager
async def running(certificates: Certificates) -> AsyncIterator[Rig]:
    async with serving(echo, None, certificates.context) as rig:
        yield rig


async def test_each_caller_gets_the_certificate_of_the_name_it_asks_for(authority: Authority, tmp_path: Path) -> None:
    put(authority, tmp_path / "main", "main.test")
    put(authority, tmp_path / "sni/a", "a.test", "b.test")
    put(authority, tmp_path / "sni/wild", "*.wild.test")
    certificates = Certificates(files(tmp_path / "main", tmp_path / "sni"))
    async with running(certificates) as rig:
        for asked, expected in {
            "main.test": "main.test",
            "a.test": "a.test",
            "B.test": "a.test",
            "x.wild.test": "*.wild.test",
            "x.y.wild.test": "main.test",
            "unknown.test": "main.test",
            None: "main.test",
        }.items():
            assert (await names(authority, rig.port, asked))[0] == expected, asked
    assert set(certificates.expiries()) == {("main",), ("a",), ("wild",)}


async def test_a_new_pair_is_served_without_touching_open_connections(authority: Authority, tmp_path: Path) -> None:
    put(authority, tmp_path, "old.test")
    certificates = Certificates(files(tmp_path))
    context = ssl.create_default_context(cadata=authority.pem)
    context.check_hostname = False
    async with running(certificates) as rig, peer(rig.port, context) as kept:
        kept.send(GET)
        assert (await kept.answer())[0] == 200
        put(authority, tmp_path, "new.test")
        certificates.look()
        assert await names(authority, rig.port, "x") == ["old.test"], "it may be half written"
        certificates.look()
        assert await names(authority, rig.port, "x") == ["new.test"]
        kept.send(GET)
        assert (await kept.answer())[0] == 200


async def test_the_swap_of_a_secret_s_volume_is_followed(authority: Authority, tmp_path: Path) -> None:
    """As the kubelet does it: tls.crt → ..data/tls.crt, ..data → a directory named by the time."""
    put(authority, tmp_path / "..2026_01", "old.test")
    (tmp_path / "..data").symlink_to("..2026_01")
    for name in ("tls.crt", "tls.key"):
        (tmp_path / name).symlink_to(f"..data/{name}")
    certificates = Certificates(files(tmp_path))
    async with running(certificates) as rig:
        assert await names(authority, rig.port, "x") == ["old.test"]
        put(authority, tmp_path / "..2026_02", "new.test")
        (tmp_path / "..data_tmp").symlink_to("..2026_02")
        os.replace(tmp_path / "..data_tmp", tmp_path / "..data")
        looked(certificates)
        assert await names(authority, rig.port, "x") == ["new.test"]


@pytest.mark.parametrize("damage", ["no PEM", "another key", "gone", "empty"])
async def test_a_broken_new_pair_leaves_the_old_one_and_is_told(
    damage: str, authority: Authority, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    put(authority, tmp_path, "old.test")
    certificates = Certificates(files(tmp_path))
    before = certificates.expiries()
    async with running(certificates) as rig:
        if damage == "another key":
            os.replace(authority.leaf("new.test").key_file, tmp_path / "tls.key")
        elif damage == "gone":
            (tmp_path / "tls.crt").unlink()
        else:
            (tmp_path / "tls.crt").write_text("" if damage == "empty" else "no certificate")
        looked(certificates)
        looked(certificates)
        assert await names(authority, rig.port, "x") == ["old.test"]
        assert (certificates.broken(), certificates.expiries()) == ({("main",): 1.0}, before)
        (line,) = caplog.messages
        assert "main cannot be used, the one before is served on" in line
        assert str(tmp_path) in line
        put(authority, tmp_path, "repaired.test")
        looked(certificates)
        assert await names(authority, rig.port, "x") == ["repaired.test"]
    assert certificates.broken() == {("main",): 0.0}


async def test_pairs_come_and_go_with_their_directories(authority: Authority, tmp_path: Path) -> None:
    put(authority, tmp_path / "main", "main.test")
    (tmp_path / "sni/empty").mkdir(parents=True)
    certificates = Certificates(files(tmp_path / "main", tmp_path / "sni"))
    assert certificates.broken() == {("main",): 0.0, ("empty",): 1.0}
    async with running(certificates) as rig:
        put(authority, tmp_path / "sni/empty", "a.test")
        put(authority, tmp_path / "sni/late", "b.test")
        (tmp_path / "sni/void").mkdir()
        looked(certificates)
        assert [await names(authority, rig.port, asked) for asked in ("a.test", "b.test")] == [["a.test"], ["b.test"]]
        assert certificates.broken()[("void",)] == 1.0
        for name in ("tls.crt", "tls.key"):
            (tmp_path / "sni/empty" / name).unlink()
        (tmp_path / "sni/empty").rmdir()
        looked(certificates)
        assert await names(authority, rig.port, "a.test") == ["main.test"]


async def test_the_files_are_watched(authority: Authority, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(certificates_module, "LOOK_S", 0.01)
    put(authority, tmp_path, "old.test")
    certificates = Certificates(files(tmp_path))
    watching = asyncio.create_task(certificates.watch())
    before = certificates._entries[""].loaded
    put(authority, tmp_path, "new.test")
    await until(lambda: certificates._entries[""].loaded is not before)
    watching.cancel()


@pytest.mark.parametrize("damage", ["missing", "no PEM", "another key", "encrypted"])
def test_without_a_usable_main_pair_there_is_nothing_to_serve(
    damage: str, authority: Authority, tmp_path: Path
) -> None:
    put(authority, tmp_path, "a.test")
    key = tmp_path / "tls.key"
    if damage == "missing":
        key.unlink()
    elif damage == "no PEM":
        key.write_text("-----BEGIN PRIVATE KEY-----\nsecret\n-----END PRIVATE KEY-----\n")
    elif damage == "another key":
        os.replace(authority.leaf("b.test").key_file, key)
    else:
        plain = serialization.load_pem_private_key(key.read_bytes(), None)
        key.write_bytes(
            plain.private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.PKCS8,
                serialization.BestAvailableEncryption(b"secret"),
            )
        )
    with pytest.raises(tls.Unusable) as raised:
        Certificates(files(tmp_path))
    assert "secret" not in str(raised.value)
    assert ("encrypted" if damage == "encrypted" else str(key)) in str(raised.value)


async def test_a_client_that_speaks_only_http_2_gets_no_http_2(authority: Authority, tmp_path: Path) -> None:
    put(authority, tmp_path, "localhost")
    context = ssl.create_default_context(cadata=authority.pem)
    context.set_alpn_protocols(["h2"])
    async with running(Certificates(files(tmp_path))) as rig, peer(rig.port, context) as client:
        assert client.writer.get_extra_info("ssl_object").selected_alpn_protocol() is None
        client.send(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")
        assert (await client.answer())[0] == 505


@pytest.mark.parametrize(("version", "agreed"), [("-tls1_1", b""), ("-tls1_2", b"TLSv1.2"), ("-tls1_3", b"TLSv1.3")])
async def test_openssl_agrees_on_1_2_or_1_3(version: str, agreed: bytes, authority: Authority, tmp_path: Path) -> None:
    put(authority, tmp_path, "localhost")
    async with running(Certificates(files(tmp_path))) as rig:
        asking = await asyncio.create_subprocess_exec(
            *("openssl", "s_client", "-connect", f"127.0.0.1:{rig.port}", "-alpn", "h2,http/1.1", version, "-quiet"),
            *("-cipher", "ALL:@SECLEVEL=0"),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        told, _ = await asking.communicate(
            b"GET /a HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n" if agreed else b""
        )
        assert told.endswith(b"GET /a ") is bool(agreed)


async def test_a_session_is_resumed_across_a_new_certificate(authority: Authority, tmp_path: Path) -> None:
    put(authority, tmp_path, "localhost")
    certificates = Certificates(files(tmp_path))
    context = ssl.create_default_context(cadata=authority.pem)
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    async with running(certificates) as rig:

        def once(session: ssl.SSLSession | None) -> tuple[ssl.SSLSession | None, bool]:
            with (
                socket.create_connection(("127.0.0.1", rig.port)) as plain,
                context.wrap_socket(plain, server_hostname="localhost", session=session) as secured,
            ):
                secured.sendall(GET)
                assert secured.recv(1000).startswith(b"HTTP/1.1 200")
                return secured.session, bool(secured.session_reused)

        session, _ = await asyncio.to_thread(once, None)
        for _ in range(2):
            assert (await asyncio.to_thread(once, session))[1]
            put(authority, tmp_path, "localhost")
            looked(certificates)
