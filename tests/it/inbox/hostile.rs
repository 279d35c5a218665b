//! What senders, and whoever can post, may put into a delivery to harm who looks at it. docs/hostile.md says what was tried.
//!
//! Whatever came, the JSON of it is JSON, within what Lambda takes, and says what came.

use super::Desk;
use crate::world::{created, delivery};
use axum::body::Body;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hookwork::twin::faults::{Fault, On};
use http::{HeaderName, HeaderValue, Request};
use serde_json::{Value, json};

const SCRIPT: &str =
    "</script><script>alert(1)</script><img src=x onerror=alert(1)>'\"&lt;{{7*7}}${7*7}`id`$(id)";
/// Text that turns, hides or ends other text: bidi overrides and isolates, zero widths, controls, separators, a lone tag.
const TURNING: &str =
    "a\u{202e}b\u{2066}c\u{200b}\u{feff}\u{1b}[2J\u{7}\r\n\u{2028}\u{0}\u{9b}\u{e0041}\u{fffe}z";

impl Desk {
    /// All that is shown of the newest delivery, each through the gateway: its JSON is parsed, and its length is right.
    pub(super) async fn look(&self) -> Value {
        let list = self.json_through_gateway("/inbox/api/deliveries").await;
        let row = &list["deliveries"][0];
        let id = row["id"].as_str().unwrap();
        let detail = self
            .json_through_gateway(&format!("/inbox/api/deliveries/{id}"))
            .await;
        for (name, value) in row.as_object().unwrap() {
            assert_eq!(&detail[name], value, "{name}");
        }
        for download in ["body", "fixture"] {
            self.through_gateway(&format!("/inbox/api/deliveries/{id}/{download}"))
                .await;
        }
        self.json_through_gateway("/inbox/api/mirror").await;
        detail
    }

    async fn json_through_gateway(&self, path: &str) -> Value {
        let answer = self.through_gateway(path).await;
        assert_eq!(answer["statusCode"], 200, "{path}: {answer}");
        assert_eq!(
            answer["headers"]["content-type"], "application/json",
            "{path}"
        );
        let text = answer["body"].as_str().unwrap();
        serde_json::from_str(text).unwrap()
    }
}

#[tokio::test]
async fn a_script_in_every_field_is_text_in_json() {
    let desk = Desk::new().await;
    for hostile in [SCRIPT, TURNING] {
        // In the key of an object that there is.
        let key: String = hostile.chars().filter(|c| *c != '\u{0}').collect();
        desk.world.put(&key, "1");
        desk.post_raw("/hooks/vk", &[], delivery([created(&key)]))
            .await;
        let shown = desk.look().await;
        assert_eq!(shown["planned"][0]["key"], key);
        assert!(
            shown["title"]
                .as_str()
                .unwrap()
                .starts_with(&key[..key.floor_char_boundary(60)])
        );
        // In the body, and in the names of events and ids.
        let body = json!({"event": hostile, "id": hostile}).to_string();
        desk.post_raw("/hooks/open", &[], body.clone()).await;
        let shown = desk.look().await;
        let base64 = shown["body"]["base64"].as_str().unwrap();
        assert_eq!(STANDARD.decode(base64).unwrap(), body.as_bytes());
        // In the name of a source and in the query.
        let segment =
            percent_encoding::utf8_percent_encode(hostile, percent_encoding::NON_ALPHANUMERIC);
        desk.post_raw(
            &format!("/hooks/{segment}/{segment}?{segment}={segment}"),
            &[],
            "{}",
        )
        .await;
        let shown = desk.look().await;
        assert_eq!(
            (&shown["source"], &shown["verdict"]),
            (&Value::Null, &json!("unknown"))
        );
        // As what is wrong with it.
        desk.post_raw("/hooks/vk", &[], json!({"Records": hostile}).to_string())
            .await;
        desk.look().await;
        let mut record = created("a");
        record["s3"]["bucket"]["name"] = json!(hostile);
        desk.post_raw("/hooks/vk", &[], delivery([record])).await;
        assert_eq!(desk.look().await["verdict"], "forbidden");
    }
    let found = desk
        .json_through_gateway("/inbox/api/deliveries?text=%3Cscript%3E")
        .await;
    assert!(
        !found["deliveries"].as_array().unwrap().is_empty(),
        "it can be looked for"
    );
}

#[tokio::test]
async fn headers_of_any_bytes_are_shown_as_they_came() {
    let desk = Desk::new().await;
    let every: Vec<u8> = (0x20..=0xffu8).filter(|byte| *byte != 0x7f).collect();
    let headers = [
        ("x-every", &every[..]),
        ("x-script", SCRIPT.as_bytes()),
        ("x-tab", b"a\tb"),
        ("x-empty", b""),
    ];
    desk.post_raw("/hooks/open", &headers, "{}").await;
    let shown = desk.look().await;
    let latin: String = every.iter().copied().map(char::from).collect();
    let told = shown["headers"].as_array().unwrap();
    assert!(told.contains(&json!(["x-every", latin])), "{told:?}");
    assert!(told.contains(&json!(["x-script", SCRIPT])));
    assert!(told.contains(&json!(["x-empty", ""])));
}

#[tokio::test]
async fn as_many_headers_as_there_may_be_are_no_matter() {
    let desk = Desk::new().await;
    // Far more than hyper (100) or a gateway (10 KB) hand over: a quote is four bytes in JSON inside of JSON.
    let many = |count: usize, length: usize| {
        let mut request = Request::post("/hooks/open");
        for number in 0..count {
            let name = HeaderName::try_from(format!("x-{number}")).unwrap();
            request = request.header(name, HeaderValue::from_str(&"\"".repeat(length)).unwrap());
        }
        request.body(Body::from("{}")).unwrap()
    };
    for (count, length, all) in [
        (500, 20, true),
        (100, 4_000, false),
        (1, 400_000, false),
        (20_000, 30, false),
    ] {
        desk.send(many(count, length)).await;
        let shown = desk.look().await;
        let told = shown["headers"].as_array().unwrap().len();
        assert!(
            told <= count && (told == count || !all),
            "{told} of {count}"
        );
        assert_eq!(shown["body"]["base64"], "e30=");
    }
}

#[tokio::test]
async fn a_line_to_paste_runs_nothing_but_curl() {
    let desk = Desk::new().await;
    let name = HeaderName::from_bytes(b"x-`id`$id'token").unwrap();
    let request = Request::post("/hooks/open?a='$(id)'&b=`id`")
        .header(name, "secret")
        .header("aws_secret_access_key", "x")
        .header("x-b", "'; id; '\\");
    desk.send(
        request
            .body(Body::from("'; id; echo '\n$(id)`id`!!"))
            .unwrap(),
    )
    .await;
    let line = desk.look().await["curl"].as_str().unwrap().to_owned();
    // A shell that has another curl, which says what it was given.
    let script = |before: &str| {
        let script =
            format!("curl() {{ printf '%s\\0' \"$@\"; }}\nid() {{ echo RAN; }}\n{before}\n{line}");
        let mut shell = std::process::Command::new("bash");
        shell.arg("-c").arg(&script).output().unwrap()
    };
    let ran = script("");
    assert!(!ran.status.success() && ran.stdout.is_empty(), "{line}");
    let told = String::from_utf8_lossy(&ran.stderr).into_owned();
    assert!(
        told.contains("LEFT_OUT_X__ID__ID_TOKEN: parameter null"),
        "{told}"
    );
    let ran = script(
        "set -u; AWS_SECRET_ACCESS_KEY=RAN; LEFT_OUT_AWS_SECRET_ACCESS_KEY=; LEFT_OUT_X__ID__ID_TOKEN=mine",
    );
    assert!(!ran.status.success(), "an empty one is none either");
    let ran = script(
        "set -u; AWS_SECRET_ACCESS_KEY=RAN; LEFT_OUT_AWS_SECRET_ACCESS_KEY=1; LEFT_OUT_X__ID__ID_TOKEN=mine",
    );
    let words = String::from_utf8(ran.stdout).unwrap();
    let words: Vec<_> = words.split_terminator('\0').collect();
    assert!(
        ran.status.success() && ran.stderr.is_empty(),
        "{line}\n{}",
        String::from_utf8_lossy(&ran.stderr)
    );
    assert!(!words.iter().any(|word| word.contains("RAN")), "{words:?}");
    for word in [
        "x-`id`$id'token: mine",
        "x-b: '; id; '\\",
        "'; id; echo '\n$(id)`id`!!",
    ] {
        assert!(words.contains(&word), "{word} in {words:?}");
    }
}

#[tokio::test]
async fn a_body_of_any_bytes_and_of_any_length_is_shown_in_part_and_never_unpacked() {
    let desk = Desk::new().await;
    // 10 MB of noughts in 10 KB: what it says of its encoding is the sender's word.
    let bomb = gzip_of_noughts();
    let kinds: [(&[u8], &str, bool); 4] = [
        (
            &[0xff, 0xfe, 0x00, 0xd8, 0xc0, 0x80],
            "text/plain; charset=utf-8",
            false,
        ),
        (&[b'"'; 6 << 20], "application/json", true),
        (&[0x01; 6 << 20], "text/html", true),
        (&bomb, "application/json", false),
    ];
    for (body, kind, text) in kinds {
        let headers = [
            ("content-type", kind.as_bytes()),
            ("content-encoding", b"gzip"),
        ];
        desk.post_raw("/hooks/open", &headers, body.to_vec()).await;
        let shown = desk.look().await;
        let told = &shown["body"];
        let part = body.len().min(262_144);
        assert_eq!(
            (&told["bytes"], &told["shown"], &told["text"]),
            (&json!(body.len()), &json!(part), &json!(text))
        );
        assert_eq!(
            STANDARD.decode(told["base64"].as_str().unwrap()).unwrap(),
            body[..part]
        );
        let id = shown["id"].as_str().unwrap();
        let download = desk.get(&format!("/inbox/api/deliveries/{id}/body")).await;
        assert!(
            !download.headers.contains_key("content-encoding"),
            "no browser unpacks it"
        );
        assert_eq!(download.body, body[..body.len().min(3 << 20)]);
    }
}

/// Deflated by hand: one literal nought, then copies of it, 258 at a time.
fn gzip_of_noughts() -> Vec<u8> {
    let mut bits: Vec<bool> = vec![true, true, false];
    // Fixed codes: literal 0 is 00110000; length 258 is 11000101, distance 1 is 00000.
    let code = |text: &str| text.bytes().map(|bit| bit == b'1').collect::<Vec<_>>();
    bits.extend(code("00110000"));
    for _ in 0..40_000 {
        bits.extend(code("1100010100000"));
    }
    bits.extend(code("0000000"));
    let bytes = bits.chunks(8).map(|byte| {
        byte.iter()
            .enumerate()
            .fold(0, |sum, (at, bit)| sum | u8::from(*bit) << at)
    });
    [
        &[0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3][..],
        &bytes.collect::<Vec<_>>(),
        &[0; 8],
    ]
    .concat()
}

#[tokio::test]
async fn hundreds_of_records_of_the_worst_keys_fit_into_an_answer() {
    let desk = Desk::new().await;
    // So each of them has an error with the key in it, too.
    let denied = Fault::Status(403, "AccessDenied");
    desk.world
        .faults
        .inject(On::every().bucket("origin"), denied);
    let keys = (0..300).map(|number| format!("{number:04}{}", "\u{1}".repeat(1_000)));
    let records: Vec<_> = keys.map(|key| created(&key)).collect();
    let answer = desk.post_raw("/hooks/vk", &[], delivery(records)).await;
    assert_eq!(answer.status, 500);
    let shown = desk.look().await;
    assert_eq!(shown["jobs"], 300);
    for listed in [&shown["planned"], &shown["history"][0]["jobs"]] {
        let listed = listed.as_array().unwrap().len();
        assert!((10..300).contains(&listed), "{listed}");
    }
}

#[tokio::test]
async fn a_filter_of_any_bytes_is_answered() {
    let desk = Desk::new().await;
    for query in [
        "text=%ff%fe",
        "source=%3Cscript%3E",
        "before=..%2F..%2F",
        "before=~",
        "before=zzz",
        "text=%E2%80%AE",
        "=",
        "&&&",
        "status=%F0%9F%92%A3",
        "limit=1&limit=2",
    ] {
        let answer = desk.get(&format!("/inbox/api/deliveries?{query}")).await;
        assert!([200, 400].contains(&answer.status), "{query}");
        assert!(answer.json().is_object());
    }
}
