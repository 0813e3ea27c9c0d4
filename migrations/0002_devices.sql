-- Devices: how they are admitted, how they sign in, and what passes between them and the web app.

-- Every device that was ever admitted. What it is called and where it runs, only clients know.
CREATE TABLE devices (
    id           bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    account_id   bigint NOT NULL REFERENCES accounts,
    public_id    bytea NOT NULL CONSTRAINT devices_public_id_key UNIQUE CHECK (octet_length(public_id) = 16),
    -- As in the account's newest state, written in the transaction of that state. Null once the device is revoked;
    -- every request of a device reads it, so that revocation ends its sessions at once.
    certificate  bytea,
    -- SEAL 0x08.
    device_wrap  bytea NOT NULL,
    enrolled_at  timestamptz NOT NULL DEFAULT now(),
    last_seen_at timestamptz
);
CREATE INDEX devices_account ON devices (account_id);

-- SEAL 0x05 of each vault of a device's certificate. One holds all epochs up to its own, so the newest is enough.
CREATE TABLE device_keys (
    device_id bigint NOT NULL REFERENCES devices,
    vault_id  bigint NOT NULL REFERENCES vaults,
    epoch     integer NOT NULL CHECK (epoch >= 1),
    wrap      bytea NOT NULL,
    CONSTRAINT device_keys_pkey PRIMARY KEY (device_id, vault_id)
);

-- The token itself is only in the device's memory.
CREATE TABLE device_sessions (
    token_hash bytea PRIMARY KEY CHECK (octet_length(token_hash) = 32),
    device_id  bigint NOT NULL REFERENCES devices,
    created_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX device_sessions_device ON device_sessions (device_id);

-- Nonces of signed requests, for as long as such a request could be replayed.
CREATE TABLE device_nonces (
    device_id bigint NOT NULL REFERENCES devices,
    nonce     bytea NOT NULL CHECK (octet_length(nonce) = 16),
    seen_at   timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT device_nonces_pkey PRIMARY KEY (device_id, nonce)
);
CREATE INDEX device_nonces_age ON device_nonces (seen_at);

-- Open event streams of devices: who has one is online. Rows of a coordinator that was killed go stale by seen_at.
CREATE TABLE device_streams (
    id        bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    device_id bigint NOT NULL REFERENCES devices,
    seen_at   timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX device_streams_device ON device_streams (device_id);

-- Enrolments that are open, or were granted a moment ago. Request and grant are the protocol's JSON; nothing in them
-- opens without a secret that no server gets.
CREATE TABLE enrolments (
    public_id    bytea PRIMARY KEY CHECK (octet_length(public_id) = 16),
    account_id   bigint NOT NULL REFERENCES accounts,
    expires_at   timestamptz NOT NULL,
    request      text,
    "grant"      text,
    -- Of the whole request that granted it, so that its repetition is known.
    grant_digest bytea CHECK (octet_length(grant_digest) = 32),
    CHECK ("grant" IS NULL OR request IS NOT NULL),
    CHECK (("grant" IS NULL) = (grant_digest IS NULL))
);
CREATE INDEX enrolments_account ON enrolments (account_id);
CREATE INDEX enrolments_age ON enrolments (expires_at);

-- Sealed messages on their way: a notification names the row, because it cannot carry 64 KiB.
CREATE TABLE messages (
    id        bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    device_id bigint NOT NULL REFERENCES devices,
    vault_id  bigint NOT NULL REFERENCES vaults,
    to_device boolean NOT NULL,
    counter   bigint NOT NULL,
    sealed    bytea NOT NULL,
    sent_at   timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX messages_device ON messages (device_id, sent_at);
CREATE INDEX messages_age ON messages (sent_at);

-- Sources -----------------------------------------------------------------------------------------------------

-- A source is bound to its owner (`owners`), to one device (`device`), or to nobody yet.
ALTER TABLE sources
    ADD COLUMN owners    boolean NOT NULL DEFAULT false,
    -- It takes no more commits.
    ADD COLUMN closed    boolean NOT NULL DEFAULT false,
    ADD COLUMN since     timestamptz NOT NULL DEFAULT now(),
    -- When a client last read a sample of it back.
    ADD COLUMN proven_at timestamptz;
UPDATE sources SET owners = device IS NULL,
    since = (SELECT min(received_at) FROM commits WHERE source_id = sources.id);
ALTER TABLE sources
    ALTER COLUMN owners DROP DEFAULT,
    ADD CHECK (NOT owners OR device IS NULL);

ALTER TABLE commits
    DROP CONSTRAINT commits_kind_check,
    DROP CONSTRAINT commits_check,
    ADD CONSTRAINT commits_kind_check CHECK (kind IN (1, 2, 3, 7)),
    ADD CONSTRAINT commits_source_check CHECK ((kind = 3) = (source_id IS NULL));
DROP INDEX commits_source;
CREATE INDEX commits_snapshots ON commits (source_id, seq) WHERE kind = 1;
