//! A caller that costs little itself: HTTP/1.1 over TLS, a connection kept for all reviews.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use figure::{median, p99};
use rustls::pki_types::{CertificateDer, ServerName};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

/// Who is asked.
#[derive(Clone)]
pub(super) struct Caller {
    pub(super) connector: TlsConnector,
    pub(super) port: u16,
}

pub(super) struct Connection {
    stream: TlsStream<TcpStream>,
    buffer: Vec<u8>,
}

#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) body: String,
}

/// What came of many reviews.
#[derive(Default)]
pub(super) struct Load {
    /// Milliseconds of each that was answered.
    pub(super) took: Vec<f64>,
    /// Those that were not, or otherwise than they should have been.
    pub(super) failed: usize,
    pub(super) seconds: f64,
}

/// The bytes of a review's request.
pub(super) fn request(path: &str, review: &[u8]) -> Arc<[u8]> {
    let head = format!(
        "POST {path} HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n",
        review.len()
    );
    [head.as_bytes(), review].concat().into()
}

impl Answer {
    pub(super) fn is_admitted(&self) -> bool {
        self.status == 200 && self.body.contains(r#""allowed":true"#)
    }
}

impl Caller {
    pub(super) async fn connect(&self) -> anyhow::Result<Connection> {
        let stream = TcpStream::connect(("127.0.0.1", self.port)).await?;
        stream.set_nodelay(true)?;
        let stream = self.connector.connect(ServerName::try_from("localhost")?, stream).await?;
        Ok(Connection { stream, buffer: Vec::with_capacity(8 << 10) })
    }

    /// One review on a connection of its own.
    pub(super) async fn ask(&self, request: &[u8]) -> anyhow::Result<Answer> {
        self.connect().await?.ask(request).await
    }

    /// The certificate that is served to the next connection.
    pub(super) async fn certificate(&self) -> anyhow::Result<CertificateDer<'static>> {
        let connection = self.connect().await?;
        let certificates = connection.stream.get_ref().1.peer_certificates();
        let certificate = certificates.and_then(<[_]>::first).context("the server sent no certificate")?;
        Ok(certificate.clone().into_owned())
    }

    /// So many connections, each with one review after the other for that long.
    pub(super) async fn load(
        &self,
        request: &Arc<[u8]>,
        connections: usize,
        lasts: Duration,
    ) -> anyhow::Result<Load> {
        let mut all = JoinSet::new();
        let began = Instant::now();
        for _ in 0..connections {
            let (caller, request) = (self.clone(), request.clone());
            all.spawn(async move {
                let mut load = Load::default();
                let mut connection = caller.connect().await?;
                while began.elapsed() < lasts {
                    let asked = Instant::now();
                    match connection.ask(&request).await {
                        Ok(answer) if answer.is_admitted() => {
                            load.took.push(asked.elapsed().as_secs_f64() * 1e3);
                        }
                        Ok(answer) => {
                            load.failed += 1;
                            eprintln!("not admitted: {} {:.300}", answer.status, answer.body);
                        }
                        Err(error) => {
                            load.failed += 1;
                            eprintln!("no answer: {error:#}");
                            connection = caller.connect().await?;
                        }
                    }
                }
                anyhow::Ok(load)
            });
        }
        let mut sum = Load::default();
        while let Some(load) = all.join_next().await {
            let load = load??;
            sum.took.extend(load.took);
            sum.failed += load.failed;
        }
        sum.seconds = began.elapsed().as_secs_f64();
        Ok(sum)
    }
}

impl Load {
    pub(super) fn per_second(&self) -> f64 {
        self.took.len() as f64 / self.seconds
    }

    pub(super) fn p99(&self) -> f64 {
        p99(self.took.clone())
    }

    pub(super) fn median(&self) -> f64 {
        median(self.took.clone())
    }
}

impl Connection {
    pub(super) async fn ask(&mut self, request: &[u8]) -> anyhow::Result<Answer> {
        self.stream.write_all(request).await?;
        self.stream.flush().await?;
        self.buffer.clear();
        let head = loop {
            if let Some(end) = self.buffer.windows(4).position(|four| four == b"\r\n\r\n") {
                break end + 4;
            }
            let read = self.stream.read_buf(&mut self.buffer).await?;
            ensure!(read > 0, "the connection was closed before an answer");
        };
        let text = std::str::from_utf8(&self.buffer[..head]).context("the answer's head is no text")?;
        let status = text.split(' ').nth(1).and_then(|code| code.parse().ok()).context("no status")?;
        let length = text.lines().find_map(|line| {
            let (name, value) = line.split_once(':')?;
            name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse::<usize>().ok()).flatten()
        });
        let end = head + length.context("the answer does not tell its length")?;
        while self.buffer.len() < end {
            let read = self.stream.read_buf(&mut self.buffer).await?;
            ensure!(read > 0, "the connection was closed in the middle of an answer");
        }
        let body = String::from_utf8(self.buffer[head..end].to_vec()).context("the answer is no text")?;
        Ok(Answer { status, body })
    }
}
