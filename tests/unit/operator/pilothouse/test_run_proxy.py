from pathlib import Path
from typing import Any

import pytest

from pilothouse import run_proxy
from pilothouse_proxy import main
from pilothouse_proxy.config.role import Role
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
