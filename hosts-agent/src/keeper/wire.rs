//! The messages between the two processes: one for an order, one for its answer.

use std::fmt::Display;
use std::io::{IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, OwnedFd};

use rustix::cmsg_space;
use rustix::io::Errno;
use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer, SendAncillaryMessage,
    SendFlags, recvmsg, sendmsg,
};
use tcr::hosts_entry::{HostsEntry, HostsEntryError};

use crate::hosts_file::Version;
use crate::message::{self, Message};

/// More than the longest list of the longest names takes.
pub(super) const MOST_BYTES: usize = 96 << 10;
/// An answer: its code, and a message.
const MOST_ANSWER_BYTES: usize = 1 + message::MOST_BYTES;

const LIST: u8 = 1;
const HOSTS: u8 = 2;
const REPLACE: u8 = 3;
const CLEAN: u8 = 4;
const NSSWITCH: u8 = 5;

/// An order to the keeper.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Order {
    /// Open the list for reading.
    List,
    /// Open the hosts file.
    Hosts,
    /// Make these the entries of the hosts file's block, if it is this version.
    Replace { version: Version, entries: Vec<HostsEntry> },
    /// Remove what a killed process may have left beside the hosts file.
    Clean,
    /// Open the `nsswitch.conf` beside the hosts file.
    Nsswitch,
}

/// Why bytes are no order.
#[derive(Debug, thiserror::Error)]
pub(super) enum OrderError {
    #[error("there is none of this kind")]
    Kind,
    #[error("it is cut")]
    Cut,
    #[error("its text is not UTF-8")]
    Text,
    #[error("a line has no address and name")]
    Line,
    #[error(transparent)]
    Entry(#[from] HostsEntryError),
}

impl Order {
    pub(super) fn read(order: &[u8]) -> Result<Self, OrderError> {
        match order {
            [LIST] => Ok(Self::List),
            [HOSTS] => Ok(Self::Hosts),
            [CLEAN] => Ok(Self::Clean),
            [NSSWITCH] => Ok(Self::Nsswitch),
            [REPLACE, rest @ ..] => {
                let (version, text) = rest.split_first_chunk().ok_or(OrderError::Cut)?;
                let text = std::str::from_utf8(text).map_err(|_| OrderError::Text)?;
                let entry = |line: &str| -> Result<HostsEntry, OrderError> {
                    let (ip, domain) = line.split_once(' ').ok_or(OrderError::Line)?;
                    Ok(HostsEntry::new(domain, ip, false)?)
                };
                let entries = text.lines().map(entry).collect::<Result<_, _>>()?;
                Ok(Self::Replace { version: Version::from_bytes(*version), entries })
            }
            _ => Err(OrderError::Kind),
        }
    }

    pub(super) fn to_bytes(&self) -> Vec<u8> {
        match self {
            Self::List => vec![LIST],
            Self::Hosts => vec![HOSTS],
            Self::Clean => vec![CLEAN],
            Self::Nsswitch => vec![NSSWITCH],
            Self::Replace { version, entries } => {
                let mut bytes = vec![REPLACE];
                bytes.extend(version.as_bytes());
                for entry in entries {
                    bytes.extend(format!("{} {}\n", entry.ip(), entry.domain()).bytes());
                }
                bytes
            }
        }
    }
}

/// The first byte of an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Code {
    /// Done; a file that was asked for comes along.
    Done,
    Renamed,
    Overwritten,
    Changed,
    Locked,
    Emptied,
    /// The file is not there.
    Absent,
    /// It failed; a message follows.
    Told,
    /// The hosts file cannot be written at all; a message follows.
    ReadOnly,
}

/// The codes by their numbers on the wire.
const CODES: [Code; 9] = [
    Code::Done,
    Code::Renamed,
    Code::Overwritten,
    Code::Changed,
    Code::Locked,
    Code::Emptied,
    Code::Absent,
    Code::Told,
    Code::ReadOnly,
];

/// The answer to an order.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) code: Code,
    pub(super) message: Message,
    pub(super) file: Option<OwnedFd>,
}

impl Answer {
    pub(super) fn of(code: Code) -> Self {
        Self { code, message: Message::default(), file: None }
    }

    pub(super) fn file(file: OwnedFd) -> Self {
        Self { file: Some(file), ..Self::of(Code::Done) }
    }

    pub(super) fn told(problem: impl Display) -> Self {
        Self { message: Message::new(problem), ..Self::of(Code::Told) }
    }
}

pub(super) fn order(socket: impl AsFd, order: &Order) -> Result<(), Errno> {
    let bytes = order.to_bytes();
    let mut no_files = SendAncillaryBuffer::default();
    let send = || sendmsg(&socket, &[IoSlice::new(&bytes)], &mut no_files, SendFlags::NOSIGNAL);
    rustix::io::retry_on_intr(send).map(drop)
}

/// Sends an answer; false where the receiver is gone.
pub(super) fn answer(socket: impl AsFd, Answer { code, message, file }: &Answer) -> Result<bool, Errno> {
    let mut space = [MaybeUninit::uninit(); cmsg_space!(ScmRights(1))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    let files = file.as_ref().map(AsFd::as_fd);
    if let Some(files) = &files {
        control.push(SendAncillaryMessage::ScmRights(std::slice::from_ref(files)));
    }
    let code = [*code as u8];
    let parts = [IoSlice::new(&code), IoSlice::new(message.as_str().as_bytes())];
    match rustix::io::retry_on_intr(|| sendmsg(&socket, &parts, &mut control, SendFlags::NOSIGNAL)) {
        Ok(_) => Ok(true),
        Err(Errno::PIPE) => Ok(false),
        Err(error) => Err(error),
    }
}

/// Waits for the answer to an order; none where the keeper has ended.
pub(super) fn receive(socket: impl AsFd) -> Result<Option<Answer>, Errno> {
    let mut bytes = [0; MOST_ANSWER_BYTES];
    let mut space = [MaybeUninit::uninit(); cmsg_space!(ScmRights(1))];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    let received = rustix::io::retry_on_intr(|| {
        recvmsg(&socket, &mut [IoSliceMut::new(&mut bytes)], &mut control, RecvFlags::CMSG_CLOEXEC)
    })?;
    let file = control.drain().find_map(|part| match part {
        RecvAncillaryMessage::ScmRights(mut files) => files.next(),
        _ => None,
    });
    let Some((code, text)) = bytes[..received.bytes].split_first() else { return Ok(None) };
    let code = CODES.get(usize::from(*code)).copied().unwrap_or(Code::Told);
    Ok(Some(Answer { code, message: Message::new(String::from_utf8_lossy(text)), file }))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_longest_list_fits_into_an_order() {
        let domain = ["a".repeat(63), "b".repeat(63), "c".repeat(63), "d".repeat(61)].join(".");
        let entry = HostsEntry::new(&domain, "fd00:1111:2222:3333:4444:5555:6666:7777", false).unwrap();
        let entries = vec![entry; tcr::hosts_entry::MAX_ENTRIES];
        let order = Order::Replace { version: Version::from_bytes([7; 56]), entries };
        assert!(order.to_bytes().len() <= MOST_BYTES);
        assert_eq!(Order::read(&order.to_bytes()).unwrap(), order);
    }

    proptest! {
        #[test]
        fn any_bytes_are_an_order_or_an_error(bytes in any::<Vec<u8>>(), kind in 0..7u8) {
            for bytes in [bytes.clone(), [vec![kind], bytes].concat()] {
                if let Ok(order) = Order::read(&bytes) {
                    prop_assert_eq!(Order::read(&order.to_bytes()).unwrap(), order);
                }
            }
        }
    }
}
