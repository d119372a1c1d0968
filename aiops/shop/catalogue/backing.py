"""Messages of what stands behind: postgres, redis, the worker and the mail relay."""

POSTGRES = r"""
40 info ~ shop@shop ~ duration: {sqlms} ms  execute <unnamed>: {sql}
22 info ~ [unknown]@[unknown] ~ connection received: host={pip} port={port}
22 info ~ shop@shop ~ connection authorized: user=shop database=shop application_name=checkout
20 info ~ shop@shop ~ disconnection: session time: 0:1{qty}:0{qty}.{n}0 user=shop database=shop
  host={pip} port={port}
6 info ~ shop@shop ~ temporary file: path "base/pgsql_tmp/pgsql_tmp{pid}.0", size {many}
4 error ~ shop@shop ~ duplicate key value violates unique constraint "carts_pkey"
  \nDETAIL:  Key (id)=({cart}) already exists.
3 info ~ shop@shop ~ process {pid2} still waiting for ShareLock on transaction {conn} after
  1000.{n} ms
1.5 error ~ reporting@shop ~ canceling statement due to user request\nSTATEMENT:  {sql}
@300+5 info ~ - ~ checkpoint starting: time
@300+34 info ~ - ~ checkpoint complete: wrote {count} buffers (2.{qty}%); 0 WAL file(s) added, 0
  removed,
  1 recycled; write=26.{n} s, sync=0.0{qty} s, total=26.{n} s; sync files={n}, longest=0.00{qty} s;
  distance={many} kB, estimate={many2} kB
@600+77 info ~ - ~ automatic vacuum of table "shop.public.{table}": index scans: 1, pages: 0
  removed,
  {many} remain, tuples: {count} removed, {many2} remain
@900+400 info ~ - ~ automatic analyze of table "shop.public.{table}"
  system usage: CPU: user: 0.{n} s, system: 0.0{qty} s, elapsed: 0.{n} s
@86400+7200 info ~ backup@shop ~ received replication command: BASE_BACKUP (LABEL 'nightly',
  PROGRESS)
6/d warning ~ shop@shop ~ there is already a transaction in progress
8/d error ~ reporting@shop ~ permission denied for table customers\nSTATEMENT:  {sql}
3/d info ~ - ~ could not receive data from client: Connection reset by peer
.5/d info ~ - ~ parameter "log_min_duration_statement" changed to "250"
.2/d warning ~ shop@shop ~ skipping vacuum of "pg_toast_{pid}" --- lock not available
"""

POSTGRES_DEFECTS = r"""
5 error ~ shop@shop ~ could not access status of transaction {conn}
  \nDETAIL:  Could not open file "pg_xact/0{n}": No such file or directory.
3 error ~ shop@shop ~ function rank_products(integer) does not exist\nSTATEMENT:  {sql}
2 error ~ shop@shop ~ deadlock detected\nDETAIL:  Process {pid2} waits for ShareLock on
  transaction {conn}; blocked by process {pid}.
"""

REDIS = r"""
10 info ~ - ~ {qty} clients connected (0 replicas), {many} bytes in use
5 debug ~ - ~ Client closed connection id={conn} addr={pip}:{port} laddr=10.42.0.9:6379 name=cart
4 debug ~ - ~ Accepted {pip}:{port}
.6 warning ~ - ~ Asynchronous AOF fsync is taking too long (disk is busy?). Writing the AOF buffer
  without waiting for fsync to complete, this may slow down Redis.
@300+60 info ~ - ~ 100 changes in 300 seconds. Saving...
@300+60.1 info ~ - ~ Background saving started by pid {pid}
@300+60.9 info ~ {pid}:C ~ DB saved on disk
@300+61 info ~ {pid}:C ~ Fork CoW for RDB: current {qty} MB, peak {qty} MB, average {qty} MB
@300+61.2 info ~ - ~ Background saving terminated with success
@30+19 debug ~ - ~ DB 0: {many} keys ({many2} volatile) in 65536 slots HT.
@14400+900 info ~ - ~ Starting automatic rewriting of AOF on 100% growth
@14400+901 info ~ - ~ Background append only file rewriting started by pid {pid}
@14400+905 info ~ - ~ Background AOF rewrite finished successfully
3/d warning ~ - ~ Client id={conn} addr={pip}:{port} closed for overcoming of output buffer limits.
2/d info ~ - ~ CONFIG SET maxmemory-policy allkeys-lru by {pip}:{port}
.3/d warning ~ - ~ Possible SECURITY ATTACK detected. It looks like somebody is sending POST or
  Host:
  commands to Redis. Connection from {pip}:{port} aborted.
"""

REDIS_DEFECTS = r"""
5 warning ~ - ~ Error running Lua script f_{hex12}: attempt to index a nil value (field 'lines')
3 warning ~ - ~ Client id={conn} addr={pip}:{port} sent unknown command 'HSETEX', protocol mismatch
2 warning ~ - ~ Slow script detected: still in execution after {slowms} milliseconds.
"""

WORKER = r"""
60 info ~ worker.pool ~ job {uuid} {job} started (queue {queue}, attempt 1)
58 info ~ worker.pool ~ job {uuid} {job} succeeded in {sec}s
20 info ~ worker.jobs.receipt ~ receipt for {order} sent to {hex6}@{domain}
16 info ~ worker.jobs.stock ~ synchronised {n} stock rows in {ms}ms
10 info ~ worker.jobs.images ~ resized img_{hex12}.jpg to 320x320, {kb} kB
6 debug ~ worker.redis ~ BRPOP queue:{queue} -> 1 job
4 info ~ worker.jobs.reviews ~ review of {sku} scored {share}
3 warning ~ worker.pool ~ job {uuid} {job} failed (TransientError), retry in {n}s
1 warning ~ worker.jobs.images ~ img_{hex12}.jpg is not an image, skipped
.8 warning ~ worker.pool ~ job {uuid} {job} ran {sec}s, longer than its soft limit
.5 error ~ worker.pool ~ job {uuid} resize-image failed for good
  \nTraceback (most recent call last):\n  File "/srv/worker/pool.py", line {line}, in run
  \n    result = job.perform()\n  File "/srv/worker/jobs/images.py", line 44, in perform
  \n    image.load()\nOSError: image file is truncated (17 bytes not processed)
@30+12 info ~ worker.heartbeat ~ alive, {qty} busy, {n} jobs in the last minute
@600+130 info ~ worker.scheduler ~ enqueued purge-cart ({count} carts)
@86400+7800 info ~ worker.batch ~ nightly settlement batch started, {many} orders
@86400+8400 info ~ worker.batch ~ nightly settlement batch: half of the orders done
@86400+9240 info ~ worker.batch ~ nightly settlement batch finished, {count} corrections
@86400+9250 info ~ worker.batch ~ report settle-{hex6}.pdf uploaded ({kb} kB)
5/d warning ~ worker.jobs.receipt ~ address {hex6}@{domain} bounced before, mail held
3/d info ~ worker.pool ~ resized to 8 processes
.4/d warning ~ worker.scheduler ~ job purge-cart is still running, run skipped
.2/d info ~ worker.jobs.stock ~ warehouse W{worker} switched to delta feed
"""

WORKER_DEFECTS = r"""
5 error ~ worker.pool ~ job {uuid} {job} failed
  \nTraceback (most recent call last):\n  File "/srv/worker/pool.py", line {line}, in run
  \n    result = job.perform(ctx)\nTypeError: perform() takes 1 positional argument but 2 were given
3 error ~ worker.pool ~ moved job {uuid} to the dead letter queue after 5 attempts
2 warning ~ worker.pool ~ payload of job {uuid} has unknown version 4
"""

MAIL = r"""
30 info ~ postfix/smtpd[{pid}] ~ connect from worker[{pip}]
30 info ~ postfix/smtpd[{pid}] ~ {mailid}: client=worker[{pip}]
30 info ~ postfix/cleanup[{pid}] ~ {mailid}: message-id=<{hex12}.{conn}@shop.example>
30 info ~ postfix/qmgr[412] ~ {mailid}: from=<orders@shop.example>, size={bytes}, nrcpt=1 (queue
  active)
30 info ~ postfix/smtp[{pid}] ~ {mailid}: to=<{hex6}@{domain}>, relay=mx1.{domain}[{ip}]:25,
  delay={sec}, delays=0.01/0/0.4/{sec}, dsn=2.0.0, status=sent (250 2.0.0 OK {conn})
30 info ~ postfix/qmgr[412] ~ {mailid}: removed
28 info ~ postfix/smtpd[{pid}] ~ disconnect from worker[{pip}] ehlo=1 mail=1 rcpt=1 data=1 quit=1
3 info ~ postfix/smtp[{pid}] ~ {mailid}: to=<{hex6}@{domain}>, relay=mx1.{domain}[{ip}]:25,
  delay={sec}, dsn=4.2.1, status=deferred (host mx1.{domain}[{ip}] said: 450 4.2.1 greylisted)
1.5 info ~ postfix/smtp[{pid}] ~ {mailid}: to=<{hex6}@{domain}>, relay=mx1.{domain}[{ip}]:25,
  delay={sec}, dsn=5.1.1, status=bounced (host mx1.{domain}[{ip}] said: 550 5.1.1 user unknown)
@600+200 info ~ postfix/anvil[{pid}] ~ statistics: max connection rate {qty}/60s for (smtp:{pip})
@3600+61 info ~ CRON[{pid}] ~ (root) CMD (run-parts --report /etc/cron.hourly)
@86400+22500 info ~ systemd[1] ~ Starting logrotate.service - Rotate log files...
@86400+22501 info ~ systemd[1] ~ logrotate.service: Deactivated successfully.
8/d warning ~ postfix/smtpd[{pid}] ~ warning: hostname mail.{domain} does not resolve to address
  {ip}
4/d info ~ systemd-timesyncd[288] ~ Contacted time server {ip}:123 (0.pool.ntp.org).
.4/d warning ~ kernel ~ [{conn}.{pid}] TCP: request_sock_TCP: Possible SYN flooding on port 25.
.2/d info ~ systemd[1] ~ Started apt-daily.service - Daily apt download activities.
"""

MAIL_DEFECTS = r"""
5 error ~ postfix/smtpd[{pid}] ~ error: open database /etc/postfix/virtual.db: No such file or
  directory
3 error ~ postfix/trivial-rewrite[{pid}] ~ fatal: bad parameter "relay_map" in main.cf
2 warning ~ postfix/cleanup[{pid}] ~ warning: {mailid}: virtual_alias_maps map lookup problem
"""
