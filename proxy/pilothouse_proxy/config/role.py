"""What kind of proxy this is."""

import enum


class Role(enum.StrEnum):
    """A gateway authenticates each caller; a sidecar's one caller is the ServiceAccount of its pod."""

    GATEWAY = "gateway"
    SIDECAR = "sidecar"
