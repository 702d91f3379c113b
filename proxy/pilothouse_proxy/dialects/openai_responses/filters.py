"""Azure's content filter results in a response, to and from findings of the exchange.

    "content_filters": [{"blocked": …, "source_type": "prompt" | "completion", "content_filter_results": {…}}, …]

Source: "Content filtering" of Azure OpenAI's documentation, Responses API.
"""

from collections.abc import Iterable

from pilothouse_proxy.exchange import filter_results
from pilothouse_proxy.exchange.filters import Finding, Stage

_STAGES = {stage.value: stage for stage in Stage}


def encode(findings: Iterable[Finding]) -> list[dict[str, object]]:
    """The member `content_filters`: a row for each stage that was judged. Of several findings of a category, which are
    about one piece of the text each, one for which text was held back is told, else the last.
    """
    told: dict[tuple[Stage, str], Finding] = {}
    for finding in findings:
        place = (finding.stage, finding.category)
        if place not in told or not told[place].filtered:
            told[place] = finding
    rows: list[dict[str, object]] = []
    for stage in Stage:
        results = filter_results.encode(told.values(), stage)
        if results:
            blocked = any(finding.filtered for finding in told.values() if finding.stage is stage)
            rows.append({"blocked": blocked, "source_type": stage.value, "content_filter_results": results})
    return rows


def decode(rows: object) -> tuple[Finding, ...]:
    """The findings; what is not as documented is passed over."""
    found: tuple[Finding, ...] = ()
    for row in rows if isinstance(rows, list) else ():
        stage = _STAGES.get(str(row.get("source_type"))) if isinstance(row, dict) else None
        if stage is not None:
            found += filter_results.decode(row.get("content_filter_results"), stage)
    return found
