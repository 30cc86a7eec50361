//! The VPCs of the machine, from Tencent Cloud's instance metadata: plain text over HTTP, at an address of the machine's
//! own host. No name is resolved, because a confined process reads no resolv.conf.

use std::collections::BTreeSet;
use std::fmt;
use std::io::{self, Read as _, Write as _};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpStream};
use std::str::FromStr;
use std::time::{Duration, Instant};

use tcr::resource_id::is_vpc_id;

use crate::message::Message;

/// Where `metadata.tencentyun.com` is, in every VPC.
const DEFAULT: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::new(169, 254, 0, 23)), 80);
const HOST: &str = "metadata.tencentyun.com";
const PATH: &str = "/latest/meta-data/";
/// All questions together. It is on the machine's own host: without an answer at once there is none.
const PATIENCE: Duration = Duration::from_secs(1);
/// Many times what one answer has.
const MOST_BYTES: u64 = 16 << 10;
/// More network interfaces than a machine has.
const MOST_INTERFACES: usize = 64;

/// Where metadata is asked, or that it is not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MetadataAddress(pub Option<SocketAddr>);

/// Why metadata did not tell.
#[derive(Debug, thiserror::Error)]
enum MetadataError {
    #[error("{0}")]
    Io(#[from] io::Error),
    #[error("it answers {0:?}")]
    Status(String),
    #[error("its answer to {0} is not what metadata answers")]
    Form(String),
}

/// The VPCs of the machine's network interfaces.
///
/// # Errors
/// Metadata is not there, or does not answer as metadata does.
pub fn vpc_ids(address: SocketAddr) -> Result<BTreeSet<String>, Message> {
    let end = Instant::now() + PATIENCE;
    let get = |path: &str| get(address, path, end);
    all(get).map_err(|error| Message::new(format_args!("instance metadata at {address}: {error}")))
}

fn all(
    get: impl Fn(&str) -> Result<Option<String>, MetadataError>,
) -> Result<BTreeSet<String>, MetadataError> {
    let interfaces = "network/interfaces/macs/";
    let macs = match get(interfaces)? {
        Some(macs) => macs,
        // The first interface's alone.
        None => get("mac")?.unwrap_or_default(),
    };
    let form = |path: &str| MetadataError::Form(path.to_owned());
    let macs: Vec<&str> = macs.split_whitespace().map(|mac| mac.trim_end_matches('/')).collect();
    let is_mac = |mac: &&str| mac.len() == 17 && mac.bytes().all(|it| it.is_ascii_hexdigit() || it == b':');
    // A machine without an interface would not ask.
    if macs.is_empty() || macs.len() > MOST_INTERFACES || !macs.iter().all(is_mac) {
        return Err(form(interfaces));
    }
    let mut vpc_ids = BTreeSet::new();
    for mac in macs {
        let path = format!("{interfaces}{mac}/vpc-id");
        let Some(vpc_id) = get(&path)? else { continue };
        let vpc_id = vpc_id.trim();
        if !is_vpc_id(vpc_id) {
            return Err(form(&path));
        }
        vpc_ids.insert(vpc_id.to_owned());
    }
    Ok(vpc_ids)
}

/// The text at a path; none where there is nothing.
fn get(address: SocketAddr, path: &str, end: Instant) -> Result<Option<String>, MetadataError> {
    let left = || match end.saturating_duration_since(Instant::now()) {
        Duration::ZERO => Err(io::Error::from(io::ErrorKind::TimedOut)),
        left => Ok(left),
    };
    let mut stream = TcpStream::connect_timeout(&address, left()?)?;
    stream.set_write_timeout(Some(left()?))?;
    // HTTP/1.0: the answer ends with the connection.
    let request = format!("GET {PATH}{path} HTTP/1.0\r\nHost: {HOST}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes())?;
    let mut answer = Vec::new();
    let mut piece = [0; 1024];
    loop {
        stream.set_read_timeout(Some(left()?))?;
        match stream.read(&mut piece) {
            Ok(0) => break,
            Ok(length) => answer.extend_from_slice(&piece[..length]),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error.into()),
        }
        if answer.len() as u64 > MOST_BYTES {
            return Err(MetadataError::Form(path.to_owned()));
        }
    }
    let form = || MetadataError::Form(path.to_owned());
    let answer = String::from_utf8(answer).map_err(|_| form())?;
    let (head, body) = answer.split_once("\r\n\r\n").ok_or_else(form)?;
    let status = head.lines().next().unwrap_or_default();
    match status.strip_prefix("HTTP/1.").and_then(|rest| rest.split(' ').nth(1)) {
        Some("200") => Ok(Some(body.to_owned())),
        Some("404") => Ok(None),
        _ => Err(MetadataError::Status(status.chars().take(80).collect())),
    }
}

impl Default for MetadataAddress {
    fn default() -> Self {
        Self(Some(DEFAULT))
    }
}

impl FromStr for MetadataAddress {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "none" => Ok(Self(None)),
            text => text
                .parse()
                .map(|address| Self(Some(address)))
                .map_err(|_| "write it as IP:PORT, such as 169.254.0.23:80, or as none".to_owned()),
        }
    }
}

impl fmt::Display for MetadataAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(address) => write!(f, "{address}"),
            None => f.write_str("none"),
        }
    }
}

#[cfg(test)]
mod tests;
