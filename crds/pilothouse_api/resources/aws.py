"""AWS regions, and the roles that a sign-in to AWS passes through.

Bounds: STS API reference, AssumeRole and Tag.
"""

from collections.abc import Mapping
from typing import Annotated

from pydantic import Field

from pilothouse_api.resources.rules import Atomic, Distinct, Part, Rule

REGION = "^[a-z]{2,5}(-[a-z]+)+-[0-9]{1,2}$"
ROLE_ARN = "^arn:aws[a-z-]*:iam::[0-9]{12}:role/[A-Za-z0-9_+=,.@/-]+$"
EXTERNAL_ID = "^[A-Za-z0-9_+=,.@:/-]*$"
MAX_TAG_KEY = 128

Region = Annotated[str, Field(max_length=32, pattern=REGION)]
TagKey = Annotated[str, Field(min_length=1, max_length=MAX_TAG_KEY)]
TagValue = Annotated[str, Field(max_length=256)]


class AssumedRoleSpec(Part):
    """One role of a chain, assumed with what the one before it has given."""

    role_arn: Annotated[str, Field(min_length=20, max_length=2048, pattern=ROLE_ARN)] = Field(
        description="The role, such as `arn:aws:iam::111122223333:role/bedrock`."
    )
    external_id: Annotated[str, Field(min_length=2, max_length=1224, pattern=EXTERNAL_ID)] | None = Field(
        default=None, description="What the role's trust policy asks for in `sts:ExternalId`. It is no secret."
    )
    session_tags: Annotated[Mapping[str, TagValue], Field(max_length=50)] = Field(
        default_factory=dict,
        description="Tags of the session, for policies that ask for `aws:PrincipalTag`. The trust policy must allow "
        "`sts:TagSession`.",
    )
    transitive_tags: Annotated[tuple[TagKey, ...], Field(max_length=50), Distinct()] = Field(
        default=(), description="Keys of `sessionTags` that the roles after this one get too."
    )

    rules = (
        Rule(
            cel=f"!has(self.sessionTags) || self.sessionTags.all(key, key.size() >= 1 && key.size() <= {MAX_TAG_KEY})",
            message=f"the key of a session tag has 1 to {MAX_TAG_KEY} characters",
            holds=lambda it: all(1 <= len(key) <= MAX_TAG_KEY for key in it.session_tags),
        ),
        Rule(
            cel="!has(self.transitiveTags) || "
            "self.transitiveTags.all(key, has(self.sessionTags) && key in self.sessionTags)",
            message="transitiveTags names keys of sessionTags",
            holds=lambda it: it.session_tags.keys() >= set(it.transitive_tags),
        ),
    )


RoleChain = Annotated[tuple[AssumedRoleSpec, ...], Field(max_length=8), Atomic()]
"""In the order in which they are assumed."""
