//! The ledger of an upload under way: what another worker needs to go on with it when this one dies.

use super::checksum::Crc64;
use super::object::{ETag, Fingerprint};
use super::parts::{Part, PartPlan, StoredPart};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;

/// What is known of an upload. Its finished parts only become more, so that workers who share one can merge what each knows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ledger {
    /// The key in the backup, for whoever reads the file: its name is a hash.
    pub key: String,
    /// The backup's id of the upload.
    pub upload: String,
    /// The state that is written, the mark among its properties: the upload was opened for it.
    pub fingerprint: Fingerprint,
    /// How it is cut.
    pub plan: PartPlan,
    /// How many workers in a row ended without a part that was new to the ledger.
    pub fruitless: u32,
    finished: BTreeMap<u32, (ETag, Crc64)>,
}

/// The wire form. A field more or less is another version.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Wire {
    version: u32,
    key: String,
    upload: String,
    fingerprint: String,
    size: u64,
    part_size: u64,
    fruitless: u32,
    /// Number, ETag, CRC64NVME in base64.
    parts: Vec<(u32, String, String)>,
}

const VERSION: u32 = 1;

impl Ledger {
    /// Of an upload that was just opened.
    #[must_use]
    pub fn new(key: &str, upload: &str, fingerprint: Fingerprint, plan: PartPlan) -> Self {
        Self {
            key: key.to_owned(),
            upload: upload.to_owned(),
            fingerprint,
            plan,
            fruitless: 0,
            finished: BTreeMap::new(),
        }
    }

    /// The key in the state bucket of the ledger for this key of this backup bucket. A hash, since a key may be as long as a
    /// key may be.
    #[must_use]
    pub fn place(bucket: &str, key: &str) -> String {
        let hash = Sha256::digest(format!("{bucket}/{key}"));
        format!("uploads/{}.json", super::handshake::hex(&hash[..16]))
    }

    /// Whether it is of an upload of this key and this state. The file is not ours alone to write, so nothing of it is taken
    /// for granted that another one was meant for.
    #[must_use]
    pub fn is_of(&self, key: &str, fingerprint: &Fingerprint, size: u64) -> bool {
        self.key == key && self.fingerprint == *fingerprint && self.plan.size() == size
    }

    /// Adds a part that was finished.
    pub fn add(&mut self, part: &StoredPart) {
        let entry = (part.etag.clone(), part.checksum);
        self.finished.insert(part.number, entry);
        self.fruitless = 0;
    }

    /// Adds what another worker wrote of the same upload; a part that both finished stays as this one knows it.
    pub fn merge(&mut self, other: Self) {
        let before = self.finished.len();
        for (number, part) in other.finished {
            self.finished.entry(number).or_insert(part);
        }
        if self.finished.len() > before {
            self.fruitless = 0;
        }
    }

    /// Keeps only the parts that the backup lists too, with the same ETag and the planned length: `listed` is number → ETag
    /// and length. What one side alone vouches for is copied again.
    pub fn keep_listed(&mut self, listed: &BTreeMap<u32, (ETag, u64)>) {
        let plan = self.plan;
        self.finished.retain(|number, (etag, _)| {
            let planned = plan.part(*number).map(|part| part.length);
            listed
                .get(number)
                .is_some_and(|(theirs, length)| theirs == etag && Some(*length) == planned)
        });
    }

    /// A part as it stands, if it is finished.
    #[must_use]
    pub fn stored(&self, part: Part) -> Option<StoredPart> {
        let (etag, checksum) = self.finished.get(&part.number)?.clone();
        Some(StoredPart {
            number: part.number,
            length: part.length,
            etag,
            checksum,
        })
    }

    /// How many parts are finished.
    #[must_use]
    pub fn finished(&self) -> usize {
        self.finished.len()
    }

    /// As it is stored: JSON.
    #[must_use]
    pub fn to_json(&self) -> Vec<u8> {
        let wire = Wire {
            version: VERSION,
            key: self.key.clone(),
            upload: self.upload.clone(),
            fingerprint: self.fingerprint.to_string(),
            size: self.plan.size(),
            part_size: self.plan.part_size(),
            fruitless: self.fruitless,
            parts: self
                .finished
                .iter()
                .map(|(number, (etag, crc))| (*number, etag.to_string(), crc.to_string()))
                .collect(),
        };
        serde_json::to_vec(&wire).expect("strings and numbers")
    }

    /// Reads what [`Self::to_json`] wrote; none of another version, or of what is no ledger.
    #[must_use]
    pub fn from_json(json: &[u8]) -> Option<Self> {
        let wire: Wire = serde_json::from_slice(json).ok()?;
        let plan = PartPlan::made(wire.size, wire.part_size).filter(|_| wire.version == VERSION)?;
        let finished = wire.parts.into_iter().map(|(number, etag, crc)| {
            plan.part(number)?;
            Some((number, (ETag::new(&etag), Crc64::parse(&crc)?)))
        });
        Some(Self {
            key: wire.key,
            upload: wire.upload,
            fingerprint: Fingerprint::parse(&wire.fingerprint),
            plan,
            fruitless: wire.fruitless,
            finished: finished.collect::<Option<_>>()?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;

    const MIB: u64 = 1 << 20;

    fn ledger() -> Ledger {
        let plan = PartPlan::new(20 * MIB).unwrap();
        Ledger::new("a/b", "upload 1", Fingerprint::parse("f"), plan)
    }

    fn part(number: u32, etag: &str) -> StoredPart {
        StoredPart {
            number,
            length: if number == 3 { 4 * MIB } else { 8 * MIB },
            etag: ETag::new(etag),
            checksum: Crc64::of(&[Bytes::from(number.to_string())]),
        }
    }

    #[test]
    fn reads_back_what_it_wrote_and_nothing_else() {
        let mut written = ledger();
        written.add(&part(3, "c"));
        written.add(&part(1, "a"));
        let json = written.to_json();
        assert_eq!(Ledger::from_json(&json), Some(written));
        let text = String::from_utf8(json).unwrap();
        for (from, to) in [
            ("\"version\":1", "\"version\":2"),
            ("\"fruitless\"", "\"more\":0,\"fruitless\""),
            ("[1,", "[4,"),
            ("\"part_size\":8388608", "\"part_size\":1"),
            ("{", ""),
        ] {
            let other = text.replacen(from, to, 1);
            assert_ne!(other, text, "{from}");
            assert_eq!(Ledger::from_json(other.as_bytes()), None, "{from}");
        }
    }

    /// What a version of this program has written must always be read: in its place stands an upload half done.
    #[test]
    fn reads_the_first_version() {
        let golden = br#"{"version":1,"key":"a/b","upload":"upload 1","fingerprint":"f","size":20971520,"part_size":8388608,"fruitless":2,"parts":[[1,"a","rosUhgp5mIg="]]}"#;
        let read = Ledger::from_json(golden).unwrap();
        assert_eq!((read.fruitless, read.finished()), (2, 1));
        assert_eq!(read.to_json(), golden);
    }

    #[test]
    fn a_part_stands_only_if_ledger_and_backup_agree() {
        let mut ledger = ledger();
        for (number, etag) in [(1, "a"), (2, "b"), (3, "c")] {
            ledger.add(&part(number, etag));
        }
        let listed = BTreeMap::from([
            (1, (ETag::new("a"), 8 * MIB)),
            (2, (ETag::new("another"), 8 * MIB)),
            (3, (ETag::new("c"), 8 * MIB)),
        ]);
        ledger.keep_listed(&listed);
        let stands = |number| ledger.stored(ledger.plan.part(number).unwrap());
        assert_eq!(stands(1), Some(part(1, "a")));
        assert_eq!((stands(2), stands(3)), (None, None));
    }

    #[test]
    fn what_two_workers_know_adds_up_and_ends_a_fruitless_chain() {
        let (mut mine, mut theirs) = (ledger(), ledger());
        mine.fruitless = 3;
        mine.add(&part(1, "a"));
        assert_eq!(mine.fruitless, 0);
        theirs.add(&part(1, "another"));
        theirs.add(&part(2, "b"));
        mine.fruitless = 3;
        mine.merge(theirs);
        assert_eq!(mine.fruitless, 0, "somebody came further");
        let stands = |number| mine.stored(mine.plan.part(number).unwrap());
        assert_eq!(stands(1), Some(part(1, "a")));
        assert_eq!(stands(2), Some(part(2, "b")));
    }

    #[test]
    fn every_key_has_a_place_of_its_own_and_of_bounded_length() {
        let long = "x".repeat(1024);
        let places = [("b", "k"), ("b", "k2"), ("b2", "k"), ("b", long.as_str())];
        let places: std::collections::BTreeSet<_> = places
            .iter()
            .map(|(bucket, key)| Ledger::place(bucket, key))
            .collect();
        assert_eq!(places.len(), 4);
        assert!(places.iter().all(|place| place.len() < 60));
    }
}
