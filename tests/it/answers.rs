//! Answers of remote services, changed at random, through the whole of our reading: the SDK's included. Whatever comes, a call ends
//! in a value or an error, and a value makes sense.
//!
//! `ANSWERS_SECONDS=300 cargo test --features dev --test it answers::` reads for longer than the suite does.

use crate::world::Chance;
use bytes::Bytes;
use hookwork::clients::Aws;
use hookwork::clients::https::replay::Replay;
use hookwork::clients::look::Sight;
use hookwork::clients::secrets::SecretStore;
use hookwork::config::SecretsFrom;
use hookwork::domain::checksum::Crc64;
use hookwork::domain::event::MeasurementRef;
use hookwork::domain::object::{ETag, KEY_MAX, Properties};
use hookwork::domain::parts::StoredPart;
use hookwork::domain::reconcile::Condition;
use hookwork::domain::signature::Secret;
use http::Response;
use std::time::{Duration, Instant};

/// What answers begin with: a status line, headers, an empty line, and the body.
const SEEDS: [&str; 16] = [
    "200\nlast-modified: Sun, 06 Nov 1994 08:49:37 GMT\netag: \"5d41402abc4b2a76b9719d911017c592\"\ncontent-length: 5\ncontent-range: bytes 0-4/5\nx-amz-tagging-count: 1\nx-amz-meta-a: b\ncontent-type: text/plain\nexpires: never\n\nhello",
    "206\nlast-modified: 1994-11-06T08:49:37Z\netag: W/\"a-2\"\ncontent-range: bytes 0-4/500\ncontent-encoding: aws-chunked, gzip\n\nhello",
    "200\nlast-modified: Sunday, 06-Nov-94 08:49:37 GMT\nlast-modified: Sun Nov  6 08:49:37 1994\netag: \"a\"\ncontent-length: 0\nx-amz-delete-marker: false\nx-amz-mp-parts-count: 3\n\n",
    "200\n\n<?xml version=\"1.0\" encoding=\"UTF-8\"?><ListBucketResult xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"><Name>b</Name><Prefix>k</Prefix><EncodingType>url</EncodingType><KeyCount>1</KeyCount><MaxKeys>1000</MaxKeys><IsTruncated>false</IsTruncated><Contents><Key>k%2B+%C3%A9</Key><LastModified>2023-11-14T22:13:20.000Z</LastModified><ETag>&quot;a&quot;</ETag><Size>5</Size><StorageClass>STANDARD</StorageClass></Contents></ListBucketResult>",
    "200\n\n<ListBucketResult><IsTruncated>true</IsTruncated><Contents><Key>k\u{1}&amp;&#x2;</Key><LastModified>Sun, 06 Nov 1994 08:49:37 GMT</LastModified><ETag>a</ETag><Size>18446744073709551615</Size></Contents><Contents><Key>k</Key></Contents></ListBucketResult>",
    "200\n\n<ListMultipartUploadsResult><EncodingType>url</EncodingType><Upload><Key>k</Key><UploadId>u</UploadId><Initiated>2010-11-10T20:48:33.000Z</Initiated></Upload><IsTruncated>false</IsTruncated></ListMultipartUploadsResult>",
    "200\n\n<ListPartsResult><PartNumberMarker>0</PartNumberMarker><IsTruncated>false</IsTruncated><Part><PartNumber>1</PartNumber><LastModified>2010-11-10T20:48:34.000Z</LastModified><ETag>\"7778aef83f66abc1fa1e8477f296d394\"</ETag><Size>10485760</Size></Part></ListPartsResult>",
    "200\nx-amz-abort-date: soon\n\n<InitiateMultipartUploadResult><Bucket>b</Bucket><Key>k</Key><UploadId>u</UploadId></InitiateMultipartUploadResult>",
    "200\n\n<CompleteMultipartUploadResult><Location>http://b/k</Location><Key>k</Key><ETag>\"a-1\"</ETag><ChecksumCRC64NVME>AAAAAAAAAAA=</ChecksumCRC64NVME></CompleteMultipartUploadResult>",
    "200\n\n<CopyObjectResult><ETag>\"a\"</ETag><LastModified>2009-10-28T22:32:00</LastModified></CopyObjectResult>",
    "200\n\n<Tagging><TagSet><Tag><Key>a</Key><Value>b</Value></Tag></TagSet></Tagging>",
    "404\n\n<Error><Code>NoSuchKey</Code><Message>m</Message><Key>k</Key><RequestId>r</RequestId></Error>",
    "403\n\n<Error><Code>InvalidObjectState</Code><Message>m</Message><StorageClass>GLACIER</StorageClass></Error>",
    "200\ncontent-type: application/x-amz-json-1.1\n\n{\"ARN\":\"a\",\"Name\":\"s\",\"SecretString\":\"{\\\"vk\\\":{\\\"access_key_id\\\":\\\"a\\\",\\\"secret_access_key\\\":\\\"b\\\"},\\\"i\\\":{\\\"secrets\\\":[\\\"s\\\\n\\\"],\\\"api_token\\\":\\\"t\\\"}}\"}",
    "200\ncontent-type: application/x-amz-json-1.0\n\n{\"Successful\":[{\"Id\":\"0\",\"MessageId\":\"m\",\"MD5OfMessageBody\":\"6f8f57715090da2632453988d9a1501b\"}],\"Failed\":[],\"Messages\":[{\"MessageId\":\"m\",\"ReceiptHandle\":\"r\",\"Body\":\"b\",\"Attributes\":{\"SentTimestamp\":\"1\",\"ApproximateReceiveCount\":\"1\"}}]}",
    "200\ncontent-length: 60\n\n{\"time\":1700000000000000000,\"data_type\":1,\"data_id\":\"a\",\"data\":{\"d\":1.5}}\n{\"name\":\"n\",\"basetime\":\"2023-11-14T22:13:20Z\",\"duration\":5}\n",
];

/// What is put into them.
const WORDS: [&str; 33] = [
    "\u{1}",
    "\0",
    "&",
    "&amp;",
    "&#0;",
    "&#x1F;",
    "&#xFFFFFFFF;",
    "<",
    ">",
    "</Key>",
    "<Key>",
    "<Contents>",
    "</Contents>",
    "<![CDATA[",
    "]]>",
    "<!--",
    "<!DOCTYPE a [",
    "\u{ffff}",
    "\u{fdd0}",
    "%",
    "%00",
    "%FF",
    "18446744073709551616",
    "-1",
    "bytes 0-0/1",
    "W/\"",
    "\"",
    "true",
    "{",
    "}",
    "[",
    "\\u0000",
    "1e400",
];

/// A seed, changed in some places.
fn changed(chance: &mut Chance) -> Vec<u8> {
    let mut bytes = SEEDS[chance.pick(SEEDS.len())].as_bytes().to_vec();
    for _ in 0..chance.below(6) {
        let at = chance.pick(bytes.len() + 1);
        let rest = bytes.split_off(at);
        match chance.below(6) {
            0 => bytes.extend_from_slice(WORDS[chance.pick(WORDS.len())].as_bytes()),
            1 => bytes.push(u8::try_from(chance.below(256)).unwrap()),
            2 => {
                let other = SEEDS[chance.pick(SEEDS.len())].as_bytes();
                bytes.extend_from_slice(&other[chance.pick(other.len())..]);
                continue;
            }
            3 => {
                let twice = bytes[bytes.len() - chance.pick(bytes.len().min(80) + 1)..].to_vec();
                bytes.extend_from_slice(&twice);
            }
            4 => {
                let skipped = chance.pick(rest.len().min(20) + 1);
                bytes.extend_from_slice(&rest[skipped..]);
                continue;
            }
            _ => {
                if let Some(last) = bytes.last_mut() {
                    *last ^= 1 << chance.below(8);
                }
            }
        }
        bytes.extend_from_slice(&rest);
        if bytes.is_empty() {
            bytes.push(b'2');
        }
    }
    bytes
}

/// The answer that is written so; none where a server could not send it.
fn answer(bytes: &[u8]) -> Option<Response<Bytes>> {
    let end = bytes.windows(2).position(|two| two == b"\n\n");
    let (head, body) = end.map_or((bytes, &[][..]), |end| (&bytes[..end], &bytes[end + 2..]));
    let mut lines = head.split(|byte| *byte == b'\n');
    let status = std::str::from_utf8(lines.next()?)
        .ok()?
        .parse::<u16>()
        .ok()?;
    let mut answer = Response::builder().status(status);
    for line in lines.take(64) {
        let colon = line.iter().position(|byte| *byte == b':')?;
        let value = line[colon + 1..].trim_ascii();
        answer = answer.header(&line[..colon], value);
    }
    answer.body(Bytes::copy_from_slice(body)).ok()
}

/// Reads an answer as that of every call there is.
async fn read(aws: &Aws, seed: &[u8]) {
    let bucket = aws.bucket("b");
    let (key, etag) = ("k", ETag::new("a"));
    let shown = || String::from_utf8_lossy(seed).into_owned();
    if let Ok(Sight::Present(state, body)) = bucket.look(key, 8).await {
        if let Some(body) = body {
            let length = body.length();
            assert!(length <= 8 && length <= state.size.max(1), "{}", shown());
            if let Ok(pieces) = body.collect().await {
                let read: usize = pieces.iter().map(Bytes::len).sum();
                assert_eq!(read as u64, length, "{}", shown());
            }
        }
        assert!(
            state.size <= i64::MAX as u64 || state.size > 8,
            "{}",
            shown()
        );
    }
    if let Ok(body) = bucket.open(key, &etag, 0..5).await {
        assert_eq!(body.length(), 5, "{}", shown());
    }
    if let Ok((listed, last)) = bucket.page("k", None).await {
        assert!(last || !listed.is_empty(), "{}", shown());
        for object in listed {
            assert!(!object.key.contains('\u{fdd0}'), "{}", shown());
        }
    }
    let _ = bucket.not_listed(key).await;
    let _ = bucket.backup_state(key).await;
    let _ = bucket.tags(key).await;
    let _ = bucket.open_uploads(key).await;
    let _ = bucket.rewrite(key, &etag, &Properties::default()).await;
    let _ = bucket.read_up_to(key, 100).await;
    if let Ok(upload) = bucket.begin(key, &Properties::default()).await {
        assert!(
            upload.id().len() <= seed.len() + 16 * KEY_MAX,
            "{}",
            shown()
        );
    }
    let upload = bucket.upload(key, "u");
    // Pages may go on for ever: whoever asks has a deadline.
    let _ = tokio::time::timeout(Duration::from_secs(5), upload.listed()).await;
    let part = StoredPart {
        number: 1,
        length: 5,
        etag: etag.clone(),
        checksum: Crc64::of(&[]),
    };
    let _ = upload.complete(&[part], &Condition::Absent).await;
    let secrets = SecretStore::new(
        SecretsFrom::Manager(vec!["s".to_owned()]),
        &std::collections::BTreeMap::new(),
        aws,
    );
    let _ = secrets.each().await;
    let _ = aws
        .queue("http://nowhere.invalid/1/q")
        .receive(Duration::from_secs(1))
        .await;
    let measurement = MeasurementRef {
        source: "i".to_owned(),
        occurrence: None,
        project: "1".to_owned(),
        measurement: "2".to_owned(),
    };
    let intdash = aws.intdash("http://nowhere.invalid");
    let _ = intdash.facts(&measurement, &Secret::new("t")).await;
}

#[tokio::test(start_paused = true)]
async fn whatever_a_remote_service_answers_is_read_or_is_an_error() {
    let seconds = std::env::var("ANSWERS_SECONDS").ok();
    let seconds = seconds.and_then(|seconds| seconds.parse().ok());
    let long = Duration::from_secs(seconds.unwrap_or(3));
    let answers = Replay::default();
    let aws = Aws::replaying(&answers).await;
    let mut chance = Chance::new();
    // A run of minutes is another one each time.
    if seconds.is_some() {
        let now = std::time::SystemTime::UNIX_EPOCH.elapsed().unwrap();
        for _ in 0..now.as_millis() % 9973 {
            chance.next();
        }
    }
    for seed in SEEDS {
        answers.answer(answer(seed.as_bytes()).unwrap());
        read(&aws, seed.as_bytes()).await;
    }
    let (began, mut count) = (Instant::now(), SEEDS.len());
    while began.elapsed() < long {
        let bytes = changed(&mut chance);
        if let Some(answer) = answer(&bytes) {
            answers.answer(answer);
            read(&aws, &bytes).await;
            count += 1;
        }
    }
    println!("{count} answers, each read as that of 16 calls");
    assert!(count > SEEDS.len());
}
