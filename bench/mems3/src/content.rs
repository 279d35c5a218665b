//! The bytes of an object: as they were put, or made on demand, so that an origin of gigabytes takes no memory.

use bytes::Bytes;
use std::ops::Range;
use std::sync::{Arc, LazyLock};

/// No two of these blocks of a generated object are equal: each begins with its number.
const BLOCK: u64 = 1 << 20;
const STAMP: u64 = 8;

static NOISE: LazyLock<Bytes> = LazyLock::new(|| {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let words = (0..BLOCK / 8).flat_map(|_| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()
    });
    words.collect()
});

#[derive(Clone)]
pub enum Content {
    Stored(Arc<Vec<Bytes>>),
    Generated(u64),
}

impl Content {
    pub fn len(&self) -> u64 {
        match self {
            Self::Stored(pieces) => pieces.iter().map(|piece| piece.len() as u64).sum(),
            Self::Generated(size) => *size,
        }
    }

    /// A range of it, in pieces.
    pub fn pieces(&self, range: Range<u64>) -> Box<dyn Iterator<Item = Bytes> + Send> {
        match self {
            Self::Stored(pieces) => Box::new(stored(Arc::clone(pieces), range)),
            Self::Generated(_) => Box::new(generated(range)),
        }
    }

    /// Byte for byte.
    pub fn equals(&self, other: &Self) -> bool {
        if self.len() != other.len() {
            return false;
        }
        let (mut ours, mut theirs) = (self.pieces(0..self.len()), other.pieces(0..other.len()));
        let (mut a, mut b) = (Bytes::new(), Bytes::new());
        loop {
            if a.is_empty() {
                match ours.next() {
                    Some(next) => a = next,
                    None => return true,
                }
            }
            while b.is_empty() {
                b = theirs.next().expect("as long as the other");
            }
            let length = a.len().min(b.len());
            if a.split_to(length) != b.split_to(length) {
                return false;
            }
        }
    }
}

fn stored(pieces: Arc<Vec<Bytes>>, range: Range<u64>) -> impl Iterator<Item = Bytes> {
    let (mut skip, mut left, mut index) = (range.start, range.end - range.start, 0);
    std::iter::from_fn(move || {
        while left > 0 {
            let piece = pieces.get(index)?;
            index += 1;
            let length = piece.len() as u64;
            if skip >= length {
                skip -= length;
                continue;
            }
            let end = length.min(skip + left);
            let slice = piece.slice(skip as usize..end as usize);
            left -= end - skip;
            skip = 0;
            return Some(slice);
        }
        None
    })
}

fn generated(range: Range<u64>) -> impl Iterator<Item = Bytes> {
    let mut at = range.start;
    std::iter::from_fn(move || {
        if at >= range.end {
            return None;
        }
        let (block, within) = (at / BLOCK, at % BLOCK);
        let end = if within < STAMP { STAMP } else { BLOCK };
        let end = end.min(within + range.end - at);
        at += end - within;
        let slice = within as usize..end as usize;
        Some(if within < STAMP {
            Bytes::copy_from_slice(&block.to_be_bytes()[slice])
        } else {
            NOISE.slice(slice)
        })
    })
}
