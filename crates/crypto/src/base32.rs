//! Crockford's base 32 (<https://www.crockford.com/base32.html>): for text that people copy by hand.
//! Bits are taken from the front, and the last character is filled up with zero bits.

use zeroize::Zeroizing;

const ALPHABET: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";

/// The first `chars` characters of the encoding of `bytes`.
pub(crate) fn encode(bytes: &[u8], chars: usize) -> Zeroizing<String> {
    let bit = |at: usize| bytes.get(at / 8).map_or(0, |byte| byte >> (7 - at % 8) & 1);
    let digit = |index: usize| (0..5).fold(0, |value, at| value << 1 | bit(index * 5 + at));
    let mut text = Zeroizing::new(String::with_capacity(chars));
    text.extend((0..chars).map(|index| char::from(ALPHABET[usize::from(digit(index))])));
    text
}

/// The values of the characters, five bits each. Case, spaces and hyphens do not matter, O reads as 0, I and L as 1;
/// `None` if any other character is there.
pub(crate) fn digits(text: &str) -> Option<Zeroizing<Vec<u8>>> {
    let mut digits = Zeroizing::new(Vec::with_capacity(text.len()));
    for character in text.chars().filter(|c| !c.is_whitespace() && *c != '-') {
        let upper = match character.to_ascii_uppercase() {
            'O' => '0',
            'I' | 'L' => '1',
            other => other,
        };
        let value = ALPHABET.iter().position(|symbol| char::from(*symbol) == upper)?;
        digits.push(u8::try_from(value).expect("the alphabet has 32 symbols"));
    }
    Some(digits)
}

/// Packs five-bit digits into whole bytes; `None` unless the bits left over are zero.
pub(crate) fn pack<const N: usize>(digits: &[u8]) -> Option<Zeroizing<[u8; N]>> {
    let mut bytes = Zeroizing::new([0; N]);
    let bits = digits.iter().flat_map(|digit| (0..5).rev().map(move |at| digit >> at & 1));
    for (at, bit) in bits.enumerate() {
        match bytes.get_mut(at / 8) {
            Some(byte) => *byte |= bit << (7 - at % 8),
            None if bit == 0 => {}
            None => return None,
        }
    }
    Some(bytes)
}
