//! The inbox is looked into: the list, one delivery in full, and how the mirror stands.

mod list;
mod mirror;

pub use super::held::Refusal;
pub use mirror::{Decision, Held, MirrorState, OriginState, Seen};

use super::App;
use crate::clients::bucket::Bucket;
use crate::clients::error::CallError;
use crate::domain::bound::Bound;
use crate::domain::delivery::{BODY_MAX, DeliveryId};
use crate::domain::inbox::{Attempt, FOLDER, Kept, Row, STRANGERS, group, rows};
use crate::domain::record::{HEAD_MAX, Record};
use crate::domain::source::Source;
use crate::error::WorkError;
use futures_util::stream::{self, StreamExt as _};

/// Listings of a thousand files that one look at the list costs at most.
static LISTINGS_MAX: Bound<usize> = Bound::new("inbox.listings", 8);
/// Listings of the files of one delivery. It has several where an outage had each of its many jobs tried again and again.
static GROUP_LISTINGS_MAX: Bound<usize> = Bound::new("inbox.group_listings", 32);
/// Attempts of a delivery that are shown, the newest ones.
static ATTEMPTS_MAX: Bound<usize> = Bound::new("inbox.attempts", 100);
/// Attempts that are read at a time.
static READS_AT_A_TIME: Bound<usize> = Bound::new("inbox.reads_at_a_time", 16);

/// A part of the list.
#[derive(Clone, Debug)]
pub struct Page {
    /// Newest first.
    pub rows: Vec<Row>,
    /// Where older ones begin; none where there are no more.
    pub before: Option<String>,
    /// Deliveries that were looked at.
    pub searched: usize,
    /// Calls that it took.
    pub calls: usize,
}

/// One delivery in full.
#[derive(Clone, Debug)]
pub struct Found {
    /// As the list has it.
    pub row: Row,
    /// The delivery; none where only attempts were kept.
    pub record: Option<Record>,
    /// The attempts, oldest first.
    pub attempts: Vec<Attempt>,
}

impl App {
    /// The state bucket, where there is an inbox.
    ///
    /// # Errors
    /// A sentence.
    pub fn inbox(&self) -> Result<&Bucket, String> {
        let state = self.state.as_ref();
        state.ok_or_else(|| "there is no STATE_BUCKET: no delivery is kept".to_owned())
    }

    /// One delivery in full, with its attempts.
    ///
    /// # Errors
    /// A sentence.
    pub async fn find(&self, id: DeliveryId) -> Result<Option<Found>, String> {
        let state = self.inbox()?;
        let told = |error: CallError| error.to_string();
        let (mut files, _) = self.files_of(state, FOLDER, id).await.map_err(told)?;
        let mut folder = FOLDER;
        if !files.iter().any(|name| is_delivery(name)) {
            let apart = self.files_of(state, STRANGERS, id).await;
            let (apart, _) = apart.map_err(told)?;
            if !apart.is_empty() {
                folder = STRANGERS;
                files.splice(0..0, apart);
            }
        }
        let Some(row) = rows(files.iter().map(String::as_str)).pop() else {
            return self.found_formerly(state, id).await;
        };
        let mut record = match files.iter().find(|name| is_delivery(name)) {
            Some(name) => read(state, &format!("{folder}{name}"))
                .await?
                .and_then(|bytes| Record::from_bytes(bytes.into())),
            None => None,
        };
        if let Some(record) = &mut record {
            record.told.apart = folder == STRANGERS;
        }
        if row.facts.is_some() && record.is_none() {
            return Err(format!(
                "what is kept of delivery {id} is not what was written"
            ));
        }
        let mut places = Vec::new();
        for name in files.iter().rev().filter(|name| !is_delivery(name)) {
            places.push(format!("{FOLDER}{name}"));
        }
        places.truncate(ATTEMPTS_MAX.get());
        let attempts = places.into_iter().map(|place| async move {
            let bytes = read(state, &place).await?;
            Ok(bytes.and_then(|json| Attempt::from_json(&json)))
        });
        let attempts: Vec<Result<Option<Attempt>, String>> = stream::iter(attempts)
            .buffered(READS_AT_A_TIME.get())
            .collect()
            .await;
        let attempts: Result<Vec<_>, String> = attempts.into_iter().collect();
        let mut attempts: Vec<_> = attempts?.into_iter().flatten().collect();
        attempts.reverse();
        Ok(Some(Found {
            row,
            record,
            attempts,
        }))
    }

    /// A delivery that an earlier version of this program kept.
    async fn found_formerly(
        &self,
        state: &Bucket,
        id: DeliveryId,
    ) -> Result<Option<Found>, String> {
        let Some(bytes) = read(state, &Record::former_place(id)).await? else {
            return Ok(None);
        };
        let record = Record::from_bytes(bytes.into())
            .ok_or_else(|| format!("what is kept of delivery {id} is not what was written"))?;
        let row = Row {
            id,
            facts: Some(record.facts()),
            attempts: Vec::new(),
            duplicate_of: None,
        };
        Ok(Some(Found {
            row,
            record: Some(record),
            attempts: Vec::new(),
        }))
    }

    /// Where a delivery is recorded, as a URI; none where it is not.
    pub(super) async fn place_of(&self, id: DeliveryId) -> Result<Option<String>, WorkError> {
        let Some(state) = &self.state else {
            return Ok(None);
        };
        let files = self.files_of(state, FOLDER, id).await;
        let (files, _) = files.map_err(WorkError::State)?;
        let name = files.into_iter().find(|name| is_delivery(name));
        Ok(name.map(|name| format!("s3://{}/{FOLDER}{name}", state.name())))
    }

    /// The names of a delivery's files in one of the folders, after it, and how many listings that took.
    async fn files_of(
        &self,
        state: &Bucket,
        folder: &str,
        id: DeliveryId,
    ) -> Result<(Vec<String>, usize), CallError> {
        let group = group(id);
        let (mut names, mut after, mut listings) = (Vec::new(), None, 0);
        while listings < GROUP_LISTINGS_MAX.get() {
            let place = format!("{folder}{group}/");
            let (files, last) = state.page(&place, after.as_deref()).await?;
            listings += 1;
            after = files.last().map(|file| file.key.clone());
            names.extend(files.iter().map(|file| format!("{group}/{}", file.key)));
            if last {
                break;
            }
        }
        Ok((names, listings))
    }

    /// The header in which a source's sender signs, where that is of its own choice.
    #[must_use]
    pub fn signature_header(&self, source: Option<&str>) -> Option<&str> {
        let header = self.sources.get(source?)?.signature_header()?;
        Some(header.as_str())
    }

    /// The copy that a job makes of a key of a source's bucket: the backup bucket, and the key there.
    #[must_use]
    pub fn copy_of(&self, source: &str, bucket: &str, key: &str) -> Option<(&str, String)> {
        let Some(Source::S3(source)) = self.sources.get(source) else {
            return None;
        };
        let rule = source.buckets.get(bucket)?;
        Some((self.backup.as_ref()?.name(), rule.backup_key(key)))
    }
}

fn is_delivery(name: &str) -> bool {
    matches!(Kept::of_name(name), Some((_, Kept::Delivery(_))))
}

async fn read(state: &Bucket, place: &str) -> Result<Option<Vec<u8>>, String> {
    let found = state.read_up_to(place, HEAD_MAX + BODY_MAX).await;
    let found = found.map_err(|error| error.to_string())?;
    Ok(found.map(|(bytes, _)| bytes))
}
