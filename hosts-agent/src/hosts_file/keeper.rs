//! The hosts file's directory in the hands of a process of its own.
//!
//! Landlock gives rights on directories, not on names in them: a process that may replace
//! `/etc/hosts` by a rename may read and replace all of `/etc`. So the process that reads lists,
//! merges, probes and answers callers has no rights there. A second one has them, takes six
//! one-byte orders over a socket, and hands over open files: the hosts file and the new one beside
//! it, no others.

use std::cell::RefCell;
use std::fmt;
use std::io::{self, IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::rc::Rc;

use rustix::cmsg_space;
use rustix::fs::SeekFrom;
use rustix::io::Errno;
use rustix::net::{
    AddressFamily, RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, SocketFlags, SocketType, recvmsg, sendmsg, socketpair,
};

use super::directory::{Direct, Directory};
use super::location::locate;
use super::{HostsFile, HostsFileError, Version};

/// Orders: the first byte; BEGIN is followed by a version.
const READ: u8 = 1;
const BEGIN: u8 = 2;
const COMMIT: u8 = 3;
const OVERWRITE: u8 = 4;
const END: u8 = 5;
const CLEAN: u8 = 6;

/// Answers: the first byte; OTHER is followed by an error's text.
const DONE: u8 = 0;
const IMPOSSIBLE: u8 = 1;
const CHANGED: u8 = 2;
const LOCKED: u8 = 3;
const OTHER: u8 = 4;

const MOST_BYTES: usize = 4096;

/// Starts `program`, which is this program, as the keeper of `path`'s directory. Gives the file in
/// its hands, and what hangs up when the keeper ends.
pub fn start(program: &Path, path: &Path) -> io::Result<(HostsFile, Rc<OwnedFd>)> {
    let (ours, theirs) = socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None)?;
    let mut command = Command::new(program);
    command.env_clear().arg("--keeper").arg("--hosts-file").arg(path);
    let child = command.stdin(theirs).stdout(Stdio::null()).spawn()?;
    let line = Rc::new(ours);
    let directory =
        Kept { path: path.to_owned(), socket: line.clone(), handed: RefCell::default(), _child: child };
    Ok((HostsFile { path: path.to_owned(), directory: Rc::new(directory) }, line))
}

/// Answers the orders that come over `socket` until its other end closes.
pub fn serve(socket: impl AsFd, path: &Path) -> io::Result<()> {
    let directory = Direct::new(path);
    let mut order = [0; MOST_BYTES];
    loop {
        let (length, _) = receive(&socket, &mut order)?;
        let Some((what, version)) = order[..length].split_first() else { return Ok(()) };
        let answer = carry_out(&directory, *what, &Version::from_bytes(version));
        let (code, text, file) = match &answer {
            Ok(Given::Nothing) => (DONE, String::new(), None),
            Ok(Given::File(file)) => (DONE, String::new(), Some(file)),
            Ok(Given::Impossible) => (IMPOSSIBLE, String::new(), None),
            Err(HostsFileError::Changed(_)) => (CHANGED, String::new(), None),
            Err(HostsFileError::Locked(_)) => (LOCKED, String::new(), None),
            Err(error) => (OTHER, error.to_string(), None),
        };
        match send(&socket, code, text.as_bytes(), file) {
            Ok(()) => {}
            Err(Errno::PIPE) => return Ok(()),
            Err(error) => return Err(error.into()),
        }
    }
}

/// What an order came to.
enum Given {
    Nothing,
    File(OwnedFd),
    Impossible,
}

fn carry_out(directory: &Direct, order: u8, version: &Version) -> Result<Given, HostsFileError> {
    match order {
        READ => directory.read().map(Given::File),
        BEGIN => Ok(directory.begin(version)?.map_or(Given::Impossible, Given::File)),
        COMMIT => Ok(if directory.commit()? { Given::Nothing } else { Given::Impossible }),
        OVERWRITE => directory.overwrite().map(Given::File),
        END => {
            directory.end();
            Ok(Given::Nothing)
        }
        CLEAN => directory.clean().map(|()| Given::Nothing),
        unknown => Err(HostsFileError::Told(format!("there is no order {unknown}"))),
    }
}

/// The steps done by the keeper.
struct Kept {
    path: PathBuf,
    socket: Rc<OwnedFd>,
    /// The file as it was last handed over, so that as long as the path leads to it nobody is asked.
    handed: RefCell<Option<OwnedFd>>,
    /// Ends by itself when the socket closes.
    _child: Child,
}

impl Kept {
    fn ask(&self, order: u8, version: &[u8]) -> Result<Given, HostsFileError> {
        let alone = || HostsFileError::Alone(self.path.clone());
        send(&self.socket, order, version, None).map_err(|_| alone())?;
        let mut answer = [0; MOST_BYTES];
        let (length, file) = receive(&self.socket, &mut answer).map_err(|_| alone())?;
        match answer[..length].split_first() {
            None => Err(alone()),
            Some((&DONE, _)) => Ok(file.map_or(Given::Nothing, Given::File)),
            Some((&IMPOSSIBLE, _)) => Ok(Given::Impossible),
            Some((&CHANGED, _)) => Err(HostsFileError::Changed(self.path.clone())),
            Some((&LOCKED, _)) => Err(HostsFileError::Locked(self.path.clone())),
            Some((_, text)) => Err(HostsFileError::Told(String::from_utf8_lossy(text).into_owned())),
        }
    }

    /// The file that the path leads to, if this process has it open, at its beginning. An open file's
    /// number is no other's, and looking it up takes no rights.
    fn handed_already(&self) -> Option<OwnedFd> {
        let file = self.handed.take()?;
        let (there, here) = (locate(&self.path).ok()?.stat().ok()?, rustix::fs::fstat(&file).ok()?);
        if (there.st_dev, there.st_ino) != (here.st_dev, here.st_ino) {
            return None;
        }
        rustix::fs::seek(&file, SeekFrom::Start(0)).ok()?;
        self.handed.replace(file.try_clone().ok());
        Some(file)
    }

    fn ask_for_file(&self, order: u8, version: &[u8]) -> Result<Option<OwnedFd>, HostsFileError> {
        match self.ask(order, version)? {
            Given::File(file) => Ok(Some(file)),
            Given::Impossible => Ok(None),
            Given::Nothing => Err(HostsFileError::Told("an open file is missing in an answer".to_owned())),
        }
    }
}

impl Directory for Kept {
    fn read(&self) -> Result<OwnedFd, HostsFileError> {
        if let Some(file) = self.handed_already() {
            return Ok(file);
        }
        let file = self.ask_for_file(READ, &[])?.ok_or_else(|| HostsFileError::Alone(self.path.clone()))?;
        self.handed.replace(file.try_clone().ok());
        Ok(file)
    }

    fn begin(&self, version: &Version) -> Result<Option<OwnedFd>, HostsFileError> {
        self.ask_for_file(BEGIN, version.as_bytes())
    }

    fn commit(&self) -> Result<bool, HostsFileError> {
        Ok(!matches!(self.ask(COMMIT, &[])?, Given::Impossible))
    }

    fn overwrite(&self) -> Result<OwnedFd, HostsFileError> {
        self.ask_for_file(OVERWRITE, &[])?.ok_or_else(|| HostsFileError::Alone(self.path.clone()))
    }

    fn end(&self) {
        // Without the keeper there is no lock; the next order will say that it has ended.
        let _ = self.ask(END, &[]);
    }

    fn clean(&self) -> Result<(), HostsFileError> {
        self.ask(CLEAN, &[]).map(drop)
    }
}

impl fmt::Debug for Kept {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Kept").field("path", &self.path).finish_non_exhaustive()
    }
}

fn send(socket: impl AsFd, code: u8, text: &[u8], file: Option<&OwnedFd>) -> Result<(), Errno> {
    let text = &text[..text.len().min(MOST_BYTES - 1)];
    let mut space = [MaybeUninit::uninit(); cmsg_space!(ScmRights(1))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    let files = file.map(AsFd::as_fd);
    if let Some(files) = &files {
        control.push(SendAncillaryMessage::ScmRights(std::slice::from_ref(files)));
    }
    let parts = [IoSlice::new(std::slice::from_ref(&code)), IoSlice::new(text)];
    rustix::io::retry_on_intr(|| sendmsg(&socket, &parts, &mut control, SendFlags::NOSIGNAL)).map(drop)
}

/// One message and the file that came with it; no bytes at the end.
fn receive(socket: impl AsFd, message: &mut [u8]) -> Result<(usize, Option<OwnedFd>), Errno> {
    let mut space = [MaybeUninit::uninit(); cmsg_space!(ScmRights(1))];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    let received = rustix::io::retry_on_intr(|| {
        recvmsg(&socket, &mut [IoSliceMut::new(message)], &mut control, RecvFlags::CMSG_CLOEXEC)
    })?;
    let file = control.drain().find_map(|part| match part {
        RecvAncillaryMessage::ScmRights(mut files) => files.next(),
        _ => None,
    });
    Ok((received.bytes, file))
}

#[cfg(test)]
mod tests;
