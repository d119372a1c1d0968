"""What each technology says in trouble, by symptom; ``{callee}`` is who failed, ``{target}`` where.

Symptoms seen by a caller: refused, timeout, unavailable, tls, reset. Symptoms of the service
itself: heap, oom, disk, config, handshake, backlog, overload, flood, stop, start.
"""

from aiops.shop.catalogue import trouble_code, trouble_servers

TROUBLE: dict[str, dict[str, str]] = {
    "go": trouble_code.GO,
    "jvm": trouble_code.JVM,
    "python": trouble_code.PYTHON,
    "node": trouble_code.NODE,
    "nginx": trouble_servers.NGINX,
    "edge": trouble_servers.EDGE,
    "postgres": trouble_servers.POSTGRES,
    "redis": trouble_servers.REDIS,
    "mail": trouble_servers.MAIL,
}
"""Technology → symptom → messages; a symptom that is missing leaves no lines there."""
