-- Copies that are taken away while others stay, and copies that move to emptier zones.

-- How often a copy of the blob was taken away while others stayed: what a node proved before may be gone since.
ALTER TABLE blobs ADD COLUMN trims integer NOT NULL DEFAULT 0;

-- In `repairs`, priority 17 is a blob whose copy in a full zone is to move to an emptier one.

-- What waits for a zone is counted after every heartbeat.
CREATE INDEX repairs_zone ON repairs (blob_id) WHERE waiting = 'zone';

-- The one row of moving copies between zones; whoever decides about it locks it.
CREATE TABLE rebalancing (
    only_row  boolean PRIMARY KEY DEFAULT true CHECK (only_row),
    -- When copies were last seen on their way: only what nodes say after it tells how full they are.
    moving_at timestamptz NOT NULL DEFAULT now()
);
INSERT INTO rebalancing DEFAULT VALUES;
