//! A key of `auths`, as Go's `net/url` parses it for a kubelet.

use std::net::Ipv6Addr;

/// Host and path of a key or an image's name, with percent escapes decoded. Not always UTF-8.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Location {
    pub(super) host: Vec<u8>,
    pub(super) path: Vec<u8>,
}

/// The key by which a kubelet finds a credential: without scheme and user information, and without the `/v1/`
/// or `/v2/` that Docker writes. None when the key is no URL: the kubelet ignores the entry.
pub(super) fn canonical(key: &str) -> Option<Vec<u8>> {
    let Location { mut host, path } = Location::parse(without_scheme(key).as_bytes())?;
    let is_version = path.starts_with(b"/v1/") || path.starts_with(b"/v2/");
    let path = if is_version { path.get(3..)? } else { &path };
    if path != b"/" {
        host.extend_from_slice(path);
    }
    Some(host)
}

/// The host of a key in lower case, with its port.
pub(super) fn host(key: &str) -> Option<String> {
    let location = Location::parse(without_scheme(key).as_bytes())?;
    String::from_utf8(location.host).ok().map(|host| host.to_ascii_lowercase())
}

fn without_scheme(key: &str) -> &str {
    key.strip_prefix("https://").or_else(|| key.strip_prefix("http://")).unwrap_or(key)
}

impl Location {
    /// The key as Go parses `https://TEXT`.
    pub(super) fn parse(text: &[u8]) -> Option<Self> {
        let (url, fragment) = cut(text, b'#');
        if url.iter().any(u8::is_ascii_control) {
            return None;
        }
        unescape(fragment, Part::Other)?;
        let (url, _query) = cut(url, b'?');
        let (authority, path) = match url.iter().position(|byte| *byte == b'/') {
            Some(at) => url.split_at(at),
            None => (url, [].as_slice()),
        };
        let host = match authority.iter().rposition(|byte| *byte == b'@') {
            Some(at) => {
                let (user, host) = authority.split_at(at);
                is_user_information(user).then(|| host.get(1..))??
            }
            None => authority,
        };
        Some(Self { host: parse_host(host)?, path: unescape(path, Part::Other)? })
    }

    /// The host's name and its port, by Go's `net.SplitHostPort`.
    pub(super) fn name_and_port(&self) -> (&[u8], &[u8]) {
        let host = self.host.as_slice();
        let whole = (host, [].as_slice());
        let Some(colon) = host.iter().rposition(|byte| *byte == b':') else { return whole };
        let (name, port) = host.split_at(colon);
        let port = port.get(1..).unwrap_or_default();
        match name {
            // An IPv6 address without a port has its last colon between the brackets.
            [b'[', inner @ .., b']'] => (inner, port),
            _ if name.iter().any(|byte| matches!(byte, b':' | b'[' | b']')) => whole,
            _ => (name, port),
        }
    }
}

fn cut(text: &[u8], at: u8) -> (&[u8], &[u8]) {
    match text.iter().position(|byte| *byte == at) {
        Some(index) => (text.get(..index).unwrap_or_default(), text.get(index + 1..).unwrap_or_default()),
        None => (text, &[]),
    }
}

fn is_user_information(user: &[u8]) -> bool {
    let is_allowed = |byte: &u8| byte.is_ascii_alphanumeric() || b"-._:~!$&'()*+,;=%@".contains(byte);
    user.iter().all(is_allowed) && unescape(user, Part::Other).is_some()
}

fn parse_host(host: &[u8]) -> Option<Vec<u8>> {
    let port = match host {
        [b'[', ..] => {
            let end = host.iter().rposition(|byte| *byte == b']')?;
            // A zone would be escaped here, and is unreadable when the kubelet parses its key again.
            std::str::from_utf8(host.get(1..end)?).ok()?.parse::<Ipv6Addr>().ok()?;
            host.get(end + 1..)?
        }
        _ if host.contains(&b'[') => return None,
        _ => match host.iter().position(|byte| *byte == b':') {
            Some(at) => host.get(at..)?,
            None => &[],
        },
    };
    match port {
        [] => {}
        [b':', digits @ ..] if digits.iter().all(u8::is_ascii_digit) => {}
        _ => return None,
    }
    unescape(host, Part::Host)
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Part {
    Host,
    Other,
}

/// Percent escapes decoded. In a host they encode characters outside ASCII, and the percent sign.
fn unescape(text: &[u8], part: Part) -> Option<Vec<u8>> {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text;
    while let [byte, after @ ..] = rest {
        rest = after;
        if *byte != b'%' {
            if part == Part::Host && byte.is_ascii() && !is_of_host(*byte) {
                return None;
            }
            out.push(*byte);
            continue;
        }
        let [high, low, after @ ..] = after else { return None };
        let value = (hex(*high)? << 4) | hex(*low)?;
        if part == Part::Host && value < 0x80 && value != b'%' {
            return None;
        }
        out.push(value);
        rest = after;
    }
    Some(out)
}

fn is_of_host(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-_.~!$&'()*+,;=:[]<>\"".contains(&byte)
}

fn hex(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).and_then(|it| u8::try_from(it).ok())
}
