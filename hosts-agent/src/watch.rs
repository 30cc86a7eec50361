//! Waiting: for a new list, for another program's hosts file, for the time of the next look, or for
//! the end, of this process or of its keeper.
//!
//! Directories are watched, never files: the kubelet swaps the ConfigMap's `..data` link, and a
//! watch on a file dies with its inode. Where inotify has no room left, waiting still works by
//! time.

use std::ffi::{OsStr, OsString};
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::inotify::{self, CreateFlags, ReadFlags, Reader, WatchFlags};
use rustix::io::Errno;
use tcr::hosts_entry::HOSTS_KEY;

use crate::message::Message;

/// A change counts when nothing has followed it for this long: writers take several steps.
const QUIET: Duration = Duration::from_millis(50);
/// And at the latest after this, so that a busy directory cannot keep the agent waiting.
const LONGEST: Duration = Duration::from_millis(500);

/// Why a wait has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wake {
    /// The program is to end.
    Stop,
    /// The keeper has ended.
    Alone,
    /// The list may be a new one.
    List,
    /// A program, perhaps this one, has written the hosts file.
    HostsFile,
    /// The time of the next look has come.
    Due,
}

/// Which files' changes wake.
#[derive(Debug)]
pub struct Watch {
    inotify: Option<OwnedFd>,
    stop: OwnedFd,
    keeper: Option<Rc<OwnedFd>>,
    watched: Vec<(i32, Target)>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Target {
    List,
    HostsFile(OsString),
}

#[derive(Clone, Copy, Default)]
struct Changed {
    list: bool,
    hosts_file: bool,
    /// The list was swapped as the kubelet does it: whole, in one step.
    is_swapped: bool,
}

#[derive(Clone, Copy, Default)]
struct Ready {
    stop: bool,
    alone: bool,
    readable: bool,
}

impl Watch {
    /// A watch that ends when `stop` becomes readable.
    pub fn new(stop: OwnedFd) -> Self {
        let inotify = inotify::init(CreateFlags::NONBLOCK | CreateFlags::CLOEXEC).ok();
        Self { inotify, stop, keeper: None, watched: Vec::new() }
    }

    /// Also wakes when the other end of `line`, the keeper's, hangs up.
    pub fn keeper(&mut self, line: Rc<OwnedFd>) {
        self.keeper = Some(line);
    }

    /// Watches the directory of the list, and the hosts file as a name in each of `places`. Calling
    /// it again is cheap and finds directories that have been replaced. Gives why a directory is
    /// not watched, if one is not.
    pub fn follow(&mut self, list: &Path, places: &[(PathBuf, OsString)]) -> Option<Message> {
        let Some(inotify) = &self.inotify else {
            return Some(Message::new(
                "cannot watch for changes: the node has no inotify instances left; see fs.inotify.max_user_instances",
            ));
        };
        let mut watched = Vec::new();
        let mut problem = None;
        let targets = std::iter::once((list, Target::List))
            .chain(places.iter().map(|(path, name)| (path.as_path(), Target::HostsFile(name.clone()))));
        for (directory, target) in targets {
            // Not every write: a file counts when its writer has closed it. Not deletions: there is nothing
            // to read until another file follows. Nor permissions.
            let events = WatchFlags::CREATE | WatchFlags::MOVED_TO | WatchFlags::CLOSE_WRITE;
            match inotify::add_watch(inotify, directory, events | WatchFlags::ONLYDIR) {
                Ok(id) => watched.push((id, target)),
                Err(error) => {
                    let error = io::Error::from(error);
                    problem =
                        Some(Message::new(format_args!("cannot watch {}: {error}", directory.display())));
                }
            }
        }
        for (id, _) in &self.watched {
            if !watched.iter().any(|(kept, _)| kept == id) {
                // It may be gone with its directory.
                let _ = inotify::remove_watch(inotify, *id);
            }
        }
        self.watched = watched;
        problem
    }

    /// Waits until `due` at the latest.
    pub fn wait(&mut self, due: Instant) -> io::Result<Wake> {
        let mut changed = Changed::default();
        let mut first_change = None;
        loop {
            let until = match first_change {
                None => due,
                Some(first) => (Instant::now() + QUIET).min(first + LONGEST),
            };
            let Ready { stop, alone, readable } = self.poll(until)?;
            if stop {
                return Ok(Wake::Stop);
            }
            if alone {
                return Ok(Wake::Alone);
            }
            if readable {
                let more = self.drain()?;
                if more.is_swapped {
                    return Ok(Wake::List);
                }
                changed.list |= more.list;
                changed.hosts_file |= more.hosts_file;
                if (more.list || more.hosts_file) && first_change.is_none() {
                    first_change = Some(Instant::now());
                }
            }
            let settled = !readable || first_change.is_some_and(|first| first.elapsed() >= LONGEST);
            match (changed.list, changed.hosts_file) {
                (true, _) if settled => return Ok(Wake::List),
                (false, true) if settled => return Ok(Wake::HostsFile),
                (false, false) if Instant::now() >= due => return Ok(Wake::Due),
                _ => {}
            }
        }
    }

    /// The events that have arrived; none at the time `until`.
    fn poll(&self, until: Instant) -> io::Result<Ready> {
        let left = until.saturating_duration_since(Instant::now());
        let timeout = Timespec {
            tv_sec: i64::try_from(left.as_secs()).unwrap_or(i64::MAX),
            tv_nsec: i64::from(left.subsec_nanos()),
        };
        let mut fds = vec![PollFd::new(&self.stop, PollFlags::IN)];
        // Its answers are read where the question was asked; the kernel reports a hang-up without being asked.
        let keeper = self.keeper.iter().map(|line| PollFd::new(line, PollFlags::empty()));
        fds.extend(keeper.chain(self.inotify.iter().map(|inotify| PollFd::new(inotify, PollFlags::IN))));
        match poll(&mut fds, Some(&timeout)) {
            Ok(_) => {}
            // The signal's own handler has written to `stop`.
            Err(Errno::INTR) => return Ok(Ready::default()),
            Err(error) => return Err(error.into()),
        }
        let is_ready = |index: usize| fds.get(index).is_some_and(|fd: &PollFd<'_>| !fd.revents().is_empty());
        let after_keeper = 1 + usize::from(self.keeper.is_some());
        Ok(Ready {
            stop: is_ready(0),
            alone: self.keeper.is_some() && is_ready(1),
            readable: self.inotify.is_some() && is_ready(after_keeper),
        })
    }

    fn drain(&self) -> io::Result<Changed> {
        let mut changed = Changed::default();
        let Some(inotify) = &self.inotify else { return Ok(changed) };
        let mut buffer = [MaybeUninit::uninit(); 4096];
        let mut events: Reader<'_, BorrowedFd<'_>> = Reader::new(inotify.as_fd(), &mut buffer);
        loop {
            let event = match events.next() {
                Ok(event) => event,
                Err(Errno::AGAIN) => return Ok(changed),
                Err(Errno::INTR) => continue,
                Err(error) => return Err(error.into()),
            };
            if event.events().intersects(ReadFlags::QUEUE_OVERFLOW | ReadFlags::IGNORED | ReadFlags::UNMOUNT)
            {
                // Events were lost: look at everything, and watch again.
                changed = Changed { list: true, hosts_file: true, ..changed };
            }
            let name = event.file_name().map(|name| OsStr::from_bytes(name.to_bytes()));
            for (_, target) in self.watched.iter().filter(|(id, _)| *id == event.wd()) {
                match target {
                    Target::List if name.is_some_and(|name| name == "..data") => changed.is_swapped = true,
                    // Where no kubelet mounts the ConfigMap.
                    Target::List if name.is_some_and(|name| name == HOSTS_KEY) => changed.list = true,
                    Target::List => {}
                    Target::HostsFile(hosts) if name == Some(hosts) => changed.hosts_file = true,
                    Target::HostsFile(_) => {}
                }
            }
        }
    }
}
