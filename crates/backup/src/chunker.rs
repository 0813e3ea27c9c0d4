//! Content-defined cuts of one file, as a stream: where chunks end, and nothing of what becomes of them.
//!
//! A public gear hash lets one position in 64 through, a secret SipHash-2-4 of the last 64 bytes decides.
//! What cut positions reveal is thus output of a pseudo-random function, not of the gear table.
//! The gear hash is that of Xia et al., "Ddelta: a deduplication-inspired fast delta compression approach" (2014).

use crypto::vault::SipKeys;
use siphasher::sip::SipHasher24;

use crate::gear::GEAR;

/// No chunk but the last of a file is shorter: 512 KiB.
pub const MIN_CHUNK_LEN: usize = 512 * 1024;
/// No chunk is longer: 4 MiB.
pub const MAX_CHUNK_LEN: usize = 4 * 1024 * 1024;

/// Bytes that decide about a cut: those that end at it.
const WINDOW: usize = 64;
/// The gear hash gates by its topmost bits: 1 position in 2^6.
const GATE_SHIFT: u32 = 64 - 6;
/// SipHash lets 1 position in 2^13 of those through: a cut every 512 KiB past the minimum.
const PRF_MASK: u64 = (1 << 13) - 1;
/// Leaves 20 bits, so that the secret maximum is at most 1 MiB below 4 MiB.
const JITTER_SHIFT: u32 = 44;

/// Finds the chunk ends of one file. The cuts do not depend on how the file is sliced.
///
/// A file's end always ends a chunk; the chunker is not told of it.
pub struct Chunker {
    keys: SipKeys,
    /// Bytes of the current chunk already seen.
    len: usize,
    /// The gear hash of the last 64 bytes, once `len` is past `MIN_CHUNK_LEN - WINDOW`.
    gear: u64,
    /// The secret maximum of the current chunk, known once `len` has reached `MIN_CHUNK_LEN`.
    limit: usize,
    /// The last 64 bytes before the next slice, for the windows that begin in an earlier one.
    tail: [u8; WINDOW],
}

impl Chunker {
    /// At the start of a file.
    pub fn new(keys: &SipKeys) -> Self {
        let keys = SipKeys { k0: keys.k0, k1: keys.k1 };
        Self { keys, len: 0, gear: 0, limit: MAX_CHUNK_LEN, tail: [0; WINDOW] }
    }

    /// Reads on in the file, up to the next chunk end within `data`.
    ///
    /// `Some(n)`: a chunk ends after the first `n` bytes (1 or more); call again with the rest of `data`.
    /// `None`: all of `data` belongs to a chunk that goes on.
    pub fn next_cut(&mut self, data: &[u8]) -> Option<usize> {
        let cut = self.scan(data);
        if cut.is_some() {
            self.len = 0;
            self.gear = 0;
        } else {
            self.keep_tail(data);
        }
        cut
    }

    /// Advances `len` and `gear` over `data` until a cut.
    fn scan(&mut self, data: &[u8]) -> Option<usize> {
        let mut at = (MIN_CHUNK_LEN - WINDOW).saturating_sub(self.len).min(data.len());
        self.len += at;
        if self.len < MIN_CHUNK_LEN {
            let warm_up = &data[at..data.len().min(at + MIN_CHUNK_LEN - self.len)];
            self.gear = warm_up.iter().fold(self.gear, |gear, &byte| roll(gear, byte));
            self.len += warm_up.len();
            at += warm_up.len();
            if self.len < MIN_CHUNK_LEN {
                return None;
            }
            let window = self.prf_at(data, at);
            self.limit = MAX_CHUNK_LEN - (window >> JITTER_SHIFT) as usize;
            if self.gear >> GATE_SHIFT == 0 && window & PRF_MASK == 0 {
                return Some(at);
            }
        }
        let end = data.len().min(at + self.limit - self.len);
        let cut = self.scan_spanning(data, at, end.min(WINDOW)).or_else(|| {
            let from = at.max(end.min(WINDOW));
            self.scan_within(data, from, end)
        });
        if cut.is_some() {
            return cut;
        }
        self.len += end - at;
        (self.len == self.limit).then_some(end)
    }

    /// Positions whose window may begin in an earlier slice: at most the first 64.
    fn scan_spanning(&mut self, data: &[u8], from: usize, end: usize) -> Option<usize> {
        for at in from..end {
            self.gear = roll(self.gear, data[at]);
            if self.gear >> GATE_SHIFT == 0 && self.is_cut(data, at + 1) {
                return Some(at + 1);
            }
        }
        None
    }

    /// Positions whose window lies within `data`: the hot loop.
    fn scan_within(&mut self, data: &[u8], from: usize, end: usize) -> Option<usize> {
        let (data, mut at, mut gear) = (&data[..end], from, self.gear);
        while at < data.len() {
            let byte = data[at];
            gear = roll(gear, byte);
            at += 1;
            if gear >> GATE_SHIFT == 0 {
                let window = &data[at - WINDOW..at];
                if self.prf(window) & PRF_MASK == 0 {
                    return Some(at);
                }
                // A few constant runs hold the gate open. Within one, every window is this one: refused.
                if window.iter().all(|&other| other == byte) {
                    at += data[at..].iter().take_while(|&&next| next == byte).count();
                }
            }
        }
        self.gear = gear;
        None
    }

    fn is_cut(&self, data: &[u8], at: usize) -> bool {
        self.prf_at(data, at) & PRF_MASK == 0
    }

    /// SipHash of the 64 bytes that end at `at`, which may begin in an earlier slice.
    fn prf_at(&self, data: &[u8], at: usize) -> u64 {
        if at >= WINDOW {
            return self.prf(&data[at - WINDOW..at]);
        }
        let mut window = [0; WINDOW];
        let (before, here) = window.split_at_mut(WINDOW - at);
        before.copy_from_slice(&self.tail[at..]);
        here.copy_from_slice(&data[..at]);
        self.prf(&window)
    }

    /// Made anew for each window, so that no copy of the key outlives `keys`.
    #[inline(never)] // keeps its rounds out of the hot loop's registers
    fn prf(&self, window: &[u8]) -> u64 {
        SipHasher24::new_with_keys(self.keys.k0, self.keys.k1).hash(window)
    }

    fn keep_tail(&mut self, data: &[u8]) {
        if let Some(last) = data.last_chunk::<WINDOW>() {
            self.tail = *last;
        } else {
            self.tail.copy_within(data.len().., 0);
            self.tail[WINDOW - data.len()..].copy_from_slice(data);
        }
    }
}

fn roll(gear: u64, byte: u8) -> u64 {
    (gear << 1).wrapping_add(GEAR[usize::from(byte)])
}
