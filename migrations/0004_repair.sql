-- What keeps every blob's copies: how nodes are judged, and what is to be repaired.

-- Nodes -------------------------------------------------------------------------------------------------------

ALTER TABLE nodes
    DROP CONSTRAINT nodes_state_check,
    ADD CONSTRAINT nodes_state_check
        CHECK (state IN ('joining', 'up', 'suspect', 'down', 'out', 'read_only')),
    -- What the operator wants of it, beside how it is.
    ADD COLUMN intent text NOT NULL DEFAULT 'serve' CHECK (intent IN ('serve', 'drain', 'gone')),
    -- Every blob that it has, has enough copies elsewhere.
    ADD COLUMN drained boolean NOT NULL DEFAULT false CHECK (NOT drained OR intent = 'drain'),
    -- Why its proofs are not believed; it is drained for that.
    ADD COLUMN distrust text,
    -- Its last return from `down`, how many such returns came in close succession, and until when it gets no blobs.
    ADD COLUMN returned_at timestamptz,
    ADD COLUMN flaps integer NOT NULL DEFAULT 0,
    ADD COLUMN held_until timestamptz,
    ADD COLUMN scrub_done_bytes bigint NOT NULL DEFAULT 0,
    ADD COLUMN scrub_total_bytes bigint NOT NULL DEFAULT 0,
    ADD COLUMN scrub_finished_ms bigint,
    ADD COLUMN scrub_damaged bigint NOT NULL DEFAULT 0,
    -- When what it has is compared next, and when a sample of it is proven next.
    ADD COLUMN inventory_due_at timestamptz NOT NULL DEFAULT now(),
    ADD COLUMN audit_due_at timestamptz NOT NULL DEFAULT now();

-- Copies ------------------------------------------------------------------------------------------------------

CREATE INDEX replicas_node ON replicas (node_id, blob_id);

-- The copies that can be read: of the blob's generation, in the store that the node has now, on a node that is not
-- down. One on a node that is to be emptied can be, but is to be replaced.
CREATE OR REPLACE VIEW live_replicas AS
    SELECT r.blob_id, r.node_id, n.zone, n.intent = 'serve' AS serves
    FROM replicas r
    JOIN blobs b ON b.id = r.blob_id AND b.generation = r.generation
    JOIN nodes n ON n.id = r.node_id AND n.store_epoch = r.store_epoch
    WHERE n.state IN ('up', 'suspect', 'read_only') AND n.intent <> 'gone';

-- Of each blob that a vault holds: the zones with a copy that can be read, the zones with a copy that is to stay
-- (one on a node that is down is expected back until the node is out), and the copies that both are.
CREATE VIEW blob_copies AS
    SELECT b.id AS blob_id, b.sha256, copies.live, copies.serving, copies.kept
    FROM blobs b
    -- A limit keeps the planner from beginning with all that vaults hold, which it takes for little until the tables are
    -- analyzed.
    CROSS JOIN LATERAL (SELECT 1 FROM vault_blobs h WHERE h.blob_id = b.id LIMIT 1) AS held
    -- One pass over a blob's copies for all three counts.
    CROSS JOIN LATERAL (
        SELECT count(DISTINCT n.zone) FILTER (WHERE n.state <> 'down') AS live,
               count(*) FILTER (WHERE n.state <> 'down' AND n.intent = 'serve') AS serving,
               count(DISTINCT n.zone) FILTER (WHERE n.intent = 'serve') AS kept
        FROM replicas r JOIN nodes n ON n.id = r.node_id AND n.store_epoch = r.store_epoch
        WHERE r.blob_id = b.id AND r.generation = b.generation
          AND n.state IN ('up', 'suspect', 'read_only', 'down') AND n.intent <> 'gone'
    ) AS copies
    WHERE b.state IN ('live', 'condemned');

-- Work --------------------------------------------------------------------------------------------------------

-- Blobs with too few copies, or too many. Whoever works on one looks at how it is by then.
CREATE TABLE repairs (
    blob_id  bigint PRIMARY KEY REFERENCES blobs ON DELETE CASCADE,
    -- Zones with a copy that can be read: the fewest first. 16: a copy too many.
    priority smallint NOT NULL,
    -- Not before; while somebody works on it, when it is taken from them.
    due_at   timestamptz NOT NULL DEFAULT now(),
    attempts integer NOT NULL DEFAULT 0,
    -- Counts who asked for it, so that nobody who finishes it takes a later reason away.
    asked    bigint NOT NULL DEFAULT 1,
    -- What the last attempt lacked: a zone with room, a copy to read, or an answer of a node.
    waiting  text CHECK (waiting IN ('zone', 'copy', 'node'))
);
CREATE INDEX repairs_due ON repairs (priority, due_at);
CREATE INDEX repairs_waiting ON repairs (blob_id) WHERE waiting IS NOT NULL;

-- Walks in search of such blobs: over the copies of one node after it changed, and over all blobs again and again.
CREATE TABLE sweeps (
    node_id    bigint REFERENCES nodes,
    after_blob bigint NOT NULL DEFAULT 0,
    -- It found something.
    found      boolean NOT NULL DEFAULT false,
    due_at     timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT sweeps_node_key UNIQUE NULLS NOT DISTINCT (node_id)
);
INSERT INTO sweeps (node_id) VALUES (NULL);

-- How many blobs were repaired in each minute, to tell how long the rest takes.
CREATE TABLE repair_minutes (
    minute timestamptz PRIMARY KEY,
    blobs  bigint NOT NULL
);
