//! Passphrases: six random words, and how good a typed one is.

/// Words of a suggested passphrase: with 7,776 to choose from, 77 bits.
pub const WORDS: usize = 6;

/// Below this power of ten a passphrase is refused: at a million PBKDF2 rounds a guess, a thief with one
/// graphics card tries about ten thousand a second.
pub const GUESSES_LOG10_MIN: u32 = 10;

/// How good a passphrase is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Quality {
    /// Refused.
    TooWeak,
    /// Taken, with advice.
    Fair,
    /// Taken.
    Strong,
}

/// Judges by the power of ten of the guesses it takes.
pub fn quality(guesses_log10: u32) -> Quality {
    match guesses_log10 {
        0..GUESSES_LOG10_MIN => Quality::TooWeak,
        GUESSES_LOG10_MIN..14 => Quality::Fair,
        _ => Quality::Strong,
    }
}

/// Six words joined by spaces, from uniform random numbers. Numbers that would favour some words are passed over;
/// `None` if too few are left.
pub fn from_random(list: &[&str], random: &[u16]) -> Option<String> {
    let choices = u16::try_from(list.len()).ok().filter(|&choices| choices > 0)?;
    let fair = u16::MAX - u16::MAX % choices;
    let words: Vec<&str> = random
        .iter()
        .filter(|&&number| number < fair)
        .take(WORDS)
        .map(|number| list[usize::from(number % choices)])
        .collect();
    (words.len() == WORDS).then(|| words.join(" "))
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIST: [&str; 10] = ["a", "b", "c", "d", "e", "f", "g", "h", "i", "j"];

    #[test]
    fn six_words_come_from_six_fair_numbers() {
        assert_eq!(from_random(&LIST, &[0, 1, 12, 23, 34, 45]).as_deref(), Some("a b c d e f"));
        // 65,530 is the largest multiple of ten: from there on, `a` to `f` would come more often than the others.
        assert_eq!(from_random(&LIST, &[65_530, 65_535, 0, 0, 0, 0, 0, 9]).as_deref(), Some("a a a a a j"));
        assert_eq!(from_random(&LIST, &[0, 0, 0, 0, 0, 65_530]), None);
        assert_eq!(from_random(&[], &[0; 12]), None);
    }

    #[test]
    fn quality_grows_with_the_guesses() {
        assert_eq!(quality(9), Quality::TooWeak);
        assert_eq!(quality(10), Quality::Fair);
        assert_eq!(quality(14), Quality::Strong);
    }
}
