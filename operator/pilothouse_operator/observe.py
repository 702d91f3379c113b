"""The operator's own metrics, in a registry of their own. Their names are an interface: dashboards depend on them.

No label holds a name that users choose without bound (objects, pods, models), and none holds a secret.
"""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

_PREFIX = "pilothouse_operator_"


class Metrics:
    """One instance a process; handed to whoever counts."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.kube_requests = self._counter(
            "kube_requests_total",
            "Calls to the API server by verb and outcome (ok, or the kind of error).",
            "verb",
            "outcome",
        )
        self.source_restarts = self._counter(
            "source_restarts_total", "Restarts of the watch for resources, by what ended it.", "reason"
        )
        self.source_synced = self._gauge("source_synced", "1 once every resource was listed.")
        self.source_last_event = self._gauge(
            "source_last_event_seconds", "Unix time of the newest event or list of resources."
        )
        self.source_objects = self._gauge("source_objects", "Resources seen, by kind.", "kind")
        self.source_held = self._gauge(
            "source_held",
            "1 while a kind's last good resources stand because its CRD is gone or being deleted.",
            "kind",
        )
        self.secret_watches = self._gauge("secret_watches", "Secrets that are referred to, and watched.")
        self.secret_reads = self._counter("secret_reads_total", "Reads of Secrets by what came of them.", "outcome")
        self.credentials = self._gauge(
            "credentials",
            "Credentials that clouds issue, by state: good; failing (it serves, and could not be renewed); none.",
            "state",
        )
        self.credential_issues = self._counter(
            "credential_issues_total",
            "Credentials asked for, by service and outcome (ok, throttled, refused, unavailable).",
            "service",
            "outcome",
        )
        self.credential_first_end = self._gauge(
            "credential_first_end_seconds", "Unix time at which the first of the credentials ends; 0 without any."
        )
        self.stored_secrets = self._gauge(
            "stored_secrets",
            "Secrets of stores outside the cluster, by state: good; stale (a former value serves); none.",
            "state",
        )
        self.store_reads = self._counter(
            "store_reads_total",
            "Reads of those stores, by store and outcome (ok, unchanged, throttled, refused, unavailable).",
            "store",
            "outcome",
        )
        self.stored_stale_since = self._gauge(
            "stored_stale_since_seconds",
            "Unix time since which the longest stale of those secrets could not be read; 0 if all could.",
        )
        self.throttles = self._counter(
            "throttles_total", "How often a cloud's service or a store has asked to slow down.", "service"
        )
        self.status_writes = self._counter("status_writes_total", "Status writes by outcome.", "outcome")
        self.status_yielded = self._gauge(
            "status_yielded", "Resources whose status another living release of Pilothouse writes."
        )
        self.events = self._counter("events_total", "Kubernetes Events by outcome.", "outcome")
        self.accounts = self._gauge(
            "accounts",
            "Accounts whose models are discovered, by state: good; stale (the last list stands); none.",
            "state",
        )
        self.account_listings = self._counter(
            "account_listings_total",
            "Lists of models asked for, by service and outcome (ok, throttled, refused, unavailable).",
            "service",
            "outcome",
        )
        self.leader = self._gauge("leader", "1 on the replica that writes status and events.")
        self.leader_transitions = self._counter("leader_transitions_total", "How often this replica became leader.")
        self.certificate_ends = self._gauge(
            "certificate_ends_seconds",
            "Unix time at which the control stream's certificate (leaf), or that of its authority, ends.",
            "certificate",
        )
        self.certificate_succession = self._gauge(
            "certificate_succession",
            "1 for how far one authority follows another: steady, announced (both trusted), switched (both trusted).",
            "phase",
        )
        self.certificate_steps = self._counter(
            "certificate_steps_total", "Steps that this replica took with the control stream's certificates.", "step"
        )
        self.passes = self._counter("passes_total", "Passes over the whole configuration by outcome.", "outcome")
        self.compile_seconds = Histogram(
            _PREFIX + "compile_seconds",
            "Time to compile and encode the snapshots of all scopes.",
            registry=self.registry,
            buckets=(0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.2, 0.5, 1, 2, 5),
        )
        self.published = self._counter("published_total", "Snapshots published, by fleet.", "fleet")
        self.streams = self._gauge("streams", "Open control streams, by fleet.", "fleet")
        self.acks = self._counter("acks_total", "Acks of proxies by what they say.", "state")

    def _counter(self, name: str, text: str, *labels: str) -> Counter:
        return Counter(_PREFIX + name, text, labels, registry=self.registry)

    def _gauge(self, name: str, text: str, *labels: str) -> Gauge:
        return Gauge(_PREFIX + name, text, labels, registry=self.registry)
