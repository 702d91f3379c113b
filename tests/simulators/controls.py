"""Everything about the simulators that can be changed or asked while they run."""

from __future__ import annotations

import time

import msgspec

from tests.simulators.credentials import Keyring
from tests.simulators.faults import Fault, Faults
from tests.simulators.limits import Limits
from tests.simulators.models import FilterMode, Models
from tests.simulators.pacing import Pacing
from tests.simulators.recorder import Recorder


class Settings(msgspec.Struct, rename="camel", forbid_unknown_fields=True, kw_only=True):
    """`region` is where Bedrock is; `filter_mode` overrides every Azure deployment's own; `bedrock_clock_skew_s` is
    added to Bedrock's clock (positive: the service is ahead of its callers)."""

    region: str = "us-east-1"
    filter_mode: FilterMode | None = None
    bedrock_clock_skew_s: float = 0.0


class Controls:
    """One per process. `generation` grows with every change that could make a prepared answer wrong."""

    def __init__(self, *, region: str = "us-east-1") -> None:
        self._region = region
        self.keys = Keyring()
        self.models = Models()
        self.faults = Faults()
        self.pacing = Pacing()
        self.limits = Limits()
        self.recorder = Recorder()
        self.settings = Settings(region=region)
        self.generation = 0

    def now(self) -> float:
        return time.time()

    def fail(self, fault: Fault) -> None:
        """Add a fault behind those that wait already."""
        self.faults.rules.append(fault)

    def reset(self) -> None:
        """As freshly started. Exchanges under way end as they would have."""
        self.keys.reset()
        self.models = Models()
        self.faults.rules.clear()
        self.pacing.reset()
        self.limits.reset()
        self.recorder.reset()
        self.settings = Settings(region=self._region)
        self.generation += 1
