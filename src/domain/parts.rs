//! How a large object is cut: its size decides part size and count.

use super::bound::Bound;
use super::checksum::Crc64;
use super::object::ETag;

/// S3's smallest part but the last, in bytes.
pub const PART_MIN: u64 = 5 << 20;
/// S3's largest part, in bytes.
pub const PART_MAX: u64 = 5 << 30;
/// S3's largest count of parts.
pub static PARTS_MAX: Bound<u64> = Bound::new("parts.count", 10_000);
/// Parts of this size where the object allows it: large enough for the round trip to be small beside it, small enough
/// for a retried one to cost little.
pub static PART_USUAL: Bound<u64> = Bound::new("parts.size", 8 << 20);

/// One part: where it starts and how long it is, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Part {
    /// From 1.
    pub number: u32,
    /// First byte.
    pub offset: u64,
    /// Length, never 0.
    pub length: u64,
}

/// A part that the backup has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredPart {
    /// From 1.
    pub number: u32,
    /// Length in bytes.
    pub length: u64,
    /// The backup's name for it.
    pub etag: ETag,
    /// Checksum of the origin's bytes as they were read.
    pub checksum: Crc64,
}

/// How an object of a given size is cut into parts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PartPlan {
    size: u64,
    part_size: u64,
}

impl PartPlan {
    /// The plan for an object of `size` bytes; none where S3 could not store it (48.8 TiB), or where it is empty.
    #[must_use]
    pub fn new(size: u64) -> Option<Self> {
        let (usual, least) = (PART_USUAL.get(), size.div_ceil(PARTS_MAX.get()));
        let part_size = if least <= usual {
            usual
        } else {
            least.next_multiple_of(usual.min(1 << 20))
        };
        (size > 0 && part_size <= PART_MAX).then_some(Self { size, part_size })
    }

    /// A plan that was made before, perhaps by another version of this program; none where S3 would not take it.
    #[must_use]
    pub fn made(size: u64, part_size: u64) -> Option<Self> {
        let least = PART_MIN.min(PART_USUAL.get());
        let fits = (least..=PART_MAX).contains(&part_size);
        (size > 0 && fits && size.div_ceil(part_size) <= PARTS_MAX.get())
            .then_some(Self { size, part_size })
    }

    /// The object's length in bytes.
    #[must_use]
    pub fn size(self) -> u64 {
        self.size
    }

    /// Length of every part but the last, in bytes.
    #[must_use]
    pub fn part_size(self) -> u64 {
        self.part_size
    }

    /// The part of this number, if the plan has it.
    #[must_use]
    pub fn part(self, number: u32) -> Option<Part> {
        let index = u64::from(number).checked_sub(1)?;
        let offset = index * self.part_size;
        (offset < self.size).then(|| Part {
            number,
            offset,
            length: self.part_size.min(self.size - offset),
        })
    }

    /// The parts in order.
    pub fn parts(self) -> impl ExactSizeIterator<Item = Part> + use<> {
        let count = u32::try_from(self.size.div_ceil(self.part_size))
            .expect("a plan has at most 10,000 parts");
        (0..count).map(move |index| self.part(index + 1).expect("counted"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn parts_cover_every_byte_once_within_the_limits(size in 1u64..=PART_MAX * PARTS_MAX.get()) {
            let parts: Vec<_> = PartPlan::new(size).unwrap().parts().collect();
            prop_assert!(parts.len() as u64 <= PARTS_MAX.get());
            let mut next = 0;
            for (index, part) in parts.iter().enumerate() {
                prop_assert_eq!(part.number as usize, index + 1);
                prop_assert_eq!(part.offset, next);
                prop_assert!(part.length <= PART_MAX && part.length > 0);
                prop_assert!(index + 1 == parts.len() || part.length >= PART_MIN);
                next += part.length;
            }
            prop_assert_eq!(next, size);
        }
    }

    #[test]
    fn what_s3_could_not_store_has_no_plan() {
        assert_eq!(PartPlan::new(0), None);
        assert_eq!(PartPlan::new(PART_MAX * PARTS_MAX.get() + 1), None);
        assert_eq!(PartPlan::new(1).unwrap().parts().len(), 1);
    }
}
