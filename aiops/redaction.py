"""Make hostile text harmless: hide secrets, and show what a terminal or a page would obey.

Both functions are idempotent and take time linear in the text: no pattern here can match the
same characters in two ways, and every look-ahead is bounded.
"""

from __future__ import annotations

import re

MARK = "<redacted>"
LIMIT = 65_536
"""Longest text looked at, in characters; what is cut off is said in its place."""

_CUT = "\n… cut here"
_MARGIN = 4096

# --- secrets --------------------------------------------------------------------------------

# `PWD=/root` is what sudo logs: the working directory, not a password.
_KEY = (
    r"(?:pass(?:word|wd|phrase|code)|(?-i:pwd|Pwd|(?<=_)PWD)"
    r"|secret(?:[_.-]?(?:access[_.-]?)?key)?|token"
    r"|(?:api|access|private|account|shared|encryption|signing)[_.-]?key"
    r"|(?:(?<![a-z0-9])sig(?:nature)?|credentials?)(?==))"
    r"(?:[_-](?:hash|value))?\d{0,3}"
)
# That a token is null is evidence; `tokens=512` and `token_count: 3` never match the key.
_LITERAL = r"(?!(?:null|none|nil|true|false|undefined)\b)"
_QUOTED = (
    r'(?:(\\")(?=[^"\\])[^"\\\n]++'
    r'|(")(?!")[^"\\\n]*+(?:\\[^\n][^"\\\n]*+)*+'
    r"|(')(?!')[^'\\\n]*+(?:\\[^\n][^'\\\n]*+)*+"
)
_BARE = r"""[^\s,;&"'\\)}\]]++"""
_PAIR = re.compile(
    rf"""({_KEY}(?:\\?["'])?[ \t]{{0,8}}(?:=>|:=|==|[:=])[ \t]{{0,8}})"""
    rf"{_QUOTED}|{_LITERAL}{_BARE})",
    re.IGNORECASE,
)
_FLAG = re.compile(
    rf"(?<![^\s\"'=(\[])(--(?:[a-z0-9]{{1,16}}-){{0,3}}{_KEY}[ \t]{{1,4}}){_QUOTED}|{_BARE})",
    re.IGNORECASE,
)

_SCHEME = r"(?:bearer|basic|token|digest|negotiate|apikey)"
_HEADER = re.compile(
    rf"""(authorization(?:\\?["'])?[ \t]{{0,8}}[:=][ \t]{{0,8}}(?:\\?["'])?)"""
    rf"""(?:({_SCHEME}[ \t]{{1,8}})[^\s"',;\\]++|(?=[^\s"',;\\]{{0,200}}\d)[^\s"',;\\]{{8,}}+)""",
    re.IGNORECASE,
)
_BEARER = re.compile(r"\b((?i:bearer)[ \t]{1,8})(?=[\w.~+/=-]{0,200}\d)[\w.~+/=-]{8,}+")
# "basic authentication" stays: base64 shows a digit, padding or a capital inside the word.
_BASIC = re.compile(
    r"\b((?i:basic)[ \t]{1,8})(?=[A-Za-z0-9+/]{0,200}(?:[0-9=]|[a-z][A-Z]))[A-Za-z0-9+/]{8,}+={0,2}"
)
_KNOWN = re.compile(
    r"(?<![A-Za-z0-9])(?:"
    r"(?:AKIA|ASIA|ABIA|ACCA)[A-Z0-9]{16}"
    r"|AIza[\w-]{35}|ya29\.[\w-]{20,}+|GOCSPX-[\w-]{20,}+"
    r"|gh[pousr]_[A-Za-z0-9]{20,}+|github_pat_\w{20,}+|glpat-[\w-]{20,}+"
    r"|xox[abceoprs]-[A-Za-z0-9-]{10,}+|xapp-[A-Za-z0-9-]{10,}+"
    r"|[rs]k_(?:live|test)_[A-Za-z0-9]{10,}+|sk-[\w-]{20,}+|whsec_[A-Za-z0-9+/=]{16,}+"
    r"|npm_[A-Za-z0-9]{30,}+|pypi-[\w-]{30,}+|dop_v1_[a-f0-9]{32,}+|SG\.[\w-]{16,}+\.[\w-]{16,}+"
    r"|eyJ[\w-]{5,}+\.[\w-]{5,}+(?:\.[\w-]*+)?"
    r")|[\w.~-]{3}8Q~[\w.~-]{31,34}"
)
_HOOK = re.compile(
    r"(hooks\.slack\.com/(?:services|workflows|triggers)/|/api/webhooks/)[\w/-]++", re.IGNORECASE
)
_PEM = re.compile(
    r"-----BEGIN ([A-Z0-9 ]{0,40})PRIVATE KEY-----"
    r"(?:(?!-----)[^<])*+(?:-----END [A-Z0-9 ]{0,40}PRIVATE KEY-----)?"
)
_USERINFO = re.compile(
    r"""(://[^\s/@:"'?#]{0,256}+:)[^\s/"'?#]{1,1024}@|(://)[^\s/@:"'?#<]{16,256}+@"""
)


def _keep_head(match: re.Match[str]) -> str:
    return "".join(part for part in match.groups() if part) + MARK


def _keep_user(match: re.Match[str]) -> str:
    return (match[1] or match[2]) + MARK + "@"


def _keep_kind(match: re.Match[str]) -> str:
    return f"{match[1]}PRIVATE KEY {MARK}"


_PAIR_NEEDLES = ("pass", "pwd", "secret", "token", "sig", "key", "credential")
_KNOWN_NEEDLES = (
    *("akia", "asia", "abia", "acca", "aiza", "ya29.", "gocspx-"),
    *("ghp_", "gho_", "ghu_", "ghs_", "ghr_", "github_pat_", "glpat-", "xox", "xapp-"),
    *("k_live_", "k_test_", "sk-", "whsec_", "npm_", "pypi-", "dop_v1_", "sg.", "eyj", "8q~"),
)
# A search for a few short words costs less than any of the patterns.
_RULES = (
    (("-----begin ",), _PEM, _keep_kind),
    (("://",), _USERINFO, _keep_user),
    (("hooks.slack.com/", "/api/webhooks/"), _HOOK, _keep_head),
    (("authorization",), _HEADER, _keep_head),
    (("bearer",), _BEARER, _keep_head),
    (("basic",), _BASIC, _keep_head),
    (_KNOWN_NEEDLES, _KNOWN, _keep_head),
    (("--",), _FLAG, _keep_head),
    (_PAIR_NEEDLES, _PAIR, _keep_head),
)


# What the first match of any rule holds within one word or at the end of one, in small letters.
# Every branch begins with a letter of its own: so the search skips what is the first of none, and
# tries one branch of the others.
_SUSPECT = re.compile(
    rb"-----begin|://[^\s/\"'?#]+@|/api/webhooks/|8q~"
    rb"|a(?:uthorization|kia\w{16}|sia\w{16}|bia\w{16}|cca\w{16}|iza\S{35}"
    rb"|pi[_.-]?key|ccess[_.-]?key|ccount[_.-]?key)"
    rb"|b(?:earer|asic)(?!\S)|credentials?=|dop_v1_|e(?:yj\S{5}|ncryption[_.-]?key)"
    rb"|g(?:ocspx-|h[pousr]_|ithub_pat_|lpat-)|hooks\.slack\.com/|npm_"
    rb"|p(?:ass(?:word|wd|phrase|code)|wd|ypi-|rivate[_.-]?key)|rk_(?:live|test)_"
    rb"|s(?:k_(?:live|test)_|k-\S{20}|g\.\S{16}|ecret|ig(?:nature)?=|hared[_.-]?key|igning[_.-]?key)"
    rb"|token|whsec_|x(?:ox[abceoprs]-|app-)|ya29\."
    # Letters that ignoring case takes for i, k and s.
    rb"|\xc4[\xb0\xb1]|\xe2\x84\xaa|\xc5\xbf"
)


def is_suspect(word: bytes) -> bool:
    """Return whether a line with this word may hold a secret; one without any such word has none.

    A word is what stands between blanks: ``redact_bytes`` changes no line of other words.
    """
    return _SUSPECT.search(word.lower()) is not None


def redact(text: str) -> str:
    """Replace every secret that is recognised by ``<redacted>``; the name before it stays.

    Recognised: authorization headers, ``password=``-like pairs (also in JSON and on command
    lines), keys of AWS, Google, Azure, GitHub, GitLab, Slack and others, JSON web tokens, PEM
    private keys and ``user:password@`` in URLs. Text over ``LIMIT`` characters is cut, and the
    cut is said in the text.
    """
    text = _bounded(text)
    # One rule's mark may complete another rule's match, once; the third round changes nothing.
    for _ in range(3):
        before = text
        text = _once(text)
        if text == before:
            break
    return _bounded(text)


def redact_bytes(text: bytes) -> bytes:
    """Redact a raw log line before it is kept; lines without a suspicious word cost a search."""
    if _SUSPECT.search(text.lower()) is None:
        return text
    decoded = text.decode("utf-8", "surrogateescape")
    return redact(decoded).encode("utf-8", "surrogateescape")


def _once(text: str) -> str:
    low = text.lower()
    for needles, pattern, keep in _RULES:
        if any(needle in low for needle in needles):
            text = pattern.sub(keep, text)
    return text


def _bounded(text: str) -> str:
    if len(text) <= LIMIT:
        return text
    end = LIMIT - len(_CUT)
    # Cut between words: half a secret would no longer be recognised.
    blank = max(text.rfind(" ", end - _MARGIN, end), text.rfind("\n", end - _MARGIN, end))
    return text[: blank if blank > 0 else end - _MARGIN] + _CUT


# --- characters that act --------------------------------------------------------------------

_ESCAPE = re.compile(
    r"(?:\x1b\[|\x9b)[0-?]{0,64}+[ -/]{0,8}+[@-~]"
    r"|(?:\x1b[\]PX^_]|[\x90\x98\x9d-\x9f])[^\x07\x1b\x9c\n]{0,2048}+(?:\x07|\x1b\\|\x9c)"
    r"|\x1b[ -/]{0,4}+[0-Z\\^-~]"
)


def _visible(code: int) -> str:
    if code <= 0xFF:
        return {9: " ", 10: "\\n", 13: "\\r"}.get(code, f"\\x{code:02x}")
    return f"\\u{code:04x}" if code <= 0xFFFF else f"\\U{code:08x}"


_ACTING = (
    *range(0x20),
    *range(0x7F, 0xA0),
    0xAD,  # soft hyphen: invisible
    0x61C,  # bidi marks and embeddings, here and below
    0x180E,
    0x200B,
    0x200E,
    0x200F,
    0x2028,
    0x2029,
    *range(0x202A, 0x202F),
    *range(0x2060, 0x2070),
    0xFEFF,
    *range(0xFFF9, 0xFFFC),
    *range(0xE0000, 0xE0080),
)
_ONE_LINE = {code: _visible(code) for code in _ACTING} | dict.fromkeys(
    range(0xD800, 0xE000),
    "\ufffd",  # a lone surrogate cannot be encoded
)
_LINES = {code: shown for code, shown in _ONE_LINE.items() if code != 10}


def plain(text: str, *, lines: bool = False) -> str:
    r"""Return the text without anything that acts instead of being read.

    Terminal sequences are removed. Control characters, bidirectional marks, zero-width spaces
    and Unicode line separators become visible (``\x00``, ``\u202e``). Newlines stay only with
    *lines*; otherwise the result is one line.
    """
    if text.isprintable():
        return text
    if any(start in text for start in "\x1b\x90\x98\x9b\x9d\x9e\x9f"):
        text = _ESCAPE.sub("", text)
    return text.translate(_LINES if lines else _ONE_LINE)


def harmless(text: str, *, lines: bool = False) -> str:
    """Redact, then make plain: what may be stored, sent and shown."""
    # Both sides: an escape sequence may hide a secret's name or swallow its first letter, and
    # cutting adds a newline.
    if _ESCAPE.search(text):
        text = "\n".join(redact(line) for line in text.split("\n"))
    text = plain(text, lines=True)
    # Line by line first: so lines that were redacted before they were saved read the same.
    text = "\n".join(redact(line) for line in text.split("\n")) if "\n" in text else text
    return plain(redact(text), lines=lines)


_MENTION = re.compile(r"(<(?=[!@#])|@(?=\w))")


def unmentioned(text: str) -> str:
    """Break what chats read as a mention (``<!channel>``, ``@everyone``), invisibly."""
    return _MENTION.sub("\\1\u200b", text)
