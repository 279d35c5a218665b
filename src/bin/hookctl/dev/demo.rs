//! The main job, step by step: each step is done by the means of a user or a sender, checked from outside, and printed.

use std::collections::BTreeMap;
use std::time::{Duration, Instant, SystemTime};

use anyhow::{Context as _, Result, bail, ensure};
use bytes::Bytes;

use hookwork::twin::intdash::{self, Delivery, SAMPLE_MEASUREMENT};
use hookwork::twin::s3::{Change, ChangeKind};
use hookwork::twin::topic::Notice;

use super::storage::Object;
use super::{BACKUP, INTDASH_SECRET, Local, ORIGIN};
use crate::print::{Printer, bytes};

mod inbox;

/// How long a step may wait for what must follow from it.
const LIMIT: Duration = Duration::from_secs(30);
const LOOK_EVERY: Duration = Duration::from_millis(20);
const SMALL_KEY: &str = "demo/hello, world.txt";
const LARGE_KEY: &str = "demo/large.bin";
const LARGE_BYTES: usize = 20 * 1024 * 1024;
const PART_BYTES: usize = 5 * 1024 * 1024;
const EXPECTED: [&str; 2] = ["Average: 99.506109", "Unbiased Variance: 243.961858"];

/// What a step shows when it was right.
#[derive(Default)]
struct Proof {
    details: Vec<(&'static str, String)>,
    mail: Option<Notice>,
}

impl Proof {
    fn of(details: impl Into<Vec<(&'static str, String)>>) -> Self {
        Self {
            details: details.into(),
            mail: None,
        }
    }
}

/// Does every step and says how many were wrong.
pub(super) async fn run(local: &mut Local, printer: &Printer) -> usize {
    let mut steps = Steps {
        printer,
        number: 0,
        wrong: 0,
    };
    let step = Box::pin(ping(local));
    steps.show("The function answers", step).await;
    let step = Box::pin(handshake(local));
    steps
        .show("VK's handshake is answered with the right signature", step)
        .await;
    let step = Box::pin(small_object(local));
    steps
        .show("An object put into origin appears in backup", step)
        .await;
    let step = Box::pin(large_object(local));
    steps.show("So does a large one, put in parts", step).await;
    let step = Box::pin(removal(local));
    steps
        .show("Its removal from origin removes it from backup", step)
        .await;
    let step = Box::pin(forged_removal(local));
    steps.show("A forged removal removes nothing", step).await;
    let step = Box::pin(summary(local));
    steps
        .show("A signed delivery of intdash becomes a mail", step)
        .await;
    let step = Box::pin(wrong_signature(local));
    steps
        .show("A delivery with a wrong signature is refused", step)
        .await;
    let step = Box::pin(inbox::has_it_all(local));
    steps
        .show("All of it is in the inbox, with what became of it", step)
        .await;
    printer.line("");
    match steps.wrong {
        0 => printer.line(&format!(" All {} steps were right.", steps.number)),
        wrong => printer.line(&format!(" {wrong} of {} steps were wrong.", steps.number)),
    }
    steps.wrong
}

struct Steps<'a> {
    printer: &'a Printer,
    number: usize,
    wrong: usize,
}

impl Steps<'_> {
    async fn show(&mut self, title: &str, step: impl Future<Output = Result<Proof>>) {
        self.number += 1;
        let started = Instant::now();
        match step.await {
            Ok(proof) => {
                self.printer.passed(self.number, title, started.elapsed());
                for (label, text) in proof.details {
                    self.printer.detail(label, &text);
                }
                if let Some(notice) = proof.mail {
                    self.printer.mail(&notice);
                }
            }
            Err(problem) => {
                self.wrong += 1;
                self.printer
                    .failed(self.number, title, &format!("{problem:#}"));
            }
        }
    }
}

async fn ping(local: &mut Local) -> Result<Proof> {
    let url = format!("{}/ping", local.url);
    let response = local.http.get(&url).timeout(LIMIT).send().await?;
    let status = response.status();
    let text = response.text().await?;
    ensure!(
        status == 200 && text == "Pong\n",
        "GET {url} answered {status} {text:?}"
    );
    Ok(Proof::of([
        ("asked", format!("GET {url}")),
        ("answered", text.trim_end().to_owned()),
    ]))
}

async fn handshake(local: &mut Local) -> Result<Proof> {
    let shaken = tokio::time::timeout(LIMIT, local.register())
        .await
        .context("no answer came")??;
    let signature = shaken.signature().with_context(|| {
        let answer = &shaken.answer;
        format!(
            "no signature in the answer: {} {:?}",
            answer.status, answer.body
        )
    })?;
    ensure!(
        shaken.is_right(),
        "the signature is {signature}, expected {}",
        shaken.expected
    );
    Ok(Proof::of([
        ("topic", shaken.topic_arn),
        ("URL", shaken.url),
        ("signature", signature),
    ]))
}

async fn small_object(local: &mut Local) -> Result<Proof> {
    let object = small();
    local.storage.put(ORIGIN, SMALL_KEY, &object).await?;
    accepted(local, SMALL_KEY).await?;
    same_in_backup(local, SMALL_KEY, &object).await?;
    let metadata = object.metadata.iter().next();
    let metadata = metadata.map_or_else(String::new, |(name, value)| format!(", {name}: {value}"));
    Ok(Proof::of([
        ("key", SMALL_KEY.to_owned()),
        (
            "the same",
            format!(
                "{}, {}{metadata}",
                bytes(object.bytes.len()),
                object.content_type
            ),
        ),
    ]))
}

async fn large_object(local: &mut Local) -> Result<Proof> {
    let object = large();
    let parts = local
        .storage
        .put_in_parts(ORIGIN, LARGE_KEY, &object, PART_BYTES)
        .await?;
    accepted(local, LARGE_KEY).await?;
    same_in_backup(local, LARGE_KEY, &object).await?;
    Ok(Proof::of([
        ("key", LARGE_KEY.to_owned()),
        (
            "the same",
            format!(
                "{} put in {parts} parts, byte for byte",
                bytes(object.bytes.len())
            ),
        ),
    ]))
}

async fn removal(local: &mut Local) -> Result<Proof> {
    local.storage.delete(ORIGIN, LARGE_KEY).await?;
    accepted(local, LARGE_KEY).await?;
    let storage = &local.storage;
    until("the copy is still in backup", async || {
        Ok(storage
            .get(BACKUP, LARGE_KEY)
            .await?
            .is_none()
            .then_some(()))
    })
    .await?;
    Ok(Proof::of([("key", LARGE_KEY.to_owned())]))
}

async fn forged_removal(local: &mut Local) -> Result<Proof> {
    let forged = Change {
        bucket: ORIGIN.to_owned(),
        key: SMALL_KEY.to_owned(),
        event: ChangeKind::Delete,
        etag: String::new(),
        size: 0,
        at: SystemTime::now(),
    };
    let told = local.hook.tell(&local.http, &forged);
    let answer = tokio::time::timeout(LIMIT, told)
        .await
        .context("no answer came")??;
    ensure!(
        answer.status == 200,
        "the function answered {} {:?}",
        answer.status,
        answer.body
    );
    ensure!(
        !answer.body.contains("\"deleted\""),
        "the function believed it: {:?}",
        answer.body
    );
    same_in_backup(local, SMALL_KEY, &small()).await?;
    Ok(Proof::of([
        ("key", SMALL_KEY.to_owned()),
        (
            "kept",
            "it is still in origin, so it stays in backup".to_owned(),
        ),
    ]))
}

async fn summary(local: &mut Local) -> Result<Proof> {
    let before = local.mailed().len();
    let body = Delivery::new(SAMPLE_MEASUREMENT, "completed").body();
    let url = format!("{}/hooks/intdash", local.url);
    let sent = intdash::deliver(&local.http, &url, INTDASH_SECRET, &body);
    let answer = tokio::time::timeout(LIMIT, sent)
        .await
        .context("no answer came")??;
    ensure!(
        answer.status == 200,
        "the function answered {} {:?}",
        answer.status,
        answer.body
    );
    let sent = &*local;
    let notice = until("nothing was published", async || {
        Ok(sent.mailed().into_iter().nth(before))
    })
    .await?;
    let missing = EXPECTED
        .into_iter()
        .find(|line| !notice.message.lines().any(|have| have == *line));
    if let Some(line) = missing {
        bail!("{line:?} is not in the mail: {:?}", notice.message);
    }
    Ok(Proof {
        mail: Some(notice),
        ..Proof::of([("measurement", SAMPLE_MEASUREMENT.to_owned())])
    })
}

async fn wrong_signature(local: &mut Local) -> Result<Proof> {
    let before = local.mailed().len();
    let body = Delivery::new(SAMPLE_MEASUREMENT, "completed").body();
    let url = format!("{}/hooks/intdash", local.url);
    let sent = intdash::deliver(
        &local.http,
        &url,
        "a secret that is not the right one",
        &body,
    );
    let answer = tokio::time::timeout(LIMIT, sent)
        .await
        .context("no answer came")??;
    ensure!(
        answer.status == 401,
        "the function answered {} {:?}",
        answer.status,
        answer.body
    );
    ensure!(
        local.mailed().len() == before,
        "it was published all the same"
    );
    Ok(Proof::of([(
        "answered",
        "401, and nothing was published".to_owned(),
    )]))
}

/// Waits for the sender's report about `key`.
async fn accepted(local: &mut Local, key: &str) -> Result<()> {
    let reports = &mut local.reports;
    let found = async {
        loop {
            let report = reports.recv().await?;
            if report.change.key == key {
                return Some(report);
            }
        }
    };
    let report = tokio::time::timeout(LIMIT, found)
        .await
        .context("the sender delivered nothing")?
        .context("the sender is not registered")?;
    match &report.answer {
        Some(answer) if report.is_accepted() => {
            let failed = answer.body.contains("\"failed\"");
            ensure!(!failed, "the function answered {:?}", answer.body);
            Ok(())
        }
        Some(answer) => bail!("the function answered {} {:?}", answer.status, answer.body),
        None => bail!("the function did not answer"),
    }
}

/// Waits until the backup holds `object` under `key`, and says how it differs when it never does.
async fn same_in_backup(local: &Local, key: &str, object: &Object) -> Result<()> {
    let mut difference = String::new();
    let same = until("it is not in backup", async || {
        let copy = local.storage.get(BACKUP, key).await?;
        let found = copy.map(|copy| object.differs_from(&copy));
        difference = found.clone().flatten().unwrap_or_default();
        Ok(found.filter(Option::is_none))
    })
    .await;
    match same {
        Err(_) if !difference.is_empty() => bail!("{difference}"),
        other => other.map(|_| ()),
    }
}

/// Looks again and again until there is something, within the limit.
async fn until<T>(otherwise: &str, mut look: impl AsyncFnMut() -> Result<Option<T>>) -> Result<T> {
    let deadline = Instant::now() + LIMIT;
    loop {
        if let Some(found) = look().await? {
            return Ok(found);
        }
        ensure!(Instant::now() < deadline, "{otherwise}");
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

fn small() -> Object {
    Object {
        bytes: Bytes::from_static(b"Hello from the origin.\n"),
        content_type: "text/plain; charset=utf-8".to_owned(),
        metadata: BTreeMap::from([("author".to_owned(), "hookctl".to_owned())]),
    }
}

/// Bytes without a pattern, so that parts in a wrong order would show.
fn large() -> Object {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let words = std::iter::repeat_with(|| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()
    });
    Object {
        bytes: words.take(LARGE_BYTES / 8).flatten().collect(),
        content_type: "application/octet-stream".to_owned(),
        metadata: BTreeMap::new(),
    }
}
