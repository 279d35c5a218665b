//! The checksum that S3 keeps of a whole object, computed while its bytes pass.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use crc_fast::{CrcAlgorithm, Digest};
use std::fmt;

/// CRC64NVME (S3's name for CRC-64/NVME) of some bytes: what S3 checks a whole object against.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Crc64(u64);

impl Crc64 {
    /// Of a buffer.
    #[must_use]
    pub fn of(bytes: &[Bytes]) -> Self {
        let mut running = Running::default();
        bytes.iter().for_each(|piece| running.update(piece));
        running.finish()
    }

    /// Of these bytes followed by `length` more, whose checksum is `next`: parts that were read side by side need no second
    /// pass.
    #[must_use]
    pub fn followed_by(self, next: Self, length: u64) -> Self {
        Self(crc_fast::checksum_combine(
            CrcAlgorithm::Crc64Nvme,
            self.0,
            next.0,
            length,
        ))
    }

    /// Reads what [`Display`](fmt::Display) writes.
    #[must_use]
    pub fn parse(header: &str) -> Option<Self> {
        let bytes = STANDARD.decode(header).ok()?;
        Some(Self(u64::from_be_bytes(bytes.try_into().ok()?)))
    }
}

impl fmt::Display for Crc64 {
    /// As S3's headers carry it: base64 of the eight bytes, most significant first.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&STANDARD.encode(self.0.to_be_bytes()))
    }
}

/// A checksum of bytes that have not all passed yet.
#[derive(Debug)]
pub struct Running(Digest);

impl Default for Running {
    fn default() -> Self {
        Self(Digest::new(CrcAlgorithm::Crc64Nvme))
    }
}

impl Running {
    /// These bytes passed.
    pub fn update(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    /// The checksum of all that passed so far.
    #[must_use]
    pub fn finish(&self) -> Crc64 {
        Crc64(self.0.finalize())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_check_value_of_the_crc_catalogue() {
        let checksum = Crc64::of(&[Bytes::from_static(b"123456789")]);
        assert_eq!(checksum, Crc64(0xae8b_1486_0a79_9888));
        assert_eq!(checksum.to_string(), "rosUhgp5mIg=");
        assert_eq!(Crc64::parse("rosUhgp5mIg="), Some(checksum));
        assert_eq!(Crc64::parse("rosUhgp5mA=="), None);
    }

    proptest! {
        #[test]
        fn checksums_of_parts_combine(a in proptest::collection::vec(any::<u8>(), 0..500), b in proptest::collection::vec(any::<u8>(), 0..500)) {
            let whole = Crc64::of(&[Bytes::from([a.clone(), b.clone()].concat())]);
            let length = b.len() as u64;
            let parts = Crc64::of(&[Bytes::from(a)]).followed_by(Crc64::of(&[Bytes::from(b)]), length);
            prop_assert_eq!(whole, parts);
        }
    }
}
