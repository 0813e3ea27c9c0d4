//! Deterministic CBOR: integers, byte strings, text, arrays, maps and `true`; shortest forms, definite lengths,
//! map keys ascending and unique, nothing trailing. Bytes are accepted if and only if encoding what was read
//! gives the same bytes again.

use minicbor::data::Type;
use minicbor::{Decoder, Encoder};

/// Deeper nesting than any format of ours needs.
const DEPTH_MAX: usize = 16;
/// Map keys from here on may be added by later versions, and are kept.
pub const EXTENSION_KEY_MIN: u64 = 64;

/// The bytes are not deterministic CBOR of the expected shape.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not deterministic CBOR of the expected shape: {0}")]
pub struct CborError(pub &'static str);

/// One item.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Value {
    /// 0 and above.
    Uint(u64),
    /// Below 0.
    Negative(i64),
    /// A byte string.
    Bytes(Vec<u8>),
    /// A text.
    Text(String),
    /// An array.
    Array(Vec<Value>),
    /// A map with unsigned keys, ascending.
    Map(Vec<(u64, Value)>),
    /// A map with byte-string keys, in the order of their encodings.
    BytesMap(Vec<(Vec<u8>, Value)>),
    /// `true`; the formats write an absent key for false.
    True,
}

impl Value {
    /// An integer.
    pub fn int(value: i64) -> Self {
        u64::try_from(value).map_or(Self::Negative(value), Self::Uint)
    }

    /// A byte string.
    pub fn bytes(bytes: impl AsRef<[u8]>) -> Self {
        Self::Bytes(bytes.as_ref().to_vec())
    }

    /// Reads exactly one item.
    ///
    /// # Errors
    /// [`CborError`] unless encoding the item gives `bytes` again.
    pub fn decode(bytes: &[u8]) -> Result<Self, CborError> {
        let mut decoder = Decoder::new(bytes);
        let value = read(&mut decoder, DEPTH_MAX)?;
        if value.encode() == bytes {
            Ok(value)
        } else {
            Err(CborError("not the one encoding of its content"))
        }
    }

    /// The one encoding of this value. Map keys must be ascending and unique.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::new();
        write(self, &mut Encoder::new(&mut out));
        out
    }

    /// # Errors
    /// [`CborError`] where the item is of another type; likewise below.
    pub fn into_u64(self) -> Result<u64, CborError> {
        match self {
            Self::Uint(value) => Ok(value),
            _ => Err(CborError("expected an unsigned integer")),
        }
    }

    /// A signed integer of 64 bits.
    pub fn into_i64(self) -> Result<i64, CborError> {
        match self {
            Self::Uint(value) => i64::try_from(value).map_err(|_| CborError("integer too large")),
            Self::Negative(value) => Ok(value),
            _ => Err(CborError("expected an integer")),
        }
    }

    /// A byte string.
    pub fn into_bytes(self) -> Result<Vec<u8>, CborError> {
        match self {
            Self::Bytes(value) => Ok(value),
            _ => Err(CborError("expected a byte string")),
        }
    }

    /// A byte string of a fixed length.
    pub fn into_byte_array<const N: usize>(self) -> Result<[u8; N], CborError> {
        self.into_bytes()?.try_into().map_err(|_| CborError("a byte string of another length"))
    }

    /// A text.
    pub fn into_text(self) -> Result<String, CborError> {
        match self {
            Self::Text(value) => Ok(value),
            _ => Err(CborError("expected a text")),
        }
    }

    /// An array.
    pub fn into_array(self) -> Result<Vec<Value>, CborError> {
        match self {
            Self::Array(items) => Ok(items),
            _ => Err(CborError("expected an array")),
        }
    }

    /// An array of a fixed length.
    pub fn into_tuple<const N: usize>(self) -> Result<[Value; N], CborError> {
        self.into_array()?.try_into().map_err(|_| CborError("an array of another length"))
    }

    /// A map with unsigned keys, to take its fields out one by one.
    pub fn into_fields(self) -> Result<Fields, CborError> {
        match self {
            Self::Map(entries) => Ok(Fields(entries)),
            _ => Err(CborError("expected a map with unsigned keys")),
        }
    }
}

/// The entries of a map that were not taken yet.
#[derive(Debug)]
pub struct Fields(Vec<(u64, Value)>);

impl Fields {
    /// Takes a field that may be absent.
    pub fn take(&mut self, key: u64) -> Option<Value> {
        let at = self.0.iter().position(|(k, _)| *k == key)?;
        Some(self.0.remove(at).1)
    }

    /// Takes a field that must be there.
    ///
    /// # Errors
    /// [`CborError`] if it is not.
    pub fn need(&mut self, key: u64) -> Result<Value, CborError> {
        self.take(key).ok_or(CborError("a required key is missing"))
    }

    /// Takes a field that is `true` or absent.
    ///
    /// # Errors
    /// [`CborError`] for any other value.
    pub fn flag(&mut self, key: u64) -> Result<bool, CborError> {
        match self.take(key) {
            None => Ok(false),
            Some(Value::True) => Ok(true),
            Some(_) => Err(CborError("expected true")),
        }
    }

    /// What remains: keys from 64 up, to be written back as they are.
    ///
    /// # Errors
    /// [`CborError`] for an unknown key below 64.
    pub fn finish(self) -> Result<Vec<(u64, Value)>, CborError> {
        if self.0.iter().any(|(key, _)| *key < EXTENSION_KEY_MIN) {
            return Err(CborError("an unknown key below 64"));
        }
        Ok(self.0)
    }
}

fn read(decoder: &mut Decoder<'_>, depth: usize) -> Result<Value, CborError> {
    const MALFORMED: CborError = CborError("malformed");
    let depth = depth.checked_sub(1).ok_or(CborError("nested too deep"))?;
    match decoder.datatype().map_err(|_| MALFORMED)? {
        Type::U8 | Type::U16 | Type::U32 | Type::U64 => decoder.u64().map(Value::Uint).map_err(|_| MALFORMED),
        Type::I8 | Type::I16 | Type::I32 | Type::I64 => decoder.i64().map(Value::int).map_err(|_| MALFORMED),
        Type::Bytes => decoder.bytes().map(Value::bytes).map_err(|_| MALFORMED),
        Type::String => decoder.str().map(|s| Value::Text(s.to_owned())).map_err(|_| MALFORMED),
        Type::Bool if matches!(decoder.bool(), Ok(true)) => Ok(Value::True),
        Type::Array => {
            let len = decoder.array().ok().flatten().ok_or(MALFORMED)?;
            let mut items = Vec::new();
            for _ in 0..len {
                items.push(read(decoder, depth)?);
            }
            Ok(Value::Array(items))
        }
        Type::Map => read_map(decoder, depth),
        _ => Err(CborError("a type that the formats do not use")),
    }
}

fn read_map(decoder: &mut Decoder<'_>, depth: usize) -> Result<Value, CborError> {
    let len = decoder.map().ok().flatten().ok_or(CborError("malformed"))?;
    let mut integers: Vec<(u64, Value)> = Vec::new();
    let mut strings: Vec<(Vec<u8>, Value)> = Vec::new();
    for _ in 0..len {
        match read(decoder, 1)? {
            Value::Uint(key) => {
                if integers.last().is_some_and(|(last, _)| *last >= key) {
                    return Err(CborError("map keys not ascending"));
                }
                integers.push((key, read(decoder, depth)?));
            }
            Value::Bytes(key) => {
                if strings.last().is_some_and(|(last, _)| bytes_key_order(last) >= bytes_key_order(&key)) {
                    return Err(CborError("map keys not ascending"));
                }
                strings.push((key, read(decoder, depth)?));
            }
            _ => return Err(CborError("a map key that the formats do not use")),
        }
    }
    match (integers.is_empty(), strings.is_empty()) {
        (_, true) => Ok(Value::Map(integers)),
        (true, false) => Ok(Value::BytesMap(strings)),
        (false, false) => Err(CborError("map keys of two types")),
    }
}

/// Byte-string keys sort by their encodings: shorter first, then by content.
fn bytes_key_order(key: &[u8]) -> (usize, &[u8]) {
    (key.len(), key)
}

fn write(value: &Value, encoder: &mut Encoder<&mut Vec<u8>>) {
    const INFALLIBLE: &str = "writing to a Vec does not fail";
    match value {
        Value::Uint(value) => drop(encoder.u64(*value).expect(INFALLIBLE)),
        Value::Negative(value) => drop(encoder.i64(*value).expect(INFALLIBLE)),
        Value::Bytes(bytes) => drop(encoder.bytes(bytes).expect(INFALLIBLE)),
        Value::Text(text) => drop(encoder.str(text).expect(INFALLIBLE)),
        Value::True => drop(encoder.bool(true).expect(INFALLIBLE)),
        Value::Array(items) => {
            encoder.array(items.len() as u64).expect(INFALLIBLE);
            for item in items {
                write(item, encoder);
            }
        }
        Value::Map(entries) => {
            debug_assert!(entries.is_sorted_by(|a, b| a.0 < b.0), "map keys ascend");
            encoder.map(entries.len() as u64).expect(INFALLIBLE);
            for (key, item) in entries {
                encoder.u64(*key).expect(INFALLIBLE);
                write(item, encoder);
            }
        }
        Value::BytesMap(entries) => {
            encoder.map(entries.len() as u64).expect(INFALLIBLE);
            for (key, item) in entries {
                encoder.bytes(key).expect(INFALLIBLE);
                write(item, encoder);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn refused(hex_text: &str) {
        let bytes = hex::decode(hex_text).expect("hex in the test");
        assert!(Value::decode(&bytes).is_err(), "{hex_text} was accepted");
    }

    #[test]
    fn every_other_encoding_of_the_same_content_is_refused() {
        refused("1801"); // 1 in two bytes
        refused("9f01ff"); // indefinite array
        refused("5f4101ff"); // indefinite bytes
        refused("a201000100"); // a key twice
        refused("a202000100"); // keys descending
        refused("a2410200410100"); // byte keys descending
        refused("a2010041010a"); // keys of two types
        refused("0101"); // trailing
        refused("f4"); // false
        refused("f6"); // null
        refused("fb3ff0000000000000"); // a float
        refused("c100"); // a tag
        refused("61ff"); // text that is not UTF-8
        refused("9bffffffffffffffff"); // a length beyond the input
        refused("3bffffffffffffffff"); // below i64
    }

    #[test]
    fn nesting_is_bounded() {
        let deep = [vec![0x81; 100], vec![0x01]].concat();
        assert_eq!(Value::decode(&deep), Err(CborError("nested too deep")));
    }

    fn value() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            any::<i64>().prop_map(Value::int),
            any::<u64>().prop_map(Value::Uint),
            prop::collection::vec(any::<u8>(), 0..40).prop_map(Value::Bytes),
            ".{0,20}".prop_map(Value::Text),
            Just(Value::True),
        ];
        leaf.prop_recursive(4, 40, 6, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..6).prop_map(Value::Array),
                prop::collection::btree_map(any::<u64>(), inner, 0..6)
                    .prop_map(|map| Value::Map(map.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn what_is_written_reads_back(value in value()) {
            prop_assert_eq!(Value::decode(&value.encode()), Ok(value));
        }

        #[test]
        fn what_is_accepted_encodes_to_the_same_bytes(bytes in prop::collection::vec(any::<u8>(), 0..64)) {
            if let Ok(value) = Value::decode(&bytes) {
                prop_assert_eq!(value.encode(), bytes);
            }
        }
    }
}
