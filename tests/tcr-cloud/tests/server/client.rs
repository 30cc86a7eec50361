//! An HTTP client that hides nothing, and a signer that shares no code with the server.

use std::{
    io::{Read, Write},
    net::TcpStream,
    time::{SystemTime, UNIX_EPOCH},
};

use hmac::{Hmac, KeyInit, Mac};
use serde_json::Value;
use sha2::{Digest, Sha256};
use tcr_cloud::{Account, Config};

/// A response as it came, up to the end of the connection.
pub(crate) struct Answer {
    pub(crate) head: String,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    pub(crate) fn status(&self) -> u16 {
        self.head.split(' ').nth(1).and_then(|code| code.parse().ok()).unwrap_or(0)
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let named = |line: &&str| line.to_lowercase().starts_with(&format!("{name}:"));
        self.head.lines().find(named).map(|line| line[name.len() + 1..].trim())
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }

    /// `Response` of the envelope.
    pub(crate) fn response(&self) -> Value {
        assert_eq!(self.status(), 200, "{}", self.head);
        self.json()["Response"].take()
    }
}

/// Sends one request on a connection of its own. None when it ends without an answer.
pub(crate) fn send(
    url: &str,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: &[u8],
) -> Option<Answer> {
    let authority = url.strip_prefix("http://").unwrap();
    let mut stream = TcpStream::connect(authority).unwrap();
    let mut head = format!("{method} {path} HTTP/1.1\r\nHost: {authority}\r\nConnection: close\r\n");
    for (name, value) in headers {
        head += &format!("{name}: {value}\r\n");
    }
    head += &format!("Content-Length: {}\r\n\r\n", body.len());
    stream.write_all(&[head.as_bytes(), body].concat()).unwrap();
    let mut bytes = Vec::new();
    // A connection that is cut may end in a reset; what came before it counts.
    let _ = stream.read_to_end(&mut bytes);
    let end = bytes.windows(4).position(|window| window == b"\r\n\r\n")?;
    Some(Answer { head: String::from_utf8(bytes[..end].to_vec()).unwrap(), body: bytes[end + 4..].to_vec() })
}

/// Signs and sends a call as the demo's account.
pub(crate) fn call(url: &str, action: &str, body: &Value) -> Option<Answer> {
    call_at(url, action, body, SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs())
}

/// The same at another time.
pub(crate) fn call_at(url: &str, action: &str, body: &Value, time: u64) -> Option<Answer> {
    call_as(&Config::demo().accounts[0], url, action, body, time)
}

/// The same as another account.
pub(crate) fn call_as(account: &Account, url: &str, action: &str, body: &Value, time: u64) -> Option<Answer> {
    let authority = url.strip_prefix("http://").unwrap();
    let body = body.to_string();
    let date = jiff::Timestamp::from_second(time.try_into().unwrap()).unwrap().to_string()[..10].to_owned();
    let canonical = format!(
        "POST\n/\n\ncontent-type:application/json\nhost:{authority}\nx-tc-action:{}\n\ncontent-type;host;x-tc-action\n{}",
        action.to_lowercase(),
        hex(&Sha256::digest(&body))
    );
    let text =
        format!("TC3-HMAC-SHA256\n{time}\n{date}/tcr/tc3_request\n{}", hex(&Sha256::digest(canonical)));
    let day = hmac(format!("TC3{}", account.secret_key.expose()).as_bytes(), &date);
    let signature = hex(&hmac(&hmac(&hmac(&day, "tcr"), "tc3_request"), &text));
    let authorization = format!(
        "TC3-HMAC-SHA256 Credential={}/{date}/tcr/tc3_request, SignedHeaders=content-type;host;x-tc-action, Signature={signature}",
        account.secret_id
    );
    let headers = [
        ("Content-Type", "application/json"),
        ("Authorization", &authorization),
        ("X-TC-Action", action),
        ("X-TC-Version", "2019-09-24"),
        ("X-TC-Region", "ap-guangzhou"),
        ("X-TC-Timestamp", &time.to_string()),
    ];
    send(url, "POST", "/", &headers, body.as_bytes())
}

fn hmac(key: &[u8], text: &str) -> Vec<u8> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).unwrap();
    mac.update(text.as_bytes());
    mac.finalize().into_bytes().to_vec()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
