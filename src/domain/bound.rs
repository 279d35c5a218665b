//! Bounds of sizes and counts. Each stands beside the code that it bounds; tests make all of them small at once, so that data
//! of a few kilobytes cross every one.

use std::collections::BTreeMap;
use std::sync::OnceLock;

static SHRUNK: OnceLock<BTreeMap<&'static str, u16>> = OnceLock::new();

/// A bound: the most of something that is read, kept, shown or done at a time.
#[derive(Debug)]
pub struct Bound<T> {
    name: &'static str,
    usual: T,
}

impl<T: Copy + From<u16>> Bound<T> {
    /// A bound with its usual value; the name is unique.
    #[must_use]
    pub const fn new(name: &'static str, usual: T) -> Self {
        Self { name, usual }
    }

    /// The value that counts in this process.
    #[must_use]
    pub fn get(&self) -> T {
        let shrunk = SHRUNK.get().and_then(|all| all.get(self.name));
        shrunk.map_or(self.usual, |small| T::from(*small))
    }
}

/// Makes bounds small, for the rest of this process: name → value. Only tests call it, before anything else. The first call
/// counts.
pub fn shrink(all: &[(&'static str, u16)]) {
    SHRUNK.get_or_init(|| all.iter().copied().collect());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bound_has_its_usual_value_unless_it_was_made_small() {
        assert_eq!(Bound::<u64>::new("of no test", 5 << 40).get(), 5 << 40);
    }
}
