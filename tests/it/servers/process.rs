//! A child process of a test: its ports, its folder, its end.

use std::fs::File;
use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{LazyLock, OnceLock, mpsc};
use std::time::{Duration, Instant};

use super::PATIENCE;

/// A name nobody else in this run uses: for buckets, topics and queues.
pub(crate) fn unique(stem: &str) -> String {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    format!(
        "{stem}-{}-{}",
        std::process::id(),
        NEXT.fetch_add(1, Ordering::Relaxed)
    )
}

/// A child process and the directory it writes to; both end with the handle.
pub(crate) struct Process {
    name: &'static str,
    child: Child,
    pub(super) data: PathBuf,
}

impl Process {
    pub(crate) fn start(name: &'static str, command: Command, data: PathBuf) -> Self {
        let log = File::create(data.join("log")).expect("the log can be created");
        let mut guarded = match which("setpriv") {
            Some(setpriv) => {
                let mut guarded = Command::new(setpriv);
                guarded
                    .args(["--pdeathsig", "KILL", "--"])
                    .arg(command.get_program())
                    .args(command.get_args());
                guarded.envs(
                    command
                        .get_envs()
                        .filter_map(|(name, value)| Some((name, value?))),
                );
                guarded
            }
            // Elsewhere than on Linux: only the handle ends it.
            None => command,
        };
        let errors = log.try_clone().expect("the log can be shared");
        guarded
            .stdin(Stdio::null())
            .stdout(log)
            .stderr(errors)
            .current_dir(&data);
        Self {
            name,
            child: spawn(guarded),
            data,
        }
    }

    pub(crate) fn wait_until(&mut self, what: &str, ready: impl Fn() -> bool) {
        let started = Instant::now();
        while !ready() {
            let ended = self.child.try_wait().expect("the child can be asked");
            assert!(
                ended.is_none(),
                "{} ended before {what}: {ended:?}\n{}",
                self.name,
                self.log()
            );
            assert!(
                started.elapsed() < PATIENCE,
                "{}: not within {PATIENCE:?}: {what}\n{}",
                self.name,
                self.log()
            );
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// Interrupts it, as Ctrl-C does, and waits until it has ended.
    pub(crate) fn interrupt(&mut self) -> ExitStatus {
        let pid = self.child.id().to_string();
        let sent = Command::new("kill").args(["-INT", &pid]).status();
        assert!(sent.is_ok_and(|sent| sent.success()), "kill runs");
        let started = Instant::now();
        loop {
            if let Some(ended) = self.child.try_wait().expect("the child can be asked") {
                return ended;
            }
            assert!(
                started.elapsed() < PATIENCE,
                "{} does not stop\n{}",
                self.name,
                self.log()
            );
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Its process.
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// What it has printed so far.
    pub(crate) fn log(&self) -> String {
        std::fs::read_to_string(self.data.join("log")).unwrap_or_default()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = std::fs::remove_dir_all(&self.data);
    }
}

/// Starts a child from the one thread that outlives every test.
fn spawn(command: Command) -> Child {
    type Order = (Command, mpsc::Sender<std::io::Result<Child>>);
    static SPAWNER: LazyLock<mpsc::Sender<Order>> = LazyLock::new(|| {
        let (orders, todo) = mpsc::channel::<Order>();
        std::thread::spawn(move || {
            for (mut command, answer) in todo {
                let _ = answer.send(command.spawn());
            }
        });
        orders
    });
    let (answer, started) = mpsc::channel();
    SPAWNER.send((command, answer)).expect("the spawner lives");
    started
        .recv()
        .expect("the spawner answers")
        .expect("the server starts")
}

/// One HTTP request on loopback, without a client of any kind: the status and the body, or nothing.
pub(super) fn status(port: u16, method: &str, path: &str, body: &str) -> Option<(u16, String)> {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).ok()?;
    stream.set_read_timeout(Some(PATIENCE)).ok()?;
    let len = body.len();
    write!(
        stream,
        "{method} {path} HTTP/1.0\r\nHost: 127.0.0.1:{port}\r\nContent-Length: {len}\r\n\r\n{body}"
    )
    .ok()?;
    let mut raw = Vec::new();
    stream.read_to_end(&mut raw).ok()?;
    let text = String::from_utf8_lossy(&raw);
    let (head, body) = text.split_once("\r\n\r\n")?;
    Some((head.split(' ').nth(1)?.parse().ok()?, body.to_owned()))
}

pub(super) fn free_port() -> u16 {
    let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a loopback port is free");
    listener
        .local_addr()
        .expect("a bound listener has an address")
        .port()
}

/// Four ports whose neighbours ten thousand above are free as well.
pub(super) fn ports_with_shadow() -> [u16; 4] {
    let free = |port: u16| TcpListener::bind(("127.0.0.1", port)).ok();
    let mut held = Vec::new();
    let mut port = 20_000 + (std::process::id() % 8_000) as u16;
    while held.len() < 4 {
        port += 1;
        assert!(port < 32_000, "no free ports for SeaweedFS");
        if let (Some(own), Some(shadow)) = (free(port), free(port + 10_000)) {
            held.push((port, own, shadow));
        }
    }
    [0, 1, 2, 3].map(|index| held[index].0)
}

/// A directory in the build's own temporary one. What shared servers of earlier, dead runs left there goes first.
pub(crate) fn scratch(name: &str) -> PathBuf {
    static SWEPT: OnceLock<()> = OnceLock::new();
    let parent = Path::new(env!("CARGO_TARGET_TMPDIR"));
    SWEPT.get_or_init(|| {
        let alive = |process: &str| Path::new("/proc").join(process).exists();
        for left in std::fs::read_dir(parent).into_iter().flatten().flatten() {
            let name = left.file_name().into_string().unwrap_or_default();
            let process = name
                .strip_prefix("server-")
                .and_then(|rest| rest.split('-').nth(1));
            if process.is_some_and(|process| !alive(process)) {
                let _ = std::fs::remove_dir_all(left.path());
            }
        }
    });
    let path = parent.join(format!("server-{}", unique(name)));
    std::fs::create_dir_all(&path).expect("a temporary directory can be made");
    path
}

/// A program of the project's own Python environment.
pub(crate) fn installed(name: &str) -> PathBuf {
    let path = venv().join("bin").join(name);
    assert!(
        path.exists(),
        "{} is missing: run `make test`, which installs it",
        path.display()
    );
    path
}

pub(super) fn venv() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(".venv")
}

fn which(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path)
        .map(|folder| folder.join(name))
        .find(|file| file.exists())
}
