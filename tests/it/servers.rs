//! Real servers for tests, as child processes on loopback ports: SeaweedFS, moto, the Lambda runtime emulator.
//!
//! It must never leave a process behind: a child is killed when its handle is dropped, and by the kernel when the
//! test process dies (`setpriv --pdeathsig KILL`), which also ends the instances that are shared and never dropped.
//! The kernel ties that signal to the *thread* that started the child, so a thread that lives as long as the process
//! starts them all.

mod process;
mod smoke;

pub(crate) use process::{Process, installed, scratch, unique};
use process::{free_port, ports_with_shadow, status, venv};

use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{OnceLock, mpsc};
use std::time::Duration;

use serde_json::Value;

/// How long a server may take until it answers; SeaweedFS on a busy machine takes several seconds.
const PATIENCE: Duration = Duration::from_secs(60);

/// SeaweedFS: a second opinion on S3. Checks signatures, checksums and conditions.
pub(crate) struct Weed {
    _process: Process,
    /// `http://127.0.0.1:<port>`.
    pub(crate) endpoint: String,
}

impl Weed {
    /// An access key that it knows; the other is `local` with the secret `local`, as everything local has it.
    pub(crate) const ACCESS_KEY: &str = "weed-access";
    /// The key's secret.
    pub(crate) const SECRET_KEY: &str = "weed-secret";

    /// The instance that the tests of this process share. Use buckets of your own: [`unique`].
    pub(crate) fn shared() -> &'static Self {
        static SHARED: OnceLock<Weed> = OnceLock::new();
        SHARED.get_or_init(Self::start)
    }

    /// Starts one and waits until it answers S3 requests.
    pub(crate) fn start() -> Self {
        let data = scratch("weed");
        let config = data.join("s3.json");
        let identity = serde_json::json!({"identities": [{
            "name": "tests",
            "credentials": [
                {"accessKey": Self::ACCESS_KEY, "secretKey": Self::SECRET_KEY},
                {"accessKey": "local", "secretKey": "local"},
            ],
            "actions": ["Admin", "Read", "Write", "List", "Tagging"],
        }]});
        std::fs::write(&config, identity.to_string()).expect("the configuration can be written");
        // Each server also listens ten thousand above its port.
        let [master, volume, filer, s3] = ports_with_shadow();
        let mut command = Command::new(installed("weed"));
        command.args([
            "-logtostderr=true",
            "server",
            "-ip=127.0.0.1",
            "-ip.bind=127.0.0.1",
            "-s3",
        ]);
        command.args([
            "-s3.port.lance=0",
            "-s3.port.iceberg=0",
            "-master.telemetry=false",
        ]);
        // Every bucket takes volumes of its own: one at a time, and as many as there are tests.
        command.args(["-volume.max=1000", "-master.volumeSizeLimitMB=64"]);
        command.env("WEED_MASTER_VOLUME_GROWTH_COPY_1", "1");
        command.arg(format!("-dir={}", data.display()));
        command.arg(format!("-s3.config={}", config.display()));
        command
            .arg(format!("-master.port={master}"))
            .arg(format!("-volume.port={volume}"));
        command
            .arg(format!("-filer.port={filer}"))
            .arg(format!("-s3.port={s3}"));
        let mut process = Process::start("weed", command, data);
        process.wait_until("S3 answers", || {
            // 403: the door is there and asks for a signature.
            status(s3, "GET", "/", "").is_some_and(|(status, _)| status == 403)
                // Without a volume server every put would fail.
                && status(master, "GET", "/dir/assign", "").is_some_and(|(_, body)| body.contains("fid"))
        });
        Self {
            _process: process,
            endpoint: format!("http://127.0.0.1:{s3}"),
        }
    }
}

/// moto: SNS, SQS, Secrets Manager and EventBridge over the wire. Takes any signature.
pub(crate) struct Moto {
    _process: Process,
    /// `http://127.0.0.1:<port>`.
    pub(crate) endpoint: String,
}

impl Moto {
    /// The instance that the tests of this process share. Use names of your own: [`unique`].
    pub(crate) fn shared() -> &'static Self {
        static SHARED: OnceLock<Moto> = OnceLock::new();
        SHARED.get_or_init(Self::start)
    }

    /// Starts one and waits until it answers.
    pub(crate) fn start() -> Self {
        let port = free_port();
        let mut command = Command::new(installed("moto_server"));
        command.args(["-H", "127.0.0.1", "-p", &port.to_string()]);
        let mut process = Process::start("moto", command, scratch("moto"));
        process.wait_until("it answers", || {
            status(port, "GET", "/moto-api/data.json", "").is_some()
        });
        Self {
            _process: process,
            endpoint: format!("http://127.0.0.1:{port}"),
        }
    }
}

/// An HTTPS server that has nothing.
pub(crate) struct Tls {
    _process: Process,
    /// `https://127.0.0.1:<port>`.
    pub url: String,
    /// Its certificate authority, as a PEM file.
    pub ca: PathBuf,
}

impl Tls {
    /// Starts one, with certificates of its own.
    pub(crate) fn start() -> Self {
        let data = scratch("tls");
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/tls_server.py");
        let mut command = Command::new(installed("python"));
        command.arg(script).arg(&data);
        let ca = data.join("ca.pem");
        let mut process = Process::start("tls_server.py", command, data);
        let log = process.data.join("log");
        let port = || {
            let printed = std::fs::read_to_string(&log).ok()?;
            printed.strip_suffix('\n')?.parse::<u16>().ok()
        };
        process.wait_until("it prints its port", || port().is_some());
        let url = format!("https://127.0.0.1:{}", port().expect("printed"));
        Self {
            _process: process,
            url,
            ca,
        }
    }
}

/// The AWS runtime interface emulator, running a built function.
pub(crate) struct Emulator {
    process: Process,
    port: u16,
}

impl Emulator {
    /// Runs `bootstrap` with these variables beside the test's own environment.
    ///
    /// It starts the function with the first invocation, so a bootstrap that cannot start shows there.
    pub(crate) fn start(bootstrap: &Path, env: &[(&str, String)]) -> Self {
        let [port, api] = [free_port(), free_port()];
        let mut command = Command::new(emulator());
        command.args([
            "--runtime-interface-emulator-address",
            &format!("127.0.0.1:{port}"),
        ]);
        command.args([
            "--runtime-api-address",
            &format!("127.0.0.1:{api}"),
            "--log-level",
            "error",
        ]);
        command
            .arg(bootstrap)
            .envs(env.iter().map(|(name, value)| (name, value)));
        let mut process = Process::start("emulator", command, scratch("emulator"));
        process.wait_until("it listens", || {
            TcpStream::connect(("127.0.0.1", port)).is_ok()
        });
        Self { process, port }
    }

    /// Invokes the function and returns what it returned, errors of the function included.
    pub(crate) fn invoke(&self, event: &Value) -> Value {
        let body = self.answer(event);
        serde_json::from_str(&body).unwrap_or_else(|_| panic!("no JSON: {body}\n{}", self.log()))
    }

    /// The same as text: of a function that cannot start there is none.
    pub(crate) fn answer(&self, event: &Value) -> String {
        let path = "/2015-03-31/functions/function/invocations";
        let answer = status(self.port, "POST", path, &event.to_string());
        let (_, body) =
            answer.unwrap_or_else(|| panic!("the emulator does not answer\n{}", self.log()));
        body
    }

    /// Invokes the function, whose process dies after so much time if it has not answered by then, as a machine that fails
    /// does. Where it died, now or since its last answer, the answer is what the emulator says of that, or null.
    pub(crate) fn invoke_dying(&self, event: &Value, after: Option<Duration>) -> Value {
        let (answered, waits) = mpsc::channel::<()>();
        std::thread::scope(|scope| {
            if let Some(after) = after {
                scope.spawn(move || {
                    if waits.recv_timeout(after) == Err(mpsc::RecvTimeoutError::Timeout) {
                        for pid in self.function_ids() {
                            let _ = Command::new("kill").args(["-KILL", &pid]).status();
                        }
                    }
                });
            }
            let answer = self.answer(event);
            drop(answered);
            serde_json::from_str(&answer).unwrap_or_default()
        })
    }

    /// The most memory that the function's process has had so far, in KiB.
    pub(crate) fn peak_memory(&self) -> u64 {
        let peak = |pid: String| {
            let status = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
            let peak = status
                .lines()
                .find_map(|line| line.strip_prefix("VmHWM:"))?;
            peak.trim().strip_suffix(" kB")?.parse().ok()
        };
        let peaks = self.function_ids().into_iter().filter_map(peak);
        peaks.max().unwrap_or_default()
    }

    fn function_ids(&self) -> Vec<String> {
        let tasks = std::fs::read_dir(format!("/proc/{}/task", self.process.id()));
        let children = tasks
            .into_iter()
            .flatten()
            .flatten()
            .filter_map(|task| std::fs::read_to_string(task.path().join("children")).ok());
        children
            .flat_map(|ids| {
                ids.split_whitespace()
                    .map(str::to_owned)
                    .collect::<Vec<_>>()
            })
            .collect()
    }

    /// What the function and the emulator have printed so far.
    pub(crate) fn log(&self) -> String {
        self.process.log()
    }
}

fn emulator() -> PathBuf {
    let rapid = "site-packages/samcli/local/rapid/aws-lambda-rie-x86_64";
    let pythons = std::fs::read_dir(venv().join("lib"))
        .into_iter()
        .flatten()
        .flatten();
    let found = pythons
        .map(|python| python.path().join(rapid))
        .find(|path| path.exists());
    found
        .unwrap_or_else(|| panic!(".venv's {rapid} is missing: run `make test`, which installs it"))
}
