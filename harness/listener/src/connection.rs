//! One connection, from its handshake to its end.

use std::convert::Infallible;
use std::net::{IpAddr, SocketAddr};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::Request;
use axum::response::Response;
use http_body::{Frame, SizeHint};
use hyper::body::Incoming;
use hyper::service::Service as _;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::sync::watch;

use crate::activity::{Activity, Next, Stage};
use crate::connections::{Member, Notice, network};
use crate::limits::{Limits, Protocol};
use crate::socket::Socket;

/// A request's head, in bytes; an API server's has some hundreds.
const HEAD: usize = 16 << 10;
/// Headers of a request.
const HEADERS: usize = 64;
/// HTTP/2: requests at a time on one connection; a client that has more opens another one.
#[cfg(feature = "webhook")]
const STREAMS: u32 = 50;
/// HTTP/2: what a body may send before it is read.
#[cfg(feature = "webhook")]
const STREAM_WINDOW: u32 = 64 << 10;
/// HTTP/2: what all bodies of a connection may send before they are read.
#[cfg(feature = "webhook")]
const CONNECTION_WINDOW: u32 = 128 << 10;
/// HTTP/2: decoded headers of a request, in bytes.
#[cfg(feature = "webhook")]
const HEADER_LIST: u32 = 8 << 10;
/// HTTP/2: bytes of answers that wait to be sent, for each request.
#[cfg(feature = "webhook")]
const SEND_BUFFER: usize = 64 << 10;
/// HTTP/2: streams that were taken back before they were looked at.
#[cfg(feature = "webhook")]
const RESET_STREAMS: usize = 20;
/// HTTP/2: how often a silent connection is pinged.
#[cfg(feature = "webhook")]
const KEEP_ALIVE: Duration = Duration::from_secs(60);
/// How long a connection that makes room may take to report it: bytes that arrive meanwhile are lost.
const MAKE_ROOM: Duration = Duration::from_secs(1);

/// The client of a request, among its extensions.
#[derive(Clone, Debug)]
pub struct Caller {
    pub(crate) peer: IpAddr,
    pub(crate) activity: Arc<Activity>,
}

/// The parts that all connections of a listener share.
pub(crate) struct Connection {
    protocol: Protocol,
    router: TowerToHyperService<Router>,
    builder: Builder<TokioExecutor>,
    limits: Limits,
}

impl Connection {
    pub(crate) fn new(protocol: Protocol, router: Router, limits: Limits) -> Self {
        let mut builder = Builder::new(TokioExecutor::new());
        // The time to a head is the connection's own, which knows the first one from the next.
        builder
            .http1()
            .timer(TokioTimer::new())
            .header_read_timeout(None)
            .max_buf_size(HEAD)
            .max_headers(HEADERS);
        #[cfg(feature = "webhook")]
        builder
            .http2()
            .timer(TokioTimer::new())
            .max_concurrent_streams(STREAMS)
            .initial_stream_window_size(STREAM_WINDOW)
            .initial_connection_window_size(CONNECTION_WINDOW)
            .max_header_list_size(HEADER_LIST)
            .max_send_buf_size(SEND_BUFFER)
            .max_pending_accept_reset_streams(RESET_STREAMS)
            .keep_alive_interval(KEEP_ALIVE);
        if matches!(protocol, Protocol::Plain) {
            builder = builder.http1_only();
        }
        Self { protocol, router: TowerToHyperService::new(router), builder, limits }
    }

    /// Serves it to its end, or until it is told to go.
    pub(crate) async fn serve(&self, stream: TcpStream, peer: SocketAddr, member: &Member) {
        // Without it a small answer waits for the other side's acknowledgement.
        let _ = stream.set_nodelay(true);
        let socket = Socket::new(stream, member.activity.clone());
        let caller = Caller { peer: network(peer.ip()), activity: member.activity.clone() };
        match &self.protocol {
            #[cfg(feature = "webhook")]
            Protocol::Tls(config) => {
                let acceptor = tokio_rustls::TlsAcceptor::from(config.clone());
                let handshake = tokio::time::timeout(self.limits.handshake, acceptor.accept(socket));
                match unless_it_makes_room(handshake, member).await {
                    Some(Ok(Ok(stream))) => self.requests(stream, caller, member).await,
                    Some(Ok(Err(error))) => tracing::debug!(%peer, %error, "a TLS handshake failed"),
                    Some(Err(_)) => tracing::debug!(%peer, "a TLS handshake took too long"),
                    None => {}
                }
            }
            _ => self.requests(socket, caller, member).await,
        }
    }

    async fn requests(
        &self,
        stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
        caller: Caller,
        member: &Member,
    ) {
        let (router, of_requests) = (self.router.clone(), caller.clone());
        let service = hyper::service::service_fn(move |request: hyper::Request<Incoming>| {
            answer(router.clone(), request, of_requests.clone())
        });
        let mut served = pin!(self.builder.serve_connection(TokioIo::new(stream), service));
        let (activity, mut notices) = (&caller.activity, member.notices.clone());
        let mut notice = Notice::None;
        let mut making_room = None;
        let mut is_closing = false;
        loop {
            let now = Instant::now();
            let mut look = match activity.next(now, &self.limits) {
                Next::Wait(until) => until,
                Next::Leave => {
                    activity.told(now);
                    served.as_mut().graceful_shutdown();
                    continue;
                }
                Next::End(reason) => {
                    tracing::debug!(peer = %caller.peer, reason, "a connection is ended");
                    return;
                }
            };
            if let Some((until, _)) = &making_room {
                let stage = activity.stage(now).0;
                if *until <= now && stage != Stage::Busy {
                    return;
                }
                // A connection that is told to close before its first request would end at once.
                if !is_closing && stage != Stage::Arriving {
                    is_closing = true;
                    activity.told(now);
                    served.as_mut().graceful_shutdown();
                }
                look = look.min(now + MAKE_ROOM / 10);
            }
            tokio::select! {
                // Arrived bytes first: a connection that makes room is judged by everything that it has sent,
                // however long that had to wait for a processor.
                biased;
                ended = served.as_mut() => {
                    if let Err(error) = ended {
                        tracing::debug!(peer = %caller.peer, %error, "a connection broke off");
                    }
                    return;
                }
                next = other_than(notice, &mut notices), if making_room.is_none() => {
                    notice = next;
                    let now = Instant::now();
                    match notice {
                        Notice::MakeRoom => match member.room_to_end() {
                            Some(room) => making_room = Some((now + MAKE_ROOM, room)),
                            None => return,
                        },
                        Notice::Close | Notice::None => {
                            is_closing = true;
                            activity.told(now);
                            served.as_mut().graceful_shutdown();
                        }
                    }
                }
                () = tokio::time::sleep_until(look.into()) => {}
            }
        }
    }
}

/// Waits for another notice.
async fn other_than(notice: Notice, notices: &mut watch::Receiver<Notice>) -> Notice {
    // A connection whose place is gone is to close.
    notices.wait_for(|next| *next != notice).await.map_or(Notice::MakeRoom, |next| *next)
}

/// A handshake, given up when its connection has to make room. One that has gone on meanwhile may finish
/// first: its bytes had to wait for a processor.
#[cfg(feature = "webhook")]
async fn unless_it_makes_room<T>(handshake: impl Future<Output = T>, member: &Member) -> Option<T> {
    let mut handshake = pin!(handshake);
    let mut notices = member.notices.clone();
    tokio::select! {
        biased;
        ended = handshake.as_mut() => return Some(ended),
        // A connection whose place is gone is to close.
        _ = notices.wait_for(|notice| *notice == Notice::MakeRoom) => {}
    }
    let _room = member.room_to_end()?;
    tokio::time::timeout(MAKE_ROOM, handshake).await.ok()
}

/// A request that began, until its answer was taken.
struct Open {
    activity: Arc<Activity>,
    answered: bool,
}

impl Drop for Open {
    fn drop(&mut self) {
        self.activity.request_ended(self.answered);
    }
}

async fn answer(
    router: TowerToHyperService<Router>,
    request: hyper::Request<Incoming>,
    caller: Caller,
) -> Result<Response<Answer>, Infallible> {
    caller.activity.request_began();
    let mut open = Open { activity: caller.activity.clone(), answered: false };
    let mut request: Request = request.map(Body::new);
    request.extensions_mut().insert(caller);
    let response = router.call(request).await?;
    open.answered = true;
    open.activity.answer_began();
    Ok(response.map(|body| Answer { body, _open: open }))
}

/// A body that is being taken until it is dropped.
struct Answer {
    body: Body,
    _open: Open,
}

impl http_body::Body for Answer {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        Pin::new(&mut self.get_mut().body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
