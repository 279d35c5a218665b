//! Chance that is the same in every run.

/// Numbers that look like chance, and are the same in every run (xorshift64).
#[derive(Clone)]
pub(crate) struct Chance(u64);

impl Chance {
    pub(crate) fn new() -> Self {
        Self(0x9e37_79b9_7f4a_7c15)
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    /// Less than `limit`.
    pub(crate) fn below(&mut self, limit: u64) -> u64 {
        self.next() % limit
    }

    /// An index of so many.
    pub(crate) fn pick(&mut self, so_many: usize) -> usize {
        usize::try_from(self.below(so_many as u64)).unwrap()
    }

    /// Whether something befalls that befalls so many of a thousand.
    pub(crate) fn of_thousand(&mut self, so_many: u64) -> bool {
        self.below(1000) < so_many
    }
}
