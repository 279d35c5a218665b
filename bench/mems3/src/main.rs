//! An S3 endpoint in memory: `mems3 [--certificate PEM --key PEM] [--delay-ms N] [--down-bps N] [--up-bps N]`.
//!
//! Prints its port. The delay comes before every answer; the other two bound each answer's and each request's body, in bytes
//! a second, as a real store bounds each of its connections: together they model a store that is far away.

mod answer;
mod chunked;
mod content;
mod serve;
mod store;

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use serve::Server;
use std::error::Error;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, BufReader};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

/// rustls reads 4 KiB at a time; a buffer before it takes more from the system at once.
const READ_BUFFER: usize = 256 << 10;
const WRITE_BUFFER: usize = 512 << 10;

/// How far away this store pretends to be.
#[derive(Clone, Copy, Default)]
struct Distance {
    delay: Duration,
    down_bps: Option<u64>,
    up_bps: Option<u64>,
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut distance = Distance::default();
    let (mut certificate, mut key) = (None, None);
    let mut arguments = std::env::args().skip(1);
    while let Some(name) = arguments.next() {
        let value = arguments.next().ok_or("an option wants a value")?;
        match name.as_str() {
            "--certificate" => certificate = Some(value),
            "--key" => key = Some(value),
            "--delay-ms" => distance.delay = Duration::from_millis(value.parse()?),
            "--down-bps" => distance.down_bps = Some(value.parse()?),
            "--up-bps" => distance.up_bps = Some(value.parse()?),
            other => return Err(format!("no such option: {other}").into()),
        }
    }
    let tls = match (certificate, key) {
        (Some(certificate), Some(key)) => Some(acceptor(&certificate, &key)?),
        _ => None,
    };
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    println!("{}", listener.local_addr()?.port());
    let server = Arc::new(Server::new(distance));
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        let (server, tls) = (Arc::clone(&server), tls.clone());
        tokio::spawn(async move {
            match tls {
                None => talk(server, stream).await,
                Some(tls) => {
                    // A client that does not trust the certificate is the client's to report.
                    if let Ok(stream) = tls
                        .accept(BufReader::with_capacity(READ_BUFFER, stream))
                        .await
                    {
                        talk(server, stream).await;
                    }
                }
            }
        });
    }
}

fn acceptor(certificate: &str, key: &str) -> Result<TlsAcceptor, Box<dyn Error>> {
    let chain = CertificateDer::pem_file_iter(certificate)?.collect::<Result<Vec<_>, _>>()?;
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(chain, PrivateKeyDer::from_pem_file(key)?)?;
    Ok(TlsAcceptor::from(Arc::new(config)))
}

async fn talk(server: Arc<Server>, stream: impl AsyncRead + AsyncWrite + Unpin) {
    let service = service_fn(|request| {
        let server = Arc::clone(&server);
        async move { server.answer(request).await }
    });
    // A client that went away is no error here.
    let _ = http1::Builder::new()
        .max_buf_size(WRITE_BUFFER)
        .serve_connection(TokioIo::new(stream), service)
        .await;
}
