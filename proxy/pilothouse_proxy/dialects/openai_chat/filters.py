"""Azure's content filter results in chat completions, to and from findings of the exchange.

Source: "Content filter annotations" and "Content streaming" of Azure OpenAI's documentation.
"""

from collections.abc import Iterable

from pilothouse_proxy.exchange import filter_results
from pilothouse_proxy.exchange.filters import Finding, Stage


def encode(findings: Iterable[Finding], stage: Stage) -> dict[str, object]:
    """The member that tells of a stage's findings: `prompt_filter_results` of an answer, `content_filter_results` of a
    choice. Empty without a finding.
    """
    results = filter_results.encode(findings, stage)
    if not results:
        return {}
    if stage is Stage.PROMPT:
        return {"prompt_filter_results": [{"prompt_index": 0, "content_filter_results": results}]}
    return {"content_filter_results": results}


def decode(results: object, stage: Stage) -> tuple[Finding, ...]:
    """The findings of one `content_filter_results`."""
    return filter_results.decode(results, stage)


def decode_prompt(results: object) -> tuple[Finding, ...]:
    """The findings of `prompt_filter_results` (in old versions `prompt_annotations`)."""
    found: tuple[Finding, ...] = ()
    for prompt in results if isinstance(results, list) else ():
        if isinstance(prompt, dict):
            found += decode(prompt.get("content_filter_results", prompt.get("content_filter_result")), Stage.PROMPT)
    return found
