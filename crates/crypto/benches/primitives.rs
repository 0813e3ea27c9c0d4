//! How fast each primitive is on this machine and one core: `cargo bench -p crypto`.
#![expect(clippy::print_stdout, reason = "the table is the program's output")]

use std::hint::black_box;
use std::time::{Duration, Instant};

use crypto::blob::{BlobKind, Frame, open_blob, seal_blob};
use crypto::password::{Kdf, Login, Password, PasswordKeys};
use crypto::seal::{self, Cache};
use crypto::vault::{VaultKey, VaultKeys};
use crypto::{Backend, Salt, compute};
use protocol::id::VaultId;

const MEBIBYTE: usize = 1 << 20;
const MEGABYTES: f64 = 1.048_576;
/// Each row runs for at least this long, and reports its fastest run.
const ROW_TIME: Duration = Duration::from_secs(1);

fn main() {
    let backend = Backend::rust_crypto();
    let vault = VaultId::from_bytes([1; 16]).expect("not zeros");
    let keys = VaultKeys::new(vault, &VaultKey::from_bytes([2; 32]));
    let index = &keys.newest().1.index;
    let context = Cache { vault, name: "bench", epoch: 1 };
    let plain: Vec<u8> = (0..MEBIBYTE).map(|at| ((at * 31) >> 7) as u8).collect();
    let small = &plain[..32];

    println!("{:<34}{:>12}", "1 MiB at a time", "MB/s");
    per_mebibyte("SHA-256", || compute(backend.sha256(&plain)));
    per_mebibyte("BLAKE3, keyed (fingerprint)", || keys.fingerprint(&plain));
    let salt = || Salt::from_random([3; 32]);
    let seal_large = || compute(seal::seal(&backend, index, &context, &plain, salt())).expect("sealed");
    per_mebibyte("SEAL (AES-256-GCM)", seal_large);
    let sealed = seal_large();
    per_mebibyte("open SEAL", || compute(seal::open(&backend, index, &context, &sealed)).expect("opened"));
    let frame = || Frame::stored(BlobKind::Chunk, &plain).expect("it fits");
    let seal_chunk = || compute(seal_blob(&backend, &keys, frame())).expect("sealed");
    per_mebibyte("DSEAL (BLAKE3, AES-GCM, SHA-256)", seal_chunk);
    let blob = seal_chunk();
    let open_chunk =
        || compute(open_blob(&backend, &keys, &blob.id, &blob.bytes, &[BlobKind::Chunk])).expect("opened");
    per_mebibyte("open DSEAL", open_chunk);

    println!("\n{:<34}{:>12}", "one at a time", "µs");
    let seal_small = || compute(seal::seal(&backend, index, &context, small, salt())).expect("sealed");
    each("SEAL of 32 bytes", 1, seal_small);
    let frame = || Frame::stored(BlobKind::Chunk, small).expect("it fits");
    each("DSEAL of 32 bytes", 1, || compute(seal_blob(&backend, &keys, frame())).expect("sealed"));

    let (password, login) =
        (Password::parse("a password").expect("allowed"), Login::parse("a").expect("allowed"));
    let kdf = Kdf::DEFAULT;
    let derive =
        || compute(PasswordKeys::derive(&backend, &password, &login, &[4; 32], kdf)).expect("derived");
    each("PBKDF2, per 100,000 iterations", kdf.iterations() / 100_000, derive);
}

fn per_mebibyte<T>(name: &str, run: impl FnMut() -> T) {
    println!("{name:<34}{:>12.0}", MEGABYTES / fastest(run).as_secs_f64());
}

fn each<T>(name: &str, parts: u32, run: impl FnMut() -> T) {
    println!("{name:<34}{:>12.1}", (fastest(run) / parts).as_secs_f64() * 1e6);
}

fn fastest<T>(mut run: impl FnMut() -> T) -> Duration {
    let begin = Instant::now();
    let mut fastest = Duration::MAX;
    while begin.elapsed() < ROW_TIME {
        let start = Instant::now();
        black_box(run());
        fastest = fastest.min(start.elapsed());
    }
    fastest
}
