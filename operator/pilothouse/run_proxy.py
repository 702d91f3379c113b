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
    from pilothouse_proxy.main import Listen, Settings

_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3_600.0, "d": 86_400.0}
_DURATION = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h|d)")
_ADDRESS = re.compile(r"(?:\[(?P<ipv6>[0-9a-fA-F:.]+)\]|(?P<host>[^\[\]:]*)):(?P<port>\d{1,5})")


def run(argv: list[str]) -> int:
    """Run a proxy until it is asked to stop. The exit code; 2 for wrong flags."""
    options = _parser(os.environ).parse_args(argv)
    if options.role == "sidecar" and not _is_loopback(options.listen[0]):
        print("pilothouse proxy: a sidecar listens on loopback alone, for whoever reaches it is its pod:"
              f" --listen {options.listen[0]}:{options.listen[1]} is not", file=sys.stderr)  # fmt: skip
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
    flag("log-format", "how log lines look", convert=_one_of("text", "json"), default="text", metavar="text|json")
    flag("access-log", "one line a request on standard output", convert=_one_of("on", "off"), default="on",
         metavar="on|off")  # fmt: skip
    return parser


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
