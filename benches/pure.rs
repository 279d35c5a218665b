//! What the function does with a delivery apart from talking to anyone: `cargo bench --features dev`.
//!
//! The table at the end is `bench/pure.py`'s, from the files that this leaves.

use bytes::Bytes;
use criterion::{BenchmarkId, Criterion, Throughput};
use hookwork::app::App;
use hookwork::clients::Aws;
use hookwork::config::Config;
use hookwork::domain::checksum::Crc64;
use hookwork::domain::delivery::{Delivery, DeliveryId};
use hookwork::domain::fit::fit;
use hookwork::domain::handshake::VkChallenge;
use hookwork::domain::job::plan;
use hookwork::domain::mark::{Mark, MarkedBytes};
use hookwork::domain::object::{ETag, ObjectState, Properties};
use hookwork::domain::reconcile::{BackupObject, BackupState, OriginState, Rules, decide};
use hookwork::domain::secrets::Secrets;
use hookwork::domain::signature::{Secret, hmac_sha256, verify};
use hookwork::domain::source::{Message, Proof};
use hookwork::domain::summary::Figures;
use hookwork::{http, lambda};
use lambda_runtime::{Context, LambdaEvent};
use serde_json::Value;
use serde_json::value::RawValue;
use std::hint::black_box;
use uuid::Uuid;

/// As a layer below hands them on, in bytes.
const FRAME: usize = 64 << 10;

fn main() {
    let mut criterion = Criterion::default().configure_from_args();
    signatures(&mut criterion);
    deliveries(&mut criterion);
    whole(&mut criterion);
    mirrors(&mut criterion);
    bulk(&mut criterion);
    criterion.final_summary();
}

fn event(name: &str) -> String {
    let path = format!("{}/events/{name}.json", env!("CARGO_MANIFEST_DIR"));
    std::fs::read_to_string(path).expect("the event is there")
}

/// The body and the headers of an event.
fn delivery(name: &str) -> Delivery {
    let event: Value = serde_json::from_str(&event(name)).expect("an event is JSON");
    let headers = event["headers"].as_object().expect("an event has headers");
    let headers = headers.iter().map(|(name, value)| {
        let value = value.as_str().unwrap_or_default();
        let name = name.parse::<::http::HeaderName>();
        (name.expect("a name"), value.parse().expect("a value"))
    });
    Delivery {
        id: DeliveryId(Uuid::nil()),
        method: ::http::Method::POST,
        query: None,
        headers: headers.collect(),
        body: Bytes::from(event["body"].as_str().unwrap_or_default().to_owned()),
        url: None,
        from: None,
        received: 1_700_000_000,
    }
}

fn settings(name: &str) -> String {
    let all: Value = serde_json::from_str(&event("env")).expect("the settings are JSON");
    all["Parameters"][name]
        .as_str()
        .unwrap_or_default()
        .to_owned()
}

fn signatures(criterion: &mut Criterion) {
    let challenge = VkChallenge {
        timestamp: "2020-06-15T15:01:13+03:00".to_owned(),
        topic_arn: "mcs5259999770|myfiles-ash|s3:ObjectCreated:*,s3:ObjectRemoved:*".to_owned(),
        token: "E2itMqAMUVVZc51pUhFWSp13DoxezvRxkUh5P7LEuk1dEe9y".to_owned(),
    };
    criterion.bench_function("handshake", |b| {
        b.iter(|| black_box(&challenge).sign("http://89.208.199.220/webhook"));
    });
    let body = delivery("intdash-completed").body;
    let secrets = [Secret::new("stringstringstringstringstringst")];
    let claimed = hmac_sha256(secrets[0].expose().as_bytes(), &body);
    criterion.bench_function("signature", |b| {
        b.iter(|| verify(&secrets, black_box(&body), &claimed));
    });
}

/// Verified, read and planned.
fn deliveries(criterion: &mut Criterion) {
    let config = Config::from_lookup(|key| Some(settings(key))).expect("the settings are right");
    let secrets = Secrets::parse(&settings("SECRETS")).secrets;
    let mut group = criterion.benchmark_group("delivery");
    let mut bench = |name: &str, source: &str, delivery: &Delivery| {
        let source_secrets = secrets.of(source).expect("secrets");
        let source = &config.sources[source];
        let proof = Proof::Sender {
            secrets: source_secrets,
            vouched: false,
        };
        group.bench_function(name, |b| {
            b.iter(|| match source.open("vk", black_box(delivery), proof) {
                Ok(Message::Events(events)) => events
                    .iter()
                    .map(plan)
                    .map(|jobs| jobs.len())
                    .sum::<usize>(),
                other => panic!("{other:?}"),
            });
        });
    };
    bench("intdash", "intdash", &delivery("intdash-completed"));
    let one = delivery("vk-created");
    bench("s3", "vk", &one);
    let mut many: Value = serde_json::from_slice(&one.body).expect("a body is JSON");
    let record = many["Records"][0].clone();
    many["Records"] = vec![record; 1000].into();
    let body = Bytes::from(many.to_string());
    bench("s3, 1,000 records", "vk", &Delivery { body, ..one });
}

/// From Lambda's event to the answer, where nothing is to be done: what any delivery costs beside its jobs.
fn whole(criterion: &mut Criterion) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    let runtime = runtime.expect("a runtime starts");
    let config = Config::from_lookup(|key| Some(settings(key))).expect("the settings are right");
    let nowhere = "http://127.0.0.1:1";
    let aws = runtime.block_on(Aws::local(nowhere, nowhere));
    let app = App::new(config, aws);
    let router = http::router(app.clone());
    let mut group = criterion.benchmark_group("event");
    for name in ["vk-handshake-docs", "intdash-test-delivery"] {
        let payload: Box<RawValue> = serde_json::from_str(&event(name)).expect("an event is JSON");
        group.bench_function(BenchmarkId::from_parameter(name), |b| {
            b.iter(|| {
                let event = LambdaEvent::new(payload.clone(), Context::default());
                runtime
                    .block_on(lambda::dispatch(app.clone(), router.clone(), event))
                    .expect("an answer")
            });
        });
    }
}

fn mirrors(criterion: &mut Criterion) {
    let state = ObjectState {
        etag: ETag::new("aed563ecafb4bcc5654c597a421547b2"),
        size: 100,
        last_modified: 1_705_035_969,
        properties: Properties {
            headers: [("content-type", "text/plain".to_owned())].into(),
            metadata: [("mtime".to_owned(), "1705035969.5".to_owned())].into(),
            tags: [].into(),
        },
    };
    criterion.bench_function("fingerprint", |b| {
        b.iter(|| black_box(&state).fingerprint());
    });
    let checksum = Crc64::of(&[Bytes::from(vec![7; 100])]);
    let mark = Mark::of("vk/origin", &state, MarkedBytes::Checksum(checksum));
    let backup = BackupState::Present(BackupObject {
        etag: state.etag.clone(),
        size: 100,
        last_modified: Some(1_705_035_970),
        checksum: Some(checksum),
        properties: fit(&state.properties, &mark, None).properties,
        tags_read: false,
        tag_count: None,
    });
    let rules = Rules {
        origin: "vk/origin",
        ..Rules::default()
    };
    let seen = OriginState::Present(state, None);
    criterion.bench_function("decide", |b| {
        b.iter(|| decide(&rules, black_box(&seen), &backup));
    });
}

fn bulk(criterion: &mut Criterion) {
    let points: Vec<f64> = (0..1_000_000).map(|n| f64::from(n % 1000)).collect();
    let mut group = criterion.benchmark_group("bulk");
    group.bench_function("summary of 1,000,000 points", |b| {
        b.iter(|| {
            let mut figures = Figures::default();
            black_box(&points)
                .iter()
                .for_each(|point| figures.push(*point, None));
            figures.variance()
        });
    });
    let frames = vec![Bytes::from(vec![7; FRAME]); (1 << 20) / FRAME];
    group.throughput(Throughput::Bytes(1 << 20));
    group.bench_function("CRC64NVME of 1 MiB", |b| {
        b.iter(|| Crc64::of(black_box(&frames)));
    });
}
