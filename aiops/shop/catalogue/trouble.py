"""What each technology says in trouble, by symptom; ``{callee}`` is who failed, ``{target}`` where.

Symptoms seen by a caller: refused, timeout, unavailable, tls, reset. Symptoms of the service
itself: heap, oom, disk, config, handshake, backlog, overload, flood, stop, start.
"""

GO = {
    "refused": r"""
5 error ~ upstream={callee} err="dial tcp {pip}:{callee_port}: connect: connection refused"
  trace_id={trace} ~ request to {callee} failed
1 warning ~ upstream={callee} state=open ~ circuit breaker opened
""",
    "timeout": r"""
5 error ~ upstream={callee} err="context deadline exceeded (Client.Timeout exceeded while awaiting
  headers)" timeout_ms={wait} trace_id={trace} ~ request to {callee} failed
2 warning ~ upstream={callee} attempt=2 trace_id={trace} ~ retrying slow upstream
""",
    "unavailable": r"""
5 error ~ upstream={callee} status=503 duration_ms={ms} trace_id={trace} ~ bad answer from {callee}
2 error ~ upstream={callee} status=500 duration_ms={ms} trace_id={trace} ~ bad answer from {callee}
""",
    "tls": r"""
5 error ~ upstream={callee} err="tls: failed to verify certificate: x509: certificate has expired or
  is not yet valid" trace_id={trace} ~ request to {callee} failed
""",
    "reset": r"""
3 error ~ upstream={callee} err="read tcp {pip}:{port}->{pip}:{callee_port}: read: connection
  reset by
  peer" trace_id={trace} ~ request to {callee} failed
2 error ~ upstream={callee} err="dial tcp: i/o timeout" trace_id={trace} ~ request to {callee}
  failed
""",
    "heap": r"""
1 warning ~ heap_mb={mb} used_percent={heap} ~ memory close to the limit, forcing collection
""",
    "oom": r"""
1 critical ~ size_mb={mb} ~ fatal error: runtime: out of memory
""",
    "disk": r"""
4 error ~ file=/var/lib/{service}/segment.tmp err="write: no space left on device" ~ write failed
1 error ~ free_bytes=0 ~ read-only mode, volume is full
""",
    "config": r"""
3 error ~ key=upstream.pool.max value=unlimited ~ invalid configuration value, request refused
2 warning ~ file=/etc/{service}/config.yaml ~ configuration could not be applied, section ignored
""",
    "handshake": r"""
5 error ~ remote={pip}:{port} err="remote error: tls: bad certificate" ~ tls handshake error
1 error ~ not_after=today subject=CN={service}.shop.internal ~ serving certificate is expired
""",
    "backlog": r"""
1 warning ~ depth={many} limit=1000 ~ work queue is growing
""",
    "overload": r"""
3 warning ~ inflight={count} limit=256 ~ too many requests in flight, shedding load
""",
    "flood": r"""
5 debug ~ trace_id={trace} step={n} cost_us={us} ~ enter handler chain
5 debug ~ trace_id={trace} step={n} cost_us={us} ~ leave handler chain
""",
    "stop": r"""
1 info ~ signal=SIGTERM ~ shutting down
1 info ~ inflight={n} ~ draining connections
""",
    "start": r"""
1 info ~ version={version} commit={hex6} go=go1.24.1 ~ starting {service}
1 info ~ file=/etc/{service}/config.yaml ~ configuration loaded
1 info ~ upstreams=5 ~ connections established
1 info ~ addr=:8080 took_ms={count} ~ listening
""",
}

JVM = {
    "refused": r"""
5 error ~ c.s.{service}.client.CalleeClient ~ Call to {callee} failed: Connection refused
  \norg.springframework.web.client.ResourceAccessException: I/O error on POST request for
  "http://{target}/v1": Connection refused
  \n\tat com.shop.{service}.client.CalleeClient.call(CalleeClient.java:{line})
  \nCaused by: java.net.ConnectException: Connection refused
  \n\tat java.base/sun.nio.ch.Net.pollConnect(Native Method)
2 warning ~ com.zaxxer.hikari.pool.HikariPool ~ HikariPool-1 - Connection to {callee} is not
  available, request timed out after {wait}ms.
""",
    "timeout": r"""
5 error ~ c.s.{service}.client.CalleeClient ~ Call to {callee} timed out after {wait} ms
  \njava.net.SocketTimeoutException: Read timed out
  \n\tat java.base/sun.nio.ch.NioSocketImpl.timedRead(NioSocketImpl.java:{line})
  \n\tat com.shop.{service}.client.CalleeClient.call(CalleeClient.java:71)
2 warning ~ c.s.{service}.client.CalleeClient ~ Slow answer from {callee}: {slowms} ms
""",
    "unavailable": r"""
5 error ~ c.s.{service}.client.CalleeClient ~ Call to {callee} failed: 500 Internal Server Error
  \norg.springframework.web.client.HttpServerErrorException$InternalServerError: 500 on POST request
  for "http://{target}/v1": [no body]
  \n\tat com.shop.{service}.client.CalleeClient.call(CalleeClient.java:{line})
""",
    "tls": r"""
5 error ~ c.s.{service}.client.CalleeClient ~ Call to {callee} failed: PKIX path validation failed
  \njavax.net.ssl.SSLHandshakeException: PKIX path validation failed:
  java.security.cert.CertPathValidatorException: validity check failed
  \n\tat com.shop.{service}.client.CalleeClient.call(CalleeClient.java:{line})
""",
    "reset": r"""
5 error ~ c.s.{service}.client.CalleeClient ~ Call to {callee} failed: Connection reset
  \njava.net.SocketException: Connection reset
  \n\tat java.base/sun.nio.ch.NioSocketImpl.implRead(NioSocketImpl.java:{line})
""",
    "heap": r"""
3 warning ~ c.s.{service}.ops.GcMonitor ~ Old generation {heap} % full after collection, pause
  {slowms} ms
""",
    "oom": r"""
1 error ~ c.s.{service}.web.ApiExceptionHandler ~ Handler dispatch failed
  \njava.lang.OutOfMemoryError: Java heap space
  \n\tat java.base/java.util.Arrays.copyOf(Arrays.java:3537)
1 critical ~ c.s.{service}.ops.GcMonitor ~ Terminating due to java.lang.OutOfMemoryError: Java
  heap space
""",
    "disk": r"""
4 error ~ c.s.{service}.ops.SpoolWriter ~ Cannot write spool file /var/lib/{service}/spool-{hex6}
  \njava.io.IOException: No space left on device
  \n\tat java.base/java.io.FileOutputStream.writeBytes(Native Method)
""",
    "config": r"""
3 error ~ c.s.{service}.config.RuntimeConfig ~ Property limits.max-items has no valid value:
  "unlimited"
2 warning ~ c.s.{service}.config.RuntimeConfig ~ Refresh failed, keeping {n} stale properties
""",
    "handshake": r"""
5 error ~ o.a.c.net.NioEndpoint ~ Handshake failed for client {pip}: certificate_expired
""",
    "backlog": r"""
1 warning ~ c.s.{service}.event.Consumer ~ Consumer is {many} messages behind
""",
    "overload": r"""
3 warning ~ o.a.c.threads.ThreadPoolExecutor ~ Task rejected, {count} requests waiting for 200
  threads
""",
    "flood": r"""
5 debug ~ c.s.{service}.web.TraceFilter ~ >> {uuid} header x-request-id={hex12}
5 debug ~ c.s.{service}.web.TraceFilter ~ << {uuid} took {us} us
""",
    "stop": r"""
1 info ~ o.s.b.w.e.tomcat.GracefulShutdown ~ Commencing graceful shutdown. Waiting for active
  requests
1 info ~ com.zaxxer.hikari.HikariDataSource ~ HikariPool-1 - Shutdown initiated...
""",
    "start": r"""
1 info ~ c.s.boot.Application ~ Starting Application v{version} using Java 21.0.6 with PID 1
1 info ~ o.s.b.w.embedded.tomcat.TomcatWebServer ~ Tomcat initialized with port 8080 (http)
1 info ~ com.zaxxer.hikari.HikariDataSource ~ HikariPool-1 - Start completed.
1 info ~ o.s.b.w.embedded.tomcat.TomcatWebServer ~ Tomcat started on port 8080 (http)
1 info ~ c.s.boot.Application ~ Started Application in {sec} seconds (process running for {sec})
""",
}

PYTHON = {
    "refused": r"""
5 error ~ {service}.clients ~ call to {callee} failed
  \nTraceback (most recent call last):\n  File "/srv/{service}/clients.py", line {line}, in call
  \n    sock = socket.create_connection(addr, timeout)
  \nConnectionRefusedError: [Errno 111] Connection refused: {target}
2 warning ~ {service}.clients ~ {callee} is down, serving without it
""",
    "timeout": r"""
5 error ~ {service}.clients ~ call to {callee} timed out: HTTPConnectionPool(host='{callee}',
  port={callee_port}): Read timed out. (read timeout={qty})
2 warning ~ {service}.clients ~ {callee} answered after {slowms}ms
""",
    "unavailable": r"""
5 error ~ {service}.clients ~ call to {callee} failed: 503 Server Error: Service Unavailable for
  url: http://{target}/v1/{hex6}
""",
    "tls": r"""
5 error ~ {service}.clients ~ call to {callee} failed: [SSL: CERTIFICATE_VERIFY_FAILED] certificate
  verify failed: certificate has expired (_ssl.c:1016)
""",
    "reset": r"""
4 error ~ {service}.clients ~ call to {callee} failed: ('Connection aborted.',
  ConnectionResetError(104, 'Connection reset by peer'))
2 error ~ {service}.clients ~ call to {callee} failed: [Errno 113] No route to host
""",
    "heap": r"""
1 warning ~ {service}.ops ~ resident memory at {heap}% of the limit
""",
    "oom": r"""
1 critical ~ {service}.main ~ child {pid} was terminated by signal 9 (SIGKILL), perhaps out of
  memory
""",
    "disk": r"""
4 error ~ {service}.spool ~ cannot write /var/lib/{service}/spool/{hex6}.tmp
  \nTraceback (most recent call last):\n  File "/srv/{service}/spool.py", line {line}, in put
  \n    fh.write(payload)\nOSError: [Errno 28] No space left on device
""",
    "config": r"""
3 error ~ {service}.config ~ setting "max_lines" has no valid value: 'unlimited'
2 warning ~ {service}.config ~ could not apply settings revision {hex6}, keeping defaults
""",
    "handshake": r"""
5 error ~ {service}.server ~ SSL handshake with {pip}:{port} failed: sslv3 alert certificate expired
""",
    "backlog": r"""
3 warning ~ {service}.pool ~ queue default holds {many} jobs, oldest waits {count}s
1 warning ~ {service}.pool ~ job {uuid} {job} missed its deadline by {n}s
""",
    "overload": r"""
3 warning ~ {service}.server ~ {count} requests queued, answering 503
""",
    "flood": r"""
5 debug ~ {service}.trace ~ enter step {n} request={hex12}
5 debug ~ {service}.trace ~ leave step {n} request={hex12} {us}us
""",
    "stop": r"""
1 info ~ {service}.main ~ received SIGTERM, finishing {n} requests
1 info ~ {service}.main ~ stopped
""",
    "start": r"""
1 info ~ {service}.main ~ {service} {version} starting (python 3.12.9, pid 1)
1 info ~ {service}.config ~ loaded settings revision {hex6}
1 info ~ {service}.main ~ warmed up in {sec}s
1 info ~ {service}.main ~ ready on 0.0.0.0:8080
""",
}

NODE = {
    "refused": r"""
5 error ~ reqId={uuid} upstream={callee} err.type=Error err.code=ECONNREFUSED
  err.message="connect ECONNREFUSED {pip}:{callee_port}"
  err.stack="Error: connect ECONNREFUSED\n    at TCPConnectWrap.afterConnect (node:net:1611:16)"
  ~ call to {callee} failed
""",
    "timeout": r"""
5 error ~ reqId={uuid} upstream={callee} err.type=TimeoutError timeoutMs={wait}
  ~ call to {callee} timed out
2 warning ~ reqId={uuid} upstream={callee} durationMs={slowms} ~ slow answer from {callee}
""",
    "unavailable": r"""
5 error ~ reqId={uuid} upstream={callee} status=503 durationMs={ms} ~ {callee} answered with an
  error
""",
    "tls": r"""
5 error ~ reqId={uuid} upstream={callee} err.code=CERT_HAS_EXPIRED
  err.message="certificate has expired" ~ call to {callee} failed
""",
    "reset": r"""
5 error ~ reqId={uuid} upstream={callee} err.code=ECONNRESET err.message="socket hang up"
  ~ call to {callee} failed
""",
    "heap": r"""
1 warning ~ heapUsedMb={mb} heapPercent={heap} ~ heap close to its limit
""",
    "oom": r"""
1 critical ~ heapUsedMb={mb} ~ FATAL ERROR: Reached heap limit, JavaScript heap out of memory
""",
    "disk": r"""
4 error ~ err.code=ENOSPC err.message="ENOSPC: no space left on device, write"
  path=/var/spool/{hex6}
  ~ cannot write journal
""",
    "config": r"""
3 error ~ key=limits.maxAmount value=unlimited ~ configuration value is not a number
2 warning ~ revision={hex6} ~ configuration rejected, some features are off
""",
    "handshake": r"""
5 error ~ remote={pip} err.code=ERR_SSL_TLSV1_ALERT_CERTIFICATE_EXPIRED ~ client refused our
  certificate
""",
    "backlog": r"""
1 warning ~ pending={many} ~ pending work is growing
""",
    "overload": r"""
3 warning ~ loopDelayMs={slowms} pending={count} ~ event loop overloaded, rejecting requests
""",
    "flood": r"""
5 debug ~ span={span} step={n} us={us} ~ trace step begin
5 debug ~ span={span} step={n} us={us} ~ trace step end
""",
    "stop": r"""
1 info ~ signal=SIGTERM ~ closing server
1 info ~ open={n} ~ waiting for open connections
""",
    "start": r"""
1 info ~ version={version} node=v22.14.0 ~ {service} starting
1 info ~ pool.max=12 ~ database connected
1 info ~ port=8080 startupMs={count} ~ server listening
""",
}

NGINX = {
    "refused": r"""
5 error ~ - ~ connect() failed (111: Connection refused) while connecting to upstream, client: {ip},
  server: shop.example, request: "GET {path} HTTP/1.1", upstream: "http://{target}{path}",
  host: "shop.example"
1 error ~ - ~ no live upstreams while connecting to upstream, client: {ip}, server: shop.example,
  upstream: "http://{callee}{path}"
""",
    "timeout": r"""
5 error ~ - ~ upstream timed out (110: Connection timed out) while reading response header from
  upstream, client: {ip}, server: shop.example, request: "POST {path} HTTP/1.1",
  upstream: "http://{target}{path}", host: "shop.example"
""",
    "unavailable": r"""
5 error ~ - ~ upstream sent invalid response while reading response header from upstream {callee},
  client: {ip}, server: shop.example, request: "POST {path} HTTP/1.1"
""",
    "tls": r"""
5 error ~ - ~ upstream SSL certificate verify error: (10:certificate has expired) while SSL
  handshaking
  to upstream {callee}, client: {ip}, server: shop.example
""",
    "reset": r"""
5 error ~ - ~ recv() failed (104: Connection reset by peer) while reading response header from
  upstream
  {callee}, client: {ip}, server: shop.example
""",
    "disk": r"""
4 critical ~ - ~ pwrite() "/var/cache/nginx/proxy/{n}" failed (28: No space left on device),
  client: {ip}
""",
    "config": r"""
3 error ~ - ~ invalid number of arguments in "limit_req" directive, request: "GET {path} HTTP/1.1"
""",
    "handshake": r"""
5 critical ~ - ~ SSL_do_handshake() failed (SSL: error:0A000415:SSL routines::sslv3 alert
  certificate
  expired) while SSL handshaking, client: {ip}, server: 0.0.0.0:443
""",
    "overload": r"""
3 warning ~ - ~ 1024 worker_connections are not enough, reusing connections
3 error ~ - ~ limiting requests, excess: {n}.200 by zone "perip", client: {ip}, server: shop.example
""",
    "oom": r"""
1 critical ~ main ~ worker process {pid} exited on signal 9
""",
    "stop": r"""
1 info ~ main ~ gracefully shutting down
1 info ~ main ~ exiting
""",
    "start": r"""
1 info ~ main ~ using the "epoll" event method
1 info ~ main ~ nginx/1.27.4 configuration {version}
1 info ~ main ~ start worker processes
""",
}

EDGE = {
    "refused": r"""
5 error ~ - ~ "GET {path} HTTP/1.1" 502 157 "{ref}" "{ua}"
5 error ~ - ~ "POST /api/v1/checkout HTTP/1.1" 502 157 "{ref}" "{ua}"
""",
    "timeout": r"""
5 error ~ - ~ "POST /api/v1/checkout HTTP/1.1" 504 167 "{ref}" "{ua}"
3 error ~ - ~ "GET {path} HTTP/1.1" 504 167 "{ref}" "{ua}"
""",
    "unavailable": r"""
5 error ~ - ~ "POST /api/v1/checkout HTTP/1.1" 500 87 "{ref}" "{ua}"
3 error ~ - ~ "GET {path} HTTP/1.1" 503 92 "{ref}" "{ua}"
""",
    "overload": r"""
3 error ~ - ~ "GET {path} HTTP/1.1" 503 190 "{ref}" "{ua}"
""",
}
EDGE["tls"] = EDGE["reset"] = EDGE["refused"]

POSTGRES = {
    "heap": r"""
1 warning ~ shop@shop ~ out of shared memory\nHINT:  You might need to increase
  max_locks_per_transaction.
""",
    "oom": r"""
1 info ~ - ~ server process (PID {pid2}) was terminated by signal 9: Killed
1 warning ~ shop@shop ~ terminating connection because of crash of another server process
1 info ~ - ~ all server processes terminated; reinitializing
""",
    "disk": r"""
4 error ~ shop@shop ~ could not extend file "base/16384/{pid2}": No space left on device
  \nHINT:  Check free disk space.
1 critical ~ - ~ could not write to file "pg_wal/xlogtemp.{pid2}": No space left on device
""",
    "config": r"""
3 error ~ shop@shop ~ invalid value for parameter "work_mem": "unlimited"
2 info ~ - ~ configuration file "/etc/postgresql/postgresql.conf" contains errors; no changes
  were applied
""",
    "handshake": r"""
5 info ~ [unknown]@[unknown] ~ could not accept SSL connection: sslv3 alert certificate expired
""",
    "overload": r"""
4 critical ~ shop@shop ~ sorry, too many clients already
1 critical ~ shop@shop ~ remaining connection slots are reserved for roles with the SUPERUSER
  attribute
""",
    "slow": r"""
6 info ~ shop@shop ~ duration: {slowms}.{n} ms  execute <unnamed>: {sql}
3 info ~ shop@shop ~ process {pid2} still waiting for ShareLock on transaction {conn} after
  1000.{n} ms
1 info ~ - ~ checkpoints are occurring too frequently ({n} seconds apart)
""",
    "stop": r"""
1 info ~ - ~ received fast shutdown request
1 critical ~ shop@shop ~ terminating connection due to administrator command
1 info ~ - ~ database system is shut down
""",
    "start": r"""
1 info ~ - ~ starting PostgreSQL 16.8 (Debian 16.8-1.pgdg120+1) on x86_64-pc-linux-gnu
1 info ~ - ~ listening on IPv4 address "0.0.0.0", port 5432
1 info ~ - ~ database system was shut down at an unknown time, redo done at {lsn}
1 info ~ - ~ database system is ready to accept connections
""",
    "refused": r"""
4 critical ~ shop@shop ~ the database system is starting up
""",
}

REDIS = {
    "heap": r"""
1 warning ~ - ~ WARNING: used memory {heap}% of maxmemory, evicting keys
""",
    "oom": r"""
1 warning ~ - ~ Can't save in background: fork: Cannot allocate memory
1 warning ~ - ~ Out Of Memory allocating {bytes} bytes!
""",
    "disk": r"""
4 warning ~ - ~ Error writing to the AOF file: No space left on device
1 warning ~ - ~ MISCONF Redis is configured to save RDB snapshots, but is unable to persist to disk.
""",
    "config": r"""
3 warning ~ - ~ Bad directive or wrong number of arguments in CONFIG SET maxmemory 'unlimited'
""",
    "handshake": r"""
5 warning ~ - ~ Error accepting a client connection: error:0A000415:SSL routines::certificate
  expired
""",
    "overload": r"""
4 warning ~ - ~ Error: max number of clients reached, closing {pip}:{port}
""",
    "slow": r"""
3 warning ~ - ~ Slow command LRANGE sessions 0 -1 from {pip}:{port}, {slowms} milliseconds
""",
    "stop": r"""
1 warning ~ - ~ User requested shutdown...
1 warning ~ - ~ Redis is now ready to exit, bye bye...
""",
    "start": r"""
1 info ~ - ~ Redis version=7.4.2, bits=64, commit=00000000, modified=0, pid=1, just started
1 info ~ - ~ Running mode=standalone, port=6379.
1 info ~ - ~ DB loaded from append only file: 0.{n} seconds
1 info ~ - ~ Ready to accept connections tcp
""",
}

MAIL = {
    "timeout": r"""
5 warning ~ postfix/smtp[{pid}] ~ {mailid}: lost connection with {callee}[{pip}] while sending
  RCPT TO
""",
    "heap": r"""
1 warning ~ kernel ~ [{conn}.{pid}] smtpd: page allocation stalls for {slowms}ms, order:0
""",
    "oom": r"""
1 error ~ kernel ~ [{conn}.{pid}] Out of memory: Killed process {pid} (qmgr) total-vm:{many}kB
""",
    "disk": r"""
4 error ~ postfix/cleanup[{pid}] ~ error: {mailid}: write queue file: No space left on device
""",
    "config": r"""
3 error ~ postfix/smtpd[{pid}] ~ fatal: bad numerical configuration: smtpd_client_limit = unlimited
""",
    "handshake": r"""
5 warning ~ postfix/smtpd[{pid}] ~ warning: TLS library problem: SSL routines: alert certificate
  expired
""",
    "backlog": r"""
3 warning ~ postfix/qmgr[412] ~ warning: mail for mx1.{domain} is using up {many} of 20000 slots
""",
    "overload": r"""
3 warning ~ postfix/master[301] ~ warning: service "smtp" (25) has reached its process limit "100"
""",
    "stop": r"""
1 info ~ postfix/master[301] ~ terminating on signal 15
""",
    "start": r"""
1 info ~ postfix/postfix-script[{pid}] ~ starting the Postfix mail system
1 info ~ postfix/master[301] ~ daemon started -- version 3.7.11, configuration {version}
""",
}

TROUBLE: dict[str, dict[str, str]] = {
    "go": GO,
    "jvm": JVM,
    "python": PYTHON,
    "node": NODE,
    "nginx": NGINX,
    "edge": EDGE,
    "postgres": POSTGRES,
    "redis": REDIS,
    "mail": MAIL,
}
"""Technology → symptom → messages; a symptom that is missing leaves no lines there."""
