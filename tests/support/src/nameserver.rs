//! A name server for the nodes of a test: it knows a few names, and says of all others that they do not exist.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};

use anyhow::{Context as _, Result};
use tokio::net::UdpSocket;
use tokio::task::JoinHandle;

/// Answers over UDP until it is dropped.
#[derive(Debug)]
pub(crate) struct NameServer {
    task: JoinHandle<()>,
}

impl NameServer {
    /// Listens at `address` and answers for these names, in lower case.
    ///
    /// # Errors
    /// The address is taken or not ours.
    pub(crate) async fn start(address: SocketAddr, names: BTreeMap<String, Ipv4Addr>) -> Result<Self> {
        let socket = UdpSocket::bind(address)
            .await
            .with_context(|| format!("cannot listen for DNS queries at {address}"))?;
        let task = tokio::spawn(async move {
            let mut query = [0; 512];
            loop {
                if let Ok((size, client)) = socket.recv_from(&mut query).await
                    && let Some(answer) = answer(&query[..size], &names)
                {
                    // A client that is gone asks no more.
                    let _ = socket.send_to(&answer, client).await;
                }
            }
        });
        Ok(Self { task })
    }
}

impl Drop for NameServer {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// The answer to a query with one question (RFC 1035, 4.1); none to what is not one.
fn answer(query: &[u8], names: &BTreeMap<String, Ipv4Addr>) -> Option<Vec<u8>> {
    const HEADER: usize = 12;
    let mut labels = Vec::new();
    let mut at = HEADER;
    loop {
        let length = usize::from(*query.get(at)?);
        at += 1;
        if length == 0 {
            break;
        }
        labels.push(String::from_utf8_lossy(query.get(at..at + length)?).to_ascii_lowercase());
        at += length;
    }
    let kind = query.get(at..at + 2)?;
    let question = query.get(HEADER..at + 4)?;
    let known = names.get(&labels.join("."));
    let address = known.filter(|_| kind == [0, 1]);
    // A response, recursion available; NXDOMAIN for a name that there is not.
    let code = if known.is_some() { 0x80 } else { 0x83 };
    let mut answer = vec![query[0], query[1], 0x81, code, 0, 1, 0, u8::from(address.is_some()), 0, 0, 0, 0];
    answer.extend_from_slice(question);
    if let Some(address) = address {
        // The question's name; A, IN, a life of one second, four bytes.
        answer.extend_from_slice(&[0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 1, 0, 4]);
        answer.extend_from_slice(&address.octets());
    }
    Some(answer)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn query(name: &str, kind: u8) -> Vec<u8> {
        let mut query = vec![7, 9, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0];
        for label in name.split('.') {
            query.push(u8::try_from(label.len()).unwrap());
            query.extend_from_slice(label.as_bytes());
        }
        query.extend_from_slice(&[0, 0, kind, 0, 1]);
        query
    }

    #[test]
    fn a_known_name_has_its_address_and_another_does_not_exist() {
        let names = BTreeMap::from([("demo.example.com".to_owned(), Ipv4Addr::new(10, 0, 0, 2))]);
        let known = answer(&query("Demo.example.com", 1), &names).unwrap();
        assert_eq!((&known[..4], known[7]), (&[7, 9, 0x81, 0x80][..], 1));
        assert!(known.ends_with(&[10, 0, 0, 2]));
        // AAAA: the name is there, and has none.
        let no_data = answer(&query("demo.example.com", 28), &names).unwrap();
        assert_eq!((no_data[3], no_data[7]), (0x80, 0));
        assert_eq!(answer(&query("other.example.com", 1), &names).unwrap()[3], 0x83);
        assert_eq!(answer(&[1, 2, 3], &names), None);
    }
}
