"""Moments as Kubernetes writes them. Pure."""

from datetime import UTC, datetime


def timestamp(seconds: float) -> str:
    """RFC 3339 in whole seconds, as `metav1.Time` is written."""
    return datetime.fromtimestamp(int(seconds), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
