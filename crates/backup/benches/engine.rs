//! What the engine's inner loops cost on one core: `cargo bench -p backup`. Medians of five runs, never asserted.
#![expect(clippy::print_stdout, reason = "a benchmark prints its table")]
#![expect(clippy::cast_precision_loss, reason = "lengths are far below 2^52")]

use std::hint::black_box;
use std::time::Instant;

use backup::{Chunker, Compressor, FileSplitter, decompress};
use crypto::vault::SipKeys;

const KEYS: SipKeys = SipKeys { k0: 0x5a0c_a9cd_fe89_1b8d, k1: 0x0335_6473_2e4b_242b };
const RUNS: usize = 5;
const DATA_LEN: usize = 128 << 20;
const CHUNK_LEN: usize = 1 << 20;

fn main() {
    let random = random(DATA_LEN);
    let text = text(DATA_LEN);
    println!("{:<44} {:>9}", "work", "MB/s");
    for (name, data) in [
        ("chunker, random", random.clone()),
        ("chunker, text", text.clone()),
        ("chunker, constant 0x00", vec![0x00; DATA_LEN]),
        ("chunker, constant 0x5c (holds the gate open)", vec![0x5c; DATA_LEN]),
    ] {
        row(name, data.len(), || count_cuts(&data));
    }
    row("chunks, size and BLAKE3 of a file, random", random.len(), || {
        let mut splitter = FileSplitter::new(&KEYS);
        random.chunks(4 << 20).map(|slice| splitter.push(slice).len()).sum::<usize>()
    });
    let mut compressor = Compressor::new();
    let half: Vec<u8> = random.chunks(512).zip(text.chunks(512)).flat_map(|(a, b)| [a, b].concat()).collect();
    for (name, data) in [
        ("zstd 3 of 1 MiB chunks, incompressible", &random),
        ("zstd 3 of 1 MiB chunks, text", &text),
        ("zstd 3 of 1 MiB chunks, alternating 512 bytes", &half[..DATA_LEN].to_vec()),
    ] {
        row(name, data.len(), || {
            data.chunks(CHUNK_LEN).filter_map(|chunk| compressor.compress(chunk)).count()
        });
    }
    let bodies: Vec<_> = text.chunks(CHUNK_LEN).filter_map(|chunk| compressor.compress(chunk)).collect();
    row("decompress 1 MiB chunks, text", bodies.len() * CHUNK_LEN, || {
        bodies.iter().filter(|body| decompress(body, CHUNK_LEN).is_ok()).count()
    });
}

fn row(name: &str, bytes: usize, mut work: impl FnMut() -> usize) {
    let mut seconds: Vec<f64> = (0..RUNS)
        .map(|_| {
            let start = Instant::now();
            black_box(work());
            start.elapsed().as_secs_f64()
        })
        .collect();
    seconds.sort_by(f64::total_cmp);
    println!("{name:<44} {:>9.0}", bytes as f64 / 1e6 / seconds[RUNS / 2]);
}

fn count_cuts(data: &[u8]) -> usize {
    let mut chunker = Chunker::new(&KEYS);
    let mut cuts = 0;
    for mut slice in data.chunks(4 << 20) {
        while let Some(cut) = chunker.next_cut(slice) {
            cuts += 1;
            slice = &slice[cut..];
        }
    }
    cuts
}

fn random(len: usize) -> Vec<u8> {
    let mut data = vec![0; len];
    blake3::Hasher::new().update(b"benchmark").finalize_xof().fill(&mut data);
    data
}

/// Words in a pseudo-random order, about as compressible as prose.
fn text(len: usize) -> Vec<u8> {
    const WORDS: [&str; 16] = [
        "backup ",
        "of ",
        "the ",
        "snapshot ",
        "and ",
        "every ",
        "node ",
        "keeps ",
        "a ",
        "copy, ",
        "which ",
        "nobody ",
        "reads.\n",
        "Restore ",
        "it ",
        "then ",
    ];
    let mut order = blake3::Hasher::new().update(b"words").finalize_xof();
    let mut text = Vec::with_capacity(len + 16);
    let mut block = [0; 4096];
    while text.len() < len {
        order.fill(&mut block);
        for byte in block {
            text.extend(WORDS[usize::from(byte >> 4)].bytes());
        }
    }
    text.truncate(len);
    text
}
