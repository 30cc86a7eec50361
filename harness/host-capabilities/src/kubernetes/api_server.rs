//! Reading from the API server: one request at a time, answers counted while they arrive. kube's own
//! `request` is not used: it logs an answer that it cannot parse, whole, and takes one of any size.

use std::time::Duration;

use http::{Method, Request, Response, header};
use http_body_util::BodyExt as _;
use kube::Client;
use kube::client::Body;
use serde::Deserialize;

use crate::shortened;

/// How much of the reason for a refusal is read, and how much is told.
const MOST_OF_A_STATUS: usize = 64 << 10;
const TOLD: usize = 300;
/// How long an answer may take, or the beginning of one that goes on. What a guest waits for is less.
const ANSWER: Duration = Duration::from_secs(30);
/// A watch that is silent for longer is dead: the API server ends it before, see [`WATCH_SECONDS`].
const SILENCE: Duration = Duration::from_secs(330);
/// How long the API server is asked to watch.
pub(super) const WATCH_SECONDS: &str = "290";

/// A client for the API server.
#[derive(Clone)]
pub(super) struct ApiServer(Client);

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub(super) enum Failure {
    #[error("the API server answers {code}: {message}")]
    Status { code: u16, message: String },
    #[error("the API server's answer has more than {} KiB", .0 >> 10)]
    TooLarge(usize),
    #[error("all lists together would have more than {} MiB; grant or ask for fewer fields of them", .0 >> 20)]
    NoRoom(usize),
    #[error("the API server's answer is {0}")]
    NotWhatWasAsked(String),
    #[error("cannot reach the API server: {0}")]
    Unreachable(String),
}

/// The lines of an answer that goes on.
pub(super) struct Lines {
    body: Body,
    buffer: Vec<u8>,
    /// The part of the buffer that was searched and has no line end.
    searched: usize,
}

impl ApiServer {
    pub(super) fn new(client: Client) -> Self {
        Self(client)
    }

    /// The answer to a GET of a path, with `most` bytes.
    pub(super) async fn read(&self, path: &str, most: usize) -> Result<Vec<u8>, Failure> {
        in_time(async {
            let answer = self.send(Method::GET, path, Body::empty()).await?;
            collect(answer.into_body(), most).await
        })
        .await
    }

    /// The answer to a POST.
    pub(super) async fn create(&self, path: &str, body: Vec<u8>, most: usize) -> Result<Vec<u8>, Failure> {
        in_time(async {
            let answer = self.send(Method::POST, path, Body::from(body)).await?;
            collect(answer.into_body(), most).await
        })
        .await
    }

    /// The lines of the answer to a GET.
    pub(super) async fn follow(&self, path: &str) -> Result<Lines, Failure> {
        let answer = in_time(self.send(Method::GET, path, Body::empty())).await?;
        Ok(Lines { body: answer.into_body(), buffer: Vec::new(), searched: 0 })
    }

    async fn send(&self, method: Method, path: &str, body: Body) -> Result<Response<Body>, Failure> {
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header(header::ACCEPT, "application/json")
            .header(header::CONTENT_TYPE, "application/json")
            .body(body)
            .map_err(|error| Failure::Unreachable(shortened(&error.to_string(), TOLD)))?;
        let answer = self.0.send(request).await.map_err(|error| unreachable(&error))?;
        if answer.status().is_success() {
            return Ok(answer);
        }
        let code = answer.status().as_u16();
        let status = collect(answer.into_body(), MOST_OF_A_STATUS).await.unwrap_or_default();
        let message = serde_json::from_slice::<Status>(&status).unwrap_or_default().message;
        Err(Failure::Status { code, message: shortened(&message, TOLD) })
    }
}

#[derive(Default, Deserialize)]
pub(super) struct Status {
    #[serde(default)]
    pub(super) message: String,
    #[serde(default)]
    pub(super) code: u16,
}

impl Lines {
    /// The next line with `most` bytes, without its end; `None` when the answer has ended.
    pub(super) async fn next(&mut self, most: usize) -> Result<Option<Vec<u8>>, Failure> {
        loop {
            let end = self.buffer[self.searched..].iter().position(|byte| *byte == b'\n');
            if let Some(end) = end.map(|end| self.searched + end) {
                let mut line: Vec<u8> = self.buffer.drain(..=end).collect();
                line.pop();
                self.searched = 0;
                return Ok(Some(line));
            }
            self.searched = self.buffer.len();
            if self.buffer.len() > most {
                return Err(Failure::TooLarge(most));
            }
            let Ok(frame) = tokio::time::timeout(SILENCE, self.body.frame()).await else {
                return Ok(None);
            };
            // A line without an end was cut off, and comes again.
            let Some(frame) = frame else { return Ok(None) };
            if let Ok(data) = frame.map_err(|error| unreachable(&error))?.into_data() {
                self.buffer.extend_from_slice(&data);
            }
        }
    }
}

async fn collect(mut body: Body, most: usize) -> Result<Vec<u8>, Failure> {
    let mut bytes = Vec::new();
    while let Some(frame) = body.frame().await {
        let Ok(data) = frame.map_err(|error| unreachable(&error))?.into_data() else { continue };
        if bytes.len() + data.len() > most {
            return Err(Failure::TooLarge(most));
        }
        bytes.extend_from_slice(&data);
    }
    Ok(bytes)
}

async fn in_time<T>(answer: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
    let late = || Err(Failure::Unreachable(format!("it did not answer within {} s", ANSWER.as_secs())));
    tokio::time::timeout(ANSWER, answer).await.unwrap_or_else(|_| late())
}

fn unreachable(error: &kube::Error) -> Failure {
    Failure::Unreachable(shortened(&error.to_string(), TOLD))
}
