"""The metrics as Prometheus reads them: its text format, version 0.0.4. The first scrape loads this.

Written here, and in pieces: prometheus_client takes a second for a thousand routes, on the loop that serves requests.
"""

from collections.abc import Iterable, Iterator, Mapping
from itertools import islice

from prometheus_client import CollectorRegistry, ProcessCollector, generate_latest

from pilothouse_proxy.observe.meters import SECONDS, Counter, Family, Histogram
from pilothouse_proxy.observe.metrics import Metrics

CONTENT_TYPE = b"text/plain; version=0.0.4; charset=utf-8"
PIECE = 50
"""So many series are written at a time: about a millisecond's work where they are histograms."""

_BOUNDS = (*map(str, SECONDS), "+Inf")
_ESCAPED = str.maketrans({"\\": r"\\", '"': r"\"", "\n": r"\n"})


class Gauge:
    """A value that is read when somebody scrapes; of kind `counter` where it only grows."""

    __slots__ = ("description", "kind", "labels", "name", "values")

    def __init__(
        self,
        name: str,
        description: str,
        labels: tuple[str, ...],
        values: Mapping[tuple[str, ...], float],
        *,
        kind: str = "gauge",
    ) -> None:
        self.kind = kind
        self.name = name
        self.description = description
        self.labels = labels
        self.values = values


def render(metrics: Metrics, gauges: Iterable[Gauge]) -> Iterator[bytes]:
    """The text of one scrape, in pieces: the counters, these gauges, and the process' own figures."""
    for family in metrics.families:
        if family.kind is Histogram:
            yield _head(family.name, family.description, "histogram")
            yield from _pieces(_histogram(family, *series) for series in family.items())
        else:
            yield _head(f"{family.name}_total", family.description, "counter")
            yield from _pieces(_counter(family, *series) for series in family.items())
    for gauge in gauges:
        yield _head(gauge.name, gauge.description, gauge.kind)
        yield from _pieces(_sample(gauge.name, _pairs(gauge.labels, at), value)
                           for at, value in sorted(gauge.values.items()))  # fmt: skip
    registry = CollectorRegistry(auto_describe=False)
    ProcessCollector(registry=registry)
    yield generate_latest(registry)


def _pieces(series: Iterator[str]) -> Iterator[bytes]:
    while piece := "".join(islice(series, PIECE)):
        yield piece.encode()


def _head(name: str, description: str, kind: str) -> bytes:
    return f"# HELP {name} {description}\n# TYPE {name} {kind}\n".encode()


def _counter(family: Family[Counter], values: tuple[str, ...], series: Counter) -> str:
    return _sample(f"{family.name}_total", _pairs(family.labels, values), series.value)


def _histogram(family: Family[Histogram], values: tuple[str, ...], series: Histogram) -> str:
    name, pairs = family.name, _pairs(family.labels, values)
    # Labels stand in the order of their names.
    before = "".join(f"{pair}," for pair in pairs if pair < "le=")
    after = "".join(f",{pair}" for pair in pairs if pair > "le=")
    below, lines = 0, []
    for bound, count in zip(_BOUNDS, series.counts, strict=True):
        below += count
        lines.append(f'{name}_bucket{{{before}le="{bound}"{after}}} {below}.0\n')
    lines += [_sample(f"{name}_count", pairs, float(below)), _sample(f"{name}_sum", pairs, series.total)]
    return "".join(lines)


def _sample(name: str, pairs: list[str], value: float) -> str:
    labels = f"{{{','.join(pairs)}}}" if pairs else ""
    return f"{name}{labels} {value!r}\n"


def _pairs(labels: tuple[str, ...], values: tuple[str, ...]) -> list[str]:
    return sorted(f'{label}="{value.translate(_ESCAPED)}"' for label, value in zip(labels, values, strict=True))
