"""What services written in Go, Java, Python and JavaScript say in trouble."""

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
5 error ~ c.s.{service}.client.{Callee}Client ~ Call to {callee} failed: Connection refused
  \norg.springframework.web.client.ResourceAccessException: I/O error on POST request for
  "http://{target}/v1": Connection refused
  \n\tat com.shop.{service}.client.{Callee}Client.call({Callee}Client.java:{line})
  \nCaused by: java.net.ConnectException: Connection refused
  \n\tat java.base/sun.nio.ch.Net.pollConnect(Native Method)
2 warning ~ com.zaxxer.hikari.pool.HikariPool ~ HikariPool-1 - Connection to {callee} is not
  available, request timed out after {wait}ms.
""",
    "timeout": r"""
5 error ~ c.s.{service}.client.{Callee}Client ~ Call to {callee} timed out after {wait} ms
  \njava.net.SocketTimeoutException: Read timed out
  \n\tat java.base/sun.nio.ch.NioSocketImpl.timedRead(NioSocketImpl.java:{line})
  \n\tat com.shop.{service}.client.{Callee}Client.call({Callee}Client.java:71)
2 warning ~ c.s.{service}.client.{Callee}Client ~ Slow answer from {callee}: {slowms} ms
""",
    "unavailable": r"""
5 error ~ c.s.{service}.client.{Callee}Client ~ Call to {callee} failed: 500 Internal Server Error
  \norg.springframework.web.client.HttpServerErrorException$InternalServerError: 500 on POST request
  for "http://{target}/v1": [no body]
  \n\tat com.shop.{service}.client.{Callee}Client.call({Callee}Client.java:{line})
""",
    "tls": r"""
5 error ~ c.s.{service}.client.{Callee}Client ~ Call to {callee} failed: PKIX path validation failed
  \njavax.net.ssl.SSLHandshakeException: PKIX path validation failed:
  java.security.cert.CertPathValidatorException: validity check failed
  \n\tat com.shop.{service}.client.{Callee}Client.call({Callee}Client.java:{line})
""",
    "reset": r"""
5 error ~ c.s.{service}.client.{Callee}Client ~ Call to {callee} failed: Connection reset
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
