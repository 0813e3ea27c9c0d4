-- When the passphrase was last proven in a session: at sign-in, and whenever it is asked for again. A session that is
-- there already proved it when it began.
ALTER TABLE sessions ADD COLUMN proven_at timestamptz;
UPDATE sessions SET proven_at = created_at;
ALTER TABLE sessions ALTER COLUMN proven_at SET DEFAULT now(), ALTER COLUMN proven_at SET NOT NULL;

-- The blobs that a purge to come names, where they are too many for one request: packed pages as they arrived.
CREATE TABLE staged_purges (
    upload_id bigint NOT NULL REFERENCES uploads ON DELETE CASCADE,
    page      integer NOT NULL CHECK (page >= 0),
    blobs     bytea NOT NULL CHECK (octet_length(blobs) % 32 = 0),
    CONSTRAINT staged_purges_pkey PRIMARY KEY (upload_id, page)
);
