"""Messages of the edge: the nginx frontend and the API gateway."""

ACCESS = r"""
300 info ~ - ~ "GET {path} HTTP/1.1" 200 {bytes} "{ref}" "{ua}"
70 info ~ - ~ "GET {path} HTTP/2.0" 200 {bytes} "{ref}" "{ua}"
60 info ~ - ~ "GET {path} HTTP/1.1" 304 0 "{ref}" "{ua}"
30 info ~ - ~ "GET /api/v1/products/{sku} HTTP/1.1" 200 {bytes} "{ref}" "{ua}"
24 info ~ - ~ "GET /api/v1/search?q={q}&lang={lang} HTTP/1.1" 200 {bytes} "{ref}" "{ua}"
26 info ~ - ~ "POST /api/v1/cart/items HTTP/1.1" 201 {count} "{ref}" "{ua}"
12 info ~ - ~ "GET /api/v1/recommendations?sku={sku} HTTP/1.1" 200 {bytes} "{ref}" "{ua}"
9 info ~ - ~ "POST /api/v1/checkout HTTP/1.1" 200 {count} "{ref}" "{ua}"
9 info ~ - ~ "POST /api/v1/login HTTP/1.1" 200 {count} "{ref}" "{ua}"
7 info ~ - ~ "GET /api/v1/orders/{order} HTTP/1.1" 200 {bytes} "{ref}" "{ua}"
5 info ~ - ~ "DELETE /api/v1/cart/items/{sku} HTTP/1.1" 204 0 "{ref}" "{ua}"
6 info ~ - ~ "GET {path} HTTP/1.1" 301 162 "-" "{ua}"
8 info ~ - ~ "GET {path} HTTP/1.1" 404 {count} "{ref}" "{ua}"
4 info ~ - ~ "POST /api/v1/login HTTP/1.1" 401 52 "{ref}" "{ua}"
2 info ~ - ~ "POST /api/v1/cart/items HTTP/1.1" 409 87 "{ref}" "{ua}"
1.5 info ~ - ~ "GET {path} HTTP/1.1" 499 0 "{ref}" "{ua}"
1 info ~ - ~ "HEAD / HTTP/1.1" 200 0 "-" "Mozilla/5.0 (compatible; UptimeProbe/2.3)"
.6 error ~ - ~ "GET {path} HTTP/1.1" 502 157 "{ref}" "{ua}"
20/d info ~ - ~ "GET /.env HTTP/1.1" 403 146 "-" "python-requests/2.31.0"
14/d info ~ - ~ "GET /wp-login.php HTTP/1.1" 404 146 "-" "Mozilla/5.0 zgrab/0.x"
6/d info ~ - ~ "GET /robots.txt HTTP/1.1" 200 68 "-" "{ua}"
2/d info ~ - ~ "POST /xmlrpc.php HTTP/1.1" 404 146 "-" "-"
1/d info ~ - ~ "OPTIONS / HTTP/1.0" 405 150 "-" "masscan/1.3"
.3/d info ~ - ~ "PROPFIND / HTTP/1.1" 405 150 "-" "-"
"""

ACCESS_FAILED = r"""
6 error ~ - ~ "GET {path} HTTP/1.1" 502 157 "{ref}" "{ua}"
5 error ~ - ~ "POST /api/v1/checkout HTTP/1.1" 502 157 "{ref}" "{ua}"
5 error ~ - ~ "POST /api/v1/checkout HTTP/1.1" 504 167 "{ref}" "{ua}"
2 error ~ - ~ "GET /api/v1/orders/{order} HTTP/1.1" 503 92 "{ref}" "{ua}"
"""

NGINX_ERROR = r"""
60/d error ~ - ~ access forbidden by rule, client: {ip}, server: shop.example,
  request: "GET /.git/config HTTP/1.1", host: "shop.example"
90/d warning ~ - ~ an upstream response is buffered to a temporary file /var/cache/nginx/proxy/{n},
  client: {ip}, server: shop.example, request: "GET {path} HTTP/1.1"
50/d error ~ - ~ upstream prematurely closed connection while reading response header from upstream,
  client: {ip}, server: shop.example, request: "GET {path} HTTP/1.1",
  upstream: "http://{pip}:8080{path}", host: "shop.example"
60/d info ~ - ~ client {ip} closed keepalive connection
30/d error ~ - ~ open() "/usr/share/nginx/html/apple-touch-icon.png" failed
  (2: No such file or directory), client: {ip}, server: shop.example
5/d warning ~ - ~ a client request body is buffered to a temporary file
  /var/cache/nginx/client/{n}, client: {ip}, server: shop.example
1/d info ~ main ~ signal 1 (SIGHUP) received from 1, reconfiguring
.4/d warning ~ main ~ no resolver defined to resolve r3.o.lencr.org while requesting certificate
  status
@86400+1 info ~ main ~ signal process started
@86400+1.4 info ~ main ~ reopening logs
"""

GATEWAY = r"""
100 info ~ method=GET route=/api/v1/products/:sku status=200 duration_ms={msf} user={uid}
  trace_id={trace} ~ request completed
40 info ~ method=GET route=/api/v1/search status=200 duration_ms={msf} bytes={bytes}
  trace_id={trace} ~ request completed
36 info ~ method=POST route=/api/v1/cart/items status=201 duration_ms={msf} user={uid}
  trace_id={trace} ~ request completed
18 info ~ method=POST route=/api/v1/checkout status=200 duration_ms={msf} user={uid}
  trace_id={trace} ~ request completed
14 info ~ method=POST route=/api/v1/login status=200 duration_ms={msf} trace_id={trace}
  ~ request completed
12 info ~ method=GET route=/api/v1/recommendations status=200 duration_ms={msf} trace_id={trace}
  ~ request completed
6 info ~ method=GET route=/api/v1/products/:sku status=404 duration_ms={msf} trace_id={trace}
  ~ request completed
4 warning ~ method=POST route=/api/v1/login status=401 duration_ms={msf} remote={ip}
  ~ authentication failed
9 debug ~ user={uid} kid=k-{hex6} ~ token verified from cache
4 info ~ route=/api/v1/search limit=120 remaining={n} client={ip} ~ rate limit window rotated
3 warning ~ client={ip} route=/api/v1/search limit=120 ~ rate limit exceeded
1.2 warning ~ upstream=catalog attempt=2 duration_ms={slowms} trace_id={trace} ~ slow upstream
  response
.5 error ~ upstream=recommendation err="context canceled" trace_id={trace} ~ proxy error
@30+7 info ~ upstreams=5 healthy=5 duration_ms={msf} ~ health check round finished
@600+13 info ~ keys=3 etag={hex12} ~ jwks refreshed
@300+44 info ~ goroutines={count} heap_mb={mb} gc_cpu=0.01 ~ runtime stats
8/d warning ~ remote={ip}:{port} err="tls: first record does not look like a TLS handshake"
  ~ handshake error
4/d info ~ experiment=search-rank bucket={n} ~ experiment configuration reloaded
3/d warning ~ size={mb} limit=256 ~ response cache close to its limit
.5/d info ~ country={country} ~ geo database older than 30 days
.2/d warning ~ skew_ms={slowms} peer={pip} ~ clock skew with peer above soft limit
"""

GATEWAY_DEFECTS = r"""
5 error ~ route=/api/v1/checkout trace_id={trace} stack=proxy.go:{line}
  err="json: cannot unmarshal string into Go struct field Basket.totals of type int64"
  ~ response rewrite failed
3 error ~ route=/api/v1/products/:sku panic="assignment to entry in nil map" trace_id={trace}
  ~ recovered from panic in middleware
2 warning ~ header=x-shop-tenant trace_id={trace} ~ unknown header version, request rejected
"""
