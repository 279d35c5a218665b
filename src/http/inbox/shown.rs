//! What the inbox knows, as JSON: rows, one delivery in full, how the mirror stands. Every list in it ends somewhere.

use crate::app::App;
use crate::app::inbox::{Found, MirrorState, OriginState, Page};
use crate::domain::bound::Bound;
use crate::domain::export::{self, curl};
use crate::domain::inbox::{Attempt, AttemptFacts, By, JobReport, Row, Verdict, made};
use crate::domain::instant::instant;
use crate::domain::record::{Handshake, Record};
use crate::domain::sns::masked;
use axum::http::StatusCode;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Value, json};

/// So many bytes of a body are in the JSON; the rest is a download.
static BODY_SHOWN: Bound<usize> = Bound::new("inbox.body_shown", 256 * 1024);
/// So long may the lists of an answer be, in bytes as Lambda counts them: it takes 6 MB, all in all.
pub(super) static LISTS_MAX: Bound<usize> = Bound::new("inbox.lists", 2 << 20);
/// So many attempts of a delivery are in the list, the newest ones: an outage may make thousands.
static ROW_ATTEMPTS: Bound<usize> = Bound::new("inbox.row_attempts", 100);
/// A longer command is not shown, likewise.
static COMMAND_MAX: Bound<usize> = Bound::new("inbox.command", 1 << 20);

pub(super) fn page(page: &Page) -> Value {
    let rows: Vec<_> = page.rows.iter().map(row).collect();
    json!({"deliveries": rows, "before": page.before, "searched": page.searched, "calls": page.calls})
}

/// A delivery as the list of the inbox has it.
#[must_use]
pub fn row(row: &Row) -> Value {
    let facts = row.facts.as_ref();
    let attempted = row.attempts.iter().map(|attempt| attempt.jobs).max();
    let left_out = row.attempts.len().saturating_sub(ROW_ATTEMPTS.get());
    let attempts: Vec<_> = row.attempts[left_out..].iter().map(attempt).collect();
    let mut shown = json!({
        "id": row.id.to_string(), "received": instant(row.received()), "source": facts.and_then(|facts| facts.source.as_ref()),
        "verdict": facts.map(|facts| facts.verdict.word()), "state": row.state().word(), "title": facts.map_or("", |facts| &facts.title),
        "bytes": facts.map(|facts| facts.bytes), "jobs": facts.map_or(attempted.unwrap_or(0), |facts| facts.jobs),
        "duplicate_of": row.duplicate_of.map(|id| id.to_string()), "attempts": attempts,
    });
    if left_out > 0 {
        shown["attempts_left_out"] = json!(left_out);
    }
    shown
}

fn attempt(of: &AttemptFacts) -> Value {
    json!({"at": instant(of.at()), "outcome": of.outcome, "jobs": of.jobs, "ms": of.ms, "lag_ms": of.lag_ms, "by": of.by.word()})
}

/// One delivery in full.
pub(super) fn detail(app: &App, found: &Found) -> Value {
    let mut shown = row(&found.row);
    let mut room = LISTS_MAX.get();
    let history = found.attempts.iter().rev().map(|attempt| {
        let jobs = attempt.jobs.iter().map(|job| json!(job));
        let mut told = json!({
            "at": instant(made(attempt.id)), "by": attempt.by, "ms": attempt.ms, "lag_ms": attempt.facts().lag_ms,
            "jobs": within(jobs, &mut room),
        });
        if !attempt.left_out.is_empty() {
            told["left_out"] = json!(attempt.left_out);
        }
        told
    });
    // The newest attempts have the room; the oldest is first.
    let mut history: Vec<_> = history.collect();
    history.reverse();
    let record = found.record.as_ref();
    let more = match record {
        Some(record) => of_record(app, record, &found.attempts),
        None => of_none(),
    };
    if let (Value::Object(shown), Value::Object(more)) = (&mut shown, more) {
        shown.insert("history".to_owned(), json!(history));
        shown.extend(more);
    }
    shown
}

fn of_record(app: &App, record: &Record, attempts: &[Attempt]) -> Value {
    let (of, told) = (&record.delivery, &record.told);
    let own = app.signature_header(record.source.as_deref());
    let mut room = LISTS_MAX.get() / 2;
    let headers = record
        .headers
        .iter()
        .map(|(name, value)| json!([name, export::shown(name, value.as_deref(), own)]));
    let headers = within(headers, &mut room);
    let planned = told.planned.iter().map(|job| planned(app, record, job));
    let planned = within(planned, &mut room);
    let lacks = record.lacks();
    let remarks = lacks.iter().chain(&told.remarks);
    let remarks = within(remarks.map(|remark| json!(remark)), &mut room);
    // What is not whole is not to be sent as if it were.
    let command = lacks.is_none().then(|| curl(record, own));
    let command = command.filter(|command| encoded(&json!(command)) <= COMMAND_MAX.get());
    // Of what came through SNS without the URL that ends the subscription. The download has it.
    let body = masked(&of.body);
    let end = body.len().min(BODY_SHOWN.get());
    let why = app.not_replayable(record);
    json!({
        "status": status(record, attempts).as_u16(), "reason": told.reason, "method": of.method.as_str(), "url": of.url,
        "from": of.from.map(|from| from.to_string()), "headers": headers, "planned": planned, "remarks": remarks,
        "handshake": told.handshake.as_ref().map(handshake),
        "body": {
            "base64": STANDARD.encode(&body[..end]), "bytes": of.body.len(), "shown": end,
            "text": std::str::from_utf8(&of.body).is_ok(),
        },
        "replayable": why.is_none(), "not_replayable": why, "curl": command.unwrap_or_default(),
    })
}

/// Of a delivery that was not kept: only its attempts are there.
fn of_none() -> Value {
    json!({
        "status": null, "reason": null, "method": null, "url": null, "from": null, "headers": [], "planned": [], "remarks": [],
        "handshake": null, "body": null, "replayable": false, "not_replayable": "it was not kept: only attempts that failed were",
        "curl": "",
    })
}

/// What the sender was answered with.
fn status(record: &Record, attempts: &[Attempt]) -> StatusCode {
    let inline = attempts.iter().find(|attempt| attempt.by == By::Inline);
    // A failure that has a reason is one for good, and was acknowledged.
    let undone = |job: &JobReport| match job.outcome.as_str() {
        "failed" => job.reason.is_none(),
        word => word == "unfinished",
    };
    match record.told.verdict {
        Verdict::Accepted | Verdict::Partial
            if inline.is_some_and(|inline| inline.jobs.iter().any(undone)) =>
        {
            StatusCode::INTERNAL_SERVER_ERROR
        }
        Verdict::Accepted | Verdict::Partial | Verdict::Handshake => StatusCode::OK,
        Verdict::Malformed => StatusCode::BAD_REQUEST,
        Verdict::Unauthentic => StatusCode::UNAUTHORIZED,
        Verdict::Forbidden => StatusCode::FORBIDDEN,
        Verdict::Unknown => StatusCode::NOT_FOUND,
        Verdict::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
        Verdict::Failed => StatusCode::INTERNAL_SERVER_ERROR,
    }
}

fn planned(app: &App, record: &Record, job: &JobReport) -> Value {
    let copy = || {
        let (bucket, key) = (job.bucket.as_ref()?, job.key.as_ref()?);
        app.copy_of(record.source.as_deref()?, bucket, key)
    };
    let object = copy().map(|(bucket, key)| {
        let spelled = utf8_percent_encode(&key, NON_ALPHANUMERIC);
        json!({"s3": format!("s3://{bucket}/{key}"), "console": format!("https://console.aws.amazon.com/s3/object/{bucket}?prefix={spelled}")})
    });
    let JobReport {
        job,
        bucket,
        key,
        measurement,
        event,
        id,
        ..
    } = job;
    json!({"job": job, "bucket": bucket, "key": key, "measurement": measurement, "event": event, "id": id, "object": object})
}

fn handshake(of: &Handshake) -> Value {
    let spellings = of.spellings.iter();
    let spellings = spellings.map(|(url, signature)| json!({"url": url, "signature": signature}));
    json!({"signed": of.signed, "signature": of.signature, "spellings": spellings.collect::<Vec<_>>()})
}

/// How the mirror stands.
pub(super) fn mirror(state: &MirrorState) -> Value {
    let queue = state
        .queue
        .map(|depth| json!({"waiting": depth.waiting, "hidden": depth.hidden}));
    let mut sorted: Vec<u64> = state.lags.iter().map(|(_, lag)| *lag).collect();
    sorted.sort_unstable();
    // The smallest that so many of a hundred are not above.
    let of_hundred = |share: usize| sorted[(sorted.len() * share).div_ceil(100).max(1) - 1];
    let points = state.lags.iter().rev();
    let points: Vec<_> = points.map(|(at, lag)| json!([instant(*at), lag])).collect();
    let lag = sorted.last().map(|longest| {
        json!({"copies": sorted.len(), "p50_ms": of_hundred(50), "p99_ms": of_hundred(99), "longest_ms": longest, "points": points})
    });
    json!({
        "origins": state.origins.iter().map(origin).collect::<Vec<_>>(), "queue": queue, "dead_letters": state.dead_letters, "lag": lag,
        "outcomes": state.outcomes,
    })
}

fn origin(of: &OriginState) -> Value {
    let at = |seconds: i64| {
        instant(
            u64::try_from(seconds)
                .unwrap_or_default()
                .saturating_mul(1000),
        )
    };
    let audit = of.audit.as_ref().map(|run| {
        json!({
            "began": at(run.began), "ended": run.ended, "keys": run.keys, "copies": run.copies, "hints": run.hints, "missed": run.missed,
            "foreign": run.foreign, "unreadable": run.unreadable,
        })
    });
    let held = of.held.as_ref();
    let held = held.map(|held| json!({"removals": held.removals, "since": at(held.since), "run": held.run.to_string()}));
    let mut shown = json!({"source": of.origin.source, "bucket": of.origin.origin, "audit": audit, "held": held});
    if let Some(why) = &of.unreadable {
        shown["unreadable"] = json!(why);
    }
    if let Some((decided, results)) = &of.decided {
        let became = decided.approved.then(|| {
            let done = results.removed + results.left + results.failed;
            json!({
                "removed": results.removed, "left": results.left, "failed": results.failed,
                "waiting": decided.removals.saturating_sub(done),
            })
        });
        let decision = if decided.approved {
            "approve"
        } else {
            "reject"
        };
        shown["decided"] = json!({
            "decision": decision, "at": at(decided.at), "removals": decided.removals, "became": became,
        });
    }
    shown
}

/// The first of these, as many as there is room for.
pub(super) fn within(values: impl Iterator<Item = Value>, room: &mut usize) -> Vec<Value> {
    let fitting = values.take_while(|value| {
        let long = encoded(value) + 1;
        let fits = long <= *room;
        *room = if fits { *room - long } else { 0 };
        fits
    });
    fitting.collect()
}

/// How long a value is in an answer of Lambda's, where its JSON is a string of JSON.
pub(in crate::http) fn encoded(value: &Value) -> usize {
    Value::String(value.to_string()).to_string().len()
}
