//! HTTP/2 by the frame, for callers that no well-kept client would be.

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};

pub(crate) const DATA: u8 = 0;
pub(crate) const HEADERS: u8 = 1;
pub(crate) const RST_STREAM: u8 = 3;
pub(crate) const SETTINGS: u8 = 4;
pub(crate) const PING: u8 = 6;
pub(crate) const GOAWAY: u8 = 7;
pub(crate) const END_STREAM: u8 = 1;
pub(crate) const ACK: u8 = 1;

/// How HTTP/2 begins.
pub(crate) fn preface() -> Vec<u8> {
    [&b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"[..], &frame(SETTINGS, 0, 0, b"")].concat()
}

pub(crate) fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    [&length[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
}

/// The head of a review that goes to a path, without an end.
pub(crate) fn head(path: &str, stream: u32, length: usize) -> Vec<u8> {
    let text = |bytes: &[u8]| [&[u8::try_from(bytes.len()).unwrap()], bytes].concat();
    let block = [
        // POST, https, the path, the authority, content-type and -length: by HPACK's static table, nothing
        // indexed.
        &[0x83, 0x87, 0x04][..],
        &text(path.as_bytes()),
        &[0x01],
        &text(b"localhost"),
        &[0x0f, 0x10],
        &text(b"application/json"),
        &[0x0f, 0x0d],
        &text(length.to_string().as_bytes()),
    ]
    .concat();
    frame(HEADERS, 0x4, stream, &block)
}

/// Reads answers and throws them away, and says that somebody is there when it is asked.
pub(crate) async fn stay(stream: impl AsyncRead + AsyncWrite) -> std::io::Result<()> {
    let (mut from, mut to) = tokio::io::split(stream);
    loop {
        let mut head = [0; 9];
        from.read_exact(&mut head).await?;
        let mut payload = vec![0; u32::from_be_bytes([0, head[0], head[1], head[2]]) as usize];
        from.read_exact(&mut payload).await?;
        if head[3] == PING && head[4] & ACK == 0 {
            to.write_all(&frame(PING, ACK, 0, &payload)).await?;
        }
    }
}
