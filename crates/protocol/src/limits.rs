//! Every limit of the protocol, with its unit in its name. Both ends enforce them.

/// The largest blob, in bytes: a 4 MiB chunk that does not compress, framed, padded and sealed.
pub const BLOB_BYTES_MAX: u32 = 4_325_440;
/// The smallest blob, in bytes: a 4 KiB frame, 48 bytes of header and a 16-byte tag.
pub const BLOB_BYTES_MIN: u32 = 4096 + 64;
/// Blobs in one plan or locate request.
pub const PLAN_BLOBS_MAX: usize = 1000;
/// Blobs in one group, grant, receipt or batch.
pub const GROUP_BLOBS_MAX: usize = 256;
/// Bytes in one group, unless it is a single blob.
pub const GROUP_BYTES_MAX: u64 = 16 << 20;
/// Receipts in one request.
pub const RECEIPTS_MAX: usize = 256;
/// References in one staged page.
pub const REFS_PAGE_MAX: usize = 10_000;
/// Pages of references in one upload session.
pub const REFS_PAGES_MAX: u32 = 10_000;
/// Snapshots that one commit forgets.
pub const FORGET_SNAPSHOTS_MAX: usize = 10_000;
/// Blobs in the list beside a commit that purges them, or in one staged page of it.
pub const PURGE_BLOBS_MAX: usize = 10_000;
/// Staged pages of blobs that one commit purges.
pub const PURGE_PAGES_MAX: u32 = 1000;
/// Bytes of one commit envelope.
pub const COMMIT_BYTES_MAX: usize = 1 << 20;
/// Bytes of commits in one answer, beyond which the client asks again.
pub const COMMITS_ANSWER_BYTES_MAX: usize = 4 << 20;
/// Bytes of one account state.
pub const ACCOUNT_STATE_BYTES_MAX: usize = 1 << 20;
/// Vaults in one device certificate.
pub const CERTIFICATE_VAULTS_MAX: usize = 255;
/// Bytes of a source's name.
pub const SOURCE_NAME_BYTES_MAX: usize = 255;
/// Bytes of a source's path.
pub const SOURCE_PATH_BYTES_MAX: usize = 4096;
/// Patterns of what a source leaves out.
pub const SOURCE_PATTERNS_MAX: usize = 256;
/// Bytes of one such pattern.
pub const PATTERN_BYTES_MAX: usize = 1024;
/// Sources in the settings of one vault.
pub const VAULT_SOURCES_MAX: usize = 1000;
/// Bytes of the encoded settings of one vault: half of what a commit takes, so that whoever may write the vault's
/// settings whole always can.
pub const SETTINGS_BYTES_MAX: usize = 512 << 10;
/// Characters of a login.
pub const LOGIN_CHARS_MAX: usize = 64;
/// Bytes of any sealed key.
pub const SEALED_KEY_BYTES_MAX: usize = 4096;
/// Bytes of a vault's keys sealed for a device, which hold all its epochs.
pub const DEVICE_KEY_BYTES_MAX: usize = 64 << 10;
/// Bytes of a JSON request body on the coordinator.
pub const JSON_BYTES_MAX: usize = 4 << 20;
/// Bytes of the JSON header of a node's batch request.
pub const BATCH_HEADER_BYTES_MAX: usize = 256 << 10;
/// Bytes of a grant token.
pub const GRANT_BYTES_MAX: usize = 2048;
/// Blobs of a kind that are counted to tell people how the cluster is.
pub const COUNTED_BLOBS_MAX: u64 = 10_000;
/// Entries of the audit log in one answer.
pub const AUDIT_PAGE_MAX: usize = 100;
/// Copies of a blob.
pub const REPLICAS_MAX: usize = 8;
/// How long a grant is valid, in seconds.
pub const GRANT_SECONDS: u64 = 600;
/// How far two clocks may differ, in seconds.
pub const CLOCK_SKEW_SECONDS: u64 = 60;
/// How long after its grant's expiry a receipt still counts, in seconds.
pub const RECEIPT_LATE_SECONDS: u64 = 2 * 3600;
/// How long an upload session lives after its last use, in seconds.
pub const UPLOAD_IDLE_SECONDS: u64 = 24 * 3600;
/// How far the time of a signed request may be off, in seconds.
pub const SIGNED_REQUEST_SKEW_SECONDS: u64 = 120;
/// The nonce of a signed request is remembered this long, in seconds.
pub const NONCE_SECONDS: u64 = 300;
/// Fewest PBKDF2 iterations that a client sends a key for.
pub const KDF_ITERATIONS_MIN: u32 = 600_000;
/// Most PBKDF2 iterations that a client computes.
pub const KDF_ITERATIONS_MAX: u32 = 10_000_000;
/// PBKDF2 iterations of a new account.
pub const KDF_ITERATIONS_DEFAULT: u32 = 1_000_000;
/// A web session ends this long after its last use, in seconds.
pub const SESSION_IDLE_SECONDS: u64 = 12 * 3600;
/// A web session ends this long after sign-in, in seconds.
pub const SESSION_SECONDS: u64 = 7 * 24 * 3600;
/// What needs a fresh proof of the passphrase needs one that is not older, in seconds.
pub const STEP_UP_SECONDS: u64 = 5 * 60;
/// How long an enrolment is open, in seconds. The web app closes its own after ten minutes.
pub const ENROLMENT_SECONDS: u64 = 15 * 60;
/// Enrolments of one account that are open at a time.
pub const ENROLMENTS_MAX: usize = 16;
/// How long an invitation is good unless the operator says otherwise, in seconds.
pub const INVITATION_SECONDS: u64 = 7 * 24 * 3600;
/// How long an invitation is good at most, in seconds.
pub const INVITATION_SECONDS_MAX: u64 = 365 * 24 * 3600;
/// Invitations that are open at a time.
pub const INVITATIONS_MAX: usize = 1000;
/// Bytes that an account which is full may put beyond its quota in order to delete: the folders that deletions write.
/// Counted together until it is below its quota again.
pub const QUOTA_RESERVE_BYTES: u64 = 64 << 20;
/// Bytes of a host's name.
pub const HOST_NAME_BYTES_MAX: usize = 255;
/// Bytes of a sealed message.
pub const MESSAGE_BYTES_MAX: usize = 64 << 10;
/// A message is kept for passing on at most this long, in seconds.
pub const MESSAGE_SECONDS: u64 = 120;
/// Messages to and from one device that are kept for passing on at a time.
pub const MESSAGES_MAX: usize = 1000;
/// How long everything of the source of browser uploads is kept, whatever its policy, in seconds.
pub const UPLOADS_KEPT_SECONDS: u64 = 30 * 24 * 3600;
/// A device session ends after this long, in seconds.
pub const DEVICE_SESSION_SECONDS: u64 = 15 * 60;
/// A device's source without a new snapshot for this long is overdue, in seconds; a quiet one has one a day.
pub const SOURCE_OVERDUE_SECONDS: u64 = 3 * 24 * 3600;
