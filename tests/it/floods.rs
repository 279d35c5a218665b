//! Remote services that never stop answering: a bounded part of it is read, and the call ends in an error that says so.

use crate::world::{Logs, SECRET, TOKEN, created, send, vk};
use hookwork::clients::Aws;
use hookwork::clients::error::{CallError, Kind};
use hookwork::clients::queue::Outgoing;
use hookwork::clients::secrets::SecretStore;
use hookwork::config::SecretsFrom;
use hookwork::domain::checksum::Crc64;
use hookwork::domain::notice::Notice;
use hookwork::domain::object::{ETag, Properties};
use hookwork::domain::parts::StoredPart;
use hookwork::domain::reconcile::Condition;
use serde_json::json;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

const MIB: usize = 1 << 20;
/// So long is a flood: a server that is let write all of it has been read.
const FLOOD: usize = 200 * MIB;

/// How a body comes.
#[derive(Clone, Copy, Debug)]
enum Comes {
    /// As fast as it is read, and for so long.
    Flood(&'static [u8]),
    /// A byte every half second, for ever.
    Drip,
}

/// A server that answers every request so, and the most that it wrote of one answer.
async fn server(head: &'static str, comes: Comes) -> (String, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let most = Arc::new(AtomicUsize::new(0));
    let written = most.clone();
    tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            let written = written.clone();
            tokio::spawn(async move {
                let wrote = answer(stream, head, comes).await;
                written.fetch_max(wrote, Ordering::Relaxed);
            });
        }
    });
    (url, most)
}

/// How many bytes of a body were written until nobody read them.
async fn answer(mut stream: TcpStream, head: &str, comes: Comes) -> usize {
    let mut asked = Vec::new();
    while !asked.windows(4).any(|end| end == b"\r\n\r\n") {
        let mut buffer = [0; 4096];
        match stream.read(&mut buffer).await {
            Ok(read @ 1..) => asked.extend_from_slice(&buffer[..read]),
            _ => return 0,
        }
    }
    let (mut reads, mut writes) = stream.into_split();
    // A request's body is read to its end, be it after the answer.
    tokio::spawn(async move {
        let mut buffer = vec![0; 64 << 10];
        while matches!(reads.read(&mut buffer).await, Ok(1..)) {}
    });
    let mut wrote = 0;
    if writes.write_all(head.as_bytes()).await.is_err() {
        return 0;
    }
    let piece = match comes {
        Comes::Flood(of) => of.repeat((64 << 10) / of.len()),
        Comes::Drip => b" ".to_vec(),
    };
    while wrote < FLOOD {
        if matches!(comes, Comes::Drip) {
            tokio::time::sleep(Duration::from_millis(500)).await;
        }
        if writes.write_all(&piece).await.is_err() {
            break;
        }
        wrote += piece.len();
    }
    wrote
}

/// Every call that reads an answer whole, by its name.
async fn calls(url: &str) -> Vec<(&'static str, CallError)> {
    let aws = Aws::local(url, url).await;
    let bucket = aws.bucket("b");
    let (key, etag) = ("k", ETag::new("e"));
    let part = StoredPart {
        number: 1,
        length: 5 << 20,
        etag: etag.clone(),
        checksum: Crc64::of(&[]),
    };
    let properties = Properties::default();
    let upload = bucket.upload(key, "u");
    let notice = Notice {
        subject: "s".to_owned(),
        text: "t".to_owned(),
        machine: None,
        attributes: Vec::new(),
        numbers: Vec::new(),
    };
    let message = Outgoing {
        body: "m".to_owned(),
        trace: None,
        group: None,
    };
    let queue = aws.queue(&format!("{url}/1/q"));
    let topic = aws.topic("arn:aws:sns:us-east-1:000000000000:t");
    let secrets = SecretStore::new(
        SecretsFrom::Manager(vec!["s".to_owned()]),
        &std::collections::BTreeMap::new(),
        &aws,
    );
    let complete = [part];
    let (look, page, not_listed, tags, uploads) = tokio::join!(
        bucket.look(key, 1),
        bucket.page("", None),
        bucket.not_listed(key),
        bucket.tags(key),
        bucket.open_uploads(key),
    );
    let (begin, listed, rewrite, completed) = tokio::join!(
        bucket.begin(key, &properties),
        upload.listed(),
        bucket.rewrite(key, &etag, &properties),
        upload.complete(&complete, &Condition::Absent),
    );
    let (aborted, deleted, published, sent, read, secret) = tokio::join!(
        upload.abort(),
        bucket.delete(key, &etag),
        topic.publish(&notice),
        queue.send(std::slice::from_ref(&message)),
        queue.receive(Duration::from_secs(30)),
        secrets.each(),
    );
    let failed = [
        ("GetObject", look.err()),
        ("ListObjectsV2", page.err()),
        ("ListObjectsV2 of a key", not_listed.err()),
        ("GetObjectTagging", tags.err()),
        ("ListMultipartUploads", uploads.err()),
        ("CreateMultipartUpload", begin.err()),
        ("ListParts", listed.err()),
        ("CopyObject", rewrite.err()),
        ("CompleteMultipartUpload", completed.err()),
        ("AbortMultipartUpload", aborted.err()),
        ("DeleteObject", deleted.err()),
        ("Publish", published.err()),
        ("SendMessageBatch", sent.into_iter().find_map(Result::err)),
        ("ReceiveMessage", read.err()),
        (
            "GetSecretValue",
            secret.into_iter().find_map(|(_, secret)| secret.err()),
        ),
    ];
    let failed = failed.into_iter();
    failed
        .filter_map(|(name, error)| Some((name, error?)))
        .collect()
}

#[tokio::test]
async fn of_an_error_without_end_no_more_is_read_than_an_error_has() {
    for (head, kind) in [
        (
            "HTTP/1.1 403 Forbidden\r\ncontent-length: 209715200\r\n\r\n",
            Kind::Denied,
        ),
        (
            "HTTP/1.1 400 Bad Request\r\nconnection: close\r\n\r\n",
            Kind::Refused,
        ),
    ] {
        for piece in [&b"<Error><Code>AccessDenied</Code>"[..], b"x", b"\0"] {
            let (url, most) = server(head, Comes::Flood(piece)).await;
            let failed = calls(&url).await;
            assert_eq!(failed.len(), 15, "{failed:?}");
            for (name, error) in failed {
                assert_eq!(error.kind, kind, "{name}: {error}");
                let cause = &error.cause;
                assert!(cause.contains("longer than 65536 bytes"), "{name}: {cause}");
            }
            // What the kernel holds of a connection is written, too.
            let wrote = most.load(Ordering::Relaxed);
            assert!(wrote < 24 * MIB, "{wrote}");
        }
    }
}

#[tokio::test]
async fn of_an_answer_without_end_no_more_is_read_than_one_of_its_kind_has() {
    let head = "HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n";
    for piece in [&b"<Contents/>"[..], b"{\"a\":\"", b" "] {
        let (url, most) = server(head, Comes::Flood(piece)).await;
        for (name, error) in calls(&url).await {
            let text = error.to_string();
            // A GET has the object's bytes, which are read by their length.
            let read = name != "GetObject";
            assert_eq!(read, text.contains("longer than"), "{name}: {text}");
        }
        let wrote = most.load(Ordering::Relaxed);
        assert!(wrote < 64 * MIB, "{wrote}");
    }
}

#[tokio::test]
async fn an_event_whose_origin_never_stops_answering_fails_and_says_why() {
    let head = "HTTP/1.1 403 Forbidden\r\nconnection: close\r\n\r\n";
    let (url, _) = server(head, Comes::Flood(b"x")).await;
    let world = crate::world::World::with(|_, _| {
        (
            json!({"vk": vk(&url, json!({})), "intdash": {"kind": "intdash", "url": url}}),
            crate::world::secrets(),
        )
    })
    .await;
    let logs = Logs::new();
    let answer = world.deliver([created("a")]).await;
    assert_eq!(answer.outcomes(), ["failed"]);
    let error = logs.lines("job")[0]["error"].as_str().unwrap().to_owned();
    assert!(error.contains("longer than 65536 bytes"), "{error}");
    let measurement = hookwork::twin::intdash::SAMPLE_MEASUREMENT;
    let router = hookwork::http::router(world.app().clone());
    let finished = send(router, crate::world::finished(measurement, SECRET)).await;
    assert_ne!(
        finished.status, 200,
        "{TOKEN} is refused, and no body is read"
    );
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_drips_ends_with_the_time_of_its_call() {
    for head in [
        "HTTP/1.1 403 Forbidden\r\nconnection: close\r\n\r\n",
        "HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n",
    ] {
        let (url, _) = server(head, Comes::Drip).await;
        let aws = Aws::local(&url, &url).await;
        let began = tokio::time::Instant::now();
        let bucket = aws.bucket("b");
        let (page, tags) = tokio::join!(bucket.page("", None), bucket.tags("k"));
        for error in [page.err(), tags.err()] {
            let error = error.expect("it never ends");
            assert!(error.to_string().contains("timeout"), "{error}");
        }
        let took = began.elapsed();
        assert!(took < Duration::from_secs(120), "{took:?}");
    }
}
