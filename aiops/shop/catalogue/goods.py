"""Messages of the goods side: catalog, inventory, recommendation and auth."""

CATALOG = r"""
90 info ~ method=GET path=/v1/products/{sku} status=200 latency_ms={msf} trace_id={trace}
  ~ served product
40 info ~ query="{query}" lang={lang} hits={count} latency_ms={msf} trace_id={trace} ~ search
24 debug ~ key=product:{sku} hit.layer=redis hit.age_s={n} ~ cache hit
16 debug ~ key=product:{sku} ~ cache miss
14 info ~ category={good}s page={qty} items=24 latency_ms={msf} ~ served listing
6 info ~ sku={sku} price.cents={cents} price.currency={currency} ~ price changed
5 info ~ method=GET path=/v1/products/{sku} status=404 latency_ms={msf} trace_id={trace}
  ~ product not found
3 info ~ sku={sku} image=img_{hex12} bytes={bytes} ~ image attached
2 warning ~ query="{query}" latency_ms={slowms} ~ slow search
1 warning ~ sku={sku} lang={lang} ~ translation missing
.5 warning ~ statement=list_category latency_ms={slowms} rows={count} ~ slow statement
@60+41 debug ~ acquired={qty} idle={n} max=20 ~ pgx pool
@900+120 info ~ documents={many} latency_ms={slowms} segment={hex6} ~ index segment merged
@86400+9300 info ~ documents={many} took_s={count} ~ nightly reindex finished
6/d info ~ sku={sku} reviews={count} ~ rating recomputed
3/d warning ~ sku={sku} attribute=colour value=petrol ~ attribute value not in taxonomy
2/d info ~ supplier=SUP-{n} rows={count} ~ supplier feed imported
.3/d warning ~ supplier=SUP-{n} encoding=windows-1252 ~ supplier feed with unexpected encoding
.2/d info ~ analyzer={lang} synonyms={count} ~ synonym list swapped
"""

CATALOG_DEFECTS = r"""
5 error ~ sku={sku} trace_id={trace} error="scan column 7 (discount_until): cannot scan NULL
  into *time.Time"
  stacktrace="main.(*Store).Product\n\t/src/store.go:{line}" ~ load product failed
3 error ~ query="{query}" error="runtime error: slice bounds out of range [:24] with capacity 9"
  ~ listing failed
2 warning ~ sku={sku} ~ serving stale product
"""

INVENTORY = r"""
40 info ~ req.method=POST req.path=/v1/reservations res.status=201 res.ms={msf} trace={trace}
  ~ request
34 info ~ sku={sku} qty={qty} warehouse.id=W{worker} order={order} ~ stock reserved
26 info ~ sku={sku} qty={qty} warehouse.id=W{worker} ~ reservation committed
12 info ~ req.method=GET req.path=/v1/stock/{sku} res.status=200 res.ms={msf} ~ request
6 info ~ sku={sku} qty={qty} reason=expired ~ reservation released
4 info ~ sku={sku} delta={n} warehouse.id=W{worker} user={user} ~ manual stock correction
3 warning ~ sku={sku} onHand={qty} threshold=10 ~ stock below reorder point
2 info ~ delivery.id=DL{conn} delivery.lines={n} warehouse.id=W{worker} ~ delivery booked
1 warning ~ sku={sku} requested={qty} ~ reservation refused, not enough stock
.6 warning ~ lock=stock:{sku} waitedMs={slowms} ~ lock wait above soft limit
@60+52 debug ~ heapUsedMb={mb} handles={n} loopDelayMs={msf} ~ process
@1800+240 info ~ skus={many} mismatches={qty} ms={slowms} ~ cycle count compared
@86400+8100 info ~ skus={many} ms={slowms} ~ nightly stock snapshot written
5/d warning ~ sku={sku} warehouse.id=W{worker} ~ negative stock corrected to zero
3/d info ~ warehouse.id=W{worker} zone={country} ~ zone layout reloaded
.4/d info ~ supplier=SUP-{n} leadTimeDays={n} ~ supplier lead time adjusted
.2/d warning ~ scanner=HH-{n} battery={percent} ~ handheld scanner reports low battery
"""

INVENTORY_DEFECTS = r"""
5 error ~ order={order} sku={sku} err.name=ConstraintError err.code=23514
  err.message="new row for relation stock violates check constraint stock_reserved_check"
  err.stack="ConstraintError: new row violates check\n    at reserve (/app/src/stock.js:{line}:11)"
  ~ reservation failed
3 error ~ order={order} expected={qty} ~ reservation ledger out of balance
2 warning ~ sku={sku} ~ skipping allocation, warehouse unknown
"""

RECOMMENDATION = r"""
60 info ~ reco.api ~ GET /v1/similar/{sku} 200 {msf}ms model={model}
30 info ~ reco.api ~ GET /v1/for-user/{uid} 200 {msf}ms model={model} items=12
20 debug ~ reco.features ~ loaded {n} features for user {uid} in {ms}ms
12 debug ~ reco.cache ~ hit sim:{sku}
8 info ~ reco.api ~ GET /v1/for-user/{uid} 200 {msf}ms model=popular-v2 items=12
5 info ~ reco.feedback ~ click user={uid} sku={sku} position={qty}
2 warning ~ reco.features ~ no history for user {uid}, using popularity
1 warning ~ reco.api ~ scoring took {slowms}ms for user {uid}
.6 warning ~ reco.clients.catalog ~ {sku} no longer in catalog, dropped from results
@120+29 info ~ reco.metrics ~ precision@12={share} coverage={share}
@3600+2100 info ~ reco.trainer ~ incremental update: {many} interactions, loss={share}
@86400+11400 info ~ reco.trainer ~ model als-0305 published, {many} users, {many2} items
5/d info ~ reco.model ~ embedding cache resized to {many} rows
3/d warning ~ reco.features ~ feature store lag {n}s
.4/d warning ~ py.warnings ~ /srv/reco/score.py:{line}: RuntimeWarning: invalid value in divide
.2/d info ~ reco.model ~ exploration share set to 0.0{qty}
"""

RECOMMENDATION_DEFECTS = r"""
5 error ~ reco.api ~ scoring failed for user {uid}
  \nTraceback (most recent call last):\n  File "/srv/reco/api.py", line {line}, in for_user
  \n    scores = model.score(user_vec, items)
  \n  File "/srv/reco/model.py", line 58, in score\n    return items @ user_vec
  \nValueError: matmul: Input operand 1 has a mismatch in its core dimension 0 (size 64, wants 96)
3 error ~ reco.model ~ embedding of {sku} has NaN, item skipped
2 warning ~ reco.api ~ falling back to empty result for user {uid}
"""

AUTH = r"""
40 info ~ c.s.auth.web.TokenController ~ Issued token for user {user} (client web, {ms} ms)
30 debug ~ c.s.auth.session.SessionStore ~ Session {uuid} refreshed
18 info ~ c.s.auth.web.TokenController ~ Introspected token {hex12} active=true
14 info ~ c.s.auth.login.LoginService ~ User {user} logged in from {ip}
7 warning ~ c.s.auth.login.LoginService ~ Failed login for user {user} from {ip}: bad credentials
5 info ~ c.s.auth.session.SessionStore ~ Session {uuid} expired
3 info ~ c.s.auth.account.PasswordService ~ Password reset requested for user {user}
2 info ~ c.s.auth.login.MfaService ~ Second factor accepted for user {user}
1.4 warning ~ c.s.auth.login.MfaService ~ Wrong one-time code for user {user}, attempt {qty}
1 info ~ c.s.auth.account.AccountService ~ Account {uid} registered from {country}
.8 warning ~ c.s.auth.login.BruteForceGuard ~ Address {ip} blocked for 15 minutes
.4 error ~ c.s.auth.web.OidcController ~ Callback from provider rejected: state does not match
  \ncom.shop.auth.web.OidcStateException: state {hex12} unknown or expired
  \n\tat com.shop.auth.web.OidcController.callback(OidcController.java:{line})
@60+3 debug ~ c.s.auth.session.SessionStore ~ {count} live sessions
@300+101 info ~ com.zaxxer.hikari.pool.HikariPool ~ HikariPool-1 - Pool stats
  (total=10, active={qty}, idle=9, waiting=0)
@21600+4000 info ~ c.s.auth.keys.KeyRotation ~ Signing key k-{hex6} is now active
4/d warning ~ c.s.auth.login.LoginService ~ Login of user {user} from new country {country}
3/d info ~ c.s.auth.account.AccountService ~ Account {uid} deleted on request
.4/d info ~ c.s.auth.keys.KeyRotation ~ Retired key k-{hex6} removed from the set
.2/d warning ~ c.s.auth.login.PasswordPolicy ~ Leaked password list is {n} days old
"""

AUTH_DEFECTS = r"""
5 error ~ c.s.auth.web.TokenController ~ Could not issue token for user {user}
  \njava.lang.IllegalStateException: claim "tenant" is required by encoder v3
  \n\tat com.shop.auth.token.TokenEncoder.encode(TokenEncoder.java:{line})
  \n\tat com.shop.auth.web.TokenController.issue(TokenController.java:64)
3 error ~ c.s.auth.session.SessionStore ~ Session {uuid} cannot be read: unknown serial version
2 warning ~ c.s.auth.login.LoginService ~ Legacy hash of user {user} no longer accepted
"""
