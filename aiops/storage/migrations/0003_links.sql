-- Links in messages that were used: each counts once, and is forgotten after it expired.
CREATE TABLE spent_link (
    nonce TEXT PRIMARY KEY,
    until REAL NOT NULL
) WITHOUT ROWID;
