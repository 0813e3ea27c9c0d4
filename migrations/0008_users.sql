-- What accounts may take, and a log of what concerns security.

-- Bytes of the blobs that the account's vaults may hold, one copy counted. Null is no limit.
ALTER TABLE accounts ADD COLUMN quota_bytes bigint CHECK (quota_bytes >= 0);

-- Bytes of the blobs that each vault holds, one copy counted: written with `vault_blobs`, in the same transaction.
CREATE TABLE vault_usage (
    vault_id bigint PRIMARY KEY REFERENCES vaults,
    bytes    bigint NOT NULL CHECK (bytes >= 0)
);
INSERT INTO vault_usage (vault_id, bytes)
    SELECT h.vault_id, coalesce(sum(b.size), 0) FROM vault_blobs h JOIN blobs b ON b.id = h.blob_id GROUP BY h.vault_id;

-- What happened, for the operator. No secret, no key, and nothing that somebody typed.
CREATE TABLE audit_log (
    id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    happened_at timestamptz NOT NULL DEFAULT now(),
    -- Whose session it was; null for nobody's, and for what was done on the command line.
    account_id  bigint REFERENCES accounts,
    event       text NOT NULL CHECK (event ~ '^[a-z_]{1,64}$'),
    -- The client's address; null for the command line.
    client      text CHECK (length(client) <= 64),
    -- What it was done to: an id, and a word or number.
    about       text CHECK (length(about) <= 200)
);
CREATE INDEX audit_log_age ON audit_log (happened_at);
