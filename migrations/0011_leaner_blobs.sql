-- What a million blobs cost, in bytes and in time.

-- Rows that refer to blobs come and go by the thousand in one statement. A foreign key looks each of them up once more
-- and writes a lock into the blob's row, which makes a plan of what is there already a thousand scattered writes. Blobs
-- are removed in one place only, which looks for what refers to them.
ALTER TABLE upload_blobs   DROP CONSTRAINT upload_blobs_blob_id_fkey;
ALTER TABLE replicas       DROP CONSTRAINT replicas_blob_id_fkey;
ALTER TABLE vault_blobs    DROP CONSTRAINT vault_blobs_blob_id_fkey;
ALTER TABLE vault_receipts DROP CONSTRAINT vault_receipts_blob_id_fkey;
ALTER TABLE refs           DROP CONSTRAINT refs_blob_id_fkey;
ALTER TABLE ref_history    DROP CONSTRAINT ref_history_blob_id_fkey;

-- One index for looks by blob, and by blob and vault; nothing lists a vault's blobs.
DROP INDEX vault_blobs_blob, vault_receipts_blob;
ALTER TABLE vault_blobs
    DROP CONSTRAINT vault_blobs_pkey,
    ADD CONSTRAINT vault_blobs_pkey PRIMARY KEY (blob_id, vault_id);
ALTER TABLE vault_receipts
    DROP CONSTRAINT vault_receipts_pkey,
    ADD CONSTRAINT vault_receipts_pkey PRIMARY KEY (blob_id, vault_id, node_id);

-- Walks over one node's copies read the primary key, from which they leave out what is on other nodes.
DROP INDEX replicas_node;

-- A live blob has been so since whenever.
ALTER TABLE blobs
    ALTER COLUMN state_since DROP NOT NULL,
    ALTER COLUMN state_since DROP DEFAULT,
    ADD CHECK (state = 'live' OR state_since IS NOT NULL);
