"""The shelf of sources: one file a source and one line here."""

SOURCES = {
    "file": "aiops.sources.file:FileSource",
    "changes": "aiops.sources.changes:ChangesSource",
    "stdin": "aiops.sources.stdin:StdinSource",
    "journald": "aiops.sources.journald:JournaldSource",
    "host": "aiops.sources.host:HostSource",
    "prometheus": "aiops.sources.prometheus:PrometheusSource",
}
