"""`pilothouse proxy`: flags and environment → Settings, then the data plane."""

import argparse
import ipaddress
import os
import re
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pilothouse_proxy.http.inbound import Inbound
    from pilothouse_proxy.main import Listen, Settings

_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3_600.0, "d": 86_400.0}
_DURATION = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h|d)")
_SIZE = re.compile(r"(\d+)(Ki|Mi|Gi)?")
_SIZE_UNITS = {None: 1, "Ki": 1 << 10, "Mi": 1 << 20, "Gi": 1 << 30}
# Behind a load balancer many callers share an address; a sidecar has one caller.
_CONNECTIONS_PER_PEER = 4_096
_ADDRESS = re.compile(r"(?:\[(?P<ipv6>[0-9a-fA-F:.]+)\]|(?P<host>[^\[\]:]*)):(?P<port>\d{1,5})")


def run(argv: list[str]) -> int:
    """Run a proxy until it is asked to stop. The exit code; 2 for wrong flags."""
    options = _parser(os.environ).parse_args(argv)
    if options.role == "sidecar" and not _is_loopback(options.listen[0]):
        print("pilothouse proxy: a sidecar listens on loopback alone, for whoever reaches it is its pod:"
              f" --listen {options.listen[0]}:{options.listen[1]} is not", file=sys.stderr)  # fmt: skip
        return 2
    if (options.tls_cert is None) != (options.tls_key is None) or (options.tls_sni_dir and not options.tls_cert):
        print("pilothouse proxy: --tls-cert and --tls-key go together, and --tls-sni-dir adds to them",
              file=sys.stderr)  # fmt: skip
        return 2
    # Loaded only now, so that --help and a wrong flag are answered at once.
    from pilothouse_proxy import main  # noqa: PLC0415
    from pilothouse_proxy.observe import diagnostics  # noqa: PLC0415

    settings = _settings(options)
    diagnostics.configure(form=settings.log_format)
    return main.run(settings)


def _settings(options: argparse.Namespace) -> "Settings":
    from pilothouse_proxy.config.operator import Address  # noqa: PLC0415
    from pilothouse_proxy.config.role import Role  # noqa: PLC0415
    from pilothouse_proxy.main import Settings  # noqa: PLC0415
    from pilothouse_proxy.observe.log import Format  # noqa: PLC0415

    return Settings(
        role=Role(options.role),
        listen=_listen(options.listen),
        admin_listen=None if options.admin_listen is None else _listen(options.admin_listen),
        operator=Address(url=options.control_url, ca_file=options.control_ca, token_file=options.control_token),
        state_dir=options.state_dir,
        max_staleness_s=options.max_staleness,
        drain_timeout_s=options.drain_timeout,
        log_format=Format(options.log_format),
        access_log=options.access_log == "on",
        inbound=_inbound(options),
    )


def _inbound(options: argparse.Namespace) -> "Inbound":
    from pilothouse_proxy.http.inbound import Inbound, TLSFiles  # noqa: PLC0415
    from pilothouse_proxy.http.limits import Limits  # noqa: PLC0415

    per_peer = options.max_connections_per_peer
    if per_peer is None:
        per_peer = 0 if options.role == "sidecar" else _CONNECTIONS_PER_PEER
    certificates = None
    if options.tls_cert is not None:
        certificates = TLSFiles(cert=options.tls_cert, key=options.tls_key, sni_dir=options.tls_sni_dir)
    return Inbound(
        limits=Limits(
            body_bytes=options.max_body_size,
            request_line_bytes=options.max_request_line_size,
            header_bytes=options.max_header_size,
            header_count=options.max_headers,
            header_timeout_s=options.header_timeout,
            body_timeout_s=options.body_timeout,
            keep_alive_s=options.keep_alive_timeout,
        ),
        max_connections=options.max_connections,
        max_connections_per_peer=per_peer,
        budget_bytes=options.memory_budget,
        tls=certificates,
    )


def _listen(address: tuple[str, int]) -> "Listen":
    from pilothouse_proxy.main import Listen  # noqa: PLC0415

    return Listen(host=address[0], port=address[1])


def _parser(environ: Mapping[str, str]) -> argparse.ArgumentParser:
    """Every flag may stand in the environment too, as PILOTHOUSE_ and its name in capitals."""
    parser = argparse.ArgumentParser(
        prog="pilothouse proxy",
        description="Serve the OpenAI API according to an operator's configuration.",
        epilog="Each flag can be given as an environment variable: --drain-timeout as PILOTHOUSE_DRAIN_TIMEOUT.",
    )

    def flag(
        name: str,
        explain: str,
        *,
        convert: Callable[[str], object] = str,
        default: str | None = None,
        metavar: str,
    ) -> None:
        value = environ.get("PILOTHOUSE_" + name.upper().replace("-", "_")) or default
        parser.add_argument(
            f"--{name}",
            type=convert,
            default=value,
            metavar=metavar,
            required=value is None and name in {"control-url", "control-token"},
            help=explain + (f" (default: {default})" if default else ""),
        )

    flag("role", "gateway: authenticate each caller; sidecar: the caller is the pod",
         convert=_one_of("gateway", "sidecar"), default="gateway", metavar="gateway|sidecar")  # fmt: skip
    flag("listen", "where callers are served", convert=_address, default="127.0.0.1:8080", metavar="HOST:PORT")
    flag("admin-listen", "serve /healthz, /readyz and /metrics only here (default: with the callers)",
         convert=_address, metavar="HOST:PORT")  # fmt: skip
    flag("control-url", "the operator's control stream", metavar="URL")
    flag("control-ca", "PEM file of the CA that signs the operator's certificate (default: the system's)",
         convert=Path, metavar="FILE")  # fmt: skip
    flag("control-token", "file of the ServiceAccount token of audience control.pilothouse.dev", convert=Path,
         metavar="FILE")  # fmt: skip
    flag("state-dir", "keep the last good configuration here, to start from while the operator is away; it holds"
         " credentials: use a volume in memory", convert=Path, metavar="DIR")  # fmt: skip
    flag("max-staleness", "serve no configuration that the operator has not confirmed for so long (default: no limit)",
         convert=_seconds, metavar="DURATION")  # fmt: skip
    flag("drain-timeout", "how long requests in flight may take at the end", convert=_seconds, default="60s",
         metavar="DURATION")  # fmt: skip
    _inbound_flags(flag)
    flag("log-format", "how log lines look", convert=_one_of("text", "json"), default="text", metavar="text|json")
    flag("access-log", "one line a request on standard output", convert=_one_of("on", "off"), default="on",
         metavar="on|off")  # fmt: skip
    return parser


def _inbound_flags(flag: Callable[..., None]) -> None:
    """What the listening side puts up with; the values are those of `http/limits.py`."""
    flag("max-body-size", "of a request", convert=_within(_bytes, "1Ki", "1Gi"), default="25Mi", metavar="SIZE")
    flag("max-request-line-size", "of the path and query of a request", convert=_within(_bytes, "256", "1Mi"),
         default="8Ki", metavar="SIZE")  # fmt: skip
    flag("max-header-size", "of all headers of a request together", convert=_within(_bytes, "1Ki", "1Mi"),
         default="32Ki", metavar="SIZE")  # fmt: skip
    flag("max-headers", "number of headers of a request", convert=_within(_count, "10", "10000"), default="100",
         metavar="COUNT")  # fmt: skip
    flag("header-timeout", "from the first byte of a request to the end of its headers",
         convert=_within(_seconds, "100ms", "1h"), default="10s", metavar="DURATION")  # fmt: skip
    flag("body-timeout", "for a body to arrive; each 16 KiB of it buy one second more",
         convert=_within(_seconds, "100ms", "1h"), default="30s", metavar="DURATION")  # fmt: skip
    flag("keep-alive-timeout", "how long a connection without a request is kept",
         convert=_within(_seconds, "100ms", "1h"), default="75s", metavar="DURATION")  # fmt: skip
    flag("max-connections", "of callers, in all (default: as many as the limit of open files is good for, up to 16384)",
         convert=_within(_count, "1", "1000000"), metavar="COUNT")  # fmt: skip
    flag("max-connections-per-peer", "of callers, from one IP address; 0: no limit"
         f" (default: {_CONNECTIONS_PER_PEER}; a sidecar: 0)",
         convert=_within(_count, "0", "1000000"), metavar="COUNT")  # fmt: skip
    flag("memory-budget", "for all messages that are in memory (default: half of what the cgroup's limit leaves beyond"
         " 64Mi; 256Mi without one)", convert=_within(_bytes, "16Mi", "1024Gi"), metavar="SIZE")  # fmt: skip
    flag("tls-cert", "PEM file of the certificate and its chain: callers are served over TLS; read anew when it"
         " changes", convert=Path, metavar="FILE")  # fmt: skip
    flag("tls-key", "PEM file of its key", convert=Path, metavar="FILE")
    flag("tls-sni-dir", "further pairs, NAME/tls.crt and NAME/tls.key, for callers that ask for a name in them",
         convert=Path, metavar="DIR")  # fmt: skip


def _within(convert: Callable[[str], float], least: str, most: str) -> Callable[[str], float]:
    lowest, highest = convert(least), convert(most)

    def bounded(text: str) -> float:
        value = convert(text)
        if not lowest <= value <= highest:
            raise argparse.ArgumentTypeError(f"{text!r} is not between {least} and {most}")
        return value

    return bounded


def _bytes(text: str) -> int:
    found = _SIZE.fullmatch(text)
    if found is None:
        raise argparse.ArgumentTypeError(f"{text!r} is no size (65536, 64Ki, 25Mi, 1Gi)")
    return int(found[1]) * _SIZE_UNITS[found[2]]


def _count(text: str) -> int:
    if not (text.isascii() and text.isdigit()):
        raise argparse.ArgumentTypeError(f"{text!r} is no whole number")
    return int(text)


def _one_of(*words: str) -> Callable[[str], str]:
    # Not argparse's own choices: it does not hold a default, and so the environment, to them.
    def convert(text: str) -> str:
        if text not in words:
            raise argparse.ArgumentTypeError(f"{text!r} is none of {', '.join(words)}")
        return text

    return convert


def _address(text: str) -> tuple[str, int]:
    found = _ADDRESS.fullmatch(text)
    if found is None or int(found["port"]) > 65_535:
        raise argparse.ArgumentTypeError(f"{text!r} is no HOST:PORT (0.0.0.0:8080, [::1]:8080)")
    return found["ipv6"] or found["host"] or "0.0.0.0", int(found["port"])  # noqa: S104 - as asked: `:8080`


def _seconds(text: str) -> float:
    found = _DURATION.fullmatch(text)
    if found is None:
        raise argparse.ArgumentTypeError(f"{text!r} is no duration (250ms, 30s, 5m, 1h, 2d)")
    return float(found[1]) * _UNITS[found[2]]


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
