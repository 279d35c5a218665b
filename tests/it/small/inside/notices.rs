//! What is too long for a notice, an answer or a record is cut there, and is whole where that says.

use super::{bounded, small, text};
use crate::world::{World, bytes, created, secrets};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hookwork::twin::intdash::{Line, encode_float64};
use http::Request;
use serde_json::{Value, json};

#[tokio::test]
#[ignore = "the test outside runs it with small bounds"]
async fn what_is_handed_on_is_cut_and_kept_whole() {
    bounded(async {
        let world = World::with_state(|_, _| {
            let sources = json!({"open": {"kind": "generic", "verify": "none"}});
            (sources, json!({"open": {}}))
        })
        .await;
        let most = small("forward.text");
        let bodies = [
            b"short".to_vec(),
            vec![b'a'; most - 1],
            vec![b'a'; most],
            vec![b'a'; most + 1],
            "é\"\n".repeat(most).into_bytes(),
            bytes(3 * most).to_vec(),
        ];
        for body in bodies {
            let request = Request::post("/hooks/open").body(body.clone().into());
            let answer = world.send(request.unwrap()).await;
            assert_eq!(answer.status, 200, "{answer:?}");
            let notice = world.topic.notices().pop().unwrap();
            let (told, rest) = match notice
                .message
                .split_once("\n[cut here; the whole delivery: ")
            {
                Some((told, rest)) => (told, Some(rest.trim_end().trim_end_matches(']'))),
                None => (notice.message.as_str(), None),
            };
            let told = match notice.attributes["encoding"].as_str() {
                "text" => told.as_bytes().to_vec(),
                _ => STANDARD.decode(told).unwrap(),
            };
            assert!(body.starts_with(&told) && !told.is_empty());
            assert_eq!(rest.is_some(), told.len() < body.len(), "{notice:?}");
            let Some(place) = rest else { continue };
            let place = place.strip_prefix("s3://state/").expect("it was kept");
            let kept = world.store.get("state", place).unwrap().body();
            assert!(kept.ends_with(&body), "whole");
        }
    })
    .await;
}

fn float(id: &str, value: f64) -> Line {
    Line::Other {
        data_type: "float64".to_owned(),
        data_id: id.to_owned(),
        data: json!({"d": encode_float64(value)}),
    }
}

#[tokio::test]
#[ignore = "the test outside runs it with small bounds"]
async fn a_summary_counts_each_point_once_however_many_ids_there_are() {
    bounded(async {
        let world = World::with_state(|_, intdash_url| {
            let source =
                json!({"kind": "intdash", "url": intdash_url, "data": "*/*", "filter": "none"});
            (json!({"intdash": source}), secrets())
        })
        .await;
        let ids = 3 * small("summary.ids");
        let lines = (0..ids * 2).map(|number| float(&format!("{}/id", number % ids), 1.5));
        let mut lines: Vec<_> = lines.collect();
        for number in 0..2 * small("summary.types") {
            lines.push(Line::Other {
                data_type: format!("type{number}"),
                data_id: "1/other".to_owned(),
                data: json!({"d": "aGVsbG8="}),
            });
        }
        let points = lines.len();
        world.intdash.insert("m", lines);
        assert_eq!(world.finish("m").await.status, 200);
        let notice = world.topic.notices().pop().unwrap();
        let told: Value = serde_json::from_str(&notice.by_protocol["sqs"]).unwrap();
        assert_eq!(
            (&told["count"], &told["mean"]),
            (&json!(ids * 2), &json!(1.5))
        );
        assert_eq!(told["read_data_points"], points, "{told}");
        let left_out = &told["left_out"];
        let by_type = left_out["by_type"].as_object().unwrap();
        assert_eq!(by_type.len(), small("summary.types"), "{told}");
        assert_eq!(left_out["other_types"], small("summary.types"), "{told}");
        let whole = match told["more"].as_str() {
            None => told.clone(),
            Some(place) => {
                let place = place.strip_prefix("s3://state/").expect("it is kept");
                let kept = world.store.get("state", place).unwrap().body();
                serde_json::from_slice(&kept).unwrap()
            }
        };
        let rows = whole["by_id"].as_array().unwrap();
        assert_eq!(
            (rows.len(), &whole["ids"]),
            (small("summary.ids"), &told["ids"])
        );
        let counted: u64 = rows.iter().map(|row| row["count"].as_u64().unwrap()).sum();
        let others = whole["others"]["count"].as_u64().unwrap();
        assert_eq!(counted + others, ids as u64 * 2, "{whole}");
        let first: Vec<_> = told["by_id"].as_array().unwrap().iter().collect();
        assert!(first.iter().zip(rows).all(|(told, row)| *told == row));
        assert!(
            notice.message.starts_with("Average: 1.500000\n"),
            "{notice:?}"
        );
    })
    .await;
}

#[tokio::test]
#[ignore = "the test outside runs it with small bounds"]
async fn an_answer_that_is_cut_counts_all_outcomes_and_so_does_the_record() {
    bounded(async {
        let world = World::mirroring(json!({})).await;
        let most = small("delivery.records");
        let key = |number: usize| format!("{number:03}{}", "é\u{1}".repeat(30));
        for number in 0..most {
            world.put(&key(number), "x");
        }
        let answer = world
            .deliver((0..most).map(|number| created(&key(number))))
            .await;
        assert_eq!(answer.status, 200, "{answer:?}");
        let answered = answer.json();
        let listed = answered["outcomes"].as_array().unwrap();
        assert!((1..most).contains(&listed.len()), "{answered}");
        assert_eq!(answered["counts"], json!({"copied": most}), "{answered}");
        assert!(listed.iter().all(|outcome| outcome["outcome"] == "copied"));
        let row = world.inbox().remove(0);
        assert_eq!(text(&answered["delivery"]), row.id.to_string());
        assert_eq!(row.state().word(), "done");
        assert_eq!(row.facts.as_ref().unwrap().jobs, most);
        let found = world.app().find(row.id).await.unwrap().unwrap();
        let [attempt] = &found.attempts[..] else {
            panic!("{found:?}")
        };
        let left_out: usize = attempt.left_out.values().sum();
        assert_eq!(attempt.jobs.len() + left_out, most, "{attempt:?}");
        assert!(left_out > 0, "{attempt:?}");
        let again = world.app().replay(row.id, None, super::deadline()).await;
        assert_eq!(again, Ok(most as u64));
        assert_eq!(super::bodies(&world.store, "backup").len(), most);

        let too_many = world
            .deliver((0..=most).map(|number| created(&key(number))))
            .await;
        assert_eq!(too_many.status, 400, "{too_many:?}");
    })
    .await;
}
