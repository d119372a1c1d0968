"""Watch logs and metrics, learn what is normal, tell one story per incident."""

__version__ = "0.1.0"
