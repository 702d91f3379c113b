from pathlib import Path
from typing import Any

import pytest

from pilothouse import run_proxy
from pilothouse_proxy import main
from pilothouse_proxy.config.role import Role
from pilothouse_proxy.http.inbound import Inbound, TLSFiles
from pilothouse_proxy.http.limits import Limits
from pilothouse_proxy.observe.log import Format

NEEDED = ["--control-url=https://operator:8443", "--control-token=/run/token"]


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> list[main.Settings]:
    """The settings that a proxy would be started with."""
    found: list[main.Settings] = []
    monkeypatch.setattr(main, "run", lambda settings: found.append(settings) or 0)
    monkeypatch.setattr("pilothouse_proxy.observe.diagnostics.configure", lambda *, form: None)
    return found


def test_the_flags_become_settings(started: list[main.Settings]) -> None:
    flags = ["--role=sidecar", "--listen=[::1]:9000", "--admin-listen=:9090", "--control-ca=/ca", "--state-dir=/state",
             "--max-staleness=1.5h", "--drain-timeout=250ms", "--log-format=json", "--access-log=off"]  # fmt: skip
    assert run_proxy.run([*NEEDED, *flags]) == 0
    (settings,) = started
    assert settings.role is Role.SIDECAR
    assert settings.listen == main.Listen(host="::1", port=9_000)
    assert settings.admin_listen == main.Listen(host="0.0.0.0", port=9_090)
    assert settings.operator.url == "https://operator:8443"
    assert (settings.operator.ca_file, settings.operator.token_file) == (Path("/ca"), Path("/run/token"))
    assert (settings.state_dir, settings.max_staleness_s, settings.drain_timeout_s) == (Path("/state"), 5_400.0, 0.25)
    assert (settings.log_format, settings.access_log) == (Format.JSON, False)


def test_what_is_not_said_has_its_default(started: list[main.Settings]) -> None:
    assert run_proxy.run(NEEDED) == 0
    (settings,) = started
    assert (settings.role, settings.listen) == (Role.GATEWAY, main.Listen(host="127.0.0.1", port=8_080))
    assert (settings.admin_listen, settings.state_dir, settings.max_staleness_s) == (None, None, None)
    assert (settings.drain_timeout_s, settings.log_format, settings.access_log) == (60.0, Format.TEXT, True)


def test_what_the_listening_side_puts_up_with_is_told_by_flags(started: list[main.Settings]) -> None:
    flags = ["--max-body-size=1Mi", "--max-request-line-size=512", "--max-header-size=2Ki", "--max-headers=20",
             "--header-timeout=2s", "--body-timeout=3s", "--keep-alive-timeout=4s", "--max-connections=5",
             "--max-connections-per-peer=6", "--memory-budget=1Gi", "--tls-cert=/c", "--tls-key=/k",
             "--tls-sni-dir=/d"]  # fmt: skip
    assert run_proxy.run([*NEEDED, *flags]) == 0
    (settings,) = started
    limits = Limits(
        body_bytes=1 << 20,
        request_line_bytes=512,
        header_bytes=2_048,
        header_count=20,
        header_timeout_s=2.0,
        body_timeout_s=3.0,
        keep_alive_s=4.0,
    )
    tls = TLSFiles(cert=Path("/c"), key=Path("/k"), sni_dir=Path("/d"))
    assert settings.inbound == Inbound(
        limits=limits, max_connections=5, max_connections_per_peer=6, budget_bytes=1 << 30, tls=tls
    )


@pytest.mark.parametrize(("role", "per_peer"), [("gateway", 4_096), ("sidecar", 0)])
def test_what_the_listening_side_is_not_told_has_its_default(
    role: str, per_peer: int, started: list[main.Settings]
) -> None:
    assert run_proxy.run([*NEEDED, f"--role={role}"]) == 0
    assert started[0].inbound == Inbound(
        limits=Limits(), max_connections=None, max_connections_per_peer=per_peer, budget_bytes=None, tls=None
    )


@pytest.mark.parametrize("flags", [["--tls-cert=/c"], ["--tls-key=/k"], ["--tls-sni-dir=/d"]])
def test_half_a_certificate_is_refused(flags: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert run_proxy.run([*NEEDED, *flags]) == 2
    assert "--tls-cert and --tls-key go together" in capsys.readouterr().err


def test_each_flag_may_stand_in_the_environment(started: list[main.Settings], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PILOTHOUSE_CONTROL_URL", "https://other")
    monkeypatch.setenv("PILOTHOUSE_CONTROL_TOKEN", "/t")
    monkeypatch.setenv("PILOTHOUSE_DRAIN_TIMEOUT", "5m")
    monkeypatch.setenv("PILOTHOUSE_ROLE", "sidecar")
    assert run_proxy.run(["--control-url=https://flag"]) == 0
    (settings,) = started
    assert (settings.operator.url, settings.drain_timeout_s, settings.role) == ("https://flag", 300.0, Role.SIDECAR)


@pytest.mark.parametrize(
    ("flag", "complaint"),
    [
        ("--listen=8080", "HOST:PORT"),
        ("--listen=host:70000", "HOST:PORT"),
        ("--drain-timeout=60", "duration"),
        ("--drain-timeout=-1s", "duration"),
        ("--role=router", "gateway, sidecar"),
        ("--max-body-size=25MB", "size"),
        ("--max-body-size=0", "between 1Ki and 1Gi"),
        ("--max-request-line-size=2Mi", "between 256 and 1Mi"),
        ("--max-header-size=1", "between 1Ki and 1Mi"),
        ("--max-headers=1", "between 10 and 10000"),
        ("--max-headers=many", "whole number"),
        ("--header-timeout=0s", "between 100ms and 1h"),
        ("--body-timeout=2h", "between 100ms and 1h"),
        ("--keep-alive-timeout=1", "duration"),
        ("--max-connections=0", "between 1 and 1000000"),
        ("--max-connections-per-peer=-1", "whole number"),
        ("--memory-budget=1Mi", "between 16Mi and 1024Gi"),
    ],
)
def test_a_wrong_flag_is_told_by_name(flag: str, complaint: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as raised:
        run_proxy.run([*NEEDED, flag])
    told = capsys.readouterr().err
    assert raised.value.code == 2
    assert flag.partition("=")[0] in told
    assert complaint in told


def test_a_wrong_variable_is_told_too(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("PILOTHOUSE_LOG_FORMAT", "yaml")
    with pytest.raises(SystemExit):
        run_proxy.run(NEEDED)
    assert "text, json" in capsys.readouterr().err


def test_without_an_operator_there_is_no_proxy(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        run_proxy.run([])
    assert "--control-url" in capsys.readouterr().err


@pytest.mark.parametrize("listen", ["0.0.0.0:8080", ":8080", "10.0.0.1:8080", "pod.local:8080", "[::]:8080"])
def test_a_sidecar_that_others_could_reach_is_refused(listen: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run_proxy.run([*NEEDED, "--role=sidecar", f"--listen={listen}"]) == 2
    assert "loopback" in capsys.readouterr().err


@pytest.mark.parametrize("listen", ["127.0.0.1:1", "127.0.0.2:1", "[::1]:1", "localhost:1"])
def test_a_sidecar_listens_on_loopback(listen: str, started: list[Any]) -> None:
    assert run_proxy.run([*NEEDED, "--role=sidecar", f"--listen={listen}"]) == 0
    assert len(started) == 1
