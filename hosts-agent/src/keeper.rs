//! The node's files in the hands of a process of its own.
//!
//! Who may rename over `/etc/hosts` may replace all of `/etc`. So the process that reads lists, decides, probes and
//! answers callers has no rights there, and opens nothing. A second one, the keeper, opens the list, the hosts file and
//! nsswitch.conf for it, all for reading only, and carries out one change: the hosts file as it is, with our block changed to the
//! entries that it was given. It makes that file itself, and holds the entries against the arguments' bounds.

use std::ffi::OsString;
use std::io::{self, IoSliceMut};
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::rc::Rc;

use rustix::net::{
    AddressFamily, RecvAncillaryBuffer, RecvFlags, ReturnFlags, SocketFlags, SocketType, recvmsg, socketpair,
};
use tcr::hosts_entry::HostsList;

use crate::bounds::Bounds;
use crate::config::ListFile;
use crate::hosts_file::{Direct, Directory, HostsFile, HostsFileError, Mode};
use crate::location;
use crate::nsswitch::{self, NsswitchFile};

mod kept;
mod wire;

use kept::Kept;
use wire::{Answer, Code, Order};

const TUNABLES: &str = "GLIBC_TUNABLES";

/// The files in the keeper's hands.
#[derive(Debug)]
pub struct Files {
    /// The file of the list.
    pub list: ListFile,
    /// The hosts file that is kept.
    pub hosts: HostsFile,
    /// The node's configuration of name lookups.
    pub nsswitch: NsswitchFile,
    /// Hangs up when the keeper ends.
    pub line: Rc<OwnedFd>,
}

/// Starts `program`, which is this program, with `arguments` as the keeper of these files.
pub fn start(program: &Path, arguments: &[OsString], list: &Path, hosts: &Path) -> io::Result<Files> {
    let (ours, theirs) = socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None)?;
    let mut command = Command::new(program);
    // No environment but the memory settings of the C library, which the image sets for both processes.
    command.env_clear().envs(std::env::var_os(TUNABLES).map(|value| (TUNABLES, value)));
    command.args(arguments).stdin(theirs).stdout(Stdio::null()).spawn()?;
    Ok(files(ours, list, hosts))
}

fn files(socket: OwnedFd, list: &Path, hosts: &Path) -> Files {
    let line = Rc::new(socket);
    let kept = |path: &Path, order| Rc::new(Kept::new(path, order, line.clone()));
    let nsswitch = nsswitch::path(hosts);
    Files {
        list: ListFile::kept(list, kept(list, Order::List)),
        hosts: HostsFile::kept(hosts, kept(hosts, Order::Hosts)),
        nsswitch: NsswitchFile::kept(&nsswitch, kept(&nsswitch, Order::Nsswitch)),
        line: line.clone(),
    }
}

/// Carries out the orders that come over `socket` until its other end closes.
pub fn serve(socket: impl AsFd, list: &Path, hosts: &Path, bounds: &Bounds) -> io::Result<()> {
    let keeper = Keeper { list, hosts: Direct::new(hosts), nsswitch: nsswitch::path(hosts), bounds };
    loop {
        // Anew each time: while nothing comes, no page of it is in memory.
        let mut order = vec![0; wire::MOST_BYTES];
        let Some(length) = receive(&socket, &mut order)? else { return Ok(()) };
        let answer = keeper.carry_out(length.map(|length| &order[..length]));
        if !wire::answer(&socket, &answer)? {
            return Ok(());
        }
    }
}

/// The length of the next order, or that it is too long; none at the end. Files that come along are not taken.
fn receive(socket: impl AsFd, order: &mut [u8]) -> io::Result<Option<Result<usize, TooLong>>> {
    let received = rustix::io::retry_on_intr(|| {
        let mut no_files = RecvAncillaryBuffer::default();
        recvmsg(&socket, &mut [IoSliceMut::new(order)], &mut no_files, RecvFlags::CMSG_CLOEXEC)
    })?;
    Ok(match received.bytes {
        0 => None,
        _ if received.flags.contains(ReturnFlags::TRUNC) => Some(Err(TooLong)),
        length => Some(Ok(length)),
    })
}

/// An order of more than [`wire::MOST_BYTES`].
struct TooLong;

struct Keeper<'a> {
    list: &'a Path,
    hosts: Direct,
    nsswitch: PathBuf,
    bounds: &'a Bounds,
}

impl Keeper<'_> {
    fn carry_out(&self, order: Result<&[u8], TooLong>) -> Answer {
        let order = match order.map(Order::read) {
            Ok(Ok(order)) => order,
            Ok(Err(problem)) => return Answer::told(format_args!("refused an order: {problem}")),
            Err(TooLong) => return Answer::told("refused an order: it is too long"),
        };
        match order {
            Order::List => opened(self.list),
            Order::Nsswitch => opened(&self.nsswitch),
            Order::Hosts => self.hosts.read().map_or_else(failed, Answer::file),
            Order::Replace { version, entries } => {
                let list = match HostsList::new(entries) {
                    Ok(list) => list,
                    Err(error) => return Answer::told(format_args!("refused an order: {error}")),
                };
                if let Err(refusal) = self.bounds.check(&list) {
                    return Answer::told(format_args!("refused an order: {refusal}"));
                }
                match self.hosts.replace(&version, &list.enabled_for(None)) {
                    Ok(Mode::Rename) => Answer::of(Code::Renamed),
                    Ok(Mode::InPlace) => Answer::of(Code::Overwritten),
                    Err(error) => failed(error),
                }
            }
            Order::Clean => self.hosts.clean().map_or_else(failed, |()| Answer::of(Code::Done)),
        }
    }
}

fn opened(path: &Path) -> Answer {
    match location::open(path) {
        Ok(file) => Answer::file(file),
        Err(error) if error.is_absence() => Answer::of(Code::Absent),
        Err(error) => Answer::told(error),
    }
}

fn failed(error: HostsFileError) -> Answer {
    match error {
        error if error.is_read_only() => Answer { code: Code::ReadOnly, ..Answer::told(error) },
        HostsFileError::Changed(_) => Answer::of(Code::Changed),
        HostsFileError::Locked(_) => Answer::of(Code::Locked),
        HostsFileError::Emptied(_) => Answer::of(Code::Emptied),
        error => Answer::told(error),
    }
}

#[cfg(test)]
mod tests;
