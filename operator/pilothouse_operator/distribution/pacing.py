"""How often one proxy may knock. Pure: `now` is an argument."""

from collections import OrderedDict
from dataclasses import dataclass

_POD_LIMIT = 20_000


@dataclass(slots=True)
class _Bucket:
    tokens: float
    filled: float


class PodLimit:
    """A token bucket for each pod: `burst` at once, then `per_second`. Remembers the pods that came last."""

    def __init__(self, *, burst: int, per_second: float) -> None:
        self._burst = float(burst)
        self._per_second = per_second
        self._buckets: OrderedDict[str, _Bucket] = OrderedDict()

    def wait_s(self, pod_uid: str, *, now: float) -> float:
        """Takes a token; 0 if there was one, else how long until there is."""
        bucket = self._buckets.get(pod_uid)
        if bucket is None:
            bucket = self._buckets[pod_uid] = _Bucket(self._burst, now)
            if len(self._buckets) > _POD_LIMIT:
                self._buckets.popitem(last=False)
        else:
            self._buckets.move_to_end(pod_uid)
        bucket.tokens = min(self._burst, bucket.tokens + (now - bucket.filled) * self._per_second)
        bucket.filled = now
        if bucket.tokens >= 1:
            bucket.tokens -= 1
            return 0.0
        return (1 - bucket.tokens) / self._per_second
