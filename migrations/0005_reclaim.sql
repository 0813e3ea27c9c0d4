-- Giving space back: snapshots that are kept no longer, and blobs on their way out.

-- Snapshots ---------------------------------------------------------------------------------------------------

-- A snapshot that was forgotten stays in the log, which has no gaps; what only it needed goes.
ALTER TABLE commits
    ADD COLUMN forgotten boolean NOT NULL DEFAULT false,
    DROP CONSTRAINT commits_kind_check,
    ADD CONSTRAINT commits_kind_check CHECK (kind IN (1, 2, 3, 4, 5, 7)),
    DROP CONSTRAINT commits_source_check,
    ADD CONSTRAINT commits_source_check CHECK ((kind IN (3, 4, 5)) = (source_id IS NULL)),
    ADD CONSTRAINT commits_forgotten_check CHECK (NOT forgotten OR kind = 1);
CREATE INDEX commits_kept ON commits (source_id, seq) WHERE kind = 1 AND NOT forgotten;

-- How often snapshots of a source were forgotten, and up to which time its intervals were looked through since.
ALTER TABLE sources
    ADD COLUMN forgets        bigint NOT NULL DEFAULT 0,
    ADD COLUMN pruned_forgets bigint NOT NULL DEFAULT 0,
    ADD CHECK (pruned_forgets <= forgets);
CREATE INDEX sources_unpruned ON sources (id) WHERE pruned_forgets < forgets;

-- What is kept of a source, where its owner chose: the first snapshot of each of so many hours, days, …
CREATE TABLE retention_policies (
    source_id      bigint PRIMARY KEY REFERENCES sources,
    keep_last      integer NOT NULL CHECK (keep_last >= 0),
    keep_hourly    integer NOT NULL CHECK (keep_hourly >= 0),
    keep_daily     integer NOT NULL CHECK (keep_daily >= 0),
    keep_weekly    integer NOT NULL CHECK (keep_weekly >= 0),
    keep_monthly   integer NOT NULL CHECK (keep_monthly >= 0),
    keep_yearly    integer NOT NULL CHECK (keep_yearly >= 0),
    within_seconds bigint NOT NULL CHECK (within_seconds >= 0)
);

-- Blobs -------------------------------------------------------------------------------------------------------

-- live -> condemned -> deleting -> deleted -> no row. A blob that is planned again is live again.
ALTER TABLE blobs ADD COLUMN state_since timestamptz NOT NULL DEFAULT now();
CREATE INDEX blobs_leaving ON blobs (state, id) WHERE state <> 'live';
CREATE INDEX upload_blobs_blob ON upload_blobs (blob_id);
CREATE INDEX vault_blobs_blob ON vault_blobs (blob_id);
CREATE INDEX vault_receipts_blob ON vault_receipts (blob_id);

-- What nodes are still to delete; a row goes when its node has said that it did.
CREATE TABLE delete_jobs (
    node_id    bigint NOT NULL REFERENCES nodes,
    blob_id    bigint NOT NULL REFERENCES blobs,
    -- The node deletes what it has up to this generation; the blob's own is higher.
    generation integer NOT NULL CHECK (generation >= 1),
    -- Not before: somebody is at it, or it failed a moment ago.
    due_at     timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT delete_jobs_pkey PRIMARY KEY (node_id, blob_id)
);
CREATE INDEX delete_jobs_blob ON delete_jobs (blob_id);
CREATE INDEX delete_jobs_due ON delete_jobs (node_id, due_at);

-- The one row of garbage collection.
CREATE TABLE garbage_collection (
    only_row       boolean PRIMARY KEY DEFAULT true CHECK (only_row),
    -- A cycle would have condemned so many that an operator is to look first.
    held_blobs     bigint CHECK (held_blobs > 0),
    held_at        timestamptz,
    -- As many as the operator then let go.
    approved_blobs bigint CHECK (approved_blobs > 0),
    -- What the newest whole cycle did, as JSON.
    last_cycle     text,
    finished_at    timestamptz,
    CHECK ((held_blobs IS NULL) = (held_at IS NULL)),
    CHECK ((last_cycle IS NULL) = (finished_at IS NULL))
);
INSERT INTO garbage_collection DEFAULT VALUES;
