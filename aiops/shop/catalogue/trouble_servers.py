"""What nginx, postgres, redis and the mail relay say in trouble."""

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
