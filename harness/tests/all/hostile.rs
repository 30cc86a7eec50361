//! Callers that hold what they can get, against a running `harness serve`: whatever they do, an honest
//! review on a new connection is answered, probes are, the memory stays, and SIGTERM is heard.

use std::any::Any;
use std::sync::{Arc, LazyLock};
use std::time::{Duration, Instant};

use reqwest::{Certificate, Client, StatusCode};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::runtime::Runtime;
use tokio::task::{JoinHandle, JoinSet};
use tokio_rustls::TlsConnector;

use crate::http2::{self, DATA, END_STREAM, HEADERS, PING, RST_STREAM, SETTINGS, frame, preface};
use crate::server::{PATIENCE, POLICIES, Server, memory_kib, workspace};
use crate::support::{REVIEW, Workspace};

/// More than the server has connections (64 here), several times.
const CALLERS: usize = 300;
/// What all of them together may add to its memory: connections, windows, bodies, and answers that nobody takes.
const MORE_MEMORY_KIB: usize = 32 << 10;

/// The honest client's own thread: on another machine it would not wait for a turn among the others' tasks.
static HONEST: LazyLock<Runtime> = LazyLock::new(|| {
    tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap()
});

/// A server over TLS, and who trusts it.
struct Target {
    server: Server,
    honest: Client,
    connector: [TlsConnector; 2],
    _workspace: Workspace,
}

trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<S: AsyncRead + AsyncWrite + Send + Unpin> Stream for S {}
type Connection = Box<dyn Stream>;
/// What a caller does until it is dropped.
type Held = Box<dyn Any + Send>;

struct AbortOnDrop(JoinHandle<()>);

impl Drop for AbortOnDrop {
    fn drop(&mut self) {
        self.0.abort();
    }
}

#[derive(Clone, Copy)]
enum Speaks {
    Http1,
    Http2,
}

impl Target {
    fn start() -> Self {
        let workspace = workspace();
        let pair = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        let pem = pair.cert.pem();
        workspace.file("tls.crt", &pem).file("tls.key", pair.signing_key.serialize_pem());
        let arguments =
            ["--cert-file=tls.crt", "--key-file=tls.key", "--max-connections=64", "--drain-delay=1"];
        let server = Server::ready(&workspace, POLICIES, &arguments);
        let connector = [&b"http/1.1"[..], b"h2"].map(|protocol| {
            let mut roots = rustls::RootCertStore::empty();
            roots.add(CertificateDer::from_pem_slice(pem.as_bytes()).unwrap()).unwrap();
            let mut config =
                rustls::ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();
            config.alpn_protocols = vec![protocol.to_vec()];
            TlsConnector::from(Arc::new(config))
        });
        let trusted = [Certificate::from_pem(pem.as_bytes()).unwrap()];
        // A new connection each time.
        let honest = Client::builder().tls_certs_only(trusted).pool_max_idle_per_host(0).build().unwrap();
        Self { server, honest, connector, _workspace: workspace }
    }

    async fn tcp(&self) -> TcpStream {
        TcpStream::connect(("127.0.0.1", self.server.reviews)).await.unwrap()
    }

    /// A connection; none where the server ended it first, as it may.
    async fn tls(&self, speaks: Speaks) -> Option<Connection> {
        let connector = &self.connector[speaks as usize];
        let name = ServerName::try_from("localhost").unwrap();
        let stream = connector.connect(name, self.tcp().await).await.ok()?;
        Some(Box::new(stream))
    }

    async fn http2(&self) -> Option<Connection> {
        let mut stream = self.tls(Speaks::Http2).await?;
        stream.write_all(&preface()).await.ok()?;
        Some(stream)
    }

    async fn review(&self) -> Result<StatusCode, reqwest::Error> {
        let url = format!("https://localhost:{}/validate/adding", self.server.reviews);
        let request = self.honest.post(url).header("content-type", "application/json").body(REVIEW);
        let answer = HONEST.spawn(async { request.send().await.map(|answer| answer.status()) });
        answer.await.expect("the honest client lives")
    }

    fn memory_kib(&self) -> usize {
        memory_kib(self.server.child.id())
    }

    /// Holds what `attack` gives for each caller, and looks whether all is well meanwhile.
    async fn withstands<F>(mut self, attack: impl Fn(Arc<Self>) -> F)
    where
        F: Future<Output = Option<Held>> + Send + 'static,
    {
        assert_eq!(self.review().await.unwrap(), StatusCode::OK);
        let before = self.memory_kib();
        let target = Arc::new(self);
        let mut callers = JoinSet::new();
        (0..CALLERS).for_each(|_| drop(callers.spawn(attack(target.clone()))));
        let mut held = Vec::new();
        let mut most = before;
        let mut asked = 0;
        let mut slowest = Duration::ZERO;
        while asked < 20 || !callers.is_empty() {
            tokio::select! {
                Some(caller) = callers.join_next() => held.extend(caller.unwrap()),
                () = tokio::time::sleep(Duration::from_millis(20)) => {}
            }
            let started = Instant::now();
            assert_eq!(within(target.review()).await.expect("an honest review is answered"), StatusCode::OK);
            slowest = slowest.max(started.elapsed());
            assert_eq!(within(target.server.get("/readiness")).await.0, StatusCode::OK);
            most = most.max(target.memory_kib());
            asked += 1;
        }
        eprintln!("{asked} honest reviews, the slowest {slowest:?}; {before} KiB before, {most} KiB at most");
        assert!(most < before + MORE_MEMORY_KIB, "{before} KiB before, {most} KiB at most");
        self = Arc::into_inner(target).expect("no caller is left");
        self.server.signal();
        self.server.told("told to end: no longer ready, still answering");
        assert!(self.server.child.wait().unwrap().success());
        drop(held);
    }
}

async fn within<F: Future>(future: F) -> F::Output {
    tokio::time::timeout(PATIENCE, future).await.expect("it is answered")
}

/// The head of a review, without an end.
fn head(stream: u32, length: usize) -> Vec<u8> {
    http2::head("/validate/adding", stream, length)
}

fn half_body_head(length: usize) -> String {
    format!(
        "POST /validate/adding HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n\r\n"
    )
}

async fn held(stream: impl Stream + 'static) -> Option<Held> {
    Some(Box::new(stream))
}

/// Writes until the other side has enough, for as long as the result is held.
fn writing_on(mut stream: Connection, mut next: impl FnMut() -> Vec<u8> + Send + 'static) -> Option<Held> {
    let task = tokio::spawn(async move { while stream.write_all(&next()).await.is_ok() {} });
    Some(Box::new(AbortOnDrop(task)))
}

/// Writes what the other side takes within a moment.
async fn offer(stream: &mut Connection, bytes: &[u8]) {
    let _ = tokio::time::timeout(Duration::from_millis(500), stream.write_all(bytes)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn silent_connections_lock_nobody_out() {
    Target::start().withstands(async |target| held(target.tcp().await).await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn connections_that_are_silent_after_their_handshake_lock_nobody_out() {
    Target::start().withstands(async |target| held(target.tls(Speaks::Http1).await?).await).await;
}

/// Callers who write that much of a request, and no more.
async fn half_requests_hold_no_memory(half: Vec<u8>) {
    let half = Arc::new(half);
    Target::start()
        .withstands(move |target| {
            let half = half.clone();
            async move {
                let mut stream = target.tls(Speaks::Http1).await?;
                offer(&mut stream, &half).await;
                held(stream).await
            }
        })
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn half_heads_hold_no_memory() {
    let half = format!("POST /validate/adding HTTP/1.1\r\nhost: localhost\r\nx: {}", "x".repeat(1 << 20));
    half_requests_hold_no_memory(half.into_bytes()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn half_heads_of_http2_hold_no_memory() {
    Target::start()
        .withstands(async |target| {
            let mut stream = target.http2().await?;
            // No END_HEADERS, so that more of it may follow.
            let begin = [frame(HEADERS, 0, 1, &[0x83, 0x87]), vec![0; 5]].concat();
            offer(&mut stream, &begin).await;
            held(stream).await
        })
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn half_bodies_hold_no_memory() {
    let half = [half_body_head(5 << 20).into_bytes(), vec![b' '; 4 << 20]].concat();
    half_requests_hold_no_memory(half).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn half_bodies_on_many_streams_hold_no_memory() {
    Target::start()
        .withstands(async |target| {
            let mut stream = target.http2().await?;
            for number in 0..100 {
                let id = 2 * number + 1;
                offer(&mut stream, &[head(id, 5000), frame(DATA, 0, id, &[b' '; 2000])].concat()).await;
            }
            held(stream).await
        })
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_http2_preface_and_no_more_locks_nobody_out() {
    Target::start().withstands(async |target| held(target.http2().await?).await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn endless_pings_are_no_work() {
    Target::start()
        .withstands(async |target| {
            let pings = frame(PING, 0, 0, &[0; 8]).repeat(100);
            writing_on(target.http2().await?, move || pings.clone())
        })
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_that_are_taken_back_are_no_work() {
    Target::start()
        .withstands(async |target| {
            let mut id = 1;
            writing_on(target.http2().await?, move || {
                let frames = [head(id, 10), frame(RST_STREAM, 0, id, &8_u32.to_be_bytes())].concat();
                id = (id + 2) & 0x7fff_ffff;
                frames
            })
        })
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn answers_that_nobody_takes_hold_no_memory() {
    let request = [half_body_head(REVIEW.len()).into_bytes(), REVIEW.as_bytes().to_vec()].concat();
    Target::start()
        .withstands(move |target| {
            let requests = request.repeat(20);
            async move { writing_on(target.tls(Speaks::Http1).await?, move || requests.clone()) }
        })
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn answers_that_a_small_window_keeps_back_hold_no_memory() {
    Target::start()
        .withstands(async |target| {
            let mut stream = target.http2().await?;
            // No answer's body may be sent.
            offer(&mut stream, &frame(SETTINGS, 0, 0, &[0, 4, 0, 0, 0, 0])).await;
            for number in 0..100 {
                let id = 2 * number + 1;
                let request =
                    [head(id, REVIEW.len()), frame(DATA, END_STREAM, id, REVIEW.as_bytes())].concat();
                offer(&mut stream, &request).await;
            }
            held(stream).await
        })
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_readiness_port_answers_probes_beside_silent_callers() {
    let target = Target::start();
    let before = target.memory_kib();
    let mut silent = Vec::new();
    for number in 0..200 {
        let mut stream = TcpStream::connect(("127.0.0.1", target.server.readiness)).await.unwrap();
        if number % 2 == 0 {
            // Half a head; the server may have ended the connection already.
            let _ = stream.write_all(format!("GET / HTTP/1.1\r\nx: {}", "x".repeat(9000)).as_bytes()).await;
        }
        silent.push(stream);
        assert_eq!(within(target.server.get("/readiness")).await.0, StatusCode::OK);
    }
    assert!(target.memory_kib() < before + (8 << 10), "{before} KiB before, {} after", target.memory_kib());
}

#[tokio::test(flavor = "multi_thread")]
async fn made_up_kinds_and_operations_are_other_in_the_metrics() {
    let target = Target::start();
    let made_up = |kind: &str| {
        REVIEW
            .replace(r#""kind":"Pod"}"#, &format!(r#""kind":"{kind}"}}"#))
            .replace(r#""operation":"CREATE""#, r#""operation":"MADE-UP""#)
    };
    let url = format!("https://localhost:{}/validate/adding", target.server.reviews);
    for (kind, status) in
        [("MadeUp".to_owned(), StatusCode::OK), ("K".repeat(5 << 20), StatusCode::UNPROCESSABLE_ENTITY)]
    {
        let request =
            target.honest.post(&url).header("content-type", "application/json").body(made_up(&kind));
        assert_eq!(request.send().await.unwrap().status(), status);
    }
    assert_eq!(target.review().await.unwrap(), StatusCode::OK);
    let (_, metrics) = target.server.get("/metrics").await;
    assert!(
        metrics.contains(r#"resource_kind="other",resource_request_operation="other""#),
        "{metrics:.3000}"
    );
    assert!(
        metrics.contains(r#"resource_kind="Pod",resource_request_operation="CREATE""#),
        "{metrics:.3000}"
    );
    assert!(metrics.len() < 10_000, "{}", metrics.len());
}
