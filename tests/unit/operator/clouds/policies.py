"""What a policy of IAM allows, as far as session policies of ours go. Not a test.

Source: IAM user guide, "Policy evaluation logic" and "IAM JSON policy elements".
"""

from __future__ import annotations

import json
import re


def allows(policy: str, action: str, resource: str, **context: str) -> bool:
    """Whether a statement allows `action` on the ARN `resource`; `context` by the condition key's last word."""
    return any(_fits(statement, action, resource, context) for statement in json.loads(policy)["Statement"])


def _fits(statement: dict[str, object], action: str, resource: str, context: dict[str, str]) -> bool:
    assert statement["Effect"] == "Allow"
    actions, resources = statement["Action"], statement["Resource"]
    assert isinstance(actions, list)
    assert isinstance(resources, list)
    condition = statement.get("Condition", {})
    assert isinstance(condition, dict)
    wanted = condition.get("StringEquals", {})
    met = all(context.get(key.split(":")[-1]) in values for key, values in wanted.items())
    return met and action in actions and any(_matches(pattern, resource) for pattern in resources)


def _matches(pattern: str, arn: str) -> bool:
    return re.fullmatch(re.escape(pattern).replace(r"\*", ".*").replace(r"\?", "."), arn) is not None
