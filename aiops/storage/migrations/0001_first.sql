-- The first schema. Times are epoch seconds UTC; pictures and payloads are JSON of the nouns.

CREATE TABLE meta (
    key TEXT PRIMARY KEY,
    value TEXT NOT NULL
) WITHOUT ROWID;

-- One row per cut that is kept: it names the model file by number and checksum.
CREATE TABLE generation (
    gen INTEGER PRIMARY KEY,
    checksum TEXT NOT NULL,
    command_seq INTEGER NOT NULL,
    journal_seq INTEGER NOT NULL,
    at REAL NOT NULL
);

CREATE TABLE cursor (
    gen INTEGER NOT NULL REFERENCES generation (gen) ON DELETE CASCADE,
    stream TEXT NOT NULL,
    cursor TEXT NOT NULL,
    PRIMARY KEY (gen, stream)
) WITHOUT ROWID;

-- AUTOINCREMENT: a number is never given twice, also after the oldest rows were pruned.
CREATE TABLE command (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    kind TEXT NOT NULL,
    target TEXT NOT NULL,
    at REAL NOT NULL,
    by TEXT NOT NULL,
    args TEXT NOT NULL
);

CREATE TABLE journal (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    kind TEXT NOT NULL,
    stream TEXT NOT NULL,
    cursor TEXT NOT NULL,
    at REAL NOT NULL
);

CREATE TABLE incident (
    id TEXT PRIMARY KEY,
    seq INTEGER NOT NULL,
    state TEXT NOT NULL,
    severity INTEGER NOT NULL,
    opened_at REAL NOT NULL,
    updated_at REAL NOT NULL,
    resolved_at REAL,
    picture BLOB NOT NULL
);
CREATE INDEX incident_opened ON incident (opened_at, id);
CREATE INDEX incident_updated ON incident (updated_at);

CREATE TABLE timeline (
    incident TEXT NOT NULL REFERENCES incident (id) ON DELETE CASCADE,
    seq INTEGER NOT NULL,
    kind TEXT NOT NULL,
    at REAL NOT NULL,
    tell INTEGER NOT NULL,
    PRIMARY KEY (incident, seq)
) WITHOUT ROWID;

-- state: waiting, sent, dead (given up, shown to people), skipped (a newer message took over).
CREATE TABLE outbox (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    key TEXT NOT NULL UNIQUE,
    receiver TEXT NOT NULL,
    incident TEXT NOT NULL,
    seq INTEGER NOT NULL,
    kind TEXT NOT NULL,
    created_at REAL NOT NULL,
    next_at REAL NOT NULL,
    attempts INTEGER NOT NULL DEFAULT 0,
    state TEXT NOT NULL DEFAULT 'waiting',
    reason TEXT NOT NULL DEFAULT '',
    done_at REAL,
    payload BLOB NOT NULL
);
CREATE INDEX outbox_queue ON outbox (state, receiver, id);
CREATE INDEX outbox_incident ON outbox (incident, receiver);

CREATE TABLE change (
    id TEXT PRIMARY KEY,
    at REAL NOT NULL,
    kind TEXT NOT NULL,
    entity TEXT NOT NULL,
    title TEXT NOT NULL
);
CREATE INDEX change_at ON change (at);

-- Append only: every row's digest covers the row and the digest before it.
CREATE TABLE audit (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    at REAL NOT NULL,
    actor TEXT NOT NULL,
    action TEXT NOT NULL,
    target TEXT NOT NULL,
    detail TEXT NOT NULL,
    digest TEXT NOT NULL
);
CREATE TRIGGER audit_is_never_rewritten BEFORE UPDATE ON audit
BEGIN
    SELECT RAISE(ABORT, 'audit rows are append only');
END;
-- Retention moves the anchor (number and digest of the last row let go) before it deletes.
CREATE TRIGGER audit_is_only_pruned_behind_its_anchor BEFORE DELETE ON audit
WHEN OLD.seq > COALESCE(
    (SELECT CAST(value AS INTEGER) FROM meta WHERE key = 'audit_anchor_seq'), 0
)
BEGIN
    SELECT RAISE(ABORT, 'audit rows are append only');
END;
