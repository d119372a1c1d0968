"""The variable parts of log lines: what stands for ``{user}``, ``{ms}`` or ``{sql}`` in a text."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np

from aiops.shop.chance import generator

if TYPE_CHECKING:
    from numpy.typing import NDArray


class Sheet:
    """Hold what the lines of one stream share within one hour, in order of time.

    ``slow`` multiplies durations line by line; ``None`` while nothing is slow. Chance is drawn
    in large pieces and handed out from them: most templates have only a few lines in an hour.
    """

    def __init__(
        self,
        rng: np.random.Generator,
        stamps: Sequence[str],
        traces: Sequence[str],
        slow: NDArray[np.float64] | None = None,
    ) -> None:
        self.stamps = stamps
        self.traces = traces
        self.slow = slow
        self._rng = rng
        self._piece = 4 * len(stamps) + 64
        self._uniform: NDArray[np.float64] = np.empty(0)
        self._normal: NDArray[np.float64] = np.empty(0)
        self._hex = ""
        self._used = [0, 0, 0]

    def uniform(self, count: int) -> NDArray[np.float64]:
        """Return the next *count* uniform numbers in [0, 1), to be left unchanged."""
        start = self._used[0]
        if start + count > len(self._uniform):
            self._uniform, start = self._rng.random(max(self._piece, count)), 0
        self._used[0] = start + count
        return self._uniform[start : start + count]

    def normal(self, count: int) -> NDArray[np.float64]:
        """Return the next *count* standard normal numbers, to be left unchanged."""
        start = self._used[1]
        if start + count > len(self._normal):
            self._normal, start = self._rng.standard_normal(max(self._piece, count)), 0
        self._used[1] = start + count
        return self._normal[start : start + count]

    def hex(self, digits: int) -> str:
        """Return the next *digits* hexadecimal digits."""
        start = self._used[2]
        if start + digits > len(self._hex):
            self._hex, start = self._rng.bytes(max(4 * self._piece, digits)).hex(), 0
        self._used[2] = start + digits
        return self._hex[start : start + digits]


Draw = Callable[[Sheet, "NDArray[np.intp]"], Sequence[object]]
"""Return one value per line, for the lines at these places of the sheet."""


def _pick(pool: Sequence[str], skew: float = 1.0) -> Draw:
    values, size = tuple(pool), len(pool)

    def draw(sheet: Sheet, lines: NDArray[np.intp]) -> Sequence[object]:
        u = sheet.uniform(len(lines))
        if skew != 1.0:
            u = u**skew
        return [values[i] for i in (u * size).astype(np.intp).tolist()]

    return draw


def _whole(low: int, high: int) -> Draw:
    def draw(sheet: Sheet, lines: NDArray[np.intp]) -> Sequence[object]:
        values = (sheet.uniform(len(lines)) * (high - low)).astype(np.int64) + low
        whole: list[object] = values.tolist()
        return whole

    return draw


def _duration(median: float, sigma: float, digits: int = 0) -> Draw:
    def draw(sheet: Sheet, lines: NDArray[np.intp]) -> Sequence[object]:
        values = median * np.exp(sigma * sheet.normal(len(lines)))
        if sheet.slow is not None:
            values *= sheet.slow[lines]
        if digits:
            measured: list[object] = np.round(values, digits).tolist()
            return measured
        whole: list[object] = (values.astype(np.int64) + 1).tolist()
        return whole

    return draw


def _size(median: float, sigma: float) -> Draw:
    def draw(sheet: Sheet, lines: NDArray[np.intp]) -> Sequence[object]:
        values = median * np.exp(sigma * sheet.normal(len(lines)))
        whole: list[object] = values.astype(np.int64).tolist()
        return whole

    return draw


def _hex(digits: int, head: str = "") -> Draw:
    def draw(sheet: Sheet, lines: NDArray[np.intp]) -> Sequence[object]:
        text = sheet.hex(len(lines) * digits)
        return [head + text[i : i + digits] for i in range(0, len(lines) * digits, digits)]

    return draw


def _uuid(sheet: Sheet, lines: NDArray[np.intp]) -> Sequence[object]:
    h = sheet.hex(len(lines) * 32)
    return [
        f"{h[i : i + 8]}-{h[i + 8 : i + 12]}-4{h[i + 13 : i + 16]}-a{h[i + 17 : i + 20]}"
        f"-{h[i + 20 : i + 32]}"
        for i in range(0, len(lines) * 32, 32)
    ]


def _stamp(sheet: Sheet, lines: NDArray[np.intp]) -> Sequence[object]:
    stamps = sheet.stamps
    return [stamps[i] for i in lines.tolist()]


def _trace(sheet: Sheet, lines: NDArray[np.intp]) -> Sequence[object]:
    traces = sheet.traces
    return [traces[i] for i in lines.tolist()]


def _words(text: str) -> tuple[str, ...]:
    return tuple(text.split())


_FIRST = _words("""maria jonas amira lukas chen priya oleg fatima nora diego hana felix ines marek
yuki sven aisha tomas clara emil leila hugo zoe ravi petra milan ida samir vera otto""")
_LAST = _words("""keller novak silva meyer okafor tanaka rossi haddad lind costa weiss popov khan
moreau berg santos fischer nagy ali kowalski dubois sato horvat yilmaz larsen""")
_GOODS = _words("""kettle lamp sofa desk mug chair rug shelf clock pan towel vase bowl mirror tray
pillow blanket candle basket stool""")
_WORDS = """red sofa|desk lamp|wool blanket|coffee|kids chair|oak shelf|mirror round|tea set
|garden|gift under 20|pan induction|rug 160x230|bath towel|clock wall|vase""".replace("\n", "")

_r = generator("pools")


def _n(low: int, high: int) -> int:
    return int(_r.integers(low, high))


USERS = [f"{_FIRST[_n(0, 30)]}.{_LAST[_n(0, 25)]}{_n(1, 99)}" for _ in range(500)]
SKUS = [f"{_GOODS[_n(0, 20)][:2].upper()}-{_n(1000, 9999)}-{'BWRGK'[_n(0, 5)]}" for _ in range(300)]
PUBLIC = [f"{_n(11, 223)}.{_n(0, 255)}.{_n(0, 255)}.{_n(1, 254)}" for _ in range(600)]
PRIVATE = [f"10.42.{_n(0, 6)}.{_n(2, 250)}" for _ in range(40)]
PATHS = (
    ["/", "/", "/", "/cart", "/checkout", "/account", "/account/orders", "/login", "/search?q=lamp"]
    + [
        f"/search?q={_WORDS.split('|')[_n(0, 15)].replace(' ', '+')}&page={_n(1, 9)}"
        for _ in range(60)
    ]
    + [f"/product/{SKUS[_n(0, 300)]}" for _ in range(160)]
    + [f"/category/{g}s?sort={('price', 'new', 'top')[_n(0, 3)]}&page={_n(1, 12)}" for g in _GOODS]
    + [f"/static/js/main.{_n(10**7, 10**8 - 1)}.js", "/static/css/site.css", "/favicon.ico"]
    + [f"/static/img/{s.lower()}_{w}.webp" for s in SKUS[:60] for w in (320, 640)]
)
_CHROME = "AppleWebKit/537.36 (KHTML, like Gecko) Chrome"
_IPHONE = (
    "Mozilla/5.0 (iPhone; CPU iPhone OS 18_3 like Mac OS X) AppleWebKit/605.1.15"
    " (KHTML, like Gecko) Version/18.3 Mobile/15E148 Safari/604.1"
)
AGENTS = [
    f"Mozilla/5.0 ({system}) {_CHROME}/{v}.0.0.0 Safari/537.36"
    for system in (
        "Windows NT 10.0; Win64; x64",
        "Macintosh; Intel Mac OS X 10_15_7",
        "X11; Linux x86_64",
        "Linux; Android 10; K",
    )
    for v in range(126, 135)
] + [
    _IPHONE,
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:136.0) Gecko/20100101 Firefox/136.0",
    "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)",
    "ShopApp/7.12.1 (iOS 18.3; iPhone15,2)",
    "ShopApp/7.11.0 (Android 14; SM-S911B)",
]
SQL = [
    "SELECT id, sku, price FROM products WHERE category_id = $1 ORDER BY rank LIMIT 24",
    "SELECT * FROM orders WHERE customer_id = $1 AND state <> 'cancelled' ORDER BY created DESC",
    "UPDATE stock SET reserved = reserved + $1 WHERE sku = $2 AND on_hand - reserved >= $1",
    "INSERT INTO order_items (order_id, sku, qty, price) VALUES ($1, $2, $3, $4)",
    "SELECT s.sku, s.on_hand FROM stock s JOIN zones z ON z.id = s.zone WHERE z.name = $1",
    "DELETE FROM sessions WHERE expires < now() - interval '7 days'",
    "UPDATE customers SET last_seen = now() WHERE id = $1",
    "SELECT count(*) FROM reviews WHERE sku = $1 AND approved",
]

DRAWS: dict[str, Draw] = {
    "stamp": _stamp,
    "trace": _trace,
    "uuid": _uuid,
    "span": _hex(16),
    "hex6": _hex(6),
    "hex12": _hex(12),
    "cart": _hex(12, "c_"),
    "order": _hex(10, "ord_"),
    "charge": _hex(18, "ch_"),
    "mailid": _hex(10),
    "user": _pick(USERS, 1.6),
    "sku": _pick(SKUS, 2.0),
    "good": _pick(_GOODS),
    "ip": _pick(PUBLIC, 1.3),
    "pip": _pick(PRIVATE),
    "path": _pick(PATHS, 1.2),
    "ua": _pick(AGENTS, 1.5),
    "ref": _pick(["-", "-", "-", *(f"https://shop.example{p}" for p in PATHS[:60])]),
    "query": _pick(_WORDS.split("|"), 1.5),
    "sql": _pick(SQL, 1.3),
    "table": _pick(["orders", "order_items", "stock", "sessions", "customers", "products"]),
    "q": _pick([words.replace(" ", "+") for words in _WORDS.split("|")], 1.5),
    "country": _pick(["DE", "FR", "NL", "AT", "PL", "IT", "ES", "SE", "CH", "BE"], 2.0),
    "currency": _pick(["EUR", "EUR", "EUR", "EUR", "CHF", "SEK", "PLN"]),
    "carrier": _pick(["dhl", "dpd", "ups", "gls", "postnl"], 1.5),
    "brand": _pick(["visa", "mastercard", "amex", "maestro"], 1.5),
    "decline": _pick(["insufficient_funds", "do_not_honor", "expired_card", "lost_card"], 1.5),
    "domain": _pick(["gmail.com", "web.de", "outlook.com", "orange.fr", "gmx.net", "wp.pl"], 1.5),
    "lang": _pick(["de", "fr", "en", "nl", "pl", "it"], 1.5),
    "job": _pick(["send-receipt", "sync-stock", "resize-image", "score-review", "purge-cart"], 1.3),
    "queue": _pick(["default", "mail", "images", "low"], 1.5),
    "worker": _whole(1, 9),
    "model": _pick(["als-0305", "als-0305", "als-0305", "popular-v2"]),
    "percent": _whole(2, 97),
    "share": _duration(0.91, 0.02, 3),
    "n": _whole(2, 60),
    "qty": _pick("1111122234"),
    "uid": _whole(10_000, 99_999),
    "count": _size(420, 0.6),
    "many": _size(18_000, 0.5),
    "many2": _size(25_000, 0.5),
    "cents": _size(3900, 0.8),
    "cents2": _size(3300, 0.8),
    "bytes": _size(9_000, 1.1),
    "kb": _size(640, 0.9),
    "mb": _size(180, 0.5),
    "port": _whole(32_768, 60_999),
    "pid": _whole(1_200, 32_000),
    "pid2": _whole(1_200, 32_000),
    "conn": _whole(100_000, 9_999_999),
    "lsn": _hex(8, "1A/"),
    "thread": _pick([f"nio-8080-exec-{i}"[-15:] for i in range(1, 11)]),
    "us": _duration(900, 0.9),
    "ms": _duration(14, 0.9),
    "msf": _duration(9.0, 0.9, 3),
    "slowms": _duration(700, 0.4),
    "sqlms": _duration(310, 0.4, 3),
    "sec": _duration(1.8, 0.5, 2),
    "wait": _pick(["2000", "3000", "5000"]),
    "heap": _whole(86, 99),
    "line": _pick([str(n) for n in range(41, 400, 7)]),
}

NUMERIC = frozenset(
    _words(
        """worker percent share n qty uid count many many2 cents cents2 bytes kb mb port pid pid2
        us ms msf slowms sqlms sec wait heap"""
    )
)
"""Draws that a structured log writes as numbers."""
