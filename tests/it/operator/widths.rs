//! On a terminal of 80 columns no line is longer, and no word is broken.

use super::{HOOKCTL, Site};
use axum::body::Body;
use serde_json::json;
use std::process::Command;

const COMMANDS: [&[&str]; 22] = [
    &[],
    &["audit"],
    &["backfill"],
    &["doctor"],
    &["doctor", "handshake"],
    &["dead-letters"],
    &["dead-letters", "list"],
    &["dead-letters", "show"],
    &["dead-letters", "redrive"],
    &["register"],
    &["register", "vk"],
    &["register", "intdash"],
    &["register", "intdash", "create"],
    &["register", "intdash", "list"],
    &["register", "intdash", "test"],
    &["register", "intdash", "remove"],
    &["sign"],
    &["tail"],
    &["replay"],
    &["dev"],
    &["version"],
    &["completions"],
];

/// A terminal of so many columns, in which a command runs; what it shows, without colours.
const TERMINAL: &str = r"
import fcntl, os, pty, re, struct, sys, termios
pid, fd = pty.fork()
if pid == 0:
    fcntl.ioctl(0, termios.TIOCSWINSZ, struct.pack('HHHH', 24, int(sys.argv[1]), 0, 0))
    os.execv(sys.argv[2], sys.argv[2:])
shown = b''
while True:
    try:
        more = os.read(fd, 65536)
    except OSError:
        break
    if not more:
        break
    shown += more
_, status = os.waitpid(pid, 0)
text = re.sub(r'\x1b\[[0-9;?]*[A-Za-z]', '', shown.decode())
sys.stdout.write(re.sub(r'[\r\n]+', '\n', text))
sys.exit(os.waitstatus_to_exitcode(status))
";

/// Lines of a command in such a terminal, and how it ended.
fn in_terminal(site: &Site, columns: usize, arguments: &[&str]) -> (Option<i32>, String) {
    let mut command = Command::new("python3");
    command.env_clear().envs(&site.variables);
    command.env("PATH", std::env::var_os("PATH").unwrap());
    command.env("LANG", "C.UTF-8").env("TERM", "xterm");
    command.args(["-c", TERMINAL, &columns.to_string(), HOOKCTL]);
    let ran = command.args(arguments).output().unwrap();
    let err = String::from_utf8_lossy(&ran.stderr);
    assert_eq!(err, "");
    (ran.status.code(), String::from_utf8(ran.stdout).unwrap())
}

fn words(text: &str) -> Vec<&str> {
    text.split_whitespace().collect()
}

/// No line is longer than the terminal is wide. A bar fills its first line up with blanks, so that the terminal itself begins the
/// next one: there no word may be cut.
fn fits(text: &str, columns: usize) {
    for line in text.lines() {
        let signs: Vec<_> = line.chars().collect();
        let filled = line.contains("] ") && signs.len() > columns;
        let cut = |at: usize| signs[at - 1] != ' ' && signs[at] != ' ';
        let whole = filled && !(columns..signs.len()).step_by(columns).any(cut);
        // A URL is not cut, however long it is.
        let one_word = line.trim().starts_with("http") && !line.trim().contains(' ');
        assert!(
            signs.len() <= columns || whole || one_word,
            "{line:?} in:\n{text}"
        );
    }
}

#[tokio::test]
async fn help_fits_and_breaks_no_word() {
    let mut site = Site::new(json!({}), false).await;
    for command in COMMANDS {
        let help = [command, &["--help"]].concat();
        let mut shown = Vec::new();
        for columns in [60, 80, 100] {
            site.set("COLUMNS", &columns.to_string());
            let ran = site.run(&help).await;
            assert_eq!(ran.code, Some(0), "{ran:?}");
            if columns >= 80 {
                fits(&ran.out, columns);
            }
            shown.push(ran.out);
        }
        for other in &shown[..2] {
            assert_eq!(words(other), words(&shown[2]), "{command:?}");
        }
        site.variables.remove("COLUMNS");
        // Where nobody knows how wide it is, as in a pipe, it is taken for an ordinary one.
        let ran = site.run(&help).await;
        assert_eq!(ran.out, shown[1], "{command:?}");
        let lines: Vec<_> = shown[1].lines().filter(|line| !line.is_empty()).collect();
        let expected = lines.join("\n");
        assert_eq!(in_terminal(&site, 80, &help).1.trim(), expected.trim());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn what_the_commands_print_fits_and_is_whole() {
    let mut site = Site::new(json!({}), true).await;
    for number in 0..40 {
        site.put(
            &format!("photos of the summer/{number}.jpg"),
            vec![b'x'; 2_000],
        );
    }
    let (code, shown) = in_terminal(&site, 80, &["backfill", "vk", "origin"]);
    assert_eq!(code, Some(0), "{shown}");
    fits(&shown, 80);
    assert!(shown.contains("40 of 40 objects made right"), "{shown}");
    let id = site.told_of("photos of the summer/1.jpg").await;
    let forged = http::Request::post("/hooks/intdash").body(Body::from("{}"));
    site.asked(forged.unwrap()).await;

    let (code, shown) = in_terminal(&site, 80, &["tail", "--once"]);
    assert_eq!(code, Some(0), "{shown}");
    fits(&shown, 80);
    let row = shown.lines().position(|line| line.trim() == id).unwrap();
    let above = shown.lines().nth(row - 1).unwrap();
    assert!(
        above.contains(" vk        done       unchanged "),
        "{shown}"
    );
    let (_, wide) = in_terminal(&site, 200, &["tail", "--once"]);
    let row = wide.lines().find(|line| line.contains(&id)).unwrap();
    assert!(row.ends_with("photos of the summer/1.jpg"), "{wide}");

    let (_, narrow) = in_terminal(&site, 80, &["doctor", "--write"]);
    fits(&narrow, 80);
    let (_, wide) = in_terminal(&site, 400, &["doctor", "--write"]);
    assert_eq!(words(&narrow), words(&wide));
    assert!(
        wide.contains("\n      -> "),
        "advice has a line of its own:\n{wide}"
    );

    site.variables.remove("STATE_BUCKET");
    let (code, shown) = in_terminal(&site, 80, &["tail"]);
    assert_eq!(code, Some(2), "{shown}");
    fits(&shown, 80);
    site.put("new", "1");
    let (code, shown) = in_terminal(&site, 80, &["audit", "vk", "origin"]);
    assert_eq!(code, Some(1), "{shown}");
    fits(&shown, 80);
}

#[tokio::test]
async fn the_local_run_fits() {
    let mut site = Site::new(json!({}), false).await;
    site.variables.clear();
    let once = ["dev", "--once", "--port", "0", "--s3-port", "0"];
    let (code, shown) = in_terminal(&site, 80, &once);
    assert_eq!(code, Some(0), "{shown}");
    fits(&shown, 80);
    for whole in [
        "All 9 steps were right.",
        "mcs0000000000|origin|s3:ObjectCreated:*,s3:ObjectRemoved:*",
        "│ Unbiased Variance: 243.961858",
    ] {
        assert!(shown.contains(whole), "{whole}:\n{shown}");
    }
    // The signature stands below its label, whole.
    let hex =
        |line: &str| line.trim().len() == 64 && line.trim().bytes().all(|b| b.is_ascii_hexdigit());
    assert!(shown.lines().any(hex), "{shown}");
    let steps = shown
        .lines()
        .filter(|line| line.starts_with(" ✓") && line.ends_with(" ms"));
    assert_eq!(steps.count(), 9, "{shown}");
}
