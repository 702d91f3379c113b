"""`pilothouse operator`: flags → Settings, then the control plane."""

import argparse
import json
import logging
import os
import socket
import sys
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import urlsplit

import uvloop

from pilothouse.clock import SystemClock
from pilothouse_api.resources import urls
from pilothouse_operator import main
from pilothouse_operator.compile.world import IdentityAccess
from pilothouse_operator.distribution.identity import ServiceAccount
from pilothouse_operator.kube.connection import ProxyEnv
from pilothouse_operator.kube.errors import KubeError

_NAMESPACE_FILE = Path("/var/run/secrets/kubernetes.io/serviceaccount/namespace")


def run(argv: list[str]) -> int:
    """Until SIGTERM. 0: ended as asked; 2: wrong flags, or no way to sign in to a cluster."""
    options = _parser().parse_args(argv)
    _log_to_stderr(options.log_format, options.log_level)
    try:
        uvloop.run(main.run(_settings(options), clock=SystemClock()))
    except (KubeError, OSError) as fault:
        print(f"pilothouse operator: {fault}", file=sys.stderr)
        return 2
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="pilothouse operator", description="The control plane in a cluster.")
    add = parser.add_argument
    add("--listen", metavar="HOST:PORT", type=_address, default=("0.0.0.0", 8443), help="TLS, for proxies")  # noqa: S104
    add(
        "--metrics-listen",
        metavar="HOST:PORT",
        type=_address,
        default=("0.0.0.0", 9090),  # noqa: S104 - in a pod
        help="plain HTTP: /healthz, /readyz, /metrics",
    )
    add("--namespace", default=_own_namespace(), help="where the release is (default: the pod's own)")
    add("--release", default="pilothouse", help="tells releases of one cluster apart (default: %(default)s)")
    add("--service", help="the operator's Service (default: <release>-operator)")
    add(
        "--certificate-name",
        metavar="NAME",
        action="append",
        default=[],
        help="a further DNS name or IP address for the control stream's certificate (repeatable)",
    )
    add(
        "--certificate-secret",
        metavar="NAME",
        default="",
        help="the Secret in which cert-manager, or another, keeps that certificate (default: a CA of our own)",
    )
    add(
        "--gateway-service-account",
        metavar="NAMESPACE/NAME",
        type=_service_account,
        action="append",
        default=[],
        help="whose proxies are shared gateways and get every namespace's routes (repeatable)",
    )
    add("--watch-namespaces", metavar="A,B", type=_names, default=(), help="only these (default: all)")
    add(
        "--secret-namespaces",
        metavar="A,B",
        type=_names,
        default=(),
        help="where Secrets with API keys may be listed (default: as --watch-namespaces)",
    )
    add("--selector", default="", help="only resources with these labels, such as env=prod")
    add(
        "--identity-namespace",
        metavar="NAME",
        action="append",
        default=[],
        help="a namespace whose providers may use the operator's own identity to the clouds; * for all (repeatable; "
        "default: the release's own)",
    )
    add(
        "--identity-endpoint",
        metavar="URL",
        type=_origin,
        action="append",
        default=[],
        help="an endpoint beside the clouds' public ones that may be shown that identity, such as a Vault; * for all "
        "(repeatable)",
    )
    add("--kubeconfig", type=Path, help="sign in by this file (default: as a pod, else the user's own)")
    add("--context", help="of the kubeconfig")
    add("--use-proxy-env", action="store_true", help="reach the API server through HTTPS_PROXY")
    add("--log-format", choices=("text", "json"), default="text")
    add("--log-level", choices=("debug", "info", "warning", "error"), default="info")
    return parser


def _settings(options: argparse.Namespace) -> main.Settings:
    return main.Settings(
        host=options.listen[0],
        port=options.listen[1],
        metrics_host=options.metrics_listen[0],
        metrics_port=options.metrics_listen[1],
        namespace=options.namespace,
        release=options.release,
        service=options.service or f"{options.release}-operator",
        replica=os.environ.get("POD_NAME") or socket.gethostname(),
        certificate_names=tuple(options.certificate_name),
        certificate_secret=options.certificate_secret,
        gateways=frozenset(options.gateway_service_account),
        watch_namespaces=options.watch_namespaces,
        secret_namespaces=options.secret_namespaces,
        selector=options.selector,
        access=IdentityAccess(
            namespaces=_unless_all(options.identity_namespace or [options.namespace]),
            endpoints=_unless_all(options.identity_endpoint),
        ),
        kubeconfig=options.kubeconfig,
        context=options.context,
        proxy_env=ProxyEnv.USE if options.use_proxy_env else ProxyEnv.IGNORE,
    )


def _address(text: str) -> tuple[str, int]:
    host, colon, port = text.rpartition(":")
    if not colon or not port.isdigit() or int(port) > 65_535:
        raise argparse.ArgumentTypeError(f"{text!r} is not HOST:PORT, such as 0.0.0.0:8443")
    return host.strip("[]") or "0.0.0.0", int(port)  # noqa: S104 - asked for by `:8443`


def _origin(text: str) -> str:
    parts = urlsplit(text)
    if text != "*" and (parts.scheme not in ("http", "https") or not parts.hostname or parts.path.strip("/")):
        raise argparse.ArgumentTypeError(f"{text!r} is no URL of scheme and host, such as https://vault:8200")
    return text if text == "*" else urls.normalised(text)


def _unless_all(names: list[str]) -> frozenset[str] | None:
    return None if "*" in names else frozenset(names)


def _service_account(text: str) -> ServiceAccount:
    namespace, slash, name = text.partition("/")
    if not slash or not namespace or not name or "/" in name:
        raise argparse.ArgumentTypeError(f"{text!r} is not NAMESPACE/NAME")
    return ServiceAccount(namespace, name)


def _names(text: str) -> tuple[str, ...]:
    return tuple(name.strip() for name in text.split(",") if name.strip())


def _own_namespace() -> str:
    try:
        return _NAMESPACE_FILE.read_text().strip()
    except OSError:
        return "pilothouse"


def _log_to_stderr(form: str, level: str) -> None:
    output = logging.StreamHandler()
    output.setFormatter(
        _JsonLines() if form == "json" else logging.Formatter("%(asctime)s %(levelname)-7s %(name)s: %(message)s")
    )
    logging.basicConfig(level=level.upper(), handlers=[output], force=True)
    # It logs every event of every object.
    logging.getLogger("kopf").setLevel(logging.WARNING)


class _JsonLines(logging.Formatter):
    """One object a line, with the same keys as the proxy's log."""

    def format(self, record: logging.LogRecord) -> str:
        line = {
            "time": datetime.fromtimestamp(record.created, UTC)
            .isoformat(timespec="milliseconds")
            .replace("+00:00", "Z"),
            "event": "log",
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        if record.exc_info:
            line["traceback"] = self.formatException(record.exc_info)
        return json.dumps(line, ensure_ascii=False)
