"""Written pages name what the code has, and nothing else."""

import json
import re
from pathlib import Path

import pytest

from pilothouse_proxy import errors
from pilothouse_proxy.capabilities import bedrock as capabilities
from pilothouse_proxy.dialects.bedrock_converse import encode
from pilothouse_proxy.dialects.openai_chat import decode

ROOT = Path(__file__).parents[2]
PROVIDERS = ("anthropic", "bedrock", "azure_openai", "openai")


def rows(page: str, heading: str) -> list[list[str]]:
    """The cells of the table under a heading, without its head."""
    section = page.partition(f"\n## {heading}\n")[2].partition("\n## ")[0]
    table = [line for line in section.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split(" | ")] for line in table[2:]]


def words(cell: str) -> set[str]:
    return set(re.findall("`([a-z_]+)`", cell))


def test_the_page_on_bedrock_has_every_parameter_that_is_known_by_name() -> None:
    page = (ROOT / "docs/providers/bedrock.md").read_text()
    told = {name for row in rows(page, "Parameters") for name in words(row[0])}
    extras = {name for row in capabilities.ROWS.values() for name, _ in row.capabilities.extras}
    assert told == decode._TRANSLATED | decode._NEUTRAL.keys() | encode._HINTS.keys() | extras


@pytest.mark.parametrize("provider", PROVIDERS)
def test_the_page_on_a_provider_has_every_error_that_it_can_become(provider: str) -> None:
    page = (ROOT / f"docs/providers/{provider}.md").read_text()
    for golden in (ROOT / "tests/golden/errors" / provider).glob("*.json"):
        it = json.loads(golden.read_text())
        status, code = it["client"]["status"], it["client"]["body"]["error"]["code"]
        told = f"| {status} in " if it["kind"] == "invalid_request" else f"{status} `{code}`"
        assert told in page, golden.name


def test_the_page_for_callers_has_every_error_with_its_status() -> None:
    page = (ROOT / "docs/clients.md").read_text()
    told = {(int(status), code) for status, codes, _ in rows(page, "Errors") for code in words(codes)}
    assert told == {(row.status, row.code) for row in errors.TABLE.values() if row.code is not None}
