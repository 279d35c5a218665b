//! What an intdash server answers: a filter, the measurement's facts, and then its data, line by line, up to the notice of it all

#![no_main]

use hookwork_fuzz::domain::event::MeasurementRef;
use hookwork_fuzz::domain::notice::{Notice, Summarised};
use hookwork_fuzz::domain::point;
use hookwork_fuzz::domain::source::Source;
use hookwork_fuzz::domain::summary::{Facts, Summary};
use libfuzzer_sys::fuzz_target;
use serde_json::{Value, json};

fuzz_target!(|data: &[u8]| {
    let mut lines = data.split(|byte| *byte == b'\n');
    let (Some(filter), Some(facts)) = (lines.next(), lines.next()) else {
        return;
    };
    let filter = serde_json::from_slice::<Value>(filter).unwrap_or_else(|_| json!("*/*"));
    let settings = json!({"kind": "intdash", "url": "https://example.intdash.jp", "data": filter});
    let Ok(Source::Intdash(settings)) = serde_json::from_value(settings) else {
        return;
    };
    let facts = serde_json::from_slice::<Value>(facts).ok();
    let facts = facts.map(|facts| Facts::read(&facts));
    let mut summary = Summary::default();
    let mut points = 0;
    for line in lines {
        if let Ok(Some(point)) = point::read(line, &settings.data) {
            summary.take(&point);
            points += 1;
        }
    }
    assert_eq!(summary.points(), points);
    let over_all = summary.over_all();
    assert!(over_all.variance().is_none_or(|variance| variance >= 0.0));
    if let (Some(min), Some(mean), Some(max)) = (over_all.min(), over_all.mean(), over_all.max()) {
        // The mean of huge values may be rounded past the last of them.
        assert!(
            min <= mean * (1.0 + mean.signum() * 1e-12)
                && mean * (1.0 - mean.signum() * 1e-12) <= max
        );
    }
    let of = MeasurementRef {
        source: "s".to_owned(),
        project: "p".to_owned(),
        measurement: "m".to_owned(),
        occurrence: None,
    };
    let done = Summarised {
        of: &of,
        settings: &settings,
        facts: facts.as_ref(),
        unread: false,
        summary: &summary,
    };
    let notice = Notice::of_summary(&done, None);
    let machine: Value = serde_json::from_str(notice.machine.as_deref().unwrap()).unwrap();
    assert_eq!(machine["count"], json!(over_all.count()));
    assert!(notice.structured().unwrap().len() < 256 * 1024);
});
