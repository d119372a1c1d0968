"""The door for programs: metrics, health, and a JSON API over HTTP."""
