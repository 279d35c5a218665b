//! What is read back: a job of the queue (a), an upload's ledger (b), a delivery that was kept (c), a trace (d), the mark of a copy
//! (e), one field of a body (f), an attempt (g), a name of the inbox (h). Whoever can write to the queue or the bucket has rights enough; but old versions wrote them, too.

#![no_main]

use bytes::Bytes;
use hookwork_fuzz::choice;
use hookwork_fuzz::domain::inbox::{Attempt, Filter, rows};
use hookwork_fuzz::domain::job::Job;
use hookwork_fuzz::domain::json::field;
use hookwork_fuzz::domain::ledger::Ledger;
use hookwork_fuzz::domain::mark::Mark;
use hookwork_fuzz::domain::record::Record;
use hookwork_fuzz::domain::trace::Trace;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let Some((what, rest)) = choice(data, 8) else {
        return;
    };
    let text = || std::str::from_utf8(rest).ok();
    match what {
        0 => {
            if let Some(Ok((job, delivery))) = text().map(Job::from_json) {
                let written = job.to_json(delivery);
                assert_eq!(Job::from_json(&written).unwrap(), (job, delivery));
            }
        }
        1 => {
            if let Some(ledger) = Ledger::from_json(rest) {
                let written = ledger.to_json();
                let again = Ledger::from_json(&written).expect("what was written can be read");
                assert_eq!(again.to_json(), written);
            }
        }
        2 => {
            if let Some(record) = Record::from_bytes(Bytes::copy_from_slice(rest)) {
                let written = record.to_bytes();
                let again = Record::from_bytes(written.clone().into())
                    .expect("what was written can be read");
                assert_eq!(again.to_bytes(), written);
            }
        }
        3 => {
            if let Some(trace) = text().and_then(Trace::parse) {
                assert!(trace.header().len() <= rest.len() && trace.header().contains(trace.id()));
            }
        }
        4 => {
            if let Some(mark) = text().and_then(Mark::parse) {
                let again = Mark::parse(&mark.to_string()).expect("what was written can be read");
                // An ETag is trimmed; those of our own marks have nothing to trim.
                assert_eq!(
                    (again.origin, again.fingerprint),
                    (mark.origin, mark.fingerprint)
                );
            }
        }
        6 => {
            if let Some(attempt) = Attempt::from_json(rest) {
                let written = attempt.to_json();
                let again = Attempt::from_json(&written).expect("what was written can be read");
                assert_eq!(again.facts(), attempt.facts());
            }
        }
        7 => {
            for row in text().into_iter().flat_map(|text| rows(text.lines())) {
                let wants = Filter::default().wants(&row);
                assert!(wants && !row.state().word().is_empty());
            }
        }
        _ => {
            let end = rest
                .iter()
                .position(|byte| *byte == b'\n')
                .unwrap_or(rest.len());
            if let Ok(pointer) = std::str::from_utf8(&rest[..end]) {
                let found = field(&rest[end..], pointer);
                assert!(found.is_none_or(|found| found.len() <= rest.len()));
            }
        }
    }
});
