//! What a summary says: to people in a mail, to programs in JSON, and both within what SNS takes.

use crate::world::{World, secrets, vk};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hookwork::twin::intdash::{Line, SAMPLE_MEASUREMENT, encode_float64};
use hookwork::twin::topic::Notice;
use serde_json::{Value, json};

/// SNS takes no more, attributes included.
const SNS_MAX: usize = 256 * 1024;

async fn world(settings: Value) -> World {
    World::with(|s3_url, intdash_url| {
        let mut source = json!({"kind": "intdash", "url": intdash_url});
        let settings = settings.as_object().unwrap().clone();
        source.as_object_mut().unwrap().extend(settings);
        let sources = json!({"vk": vk(s3_url, json!({})), "intdash": source});
        (sources, secrets())
    })
    .await
}

fn float(id: &str, value: f64) -> Line {
    Line::Other {
        data_type: "float64".to_owned(),
        data_id: id.to_owned(),
        data: json!({"d": encode_float64(value)}),
    }
}

fn int(id: &str, value: i64) -> Line {
    Line::Other {
        data_type: "int64".to_owned(),
        data_id: id.to_owned(),
        data: json!({"d": STANDARD.encode(value.to_be_bytes())}),
    }
}

fn json_of(notice: &Notice) -> Value {
    let texts = &notice.by_protocol;
    let protocols: Vec<_> = texts.keys().map(String::as_str).collect();
    assert_eq!(protocols, ["http", "https", "lambda", "sqs"]);
    assert!(texts.values().all(|text| *text == texts["sqs"]));
    serde_json::from_str(&texts["sqs"]).unwrap()
}

/// What the message came to on the wire, at the least.
fn length(notice: &Notice) -> usize {
    let mut texts = notice.by_protocol.clone();
    texts.insert("default".to_owned(), notice.message.clone());
    serde_json::to_string(&texts).unwrap().len()
}

#[tokio::test]
async fn a_program_is_told_all_that_a_person_is_told() {
    let world = World::new().await;
    assert_eq!(world.finish_sample().await.status, 200);
    let notice = world.topic.notices().remove(0);
    let mut told = json_of(&notice);
    let mean = told["mean"].as_f64().unwrap();
    let variance = told["variance"].as_f64().unwrap();
    assert!((mean - 99.506_108_689_557_12).abs() < 1e-12);
    assert!((variance - 243.961_858_251_276_9).abs() < 1e-11);
    assert_eq!(told["standard_deviation"], json!(variance.sqrt()));
    let by_id = told["by_id"][0].take();
    assert_eq!(
        (&by_id["data_id"], &by_id["data_type"]),
        (&json!("1/sample"), &json!("float64"))
    );
    for field in ["count", "mean", "variance", "min", "max", "first", "last"] {
        assert_eq!(by_id[field], told[field], "{field}");
    }
    for field in ["mean", "variance", "standard_deviation", "min", "max"] {
        assert!(told[field].take().is_f64(), "{field}");
    }
    let expected = json!({
        "kind": "summary", "source": "intdash", "project": "00000000-0000-0000-0000-000000000000",
        "measurement": SAMPLE_MEASUREMENT, "name": "a local measurement",
        "basetime": "2024-12-25T00:23:50.972454Z", "duration_us": 1_000_000,
        "expected_data_points": 1000, "received_data_points": 1000, "read_data_points": 1000,
        "count": 1000, "mean": null, "variance": null, "standard_deviation": null, "min": null, "max": null,
        "first": "2024-12-25T00:23:50.972454Z", "last": "2024-12-25T00:23:51.971454Z",
        "left_out": {"nan": 0, "infinite": 0, "other_ids": 0, "by_type": {}, "other_types": 0},
        "remarks": [], "ids": 1, "by_id": [null], "others": null, "more": null,
        "text": "Average: 99.506109\nUnbiased Variance: 243.961858\n",
    });
    assert_eq!(told, expected);
    let attributes = json!({
        "kind": "summary", "source": "intdash", "project": "00000000-0000-0000-0000-000000000000",
        "measurement": SAMPLE_MEASUREMENT,
    });
    assert_eq!(json!(notice.attributes), attributes);
    let number = |name: &str| notice.numbers[name].parse::<f64>().unwrap();
    assert_eq!((notice.numbers.len(), number("count")), (3, 1000.0));
    // The reader of JSON may be off by the last digit.
    assert!((number("mean") / mean - 1.0).abs() < 1e-15);
    assert!((number("variance") / variance - 1.0).abs() < 1e-15);
}

#[tokio::test]
async fn the_mail_reads_like_this() {
    let world = world(json!({"data": "*/*", "filter": "none"})).await;
    let mut lines = Line::floats([1.0, f64::NAN, 3.0]);
    lines.extend([
        float("2/speed", 1.5e9),
        float("2/speed", -2.25),
        int("2/gear", 4),
    ]);
    lines.push(Line::Other {
        data_type: "string".to_owned(),
        data_id: "1/text".to_owned(),
        data: json!({"d": "aGVsbG8="}),
    });
    world.intdash.insert("m", lines);
    let facts = json!({
        "name": "a drive\u{202e}\n", "basetime": "2024-12-25T00:23:50.972454Z", "max_elapsed_time": 3_725_250_000_u64,
        "sequences": {"expected_data_points": 9, "received_data_points": 7},
    });
    world.intdash.set_facts("m", Some(facts));
    assert_eq!(world.finish("m").await.status, 200);
    let mail = world.topic.notices().remove(0).message;
    let expected = "\
Average: 300000001.150000
Unbiased Variance: 449999999137500096.000000

Measurement:        m
Name:               a drive\u{fffd}\u{fffd}
Began:              2024-12-25T00:23:50.972454Z
Duration:           3725.25 s (1:02:05)
Points expected:    9
Points received:    7
Project:            00000000-0000-0000-0000-000000000000
Source:             intdash
Data:               float64/*, int64/*
Left out:           1 not a number, 1 of type string
Note:               Incomplete: the server has received 7 of 9 data points.

Over all
Count:              5
Mean:               300000001.2
Unbiased variance:  4.499999991e17
Standard deviation: 670820392.6
Minimum:            -2.25
Maximum:            1500000000
First point:        2024-12-25T00:23:50.972454Z
Last point:         2024-12-25T00:23:50.977454Z

By data id
data id   type     count         mean        variance  std. deviation  minimum     maximum
1/sample  float64      2            2               2     1.414213562        1           3
2/gear    int64        1            4               0               0        4           4
2/speed   float64      2  749999998.9  1.125000003e18      1060660173    -2.25  1500000000
";
    assert_eq!(mail, expected);
}

#[tokio::test]
async fn numbers_of_points_that_do_not_fit_together_are_told() {
    let world = World::new().await;
    let facts = |expected: u64, received: u64| {
        Some(
            json!({"sequences": {"expected_data_points": expected, "received_data_points": received}}),
        )
    };
    for (facts, remark) in [
        (facts(1000, 1000), None),
        (None, None),
        (Some(json!([])), None),
        (
            facts(1200, 1000),
            Some("the server has received 1000 of 1200 data points"),
        ),
        (
            facts(1200, 1200),
            Some(
                "Read were 1000 of the 1200 data points received: the server was asked for float64/* only",
            ),
        ),
        (
            facts(900, 900),
            Some("Read were 1000 data points, but the server says that it has received 900"),
        ),
    ] {
        world.intdash.set_facts(SAMPLE_MEASUREMENT, facts.clone());
        assert_eq!(world.finish_sample().await.status, 200);
        let notice = world.topic.notices().pop().unwrap();
        let remarks = json_of(&notice)["remarks"].take();
        match remark {
            Some(remark) => {
                assert!(notice.message.contains(remark), "{}", notice.message);
                assert!(remarks[0].as_str().unwrap().contains(remark), "{remarks}");
            }
            None => assert_eq!(
                (remarks, notice.message.contains("Note:")),
                (json!([]), false)
            ),
        }
    }
}

#[tokio::test]
async fn what_is_out_of_a_double_s_range_is_said_in_words() {
    let world = World::new().await;
    world
        .intdash
        .insert("far", Line::floats([f64::MAX, -f64::MAX, 1e300]));
    assert_eq!(world.finish("far").await.status, 200);
    let notice = world.topic.notices().remove(0);
    assert!(
        notice
            .message
            .contains("\nUnbiased Variance: out of range\n"),
        "{}",
        notice.message
    );
    assert!(
        !notice.message.contains("NaN") && !notice.message.contains("inf"),
        "{}",
        notice.message
    );
    let told = json_of(&notice);
    assert_eq!(
        (&told["variance"], &told["count"]),
        (&Value::Null, &json!(3))
    );
    // SNS takes no number of three hundred digits.
    assert_eq!(json!(notice.numbers), json!({"count": "3"}));
}

/// As many ids as this, long enough that their rows are more than a notice takes.
fn many(ids: usize) -> Vec<Line> {
    let id = |index| format!("{index}/a \"quoted\" and \u{1b}[31m rather long name of a signal");
    (0..ids)
        .map(|index| float(&id(index), index as f64))
        .collect()
}

#[tokio::test]
async fn what_is_too_long_for_a_notice_is_cut_and_says_where_the_rest_is() {
    let world = World::summarising().await;
    world.intdash.insert("m", many(2000));
    for _ in 0..2 {
        assert_eq!(world.finish("m").await.status, 200);
        let notice = world.topic.notices().pop().unwrap();
        assert!(length(&notice) <= SNS_MAX - 2048, "{}", length(&notice));
        assert!(
            length(&notice) > SNS_MAX - 8192,
            "no more is cut than must be: {}",
            length(&notice)
        );
        let (mail, mut told) = (&notice.message, json_of(&notice));
        let key = "summaries/intdash/00000000-0000-0000-0000-000000000000/m.json";
        assert!(mail.contains("\nand 1,900 more\n"), "{mail}");
        assert!(
            mail.contains(&format!("All data ids are in s3://state/{key}\n")),
            "{mail}"
        );
        assert!(!mail.contains('\u{1b}'), "{mail}");
        assert_eq!(told["more"], json!(format!("s3://state/{key}")));
        let kept = world.store.get("state", key).unwrap().body();
        let mut kept: Value = serde_json::from_slice(&kept).unwrap();
        let (part, whole) = (told["by_id"].take(), kept["by_id"].take());
        let (part, whole) = (part.as_array().unwrap(), whole.as_array().unwrap());
        assert_eq!((whole.len(), &told["ids"]), (2000, &json!(2000)));
        assert!(
            part.len() < 2000 && part[..] == whole[..part.len()],
            "{}",
            part.len()
        );
        // Apart from that they say the same.
        (told["more"], kept["more"]) = (json!(0), json!(0));
        assert_eq!(told, kept);
    }
}

#[tokio::test]
async fn without_a_state_bucket_it_says_that_the_rest_is_not_kept() {
    let world = World::new().await;
    world.intdash.insert("m", many(2000));
    assert_eq!(world.finish("m").await.status, 200);
    let notice = world.topic.notices().remove(0);
    assert!(length(&notice) <= SNS_MAX - 2048);
    let not_kept = "not kept: there is no STATE_BUCKET";
    assert!(notice.message.contains(not_kept), "{}", notice.message);
    assert!(
        json_of(&notice)["more"]
            .as_str()
            .unwrap()
            .contains(not_kept)
    );
    assert_eq!(world.store.keys("state"), [""; 0]);
}

#[tokio::test]
async fn a_state_bucket_that_fails_fails_the_job_and_its_next_attempt_succeeds() {
    use hookwork::twin::faults::{Fault, On};
    let world = World::summarising().await;
    world.intdash.insert("m", many(2000));
    let fault = Fault::Status(500, "InternalError");
    let first = On::nth(1).of("PutObject").bucket("state");
    world.faults.inject(first, fault);
    assert_eq!(world.finish("m").await.status, 500);
    assert_eq!(world.topic.notices(), []);
    assert_eq!(world.finish("m").await.status, 200);
    assert_eq!(world.topic.notices().len(), 1);
}

#[tokio::test]
async fn more_ids_than_are_kept_apart_are_told_together() {
    let world = World::new().await;
    let lines = (0..10_004).map(|index| float(&format!("1/{index:05}"), 1.0));
    world.intdash.insert("m", lines.collect());
    assert_eq!(world.finish("m").await.status, 200);
    let notice = world.topic.notices().remove(0);
    let told = json_of(&notice);
    assert_eq!(
        (&told["count"], &told["ids"]),
        (&json!(10_004), &json!(10_000))
    );
    assert_eq!(told["others"]["count"], json!(4));
    assert!(
        notice
            .message
            .contains("(others): ids beyond the first 10,000"),
        "{}",
        notice.message
    );
}
