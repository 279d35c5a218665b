//! A measurement of very many points, sent by a server that makes them as it goes, summarised in one pass by a process of its
//! own: the figures agree with two passes over the same points, and its memory does not grow with their number. `make soak` has
//! ten million of them (`POINTS`).

use crate::world::{Chance, TOKEN};
use axum::Router;
use axum::body::Body;
use axum::routing::get;
use bytes::Bytes;
use hookwork::clients::Aws;
use hookwork::domain::event::MeasurementRef;
use hookwork::domain::signature::Secret;
use hookwork::domain::summary::{Figures, Summary};
use hookwork::twin::intdash::encode_float64;
use serde_json::json;
use std::fmt::Write as _;
use std::process::Command;
use std::time::Instant;
use tokio::net::TcpListener;

/// In the process that is measured.
const INSIDE: &str = "HOOKWORK_MANY_POINTS";
/// By how much its memory may grow, in KiB.
const GROWTH_MAX: u64 = 16 << 10;
const IDS: [&str; 4] = ["1/large", "1/small", "2/wide", "2/near/zero"];
/// Bytes of one chunk, about; no line ends where it does.
const CHUNK: usize = 64 << 10;

fn wanted() -> u64 {
    std::env::var("POINTS").map_or(20_000, |points| points.parse().unwrap())
}

/// The points: in turn of a large mean, of a small one, of many magnitudes, and around nought.
#[derive(Clone)]
struct Points {
    chance: Chance,
    next: u64,
    end: u64,
}

impl Points {
    fn new(end: u64) -> Self {
        let chance = Chance::new();
        Self {
            chance,
            next: 0,
            end,
        }
    }
}

impl Iterator for Points {
    type Item = (usize, f64);

    fn next(&mut self) -> Option<(usize, f64)> {
        if self.next == self.end {
            return None;
        }
        let id = usize::try_from(self.next % 4).unwrap();
        self.next += 1;
        // From -1 to 1, of 53 bits.
        let noise = (self.chance.next() >> 11) as f64 / (1_u64 << 52) as f64 - 1.0;
        Some((
            id,
            match id {
                0 => 1e9 + noise,
                1 => 100.0 + 15.0 * noise,
                2 => noise * noise * noise * 1e6 + 1e5,
                _ => noise + 1e-3,
            },
        ))
    }
}

/// A sum of two doubles (Knuth), for the reference.
#[derive(Clone, Copy, Default)]
struct Exact(f64, f64);

impl Exact {
    fn add(&mut self, term: f64) {
        let sum = self.0 + term;
        let back = sum - self.0;
        self.1 += (self.0 - (sum - back)) + (term - back);
        self.0 = sum;
    }

    fn value(self) -> f64 {
        self.0 + self.1
    }
}

/// Count, mean and unbiased variance by two passes, of one id or of all.
fn two_passes(points: u64, only: Option<usize>) -> (u64, f64, f64) {
    let of = || Points::new(points).filter(|(id, _)| only.is_none_or(|only| *id == only));
    let (mut sum, mut count) = (Exact::default(), 0_u64);
    for (_, value) in of() {
        sum.add(value);
        count += 1;
    }
    let n = count as f64;
    let mean = sum.value() / n;
    // What rounding took of the mean, a double's share of it, is brought in again by the second sum.
    let (mut squares, mut rest) = (Exact::default(), Exact::default());
    for (_, value) in of() {
        let delta = value - mean;
        squares.add(delta * delta);
        rest.add(delta);
    }
    let mean_exactly = mean + rest.value() / n;
    let squares = squares.value() - rest.value() * rest.value() / n;
    (count, mean_exactly, squares / (n - 1.0))
}

/// The stream's chunks, each made when the one before has gone.
fn chunks(points: u64) -> impl Iterator<Item = Result<Bytes, std::io::Error>> + Send {
    let mut points = Points::new(points).zip(0_u64..);
    let mut text = String::new();
    std::iter::from_fn(move || {
        while text.len() < CHUNK {
            let Some(((id, value), index)) = points.next() else {
                break;
            };
            let (time, data_id, d) = (
                1_735_086_230_000_000_000 + index,
                IDS[id],
                encode_float64(value),
            );
            writeln!(
                text,
                r#"{{"time":{time},"measurement_uuid":"1a14f158-2a0c-44c7-ace1-e0d21ecc93e9","created_at":"2024-12-25T00:23:51.204518Z","data_type":"float64","data_id":"{data_id}","data":{{"d":"{d}"}}}}"#
            )
            .unwrap();
        }
        let end = text.len().min(CHUNK);
        (end > 0).then(|| Ok(text.drain(..end).collect::<String>().into()))
    })
}

/// The most memory that this process has had, in KiB.
fn peak() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.trim().strip_suffix(" kB")?.parse().ok()
}

#[test]
fn very_many_points_are_summarised_in_one_pass_and_little_memory() {
    let points = wanted();
    if std::env::var(INSIDE).is_ok() {
        return summarised(points);
    }
    let done = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "--nocapture"])
        .arg("summary::million::very_many_points_are_summarised_in_one_pass_and_little_memory")
        .env(INSIDE, "1")
        .output()
        .unwrap();
    let (told, errors) = (
        String::from_utf8_lossy(&done.stdout),
        String::from_utf8_lossy(&done.stderr),
    );
    assert!(done.status.success(), "{told}{errors}");
    let told: Vec<_> = told
        .lines()
        .filter(|line| line.contains("points"))
        .collect();
    assert_ne!(told, [""; 0], "{errors}");
    println!("{}", told.join("\n"));
}

fn summarised(points: u64) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let (summary, took, growth) = runtime.block_on(fetched(points));
    let mut worst = [0.0_f64; 2];
    let mut compare = |found: &Figures, only| {
        let (count, mean, variance) = two_passes(points, only);
        assert_eq!(found.count(), count);
        let off = |found: Option<f64>, right: f64| ((found.unwrap() - right) / right).abs();
        worst[0] = worst[0].max(off(found.mean(), mean));
        worst[1] = worst[1].max(off(found.variance(), variance));
    };
    let rows = summary.rows();
    assert_eq!(rows.len(), IDS.len());
    for row in rows {
        let index = IDS.iter().position(|id| *id == row.id);
        compare(row.figures, index);
    }
    compare(&summary.over_all(), None);
    let bytes: usize = chunks(points.min(100_000))
        .map(|chunk| chunk.unwrap().len())
        .sum();
    let bytes = bytes as f64 * (points as f64 / points.min(100_000) as f64);
    println!(
        "{points} points in {took:.1} s: {:.0} points/s, {:.0} MB/s; memory grew by {} KiB; mean off by {:.1e}, variance by {:.1e} at most",
        points as f64 / took,
        bytes / 1e6 / took,
        growth.map_or("?".to_owned(), |growth| growth.to_string()),
        worst[0],
        worst[1],
    );
    assert!(worst.iter().all(|off| *off <= 1e-12), "{worst:?}");
    assert!(
        growth.is_none_or(|growth| growth <= GROWTH_MAX),
        "{growth:?} KiB"
    );
}

/// The summary, how long it took in seconds, and how much memory in KiB, the server's own included.
async fn fetched(points: u64) -> (Summary, f64, Option<u64>) {
    let data = move || async move { Body::from_stream(futures_util::stream::iter(chunks(points))) };
    let router = Router::new().route("/api/v1/projects/p/data", get(data));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, router).await });
    let server = Aws::local(&url, &url).await.intdash(&url);
    let of = MeasurementRef {
        source: "intdash".to_owned(),
        project: "p".to_owned(),
        measurement: "m".to_owned(),
        occurrence: None,
    };
    let settings = serde_json::from_value(json!({"url": url})).unwrap();
    let (before, began) = (peak(), Instant::now());
    let mut summary = Summary::default();
    let token = Secret::new(TOKEN);
    let taken = server.points(&of, &settings, &token, |point| summary.take(point));
    taken.await.unwrap();
    let took = began.elapsed().as_secs_f64();
    let growth = peak().zip(before).map(|(after, before)| after - before);
    (summary, took, growth)
}
