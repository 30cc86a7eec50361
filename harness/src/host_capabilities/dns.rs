//! `net/v1/dns_lookup_host`: the addresses of a host, from the machine's resolver.

use std::net::{IpAddr, ToSocketAddrs as _};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::sync_channel;
use std::time::Instant;

use serde_json::json;

/// Concurrent look-ups: each has a thread, which an unanswered query blocks for half a minute.
const MOST: usize = 32;

static LOOKUPS: AtomicUsize = AtomicUsize::new(0);

/// Given back when its lookup ends, which may be after its question's.
struct Place;

impl Place {
    fn take() -> Option<Self> {
        let taken = LOOKUPS
            .fetch_update(Ordering::SeqCst, Ordering::SeqCst, |count| (count < MOST).then_some(count + 1));
        taken.ok().map(|_| Self)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        LOOKUPS.fetch_sub(1, Ordering::SeqCst);
    }
}

/// Blocks until there is an answer, or the time is up.
pub(super) fn lookup(host: &str, deadline: Instant) -> Result<Vec<u8>, String> {
    let failed = |reason: &str| format!("cannot look up {host}: {reason}");
    let place = Place::take().ok_or_else(|| failed("too many lookups have no answer yet"))?;
    let (answer, answered) = sync_channel(1);
    let name = host.to_owned();
    let thread = std::thread::Builder::new().name("dns-lookup".to_owned()).spawn(move || {
        let found = (name.as_str(), 0).to_socket_addrs();
        let found = found.map(|addresses| addresses.map(|address| address.ip()).collect::<Vec<IpAddr>>());
        drop(place);
        // The task that asked may have ended.
        let _ = answer.send(found);
    });
    thread.map_err(|error| failed(&error.to_string()))?;
    let left = deadline.saturating_duration_since(Instant::now());
    let found = answered.recv_timeout(left).map_err(|_| failed("no answer in time"))?;
    let mut ips = found.map_err(|error| failed(&error.to_string()))?;
    let mut seen = std::collections::HashSet::new();
    ips.retain(|ip| seen.insert(*ip));
    Ok(json!({ "ips": ips }).to_string().into_bytes())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_host_has_addresses_each_once() {
        let lookup = |host| lookup(host, Instant::now() + Duration::from_secs(60));
        assert_eq!(lookup("127.0.0.1").unwrap(), br#"{"ips":["127.0.0.1"]}"#);
        assert_eq!(lookup("::1").unwrap(), br#"{"ips":["::1"]}"#);
        let localhost: serde_json::Value = serde_json::from_slice(&lookup("localhost").unwrap()).unwrap();
        let ips = localhost["ips"].as_array().unwrap();
        assert!(ips.contains(&"127.0.0.1".into()) || ips.contains(&"::1".into()), "{localhost}");
        assert!(
            lookup("no-such-host.invalid").unwrap_err().starts_with("cannot look up no-such-host.invalid: ")
        );
    }
}
