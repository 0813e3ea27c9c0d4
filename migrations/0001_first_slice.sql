-- The coordinator's truth.
--
-- Inside, rows are joined by surrogate bigint ids; the ids of the protocol (16 random bytes, or a blob's SHA-256)
-- stand in `public_id` or `sha256` and are looked up once at the edge. Times are the database's own clock, so that
-- several coordinators agree on it. Tables of one account start their keys with it, tables of one vault likewise.

-- Accounts ----------------------------------------------------------------------------------------------------

CREATE TABLE accounts (
    id                 bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    public_id          bytea NOT NULL CONSTRAINT accounts_public_id_key UNIQUE CHECK (octet_length(public_id) = 16),
    login              text NOT NULL CONSTRAINT accounts_login_key UNIQUE
                       CHECK (login ~ '^[!-~]{1,64}$' AND login = lower(login)),
    role               text NOT NULL CHECK (role IN ('operator', 'member')),
    -- Ed25519; every envelope of the account is verified with it. It never changes.
    identity           bytea NOT NULL CHECK (octet_length(identity) = 32),
    account_salt       bytea NOT NULL CHECK (octet_length(account_salt) = 32),
    kdf_id             smallint NOT NULL CHECK (kdf_id = 1),
    iterations         integer NOT NULL CHECK (iterations BETWEEN 600000 AND 10000000),
    -- HMAC under the pepper; useless without the pepper's file.
    auth_verifier      bytea NOT NULL CHECK (octet_length(auth_verifier) = 32),
    recovery_auth_hash bytea NOT NULL CHECK (octet_length(recovery_auth_hash) = 32),
    -- SEAL 0x01, encrypted once more under the pepper.
    password_wrap      bytea NOT NULL,
    -- SEAL 0x02; the account state carries its hash.
    recovery_wrap      bytea NOT NULL,
    -- SEAL 0x04.
    recovery_key_wrap  bytea NOT NULL,
    created_at         timestamptz NOT NULL DEFAULT now()
);

-- Signed, hash-chained, append only: state n+1 names the hash of state n.
CREATE TABLE account_states (
    account_id bigint NOT NULL REFERENCES accounts,
    seq        bigint NOT NULL CHECK (seq >= 0),
    envelope   bytea NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT account_states_pkey PRIMARY KEY (account_id, seq)
);

-- Web sessions. The token itself is only in the browser's cookie.
CREATE TABLE sessions (
    token_hash   bytea PRIMARY KEY CHECK (octet_length(token_hash) = 32),
    account_id   bigint NOT NULL REFERENCES accounts,
    created_at   timestamptz NOT NULL DEFAULT now(),
    last_used_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX sessions_account ON sessions (account_id);

-- Sign-ins that have failed, or have not yet succeeded. A bucket is a login (known or not) or a network.
CREATE TABLE login_attempts (
    id           bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    bucket       text NOT NULL,
    attempted_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX login_attempts_bucket ON login_attempts (bucket, attempted_at);
CREATE INDEX login_attempts_age ON login_attempts (attempted_at);

-- Hashes of tokens that this server gave out in files: one makes the operator's account and is then gone,
-- the other lets nodes join.
CREATE TABLE setup_tokens (token_hash bytea PRIMARY KEY CHECK (octet_length(token_hash) = 32));
CREATE TABLE join_tokens  (token_hash bytea PRIMARY KEY CHECK (octet_length(token_hash) = 32));

-- Vaults ------------------------------------------------------------------------------------------------------

CREATE TABLE vaults (
    id         bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    account_id bigint NOT NULL REFERENCES accounts,
    public_id  bytea NOT NULL CONSTRAINT vaults_public_id_key UNIQUE CHECK (octet_length(public_id) = 16),
    -- The newest commit; -1 and null only between a vault's creation and its genesis. Locked by whoever appends.
    head_seq   bigint NOT NULL DEFAULT -1 CHECK (head_seq >= -1),
    head_hash  bytea CHECK (octet_length(head_hash) = 32),
    CHECK ((head_seq = -1) = (head_hash IS NULL))
);
CREATE INDEX vaults_account ON vaults (account_id);

-- SEAL 0x03 of each epoch that the newest account state lists.
CREATE TABLE vault_keys (
    vault_id bigint NOT NULL REFERENCES vaults,
    epoch    integer NOT NULL CHECK (epoch >= 1),
    wrap     bytea NOT NULL,
    CONSTRAINT vault_keys_pkey PRIMARY KEY (vault_id, epoch)
);

CREATE TABLE sources (
    id        bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    vault_id  bigint NOT NULL REFERENCES vaults,
    public_id bytea NOT NULL CHECK (octet_length(public_id) = 16),
    -- Who wrote its first snapshot; null is the identity key (browser uploads). It never changes.
    device    bytea CHECK (octet_length(device) = 16),
    -- False while it has only partial snapshots.
    complete  boolean NOT NULL,
    CONSTRAINT sources_public_id_key UNIQUE (vault_id, public_id)
);

-- The log of a vault: seq has no gap, each commit names the hash of the one before, none is ever changed.
CREATE TABLE commits (
    vault_id        bigint NOT NULL REFERENCES vaults,
    seq             bigint NOT NULL CHECK (seq >= 0),
    kind            smallint NOT NULL CHECK (kind IN (1, 3)),
    source_id       bigint REFERENCES sources,
    hash            bytea NOT NULL CHECK (octet_length(hash) = 32),
    envelope        bytea NOT NULL,
    -- Null for the genesis, which came with its account or vault.
    idempotency_key bytea CHECK (octet_length(idempotency_key) = 16),
    received_at     timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT commits_pkey PRIMARY KEY (vault_id, seq),
    CONSTRAINT commits_idempotency_key UNIQUE (vault_id, idempotency_key),
    CHECK ((kind = 1) = (source_id IS NOT NULL))
);
CREATE INDEX commits_source ON commits (source_id, seq) WHERE source_id IS NOT NULL;

-- Nodes -------------------------------------------------------------------------------------------------------

CREATE TABLE nodes (
    id                bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    public_id         bytea NOT NULL CONSTRAINT nodes_public_id_key UNIQUE CHECK (octet_length(public_id) = 16),
    public_key        bytea NOT NULL CHECK (octet_length(public_key) = 32),
    url               text NOT NULL,
    zone              text NOT NULL,
    machine           text NOT NULL,
    medium            text NOT NULL CHECK (medium IN ('disk')),
    store             bytea NOT NULL CHECK (octet_length(store) = 16),
    -- One more whenever `store` changes. A replica counts only at its node's present epoch, so that a wiped node
    -- loses all its replicas by this one update, and for good.
    store_epoch       integer NOT NULL DEFAULT 1,
    state             text NOT NULL DEFAULT 'joining'
                      CHECK (state IN ('joining', 'up', 'suspect', 'down', 'read_only')),
    read_only_reason  text,
    -- The newest heartbeat: heartbeats of this boot count up, older ones are ignored.
    boot              bytea CHECK (octet_length(boot) = 16),
    sequence          bigint NOT NULL DEFAULT 0,
    last_heartbeat_at timestamptz,
    capacity_bytes    bigint NOT NULL DEFAULT 0,
    free_bytes        bigint NOT NULL DEFAULT 0,
    used_bytes        bigint NOT NULL DEFAULT 0,
    blobs             bigint NOT NULL DEFAULT 0,
    in_flight_bytes   bigint NOT NULL DEFAULT 0,
    sync_p99_us       bigint NOT NULL DEFAULT 0,
    CHECK ((state = 'joining') = (last_heartbeat_at IS NULL))
);

-- Nonces of signed requests, for as long as such a request could be replayed.
CREATE TABLE node_nonces (
    node_id bigint NOT NULL REFERENCES nodes,
    nonce   bytea NOT NULL CHECK (octet_length(nonce) = 16),
    seen_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT node_nonces_pkey PRIMARY KEY (node_id, nonce)
);

-- Blobs -------------------------------------------------------------------------------------------------------

-- One row for each blob of the cluster, whoever holds it. Which vaults do is never told to another vault.
CREATE TABLE blobs (
    id         bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    sha256     bytea NOT NULL CONSTRAINT blobs_sha256_key UNIQUE CHECK (octet_length(sha256) = 32),
    -- Proven by the first receipt; a client's word is not taken for it.
    size       integer CHECK (size > 0),
    -- Counts from 1; one more in the transaction that creates delete jobs.
    generation integer NOT NULL DEFAULT 1 CHECK (generation >= 1),
    state      text NOT NULL DEFAULT 'live' CHECK (state IN ('live', 'condemned', 'deleting', 'deleted'))
);

-- Where copies are: authoritative. Written only from receipts.
CREATE TABLE replicas (
    blob_id     bigint NOT NULL REFERENCES blobs,
    node_id     bigint NOT NULL REFERENCES nodes,
    generation  integer NOT NULL,
    store_epoch integer NOT NULL,
    CONSTRAINT replicas_pkey PRIMARY KEY (blob_id, node_id)
);

-- The copies that count: of the blob's generation, in the store that the node has now, on a node that is not down.
CREATE VIEW live_replicas AS
    SELECT r.blob_id, r.node_id, n.zone
    FROM replicas r
    JOIN blobs b ON b.id = r.blob_id AND b.generation = r.generation
    JOIN nodes n ON n.id = r.node_id AND n.store_epoch = r.store_epoch
    WHERE n.state IN ('up', 'suspect', 'read_only');

-- A vault holds a blob once receipts of enough zones under its own grants were accepted: only then is the blob
-- "there already" for it, may be committed, and may be read.
CREATE TABLE vault_blobs (
    vault_id bigint NOT NULL REFERENCES vaults,
    blob_id  bigint NOT NULL REFERENCES blobs,
    CONSTRAINT vault_blobs_pkey PRIMARY KEY (vault_id, blob_id)
);

-- Receipts on the way to holding a blob; gone once it is held.
CREATE TABLE vault_receipts (
    vault_id    bigint NOT NULL REFERENCES vaults,
    blob_id     bigint NOT NULL REFERENCES blobs,
    node_id     bigint NOT NULL REFERENCES nodes,
    generation  integer NOT NULL,
    store_epoch integer NOT NULL,
    CONSTRAINT vault_receipts_pkey PRIMARY KEY (vault_id, blob_id, node_id)
);

-- Uploads -----------------------------------------------------------------------------------------------------

CREATE TABLE uploads (
    id              bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    vault_id        bigint NOT NULL REFERENCES vaults,
    public_id       bytea NOT NULL CONSTRAINT uploads_public_id_key UNIQUE CHECK (octet_length(public_id) = 16),
    idempotency_key bytea NOT NULL CHECK (octet_length(idempotency_key) = 16),
    -- Moves ahead with each use.
    expires_at      timestamptz NOT NULL,
    CONSTRAINT uploads_idempotency_key UNIQUE (vault_id, idempotency_key)
);

-- What an open session planned: these blobs may not be reclaimed while it is open. Being one gives no right.
CREATE TABLE upload_blobs (
    upload_id bigint NOT NULL REFERENCES uploads ON DELETE CASCADE,
    blob_id   bigint NOT NULL REFERENCES blobs,
    CONSTRAINT upload_blobs_pkey PRIMARY KEY (upload_id, blob_id)
);

-- A planned group, its blobs as parallel arrays: they are only ever read together, to judge a receipt.
CREATE TABLE upload_groups (
    id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    upload_id   bigint NOT NULL REFERENCES uploads ON DELETE CASCADE,
    blob_ids    bigint[] NOT NULL CHECK (cardinality(blob_ids) BETWEEN 1 AND 256),
    sha256s     bytea[] NOT NULL,
    sizes       integer[] NOT NULL,
    generations integer[] NOT NULL,
    CHECK (cardinality(sha256s) = cardinality(blob_ids)),
    CHECK (cardinality(sizes) = cardinality(blob_ids)),
    CHECK (cardinality(generations) = cardinality(blob_ids))
);
CREATE INDEX upload_groups_upload ON upload_groups (upload_id);

-- The grants of a group, one for each target. A receipt counts only under one of these.
CREATE TABLE upload_grants (
    jti       bytea PRIMARY KEY CHECK (octet_length(jti) = 16),
    group_id  bigint NOT NULL REFERENCES upload_groups ON DELETE CASCADE,
    node_id   bigint NOT NULL REFERENCES nodes,
    -- Unix seconds, as in the token.
    issued_s  bigint NOT NULL,
    expires_s bigint NOT NULL
);
CREATE INDEX upload_grants_group ON upload_grants (group_id);

-- The clear list of the snapshot to come, in packed pages as they arrived.
CREATE TABLE staged_refs (
    upload_id bigint NOT NULL REFERENCES uploads ON DELETE CASCADE,
    page      integer NOT NULL CHECK (page >= 0),
    refs      bytea NOT NULL CHECK (octet_length(refs) % 36 = 0),
    CONSTRAINT staged_refs_pkey PRIMARY KEY (upload_id, page)
);

-- Reference intervals -----------------------------------------------------------------------------------------

-- A blob is needed by snapshot s of a source iff an interval of the source covers s: an open one here with
-- since_seq <= s, or a closed one with from_seq <= s < to_seq. A count of 0 exists only inside the transaction of
-- a commit, which closes such intervals before it ends.
CREATE TABLE refs (
    source_id bigint NOT NULL REFERENCES sources,
    blob_id   bigint NOT NULL REFERENCES blobs,
    count     bigint NOT NULL CONSTRAINT refs_count_not_negative CHECK (count >= 0),
    since_seq bigint NOT NULL,
    CONSTRAINT refs_pkey PRIMARY KEY (source_id, blob_id)
);
CREATE INDEX refs_unreferenced ON refs (source_id) WHERE count = 0;
CREATE INDEX refs_blob ON refs (blob_id);

CREATE TABLE ref_history (
    source_id bigint NOT NULL REFERENCES sources,
    blob_id   bigint NOT NULL REFERENCES blobs,
    from_seq  bigint NOT NULL,
    to_seq    bigint NOT NULL,
    CONSTRAINT ref_history_pkey PRIMARY KEY (source_id, blob_id, from_seq),
    CHECK (from_seq < to_seq)
);
CREATE INDEX ref_history_blob ON ref_history (blob_id);
