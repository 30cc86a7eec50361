//! The side of the process that asks the keeper.

use std::cell::RefCell;
use std::fmt;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use rustix::fs::{SeekFrom, Stat};
use tcr::hosts_entry::HostsEntry;

use super::wire::{self, Answer, Code, Order};
use crate::config::{ConfigError, Opener};
use crate::hosts_file::{Directory, HostsFileError, Mode, Version};
use crate::location::Location;
use crate::message::Message;

/// A file that the keeper opens.
pub(super) struct Kept {
    path: PathBuf,
    /// The order by which the keeper opens it.
    order: Order,
    socket: Rc<OwnedFd>,
    /// The file as it was last handed over: as long as the path leads to it, the keeper is not asked.
    handed: RefCell<Option<OwnedFd>>,
}

impl Kept {
    pub(super) fn new(path: &Path, order: Order, socket: Rc<OwnedFd>) -> Self {
        Self { path: path.to_owned(), order, socket, handed: RefCell::default() }
    }

    fn ask(&self, order: &Order) -> Result<Answer, HostsFileError> {
        let answer = wire::order(&self.socket, order).and_then(|()| wire::receive(&self.socket));
        let answer = answer.ok().flatten().ok_or_else(|| HostsFileError::Alone(self.path.clone()))?;
        match answer.code {
            Code::Changed => Err(HostsFileError::Changed(self.path.clone())),
            Code::Locked => Err(HostsFileError::Locked(self.path.clone())),
            Code::Emptied => Err(HostsFileError::Emptied(self.path.clone())),
            Code::Told => Err(HostsFileError::Told(answer.message)),
            Code::ReadOnly => Err(HostsFileError::ReadOnly(answer.message)),
            Code::Done | Code::Renamed | Code::Overwritten | Code::Absent => Ok(answer),
        }
    }

    /// The file that the path leads to, if this process has it open, at its beginning. An open file's
    /// number is no other's, and looking it up takes no rights.
    fn handed_already(&self) -> Option<OwnedFd> {
        let file = self.handed.take()?;
        let there: Stat = Location::of(&self.path).ok()?.stat().ok()?;
        let here = rustix::fs::fstat(&file).ok()?;
        if (there.st_dev, there.st_ino) != (here.st_dev, here.st_ino) {
            return None;
        }
        rustix::fs::seek(&file, SeekFrom::Start(0)).ok()?;
        self.handed.replace(file.try_clone().ok());
        Some(file)
    }

    /// The file, or that it is not there.
    fn open(&self) -> Result<Option<OwnedFd>, HostsFileError> {
        if let Some(file) = self.handed_already() {
            return Ok(Some(file));
        }
        let answer = self.ask(&self.order)?;
        if answer.code == Code::Absent {
            return Ok(None);
        }
        let missing = || HostsFileError::Told(Message::new("an open file is missing in an answer"));
        let file = answer.file.ok_or_else(missing)?;
        self.handed.replace(file.try_clone().ok());
        Ok(Some(file))
    }
}

impl Directory for Kept {
    fn read(&self) -> Result<OwnedFd, HostsFileError> {
        self.open()?.ok_or_else(|| HostsFileError::Alone(self.path.clone()))
    }

    fn replace(&self, version: &Version, entries: &[&HostsEntry]) -> Result<Mode, HostsFileError> {
        let entries = entries.iter().map(|entry| entry.line()).collect();
        let answer = self.ask(&Order::Replace { version: version.clone(), entries })?;
        Ok(if answer.code == Code::Overwritten { Mode::InPlace } else { Mode::Rename })
    }

    fn clean(&self) -> Result<(), HostsFileError> {
        self.ask(&Order::Clean).map(drop)
    }
}

impl Opener for Kept {
    fn open(&self) -> Result<OwnedFd, ConfigError> {
        match self.open() {
            Ok(Some(file)) => Ok(file),
            Ok(None) => Err(ConfigError::Absent(self.path.clone())),
            Err(error) => Err(ConfigError::Kept(error)),
        }
    }
}

impl fmt::Debug for Kept {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Kept").field("path", &self.path).finish_non_exhaustive()
    }
}
