//! `--script`: a program of the user's hears of every outcome, `PROGRAM bucket key copy|delete`, as a subscriber of the
//! topic would have it called. Without a shell: a key is an argument as it is, whatever it holds.

use std::io::{BufRead as _, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::channel;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use hookwork::twin::topic::{Notice, Topic};
use serde_json::Value;
use tokio::sync::{broadcast, mpsc};

use crate::print::Printer;

/// How long one call may take.
const LIMIT: Duration = Duration::from_secs(60);
const LOOK_EVERY: Duration = Duration::from_millis(10);
/// How long what a program printed is waited for once it has ended: a process that it left behind may hold its output open.
const LAST_LINES: Duration = Duration::from_millis(500);
/// As much is shown of what one call prints on either output, in bytes.
const SHOWN_BYTES: u64 = 64 * 1024;
/// Calls that may wait for their turn.
const WAITING: usize = 10_000;

/// Whether a notice tells of an outcome, and not of what is mailed.
pub(super) fn tells_of_an_outcome(notice: &Notice) -> bool {
    notice.attributes.get("kind").map(String::as_str) == Some("mirror")
}

/// The program.
#[derive(Clone, Debug)]
pub(super) struct Script(PathBuf);

/// What one call is about.
#[derive(Debug, PartialEq, Eq)]
struct Call {
    bucket: String,
    key: String,
    word: &'static str,
}

/// A program that is being called.
#[derive(Clone, Debug)]
pub(super) struct Following(Arc<AtomicUsize>);

impl Script {
    /// Finds the program: a path, or a name that the `PATH` has.
    ///
    /// # Errors
    /// There is none, or it may not be run.
    pub(super) fn find(program: &Path) -> Result<Self> {
        let shown = program.display();
        let path = if program.components().count() > 1 || program.is_absolute() {
            program.to_owned()
        } else {
            let folders = std::env::var_os("PATH").unwrap_or_default();
            let places = std::env::split_paths(&folders).map(|folder| folder.join(program));
            let found = places.into_iter().find(|place| place.is_file());
            found.with_context(|| format!("--script: the PATH has no program {shown}"))?
        };
        let path = path
            .canonicalize()
            .with_context(|| format!("--script: there is no program {shown}"))?;
        ensure!(path.is_file(), "--script: {shown} is no file");
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt as _;
            let mode = path.metadata()?.permissions().mode();
            ensure!(mode & 0o111 != 0, "--script: {shown} may not be executed");
        }
        Ok(Self(path))
    }

    /// Calls it for every outcome from now on, one after another, in the order of the topic.
    pub(super) fn follow(self, topic: &Topic, printer: Printer) -> Following {
        let (calls, mut waiting) = mpsc::channel::<Call>(WAITING);
        let done = Arc::new(AtomicUsize::new(0));
        let mut notices = topic.subscribe();
        let counted = Arc::clone(&done);
        tokio::spawn(async move {
            loop {
                let missed = match notices.recv().await {
                    Ok(notice) if !tells_of_an_outcome(&notice) => 0,
                    Ok(notice) => {
                        match Call::read(&notice.message).map(|call| calls.try_send(call)) {
                            Some(Ok(())) => 0,
                            _ => 1,
                        }
                    }
                    Err(broadcast::error::RecvError::Lagged(missed)) => {
                        usize::try_from(missed).unwrap_or(usize::MAX)
                    }
                    Err(broadcast::error::RecvError::Closed) => return,
                };
                if missed > 0 {
                    counted.fetch_add(missed, Ordering::Relaxed);
                    printer.detail("script", &format!("missed {missed} outcomes"));
                }
            }
        });
        let counted = Arc::clone(&done);
        // A thread of its own: a program that takes its time holds up nothing but the next call.
        std::thread::spawn(move || {
            while let Some(call) = waiting.blocking_recv() {
                let Call { bucket, key, word } = &call;
                let ended = match self.run(&call, LIMIT, &printer) {
                    Ok(status) if status.success() => format!("{word} {bucket}/{key}"),
                    Ok(status) => format!("{word} {bucket}/{key}: it failed ({status})"),
                    Err(problem) => format!("{word} {bucket}/{key}: {problem:#}"),
                };
                printer.detail("script", &ended);
                counted.fetch_add(1, Ordering::Relaxed);
            }
        });
        Following(done)
    }

    /// Calls it once and shows what it prints.
    fn run(&self, call: &Call, limit: Duration, printer: &Printer) -> Result<ExitStatus> {
        let mut child = Command::new(&self.0)
            .args([&call.bucket, &call.key, call.word])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .context("it could not be started")?;
        let (ended, endings) = channel();
        let outputs: [Option<Box<dyn Read + Send>>; 2] = [
            child.stdout.take().map(|it| Box::new(it) as _),
            child.stderr.take().map(|it| Box::new(it) as _),
        ];
        for output in outputs.into_iter().flatten() {
            let (printer, ended) = (*printer, ended.clone());
            std::thread::spawn(move || {
                show(output, &printer);
                // Nobody waits any more: that is all right.
                ended.send(()).ok();
            });
        }
        let status = wait(&mut child, limit);
        let last = Instant::now() + LAST_LINES;
        for _ in 0..2 {
            let left = last.saturating_duration_since(Instant::now());
            endings.recv_timeout(left).ok();
        }
        status
    }
}

impl Following {
    /// Waits until it has been called for all that the topic has, or for so long.
    pub(super) async fn catch_up(&self, topic: &Topic, limit: Duration) {
        let all = topic
            .notices()
            .iter()
            .filter(|it| tells_of_an_outcome(it))
            .count();
        let wait = async {
            while self.0.load(Ordering::Relaxed) < all {
                tokio::time::sleep(LOOK_EVERY).await;
            }
        };
        tokio::time::timeout(limit, wait).await.ok();
    }
}

impl Call {
    fn read(message: &str) -> Option<Self> {
        let message: Value = serde_json::from_str(message).ok()?;
        let text = |name: &str| message.get(name)?.as_str().map(str::to_owned);
        Some(Self {
            bucket: text("bucket")?,
            key: text("key")?,
            word: match message.get("outcome")?.as_str()? {
                "copied" => "copy",
                "deleted" => "delete",
                _ => return None,
            },
        })
    }
}

/// Waits for a program, and ends it when its time is up.
fn wait(child: &mut Child, limit: Duration) -> Result<ExitStatus> {
    let until = Instant::now() + limit;
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok(status);
        }
        if Instant::now() >= until {
            child.kill()?;
            child.wait()?;
            bail!("it took longer than {} s and was ended", limit.as_secs());
        }
        std::thread::sleep(LOOK_EVERY);
    }
}

/// Shows each line; what is too much is read all the same, so that the program goes on.
fn show(output: impl Read, printer: &Printer) {
    let mut output = BufReader::new(output).take(SHOWN_BYTES);
    let mut line = Vec::new();
    while output
        .read_until(b'\n', &mut line)
        .is_ok_and(|read| read > 0)
    {
        printer.detail("script |", String::from_utf8_lossy(&line).trim_end());
        line.clear();
    }
    std::io::copy(&mut output.into_inner(), &mut std::io::sink()).ok();
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    /// A script that writes its arguments where it lies, each ended by a NUL.
    fn script(name: &str, body: &str) -> (PathBuf, Script) {
        use std::os::unix::fs::PermissionsExt as _;
        let folder = std::env::temp_dir().join(format!("hookctl-{}-{name}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let path = folder.join("pro gram");
        std::fs::write(&path, format!("#!/bin/sh\n{body}\n")).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
        let found = Script::find(&path).unwrap();
        (folder, found)
    }

    fn call(key: &str) -> Call {
        let message = json!({"source": "vk", "bucket": "origin", "key": key, "outcome": "copied"});
        Call::read(&message.to_string()).unwrap()
    }

    #[test]
    fn hostile_keys_are_arguments_as_they_are() {
        let body = r#"printf '%s\0' "$@" >> "$(dirname "$0")/arguments""#;
        let (folder, script) = script("keys", body);
        let printer = Printer::from_environment();
        let keys = [
            "a b",
            "it's \"quoted\"",
            "$(touch pwned)`id`;|&>x",
            "-rf",
            "--",
            "two\nlines\ttab",
            "Ünï/\u{ffff}",
            "*?[a]\\",
            "",
        ];
        for key in keys {
            assert!(script.run(&call(key), LIMIT, &printer).unwrap().success());
        }
        let found = std::fs::read_to_string(folder.join("arguments")).unwrap();
        let found: Vec<_> = found.split_terminator('\0').collect();
        let expected: Vec<_> = keys
            .iter()
            .flat_map(|key| ["origin", key, "copy"])
            .collect();
        assert_eq!(found, expected);
        assert!(!Path::new("pwned").exists());
        std::fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn a_program_that_fails_hangs_or_cannot_take_its_argument_is_told_of() {
        let printer = Printer::from_environment();
        let (failing, fails) = script("fails", "echo out; echo err >&2; exit 3");
        assert_eq!(
            fails.run(&call("a"), LIMIT, &printer).unwrap().code(),
            Some(3)
        );
        assert!(fails.run(&call("a\0b"), LIMIT, &printer).is_err());
        let (hanging, hangs) = script("hangs", "sleep 5");
        let started = Instant::now();
        let limit = Duration::from_millis(200);
        let problem = hangs.run(&call("a"), limit, &printer).unwrap_err();
        assert!(problem.to_string().contains("was ended"), "{problem}");
        assert!(started.elapsed() < Duration::from_secs(3));
        for folder in [failing, hanging] {
            std::fs::remove_dir_all(folder).unwrap();
        }
    }

    #[test]
    fn what_is_no_outcome_is_no_call() {
        for message in ["", "{}", r#"{"bucket":"b","key":"k","outcome":"held"}"#] {
            assert_eq!(Call::read(message), None, "{message}");
        }
        assert!(Script::find(Path::new("/nowhere/at all")).is_err());
        assert!(Script::find(Path::new("no-such-program-of-ours")).is_err());
        assert!(Script::find(Path::new("/tmp")).is_err());
        assert!(Script::find(Path::new("sh")).is_ok());
    }
}
