//! `hookctl dev`: the function's own router, its far sides and its senders in one process on loopback, offline.
//!
//! The function gets its settings as everywhere, by names and values; only the values point at this machine.

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Result, anyhow, ensure};
use axum::extract::{ConnectInfo, Request};
use axum::middleware::map_request;
use clap::Args;
use tokio::net::TcpListener;
use tokio::sync::{broadcast, mpsc, watch};
use tokio::task::JoinSet;

use hookwork::app::App;
use hookwork::clients::Aws;
use hookwork::domain::session::TOKEN_MIN;
use hookwork::http::Peer;
use hookwork::twin::faults::Faults;
use hookwork::twin::intdash::Intdash;
use hookwork::twin::s3;
use hookwork::twin::sender::{Handshake, Hook, Report, follow};
use hookwork::twin::topic::{Notice, Topic};

use crate::print::{Printer, Row};
use audits::Audits;
use script::{Script, tells_of_an_outcome};
use settings::Settings;
use storage::Storage;

mod audits;
mod demo;
mod hints;
mod script;
mod settings;
mod storage;
mod tap;

const PROJECT: &str = "mcs0000000000";
const ORIGIN: &str = "origin";
const BACKUP: &str = "backup";
const STATE: &str = "state";
const REGION: &str = "us-east-1";
const ACCESS_KEY: &str = "local";
const SECRET_KEY: &str = "local";
const TOPIC_ARN: &str = "arn:aws:sns:us-east-1:000000000000:notices";
const INTDASH_SECRET: &str = "local-secret-of-exactly-32-chars";
const INTDASH_TOKEN: &str = "local-api-token";
const GITHUB_SECRET: &str = "local-secret-of-github";
const STRIPE_SECRET: &str = "whsec_local_secret_of_stripe";
const INBOX_TOKEN: &str = "local-inbox-token";
/// How long the servers may take to finish what they have begun.
const STOP_LIMIT: Duration = Duration::from_secs(3);

/// How long the script may lag behind the steps.
const SCRIPT_PATIENCE: Duration = Duration::from_secs(20);
/// How long a mail waits for the line of the delivery that it came of.
const MAIL_PATIENCE: Duration = Duration::from_millis(300);

/// The options of `hookctl dev`.
#[derive(Debug, Args)]
#[command(after_help = "\
Exit codes: 0 stopped by Ctrl-C, or with --once every step was right; 1 a step was wrong, or it was stopped before all were through; \
2 error: a port is taken, a file cannot be written.

Examples:
  hookctl dev --once
  PORT=8081 S3_PORT=9001 hookctl dev --write local.json")]
pub(crate) struct Options {
    /// Show that everything works, then exit: 0 only if every step was right
    #[arg(long)]
    once: bool,
    /// The port of the function; 0 picks a free one
    #[arg(long, env = "PORT", default_value_t = 8080)]
    port: u16,
    /// The port of the S3 side; 0 picks a free one
    #[arg(long, env = "S3_PORT", default_value_t = 9000)]
    s3_port: u16,
    /// A program that is called for every outcome, without a shell: PROGRAM bucket key copy|delete
    #[arg(long, value_name = "PROGRAM")]
    script: Option<PathBuf>,
    /// What opens the inbox
    #[arg(long, env = "INBOX_TOKEN", default_value = INBOX_TOKEN, hide_env_values = true, value_parser = inbox_token)]
    inbox_token: String,
    /// Writes the settings to a file, for the other commands: hookctl --settings FILE tail
    #[arg(long, value_name = "FILE")]
    write: Option<PathBuf>,
}

fn inbox_token(text: &str) -> Result<String, String> {
    if text.chars().count() < TOKEN_MIN {
        return Err(format!("expected {TOKEN_MIN} characters or more"));
    }
    Ok(text.to_owned())
}

/// Runs until every step is shown (`--once`) or until it is interrupted.
///
/// # Errors
/// When a port is taken or a setting is wrong.
pub(crate) async fn run(options: &Options) -> Result<ExitCode> {
    let printer = Printer::from_environment();
    let script = options.script.as_deref().map(Script::find).transpose()?;
    let (stop, stopping) = watch::channel(false);
    let mut servers = JoinSet::new();
    let mut audits = Audits::asked_for()?;
    let session = async {
        let mut local = Local::start(options, &mut servers, &stopping).await?;
        let following = script.map(|script| script.follow(&local.topic, printer));
        local.introduce(&printer);
        let wrong = demo::run(&mut local, &printer).await;
        if let Some(following) = &following {
            following.catch_up(&local.topic, SCRIPT_PATIENCE).await;
        }
        if !options.once {
            // So that the page has something to show of the mirror.
            audits::run(&local.app, &printer).await;
            hints::print(&local, options, &printer);
            let app = Arc::clone(&local.app);
            tokio::join!(local.watch(&printer), audits.run(&app, &printer));
        }
        Ok(wrong)
    };
    let ended: Result<usize> = tokio::select! {
        ended = session => ended,
        () = interrupted() => {
            printer.line("\nstopped");
            // A demonstration that was cut short has shown nothing.
            Ok(usize::from(options.once))
        }
    };
    // The receivers may all be gone when the start failed.
    stop.send(true).ok();
    let all_ended = async { while servers.join_next().await.is_some() {} };
    tokio::time::timeout(STOP_LIMIT, all_ended).await.ok();
    Ok(match ended? {
        0 => ExitCode::SUCCESS,
        _ => ExitCode::FAILURE,
    })
}

/// Everything that runs, and what the steps need of it.
struct Local {
    url: String,
    s3_url: String,
    app: Arc<App>,
    inbox_token: String,
    http: reqwest::Client,
    storage: Storage,
    topic: Topic,
    hook: Hook,
    /// The sender's parts until it is registered; a real one sends nothing before.
    unregistered: Option<Unregistered>,
    reports: mpsc::UnboundedReceiver<Report>,
    rows: mpsc::UnboundedReceiver<Row>,
    mails: broadcast::Receiver<Notice>,
}

struct Unregistered {
    store: s3::Store,
    changes: mpsc::UnboundedReceiver<s3::Change>,
    reports: mpsc::UnboundedSender<Report>,
}

impl Local {
    async fn start(
        options: &Options,
        servers: &mut JoinSet<io::Result<()>>,
        stopping: &watch::Receiver<bool>,
    ) -> Result<Self> {
        ensure!(
            options.port != options.s3_port || options.port == 0,
            "PORT and S3_PORT are both {}; choose two different ones",
            options.port
        );
        let function = listen(options.port, "PORT").await?;
        let s3_side = listen(options.s3_port, "S3_PORT").await?;
        let intdash_side = listen(0, "").await?;
        let topic_side = listen(0, "").await?;
        let url = url_of(&function)?;
        let s3_url = url_of(&s3_side)?;
        let intdash_url = url_of(&intdash_side)?;
        let topic_url = url_of(&topic_side)?;

        let store = s3::Store::new(&[ORIGIN, BACKUP, STATE]);
        store.in_project(PROJECT);
        let changes = store.watch();
        let stop = stopped(stopping);
        let served = store.clone();
        servers.spawn(async move {
            tokio::select! {
                () = s3::serve(s3_side, served, Faults::default()) => {}
                () = stop => {}
            }
            Ok(())
        });
        let topic = Topic::new(TOPIC_ARN);
        servers.spawn(topic.clone().serve(topic_side, stopped(stopping)));
        let intdash = Intdash::with_sample(INTDASH_TOKEN);
        servers.spawn(intdash.serve(intdash_side, stopped(stopping)));

        let hook = Hook::new(PROJECT, ORIGIN, &format!("{url}/hooks/vk"));
        let settings = Settings {
            vk_url: &hook.url,
            s3_url: &s3_url,
            intdash_url: &intdash_url,
            topic_url: &topic_url,
            inbox_token: &options.inbox_token,
            notify: options.script.is_some(),
        };
        if let Some(file) = &options.write {
            settings.write(file)?;
        }
        let app = App::new(settings.config()?, Aws::local(&s3_url, &topic_url).await);
        let (rows_in, rows) = mpsc::unbounded_channel();
        let router = tap::tapped(hookwork::http::router(Arc::clone(&app)), rows_in);
        let stop = stopped(stopping);
        servers.spawn(async move {
            let router = router.layer(map_request(peer));
            let router = router.into_make_service_with_connect_info::<SocketAddr>();
            axum::serve(function, router)
                .with_graceful_shutdown(stop)
                .await
        });

        let (reports_in, reports) = mpsc::unbounded_channel();
        Ok(Self {
            storage: Storage::new(&s3_url),
            url,
            s3_url,
            app,
            inbox_token: options.inbox_token.clone(),
            http: reqwest::Client::new(),
            mails: topic.subscribe(),
            topic,
            hook,
            unregistered: Some(Unregistered {
                store,
                changes,
                reports: reports_in,
            }),
            reports,
            rows,
        })
    }

    /// Performs the handshake and, when its answer is right, lets the sender begin.
    async fn register(&mut self) -> Result<Handshake> {
        let shaken = self.hook.shake(&self.http).await?;
        if let Some(sender) = self.unregistered.take().filter(|_| shaken.is_right()) {
            let hook = self.hook.clone();
            let registered = s3::Registered {
                id: "hookwork".to_owned(),
                url: hook.url.clone(),
                events: hook.events.split(',').map(ToOwned::to_owned).collect(),
                prefix: String::new(),
            };
            sender.store.register(ORIGIN, &registered);
            let http = self.http.clone();
            tokio::spawn(follow(
                sender.store,
                hook,
                http,
                sender.changes,
                sender.reports,
            ));
        }
        Ok(shaken)
    }

    /// What was mailed so far; what a script hears of is not.
    fn mailed(&self) -> Vec<Notice> {
        let mut notices = self.topic.notices();
        notices.retain(|notice| !tells_of_an_outcome(notice));
        notices
    }

    fn introduce(&self, printer: &Printer) {
        printer.heading(
            "hookwork on this machine: the function, its far sides and its senders in one process",
        );
        printer.detail("function", &self.url);
        let buckets = format!(
            "{}   buckets {ORIGIN} and {BACKUP}, and {STATE} for what the function notes; any access key",
            self.s3_url
        );
        printer.detail("S3", &buckets);
        let inbox = format!("{}/inbox   token {}", self.url, self.inbox_token);
        printer.detail("inbox", &inbox);
        printer.heading("What it does");
    }

    /// Prints each delivery and each mail as it comes, without end.
    async fn watch(&mut self, printer: &Printer) {
        // What the steps caused has been shown.
        while self.rows.try_recv().is_ok() {}
        while self.reports.try_recv().is_ok() {}
        self.mails = self.topic.subscribe();
        printer.delivery_columns();
        let mut mails = Vec::new();
        loop {
            tokio::select! {
                Some(row) = self.rows.recv() => {
                    printer.delivery(&row);
                    mails.drain(..).for_each(|mail| printer.mail(&mail));
                }
                // A mail goes out before its delivery is answered; it is shown below the delivery's line.
                () = tokio::time::sleep(MAIL_PATIENCE), if !mails.is_empty() => {
                    mails.drain(..).for_each(|mail| printer.mail(&mail));
                }
                mail = self.mails.recv() => match mail {
                    Ok(notice) if tells_of_an_outcome(&notice) => {}
                    Ok(notice) => mails.push(notice),
                    Err(broadcast::error::RecvError::Lagged(missed)) => {
                        printer.detail("missed", &format!("{missed} mails that came too fast to be shown"));
                    }
                    Err(broadcast::error::RecvError::Closed) => return,
                },
                Some(report) = self.reports.recv() => {
                    if !report.is_accepted() {
                        let key = &report.change.key;
                        printer.detail("gave up", &format!("after {} tries: {key}", report.attempts));
                    }
                }
                else => return,
            }
        }
    }
}

/// A listener on loopback. `variable` names what to change when the port is taken.
async fn listen(port: u16, variable: &str) -> Result<TcpListener> {
    TcpListener::bind(("127.0.0.1", port)).await.map_err(|error| {
        if error.kind() == io::ErrorKind::AddrInUse {
            let other = port.checked_add(1).unwrap_or(0);
            anyhow!("port {port} is in use by another program; choose another one, as in {variable}={other}")
        } else {
            anyhow!(error).context(format!("cannot listen on port {port} ({variable})"))
        }
    })
}

fn url_of(listener: &TcpListener) -> Result<String> {
    Ok(format!("http://{}", listener.local_addr()?))
}

/// Resolves when everything is to stop.
fn stopped(stopping: &watch::Receiver<bool>) -> impl Future<Output = ()> + Send + use<> {
    let mut stopping = stopping.clone();
    async move {
        // A sender that is gone means the same.
        stopping.wait_for(|stop| *stop).await.ok();
    }
}

/// Resolves at Ctrl-C, and at the signal that `kill` sends. They are waited for from the call on, and not only from the first poll.
pub(crate) fn interrupted() -> impl Future<Output = ()> {
    #[cfg(unix)]
    let signals = {
        use tokio::signal::unix::{SignalKind, signal};
        let interrupt = signal(SignalKind::interrupt());
        interrupt.and_then(|interrupt| Ok((interrupt, signal(SignalKind::terminate())?)))
    };
    async move {
        #[cfg(unix)]
        if let Ok((mut interrupt, mut terminate)) = signals {
            tokio::select! {
                _ = interrupt.recv() => {}
                _ = terminate.recv() => {}
            }
            return;
        }
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}

/// The function learns who is at the other end.
async fn peer(ConnectInfo(at): ConnectInfo<SocketAddr>, mut request: Request) -> Request {
    request.extensions_mut().insert(Peer(at.ip()));
    request
}
