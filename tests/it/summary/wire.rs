//! What the client asks an intdash server, and what it makes of odd and of broken answers.

use crate::world::{TOKEN, World, secrets};
use hookwork::clients::Aws;
use hookwork::domain::event::MeasurementRef;
use hookwork::domain::signature::Secret;
use hookwork::domain::source::intdash::IntdashSource;
use hookwork::domain::summary::Summary;
use hookwork::twin::intdash::{Line, SAMPLE_MEASUREMENT};
use http::StatusCode;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

#[tokio::test]
async fn each_spelling_of_the_filter_finds_the_same() {
    let text = Line::Other {
        data_type: "string".into(),
        data_id: "1/text".into(),
        data: json!({"d": "aGVsbG8="}),
    };
    let other = Line::Other {
        data_type: "float64".into(),
        data_id: "2/other".into(),
        data: json!({"d": "AAAAAAAAAAA="}),
    };
    let lines: Vec<_> = Line::floats([1.0, 3.0])
        .into_iter()
        .chain([text, other])
        .collect();
    for (filter, asked, left_out) in [
        ("idq", "&idq=float64%3A1%2F*", None),
        (
            "data_id_filter",
            "&data_id_filter=float64%3A%23",
            Some("1 of other ids"),
        ),
        ("none", "", Some("1 of other ids, 1 of type string")),
    ] {
        let world = World::with(|_, url| {
            let source = json!({"kind": "intdash", "url": url, "data": ["float64/1/*"], "filter": filter, "project": "p-7"});
            (json!({"intdash": source}), secrets())
        });
        let world = world.await;
        world.intdash.insert("m", lines.clone());
        assert_eq!(world.finish("m").await.status, 200);
        let expected = [
            "/api/v1/projects/p-7/measurements/m".to_owned(),
            format!("/api/v1/projects/p-7/data?name=m&time_format=ns{asked}"),
        ];
        assert_eq!(world.intdash.requests(), expected);
        let mail = world.topic.notices().remove(0).message;
        assert!(
            mail.starts_with("Average: 2.000000\nUnbiased Variance: 2.000000\n"),
            "{mail}"
        );
        let told = mail.lines().find_map(|line| line.strip_prefix("Left out:"));
        assert_eq!(told.map(str::trim), left_out, "{mail}");
    }
}

#[tokio::test]
async fn facts_that_will_never_be_had_are_left_out_and_told_and_a_404_is_not() {
    let world = World::new().await;
    world
        .intdash
        .refuse_next_to("/measurements/", 3, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(world.finish_sample().await.status, 500);
    assert_eq!(world.topic.notices(), []);
    for refusal in [StatusCode::BAD_REQUEST, StatusCode::FORBIDDEN] {
        world.intdash.refuse_next_to("/measurements/", 1, refusal);
        assert_eq!(world.finish_sample().await.status, 200);
    }
    for notice in world.topic.notices() {
        let told = "The measurement's own facts could not be read";
        assert!(notice.message.contains(told), "{}", notice.message);
    }
    world.intdash.set_facts(SAMPLE_MEASUREMENT, None);
    assert_eq!(world.finish_sample().await.status, 200);
    let mail = world.topic.notices().remove(2).message;
    assert!(
        !mail.contains("Name:")
            && !mail.contains("could not be read")
            && mail.contains("Count:              1,000"),
        "{mail}"
    );
    // Its data is another matter.
    world
        .intdash
        .refuse_next_to("/data?", 1, StatusCode::NOT_FOUND);
    assert_eq!(world.finish_sample().await.status, 500);
}

/// A server that answers one request with these bytes and closes. Everything else is as it comes.
async fn answered(head: &str, body: &str) -> Result<Summary, String> {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let bytes = format!("HTTP/1.1 200 OK\r\n{head}\r\n\r\n{body}");
    let served = async {
        let (mut stream, _) = listener.accept().await.unwrap();
        assert_ne!(stream.read(&mut [0; 4096]).await.unwrap(), 0);
        // A client that has seen enough may have gone.
        let _ = stream.write_all(bytes.as_bytes()).await;
    };
    let server = Aws::local(&url, &url).await.intdash(&url);
    let of = MeasurementRef {
        source: "intdash".to_owned(),
        project: "p".to_owned(),
        measurement: "m".to_owned(),
        occurrence: None,
    };
    let settings: IntdashSource = serde_json::from_value(json!({"url": url})).unwrap();
    let mut summary = Summary::default();
    let token = Secret::new(TOKEN);
    let asked = server.points(&of, &settings, &token, |point| summary.take(point));
    let (taken, ()) = tokio::join!(asked, served);
    taken.map(|()| summary).map_err(|error| error.to_string())
}

fn line(time: &Value) -> String {
    json!({"time": time, "data_type": "float64", "data_id": "1/x", "data": {"d": "QFkAAAAAAAA="}})
        .to_string()
}

#[tokio::test]
async fn a_stream_whose_end_cannot_be_told_from_its_breaking_off_is_refused() {
    let point = format!("{}\n", line(&json!(1)));
    let open = answered("Connection: close", &point).await;
    assert!(open.unwrap_err().contains("does not say where it ends"));
    let short = answered(&format!("Content-Length: {}", point.len() + 1), &point).await;
    assert!(short.unwrap_err().contains("broke off"));
    let chunk = format!("{:x}\r\n{point}\r\n", point.len());
    let unended = answered("Transfer-Encoding: chunked", &chunk).await;
    assert!(unended.unwrap_err().contains("broke off"));
    let whole = answered("Transfer-Encoding: chunked", &format!("{chunk}0\r\n\r\n")).await;
    assert_eq!(whole.unwrap().points(), 1);
    let whole = answered(&format!("Content-Length: {}", point.len()), &point).await;
    assert_eq!(whole.unwrap().points(), 1);
}

#[tokio::test]
async fn a_line_may_end_in_any_way_and_its_time_be_spelled_in_two() {
    let text = line(&json!("2024-12-25T00:23:50.972454Z"));
    let body = format!(
        "{}\r\n\n{text}",
        line(&json!(1_735_086_230_972_455_000_i64))
    );
    let summary = answered(&format!("Content-Length: {}", body.len()), &body)
        .await
        .unwrap();
    let all = summary.over_all();
    assert_eq!((all.count(), all.mean()), (2, Some(100.0)));
    let times = Some((1_735_086_230_972_454_000, 1_735_086_230_972_455_000));
    assert_eq!(all.times(), times);
}

#[tokio::test]
async fn a_line_without_an_end_is_refused_before_it_fills_the_memory() {
    let body = "x".repeat(3 << 20);
    let endless = answered(&format!("Content-Length: {}", body.len()), &body).await;
    assert!(endless.unwrap_err().contains("a line of more than"));
}
