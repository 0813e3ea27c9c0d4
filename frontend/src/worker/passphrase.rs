//! Passphrases: the word list, the random source and the judge.

use diceware_wordlists::EFF_LONG_WORDLIST;

use crate::failure::Failure;
use crate::message::{JudgePassphrase, Strength};
use crate::passphrase::{WORDS, from_random};

/// Far more numbers than words: each has one chance in nine of being passed over.
const NUMBERS: usize = 16 * WORDS;
/// A judge of longer text takes long and finds nothing more.
const JUDGED_CHARS_MAX: usize = 100;

pub(super) fn suggest() -> Result<String, Failure> {
    let mut bytes = [0; 2 * NUMBERS];
    getrandom::fill(&mut bytes).map_err(|_| Failure::broken("This browser gave no random numbers."))?;
    let numbers: Vec<u16> =
        bytes.chunks_exact(2).map(|pair| u16::from_be_bytes([pair[0], pair[1]])).collect();
    from_random(&EFF_LONG_WORDLIST, &numbers)
        .ok_or_else(|| Failure::broken("This browser gave no usable random numbers."))
}

pub(super) fn judge(ask: &JudgePassphrase) -> Strength {
    let judged: String = ask.passphrase.chars().take(JUDGED_CHARS_MAX).collect();
    let known: Vec<&str> = ask.known.iter().map(String::as_str).filter(|word| !word.is_empty()).collect();
    let guesses_log10 = zxcvbn::zxcvbn(&judged, &known).guesses_log10();
    // Not negative, and at most 20: a u64's worth of guesses.
    Strength { guesses_log10: guesses_log10.max(0.0) as u32 }
}
