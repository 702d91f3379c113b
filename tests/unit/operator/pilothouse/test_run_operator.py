"""Flags of `pilothouse operator`."""

import json
import logging
import sys

import pytest

from pilothouse import run_operator
from pilothouse_operator.distribution.identity import ServiceAccount
from pilothouse_operator.kube.connection import ProxyEnv


def settings(*argv: str) -> run_operator.main.Settings:
    return run_operator._settings(run_operator._parser().parse_args(list(argv)))


def test_flags_as_the_chart_gives_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("POD_NAME", "operator-0")
    found = settings(
        "--listen=0.0.0.0:8443",
        "--metrics-listen=[::]:9090",
        "--namespace=system",
        "--release=ship",
        "--service=ship-operator",
        "--gateway-service-account=system/gateway",
        "--gateway-service-account=edge/gateway",
        "--watch-namespaces=a, b",
        "--selector=env=prod",
        "--certificate-name=10.0.0.1",
        "--certificate-secret=ship-cert",
        "--secret-namespaces=a",
    )
    assert (found.host, found.port, found.metrics_host, found.metrics_port) == ("0.0.0.0", 8443, "::", 9090)
    assert found.gateways == {ServiceAccount("system", "gateway"), ServiceAccount("edge", "gateway")}
    assert (found.watch_namespaces, found.secret_namespaces) == (("a", "b"), ("a",))
    assert found.certificate_secret == "ship-cert"
    assert found.names == (
        "ship-operator.system.svc",
        "ship-operator",
        "ship-operator.system",
        "ship-operator.system.svc.cluster.local",
        "10.0.0.1",
    )
    assert (found.replica, found.proxy_env) == ("operator-0", ProxyEnv.IGNORE)


def test_the_service_is_the_releases_own_by_default() -> None:
    assert settings("--release=ship").service == "ship-operator"


@pytest.mark.parametrize(
    "flag",
    ["--listen=8443", "--listen=host:99999", "--gateway-service-account=gateway", "--gateway-service-account=a/b/c"],
)
def test_a_wrong_flag_says_what_it_should_be(flag: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as refused:
        settings(flag)
    assert refused.value.code == 2
    assert flag.partition("=")[2] in capsys.readouterr().err


def test_without_a_cluster_it_says_so_and_ends(
    tmp_path: object, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("KUBERNETES_SERVICE_HOST", raising=False)
    monkeypatch.setattr(run_operator, "_log_to_stderr", lambda form, level: None)
    assert run_operator.run([f"--kubeconfig={tmp_path}/absent"]) == 2
    assert "kubeconfig" in capsys.readouterr().err


def test_a_json_log_line_holds_the_traceback() -> None:
    try:
        raise RuntimeError("no luck")
    except RuntimeError:
        record = logging.LogRecord("a.b", logging.ERROR, __file__, 1, "pass %d", (1,), sys.exc_info())
    line = json.loads(run_operator._JsonLines().format(record))
    assert (line["level"], line["logger"], line["message"], line["event"]) == ("error", "a.b", "pass 1", "log")
    assert line["time"].endswith("Z")
    assert "no luck" in line["traceback"]
