"""The tables of a measurement."""

from collections.abc import Iterator

from tests.load.bench.measure import Figure, Measured, Plan


def table(all_measured: list[Measured], alone: dict[str, float], plan: Plan) -> Iterator[str]:
    """Lines: what each work costs each gateway, then what each gateway takes by being there."""
    yield (
        f"{'work':14} {'gateway':13} {'CPU µs':>9} {'ratio':>7} {'rps':>8} {'core':>6}"
        f" {'added p50 ms':>13} {'p99 ms':>7}"
    )
    for work in plan.works:
        for measured in all_measured:
            figure = measured.figures.get(work.name)
            name = f"{work.name:14} {measured.gateway.name:13}"
            yield f"{name} {_row(figure, paced=work.paced)}" if figure else f"{name} – {measured.reasons[work.name]}"
        if not work.paced:
            yield f"{work.name:14} {'(none)':13} {'':9} {'':7} {alone[work.name]:8.0f}"
    yield ""
    yield f"{'gateway':13} {'RSS idle MiB':>12} {'loaded':>7} {'first answer ms':>16}  what ran"
    for measured in all_measured:
        gateway = measured.gateway
        start_ms = measured.start_s * 1000
        sizes = f"{measured.idle_mib:12.1f} {measured.loaded_mib:7.1f}"
        yield f"{gateway.name:13} {sizes} {start_ms:16.0f}  {gateway.about}"
    yield ""
    yield (
        f"CPU an answer, or an event of a stream; medians of {plan.rounds} windows. Added at {plan.rate:g} answers a"
        f" second (streams: {plan.stream_rate:g}, to their first byte), or at half of what the gateway can do if less."
    )
    accounts = (f"{each.gateway.name} {each.accounts_s[0]:.2f} and {each.accounts_s[1]:.2f} s" for each in all_measured)
    yield f"CPU over all, by the clocks of the processes and by their ticks: {', '.join(accounts)}"


def _row(figure: Figure, *, paced: bool) -> str:
    # The pace says how many paced streams there are in a second.
    rps = "" if paced else f"{figure.rps:.0f}"
    row = f"{figure.us:9.1f} {figure.ratio:7.2f} {rps:>8} {figure.busy * 100:4.0f} %"
    if figure.added_p50_ms is not None:
        row += f" {figure.added_p50_ms:13.2f}"
    if figure.added_p99_ms is not None:
        row += f" {figure.added_p99_ms:7.2f}"
    return row


def ratios(measured: Measured) -> dict[str, float | None]:
    """The figures that are compared across gateways; None where it cannot do the work."""

    def ratio(work: str) -> float | None:
        figure = measured.figures.get(work)
        return None if figure is None else round(figure.ratio, 2)

    return {
        "ratio_chat": ratio("chat"),
        "ratio_chat_100k": ratio("chat_100k"),
        "ratio_sse_event": ratio("sse_paced"),
        "ratio_bedrock": ratio("bedrock"),
        "ratio_bedrock_event": ratio("bedrock_paced"),
    }


def footprint(measured: Measured) -> dict[str, float]:
    """What a gateway takes before it is asked for anything."""
    return {"rss_idle_mib": round(measured.idle_mib, 1), "start_ms": round(measured.start_s * 1000)}
