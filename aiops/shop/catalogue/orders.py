"""Messages of the order path: checkout, cart, payment and shipping."""

CHECKOUT = r"""
50 info ~ c.s.checkout.web.CheckoutController ~ Checkout started for cart {cart}, customer {uid}
44 info ~ c.s.checkout.order.OrderService ~ Order {order} created with {qty} items, total
  {cents} {currency}
40 info ~ c.s.checkout.client.InventoryClient ~ Reserved {qty} x {sku} in {ms} ms
40 info ~ c.s.checkout.client.PaymentClient ~ Payment {charge} for order {order} authorised in
  {ms} ms
36 info ~ c.s.checkout.client.ShippingClient ~ Quote for {country}: {carrier} {cents} {currency}
  ({ms} ms)
34 info ~ c.s.checkout.order.OrderService ~ Order {order} confirmed, took {ms} ms
22 debug ~ c.s.checkout.price.PriceEngine ~ Applied {qty} price rules to cart {cart}: {cents} ->
  {cents2}
14 info ~ c.s.checkout.event.OutboxPublisher ~ Published event order.confirmed key={order}
8 info ~ c.s.checkout.price.VoucherService ~ Voucher SPRING{n} accepted for customer {uid}
5 warning ~ c.s.checkout.price.VoucherService ~ Voucher WELCOME{n} rejected for customer {uid}:
  already used
4 warning ~ c.s.checkout.order.OrderService ~ Payment declined for order {order}: {decline}
3 info ~ c.s.checkout.order.OrderService ~ Order {order} cancelled by customer {user}
2 warning ~ c.s.checkout.order.StockGuard ~ Only {qty} of {sku} left while reserving for order
  {order}
1 warning ~ c.s.checkout.client.ShippingClient ~ Retrying quote for {country}, attempt 2 of 3
.8 error ~ c.s.checkout.web.ApiExceptionHandler ~ Request failed: address of customer {uid} is
  incomplete
  \ncom.shop.checkout.web.InvalidAddressException: postal code missing for country {country}
  \n\tat com.shop.checkout.web.AddressValidator.validate(AddressValidator.java:{line})
  \n\tat com.shop.checkout.web.CheckoutController.start(CheckoutController.java:88)
@60+11 debug ~ c.s.checkout.event.OutboxPublisher ~ Outbox drained, {n} events in {ms} ms
@300+31 info ~ com.zaxxer.hikari.pool.HikariPool ~ HikariPool-1 - Pool stats
  (total=10, active={qty}, idle=8, waiting=0)
@3600+700 info ~ c.s.checkout.scheduling.CartSweeper ~ Released {count} expired reservations
9/d warning ~ com.zaxxer.hikari.pool.PoolBase ~ HikariPool-1 - Failed to validate connection
  org.postgresql.jdbc.PgConnection@{hex6} (This connection has been closed.)
5/d info ~ c.s.checkout.price.PriceEngine ~ Price list {hex6} activated with {many} entries
3/d warning ~ c.s.checkout.tax.TaxTable ~ No reduced rate for {country}, using the standard rate
.5/d info ~ o.s.core.LocalVariableTableParameterNameDiscoverer ~ Parameter name index rebuilt
.2/d warning ~ c.s.checkout.price.PriceEngine ~ Rounding difference of 1 cent on order {order}
  booked
"""

CHECKOUT_DEFECTS = r"""
5 error ~ c.s.checkout.web.ApiExceptionHandler ~ Unhandled exception for cart {cart}
  \njava.lang.NullPointerException: Cannot invoke "com.shop.checkout.order.Basket.lines()"
  because "basket" is null
  \n\tat com.shop.checkout.order.BasketMerger.merge(BasketMerger.java:{line})
  \n\tat com.shop.checkout.order.OrderService.create(OrderService.java:141)
  \n\tat com.shop.checkout.web.CheckoutController.start(CheckoutController.java:92)
3 error ~ c.s.checkout.order.OrderService ~ Totals of order {order} do not add up:
  lines {cents}, basket {cents2}; order refused
2 warning ~ c.s.checkout.order.BasketMerger ~ Guest cart {cart} could not be merged, starting over
"""

CART = r"""
60 info ~ cart.api ~ POST /v1/carts/{cart}/items 201 {msf}ms user={uid}
44 info ~ cart.api ~ GET /v1/carts/{cart} 200 {msf}ms user={uid}
40 info ~ cart.service ~ added {qty} x {sku} to {cart}
20 debug ~ cart.store ~ SETEX cart:{cart} ttl=1209600 bytes={count}
12 info ~ cart.service ~ removed {sku} from {cart}
10 debug ~ cart.pricing ~ price of {sku} from cache, age {n}s
9 info ~ cart.api ~ DELETE /v1/carts/{cart}/items/{sku} 204 {msf}ms user={uid}
7 info ~ cart.clients.catalog ~ fetched {qty} products in {ms}ms
6 info ~ cart.service ~ merged guest cart {cart} into cart of user {uid}
4 warning ~ cart.service ~ {sku} is out of stock, quantity of {cart} reduced to {qty}
3 info ~ cart.api ~ GET /v1/carts/{cart} 404 {msf}ms user=-
2 info ~ cart.share ~ shared cart {cart} as https://shop.example/c/{hex6}
1.5 warning ~ cart.store ~ slow redis command HGETALL cart:{cart}: {slowms}ms
.7 warning ~ cart.clients.catalog ~ retrying GET http://catalog:8080/v1/products/{sku} (attempt 2)
.5 error ~ cart.api ~ rejected malformed body from {ip}
  \nTraceback (most recent call last):\n  File "/srv/cart/api.py", line {line}, in add_item
  \n    body = ItemBody.model_validate_json(raw)
  \npydantic_core.ValidationError: 1 validation error for ItemBody
@60+23 debug ~ cart.metrics ~ flushed {n} series
@900+91 info ~ cart.sweeper ~ expired {count} abandoned carts in {ms}ms
6/d warning ~ asyncio ~ Executing <Task pending name='Task-{conn}'> took 0.{wait} seconds
4/d info ~ cart.flags ~ flag "saved-carts" now at {percent}%
2/d warning ~ cart.service ~ cart {cart} reached the limit of 100 lines
.3/d info ~ cart.store ~ script cache was empty, loaded 4 Lua scripts
.2/d warning ~ cart.pricing ~ price of {sku} changed twice within one minute
"""

CART_DEFECTS = r"""
5 error ~ cart.api ~ unhandled error on POST /v1/carts/{cart}/items
  \nTraceback (most recent call last):\n  File "/srv/cart/api.py", line {line}, in add_item
  \n    line = merge_lines(cart.lines, item)
  \n  File "/srv/cart/merge.py", line 37, in merge_lines\n    key = (item.sku, item.variant.id)
  \nAttributeError: 'NoneType' object has no attribute 'id'
3 error ~ cart.store ~ cannot decode cart {cart}: unknown schema version 7, dropping it
2 warning ~ cart.service ~ variant missing for {sku}, falling back to legacy pricing
"""

PAYMENT = r"""
40 info ~ reqId={uuid} req.method=POST req.url=/v1/charges req.remoteAddress={pip} ~ incoming
  request
38 info ~ reqId={uuid} res.statusCode=201 responseTime={msf} ~ request completed
30 info ~ chargeId={charge} orderId={order} amount.cents={cents} amount.currency={currency}
  card.brand={brand} ~ charge authorised
26 info ~ chargeId={charge} provider=acquirer-a durationMs={ms} ~ charge captured
12 debug ~ chargeId={charge} risk.score={percent} risk.rules={qty} ~ risk check passed
6 info ~ event=charge.captured endpoint=https://hooks.shop.example/{hex6} attempt=1 ~ webhook
  delivered
5 warning ~ chargeId={charge} reason={decline} card.brand={brand} ~ charge declined
3 info ~ refundId=re_{hex12} orderId={order} amount.cents={cents} ~ refund issued
2 info ~ chargeId={charge} challenge=3ds2 country={country} ~ customer authentication requested
1.5 warning ~ chargeId={charge} risk.score=97 ~ charge held for review
1 warning ~ provider=acquirer-a durationMs={slowms} ~ provider slow to answer
.6 warning ~ event=charge.captured attempt=2 status=503 ~ webhook retry scheduled
@60+37 debug ~ pool.total=12 pool.idle=9 pool.waiting=0 ~ database pool
@3600+310 info ~ settlements={count} durationMs={slowms} ~ settlement file reconciled
@86400+10800 info ~ file=settle-{hex6}.csv rows={many} ~ daily settlement uploaded
5/d warning ~ chargeId={charge} ~ idempotency key reused with the same body
3/d warning ~ provider=acquirer-a remainingDays={n} ~ provider announced maintenance
2/d info ~ rates.count=31 rates.source=ecb ~ exchange rates updated
.3/d info ~ brand={brand} range={pid} ~ new card range learned
.2/d warning ~ chargeId={charge} driftMs={slowms} ~ provider clock ahead of ours
"""

PAYMENT_DEFECTS = r"""
5 error ~ reqId={uuid} orderId={order} err.type=TypeError
  err.message="Cannot read properties of undefined (reading 'exponent')"
  err.stack="TypeError: Cannot read properties of undefined (reading 'exponent')\n
  at toMinorUnits (/app/dist/money.js:{line}:17)\n    at authorise (/app/dist/charges.js:88:21)"
  ~ charge failed
3 error ~ chargeId={charge} currency={currency} expected=minor got=major ~ amount rejected by
  provider
2 warning ~ orderId={order} attempt=3 ~ giving up on charge, order stays unpaid
"""

SHIPPING = r"""
40 info ~ country={country} carrier={carrier} grams={count} latency_ms={ms} ~ Quote computed
26 info ~ order={order} carrier={carrier} label=L{conn} latency_ms={ms} ~ Label created
20 info ~ shipment=S{conn} status=in_transit carrier={carrier} ~ Tracking update
9 info ~ shipment=S{conn} status=delivered carrier={carrier} ~ Tracking update
7 debug ~ zone={country} entries={n} ~ Rate table hit
4 info ~ order={order} depot=D{n} ~ Parcel routed
3 warning ~ order={order} country={country} ~ Address normalised with low confidence
1.5 warning ~ carrier={carrier} latency_ms={slowms} ~ Carrier API slow
.8 warning ~ shipment=S{conn} carrier={carrier} ~ Tracking event out of order, ignored
@120+17 info ~ open={count} polled={n} latency_ms={ms} ~ Tracking poll finished
@3600+1500 info ~ carrier=dhl rates={count} ~ Rate table refreshed
@86400+64800 info ~ manifests={n} parcels={many} ~ Daily manifest closed
6/d warning ~ shipment=S{conn} days={qty} ~ Shipment without movement
3/d info ~ carrier={carrier} surcharge_cents={cents} ~ Fuel surcharge updated
2/d warning ~ carrier={carrier} code=E{pid} ~ Unknown carrier status mapped to in_transit
.3/d info ~ country={country} ~ Holiday calendar loaded
.2/d warning ~ depot=D{n} ~ Depot cut-off moved by carrier
"""

SHIPPING_DEFECTS = r"""
5 error ~ order={order} err="weight must be positive: -{count}" caller=label.go:{line}
  ~ Label rejected by carrier
3 error ~ country={country} err="index out of range [12] with length 12" ~ Quote failed
2 warning ~ order={order} ~ Falling back to flat rate
"""
