//! What attackers send. HTTP/2's frames are those of RFC 9113, headers are packed as RFC 7541 says, without its
//! compression.

use super::{Method, Target};

/// What an HTTP/2 connection begins with (RFC 9113, section 3.4).
pub(super) const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

const HALF_HEAD: usize = 256 << 10;
const HALF_BODY: usize = 4 << 20;
const WHOLE_BODY: usize = 5 << 20;
/// Of a path that a refusal may repeat.
const LONG_PATH: usize = 4 << 10;

// Frame types (section 6).
const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const PING: u8 = 6;
// Flags of HEADERS.
const END_STREAM: u8 = 0x1;
const END_HEADERS: u8 = 0x4;
const SETTINGS_INITIAL_WINDOW_SIZE: u16 = 4;
const CANCEL: u32 = 8;
// Entries of HPACK's static table (RFC 7541, appendix A).
const AUTHORITY: u8 = 1;
const METHOD_GET: u8 = 2;
const METHOD_POST: u8 = 3;
const PATH: u8 = 4;
const SCHEME_HTTPS: u8 = 7;
/// 31, of which the first four bits take 15.
const CONTENT_TYPE: [u8; 2] = [0x0f, 31 - 15];

pub(super) fn half_head(path: &str) -> Vec<u8> {
    let mut head = format!("POST {path} HTTP/1.1\r\nHost: a\r\nX-Filler: ").into_bytes();
    head.resize(HALF_HEAD, b'a');
    head
}

pub(super) fn half_body(path: &str) -> Vec<u8> {
    let head = format!(
        "POST {path} HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: {WHOLE_BODY}\r\n\r\n"
    );
    let mut request = head.into_bytes();
    let end = request.len() + HALF_BODY;
    request.resize(end, b' ');
    request
}

/// A path whose answer is long: what is there, or what a refusal may repeat.
pub(super) fn path_of_long_answer(target: &Target) -> String {
    match target.method {
        Method::Get => target.path.clone(),
        Method::Post => format!("/validate/{}", "a".repeat(LONG_PATH)),
    }
}

pub(super) fn http1_request(method: Method, path: &str) -> Vec<u8> {
    let method = if method == Method::Get { "GET" } else { "POST" };
    format!("{method} {path} HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n").into_bytes()
}

/// The preface and the settings; with `window`, so many bytes of each answer are taken.
pub(super) fn begin_http2(window: Option<u32>) -> Vec<u8> {
    let mut settings = Vec::new();
    if let Some(window) = window {
        settings.extend(SETTINGS_INITIAL_WINDOW_SIZE.to_be_bytes());
        settings.extend(window.to_be_bytes());
    }
    [PREFACE, &frame(SETTINGS, 0, 0, &settings)].concat()
}

pub(super) fn ping() -> Vec<u8> {
    frame(PING, 0, 0, b"endless.")
}

/// A request on a stream; `ended` when no body follows.
pub(super) fn http2_request(stream: u32, method: Method, path: &str, ended: bool) -> Vec<u8> {
    let method = if method == Method::Get { METHOD_GET } else { METHOD_POST };
    // Entries of the table as they are.
    let mut headers = vec![0x80 | method, 0x80 | SCHEME_HTTPS];
    let named = [(&[PATH][..], path), (&[AUTHORITY], "a"), (&CONTENT_TYPE, "application/json")];
    for (name, value) in named {
        // A value of its own that is not remembered, with a name of the table.
        headers.extend(name);
        length(&mut headers, value.len());
        headers.extend(value.bytes());
    }
    let flags = if ended { END_HEADERS | END_STREAM } else { END_HEADERS };
    frame(HEADERS, flags, stream, &headers)
}

pub(super) fn reset(stream: u32) -> Vec<u8> {
    frame(RST_STREAM, 0, stream, &CANCEL.to_be_bytes())
}

/// A string's length, without Huffman's code (RFC 7541, sections 5.1 and 5.2).
fn length(bytes: &mut Vec<u8>, length: usize) {
    const PREFIX: usize = 0x7f;
    if length < PREFIX {
        bytes.push(length as u8);
        return;
    }
    bytes.push(PREFIX as u8);
    let mut rest = length - PREFIX;
    while rest >= 0x80 {
        bytes.push((rest % 0x80) as u8 | 0x80);
        rest /= 0x80;
    }
    bytes.push(rest as u8);
}

fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = (payload.len() as u32).to_be_bytes();
    let mut frame = vec![length[1], length[2], length[3], kind, flags];
    frame.extend(stream.to_be_bytes());
    frame.extend(payload);
    frame
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_are_written_as_the_rfc_draws_them() {
        assert_eq!(ping(), b"\0\0\x08\x06\0\0\0\0\0endless.");
        assert_eq!(reset(3), b"\0\0\x04\x03\0\0\0\0\x03\0\0\0\x08");
        assert_eq!(begin_http2(None), [PREFACE, b"\0\0\0\x04\0\0\0\0\0"].concat());
        assert_eq!(begin_http2(Some(0)), [PREFACE, b"\0\0\x06\x04\0\0\0\0\0\0\x04\0\0\0\0"].concat());
        assert_eq!(
            http2_request(1, Method::Post, "/v", true),
            b"\0\0\x1c\x01\x05\0\0\0\x01\x83\x87\x04\x02/v\x01\x01a\x0f\x10\x10application/json"
        );
    }

    #[test]
    fn a_long_strings_length_takes_more_than_one_byte() {
        let of = |size| {
            let mut bytes = Vec::new();
            length(&mut bytes, size);
            bytes
        };
        assert_eq!(of(126), [126]);
        assert_eq!(of(127), [127, 0]);
        // 4096 - 127 = 31 * 128 + 1
        assert_eq!(of(4096), [127, 0x81, 31]);
    }
}
