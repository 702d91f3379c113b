"""Whether a publication was made from an older view of the cluster than the one that runs."""

from collections.abc import Mapping


def older(offered: Mapping[str, str], running: Mapping[str, str]) -> bool:
    """Older in some kind and newer in none, by the resource versions that went into each.

    Kinds that only one of them knows, and versions that are no integers, say nothing.
    """
    behind = False
    for kind, version in offered.items():
        known = running.get(kind, "")
        if not (version.isdecimal() and known.isdecimal()):
            continue
        if int(version) > int(known):
            return False
        behind = behind or int(version) < int(known)
    return behind


def newest(one: Mapping[str, str], other: Mapping[str, str]) -> dict[str, str]:
    """The higher version of each kind that either knows: two replicas may have made the same bytes from two views."""
    merged = dict(one)
    for kind, version in other.items():
        known = merged.get(kind, "")
        if not (version.isdecimal() and known.isdecimal()) or int(version) > int(known):
            merged[kind] = version
    return merged
