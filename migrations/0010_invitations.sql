-- Invitations, when somebody last signed in, and room for an account that is full to delete.

-- Open ones alone: what is used, taken back or expired has no row. The token itself is only in the link.
CREATE TABLE invitations (
    id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    public_id   bytea NOT NULL CONSTRAINT invitations_public_id_key UNIQUE CHECK (octet_length(public_id) = 16),
    token_hash  bytea NOT NULL CONSTRAINT invitations_token_hash_key UNIQUE CHECK (octet_length(token_hash) = 32),
    -- Who invited; null for the command line.
    account_id  bigint REFERENCES accounts,
    -- Of the account that is made with it.
    role        text NOT NULL CHECK (role IN ('operator', 'member')),
    quota_bytes bigint CHECK (quota_bytes >= 0),
    created_at  timestamptz NOT NULL DEFAULT now(),
    expires_at  timestamptz NOT NULL
);

-- Null where it is not known.
ALTER TABLE accounts ADD COLUMN signed_in_at timestamptz;
UPDATE accounts a SET signed_in_at = (
    SELECT max(happened_at) FROM audit_log WHERE account_id = a.id AND event = 'signed_in'
);

-- What the account put beyond its quota in order to delete, since it was last below it.
ALTER TABLE accounts ADD COLUMN overdraft_bytes bigint NOT NULL DEFAULT 0 CHECK (overdraft_bytes >= 0);
-- The session commits deletions alone, by its client's word.
ALTER TABLE uploads ADD COLUMN removes boolean NOT NULL DEFAULT false;
