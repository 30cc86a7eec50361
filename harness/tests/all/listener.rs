//! The listener over real sockets, with limits of its own: what becomes of requests when it closes an idle connection,
//! and of callers from other addresses when connections are short.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use ::listener::{Limits, Protocol};
use axum::Router;
use axum::routing::post;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpSocket, TcpStream};

use crate::http2::{ACK, DATA, END_STREAM, GOAWAY, PING, frame, head, preface};

const IDLE: Duration = Duration::from_millis(40);

/// A connection is looked at again when its first request is due, and from then on when it has been idle.
fn closing_soon() -> Limits {
    Limits { idle: IDLE, first_request: 10 * IDLE, ..Limits::connections(10) }
}

/// A listener, and how many requests it has begun.
struct Listening {
    address: SocketAddr,
    begun: Arc<AtomicUsize>,
}

impl Listening {
    fn start(limits: Limits) -> Self {
        let begun = Arc::new(AtomicUsize::new(0));
        let counted = begun.clone();
        let handler = post(async move || {
            counted.fetch_add(1, Ordering::SeqCst);
            "done"
        });
        let listener = ::listener::bind("0.0.0.0:0".parse().unwrap()).unwrap();
        let port = listener.local_addr().unwrap().port();
        let router = Router::new().route("/", handler);
        tokio::spawn(::listener::serve(
            listener,
            Protocol::PlainBoth,
            router,
            limits,
            std::future::pending(),
        ));
        Self { address: SocketAddr::from(([127, 0, 0, 1], port)), begun }
    }

    fn begun(&self) -> usize {
        self.begun.load(Ordering::SeqCst)
    }

    /// A connection from an address of this machine.
    async fn connect_from(&self, last: u8) -> TcpStream {
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind(SocketAddr::from(([127, 0, 0, last], 0))).unwrap();
        socket.connect(self.address).await.unwrap()
    }
}

/// Whether a request over HTTP/1.1 got its answer; none where the connection was closed without one.
async fn ask(stream: &mut TcpStream) -> bool {
    let request = b"POST / HTTP/1.1\r\nhost: localhost\r\ncontent-length: 0\r\n\r\n";
    // What was closed may say so at either step.
    if stream.write_all(request).await.is_err() {
        return false;
    }
    let mut answer = Vec::new();
    let mut piece = [0; 1024];
    while !answer.ends_with(b"done") {
        match stream.read(&mut piece).await {
            Ok(count @ 1..) => answer.extend_from_slice(&piece[..count]),
            _ => break,
        }
    }
    assert!(answer.is_empty() || answer.ends_with(b"done"), "{}", answer.escape_ascii());
    !answer.is_empty()
}

/// A connection of HTTP/2, and whether it is told to go.
struct Http2 {
    stream: TcpStream,
    next: u32,
    is_told_to_go: bool,
}

impl Http2 {
    async fn connect(address: SocketAddr) -> Self {
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(&preface()).await.unwrap();
        Self { stream, next: 1, is_told_to_go: false }
    }

    /// Whether a request got its answer; none where the connection was closed without one.
    async fn ask(&mut self) -> bool {
        self.answer().await.is_ok()
    }

    async fn answer(&mut self) -> std::io::Result<()> {
        let id = self.next;
        self.next += 2;
        self.stream.write_all(&[head("/", id, 0), frame(DATA, END_STREAM, id, b"")].concat()).await?;
        loop {
            let mut head = [0; 9];
            self.stream.read_exact(&mut head).await?;
            let mut payload = vec![0; u32::from_be_bytes([0, head[0], head[1], head[2]]) as usize];
            self.stream.read_exact(&mut payload).await?;
            match head[3] {
                DATA if head[5..9] == id.to_be_bytes() && payload == b"done" => return Ok(()),
                // By which the other side learns what had been sent before it said that it goes.
                PING if head[4] & ACK == 0 => self.stream.write_all(&frame(PING, ACK, 0, &payload)).await?,
                GOAWAY => self.is_told_to_go = true,
                _ => {}
            }
        }
    }
}

/// Pauses that end before, at and after the limit.
fn pauses() -> impl Iterator<Item = Duration> {
    (0..100).map(|number| IDLE - Duration::from_millis(5) + Duration::from_micros(100) * number)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_that_meets_the_close_of_an_idle_connection_is_answered_or_was_never_begun() {
    let listening = Listening::start(closing_soon());
    let (mut answered, mut closed) = (0, 0);
    let mut stream = TcpStream::connect(listening.address).await.unwrap();
    for pause in pauses() {
        // A client that finds its connection closed asks again by a new one, as API servers do.
        while !ask(&mut stream).await {
            closed += 1;
            stream = TcpStream::connect(listening.address).await.unwrap();
        }
        answered += 1;
        tokio::time::sleep(pause).await;
    }
    assert!(closed > 0, "no connection was closed");
    assert_eq!(listening.begun(), answered);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_that_meets_a_goaway_is_answered_or_was_never_begun() {
    let listening = Listening::start(closing_soon());
    let (mut answered, mut closed) = (0, 0);
    let mut connection = Http2::connect(listening.address).await;
    for pause in pauses() {
        while connection.is_told_to_go || !connection.ask().await {
            closed += 1;
            connection = Http2::connect(listening.address).await;
        }
        answered += 1;
        tokio::time::sleep(pause).await;
    }
    assert!(closed > 0, "no connection was closed");
    assert_eq!(listening.begun(), answered);
}

#[tokio::test(flavor = "multi_thread")]
async fn one_address_has_all_connections_until_another_one_comes_which_then_keeps_its_share() {
    const PLACES: usize = 8;
    let listening = Listening::start(Limits::connections(PLACES));
    let mut many = Vec::new();
    for _ in 0..PLACES {
        let mut stream = listening.connect_from(2).await;
        assert!(ask(&mut stream).await);
        many.push(stream);
    }
    for stream in &mut many {
        assert!(ask(stream).await, "nobody else wants its place");
    }
    let mut others = Vec::new();
    for _ in 0..PLACES / 2 {
        let mut stream = listening.connect_from(3).await;
        assert!(ask(&mut stream).await, "it has its share");
        others.push(stream);
    }
    for _ in 0..5 * PLACES {
        let mut stream = listening.connect_from(2).await;
        // It may lose its place to the next of its own.
        ask(&mut stream).await;
        many.push(stream);
    }
    let mut kept = 0;
    for stream in &mut others {
        kept += usize::from(ask(stream).await);
    }
    // An equal share is half, less the one whose turn it is.
    assert!(kept >= PLACES / 2 - 1, "{kept} of {} are left", PLACES / 2);
}
