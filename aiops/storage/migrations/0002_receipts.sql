-- What a receiver calls a message it took, so that the next one of its incident can change it.
ALTER TABLE outbox ADD COLUMN receipt TEXT NOT NULL DEFAULT '';
