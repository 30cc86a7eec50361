//! Where the file behind a path really is, without leaving the path's directory: that directory is
//! the part of the node that is mounted, and an absolute symlink in it means the node's root, not
//! the container's.

use std::collections::VecDeque;
use std::ffi::{OsStr, OsString};
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::path::{Component, Path, PathBuf};

use rustix::fs::{AtFlags, Mode, OFlags, Stat};
use rustix::io::Errno;

use super::HostsFileError;

/// As many as the kernel follows.
const MAX_LINKS: usize = 40;

/// A file as its real directory and its name there.
#[derive(Debug)]
pub(super) struct Location {
    pub(super) directory: OwnedFd,
    pub(super) name: OsString,
    /// The directory's path, for watching it.
    pub(super) path: PathBuf,
}

impl Location {
    /// What is there now.
    pub(super) fn stat(&self) -> Result<Stat, Errno> {
        rustix::fs::statat(&self.directory, &self.name, AtFlags::SYMLINK_NOFOLLOW)
    }
}

/// The real place of `path`'s file. The file itself need not exist.
pub(super) fn locate(path: &Path) -> Result<Location, HostsFileError> {
    let step = |operation, source: Errno| HostsFileError::Step {
        operation,
        path: path.to_owned(),
        source: source.into(),
    };
    let root = match path.parent() {
        Some(parent) if parent != Path::new("") => parent,
        _ => Path::new("."),
    };
    let name = path.file_name().ok_or_else(|| HostsFileError::NotAFile(path.to_owned()))?;
    // Only places to start from: a confined process may not open a directory for reading.
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let mut directory = rustix::fs::open(root, flags, Mode::empty())
        .map_err(|source| step("open the directory of", source))?;
    let mut components = resolve(&directory, root, name, path)?;
    let Some(name) = components.pop() else { return Err(HostsFileError::NotAFile(path.to_owned())) };
    let mut real = root.to_owned();
    for component in components {
        // Nothing is followed here: a link put there since then is an error, not a way out.
        directory = rustix::fs::openat(&directory, &component, flags | OFlags::NOFOLLOW, Mode::empty())
            .map_err(|source| step("open the directory of", source))?;
        real.push(component);
    }
    Ok(Location { directory, name, path: real })
}

/// The components of `name` below `root` after all symlinks.
fn resolve(
    root_directory: &OwnedFd,
    root: &Path,
    name: &OsStr,
    path: &Path,
) -> Result<Vec<OsString>, HostsFileError> {
    let mut done: Vec<OsString> = Vec::new();
    let mut todo: VecDeque<OsString> = VecDeque::from([name.to_owned()]);
    let mut links = 0;
    let mut last_target = PathBuf::new();
    let outside = |target: &Path| HostsFileError::Outside {
        path: path.to_owned(),
        target: target.to_owned(),
        directory: root.to_owned(),
    };
    while let Some(component) = todo.pop_front() {
        if component == ".." {
            if done.pop().is_none() {
                return Err(outside(&last_target));
            }
            continue;
        }
        let here = done.iter().collect::<PathBuf>().join(&component);
        match rustix::fs::readlinkat(root_directory, &here, Vec::new()) {
            Ok(target) => {
                links += 1;
                if links > MAX_LINKS {
                    return Err(HostsFileError::Loop(path.to_owned()));
                }
                last_target = PathBuf::from(OsStr::from_bytes(target.as_bytes()));
                let relative = if last_target.is_absolute() {
                    done.clear();
                    below_root(root, &last_target).ok_or_else(|| outside(&last_target))?
                } else {
                    last_target.clone()
                };
                for component in relative.components().rev() {
                    match component {
                        Component::Normal(normal) => todo.push_front(normal.to_owned()),
                        Component::ParentDir => todo.push_front(OsString::from("..")),
                        Component::CurDir | Component::RootDir | Component::Prefix(_) => {}
                    }
                }
            }
            // Not a link, or not there, which opening it will tell.
            Err(Errno::INVAL | Errno::NOENT) => done.push(component),
            Err(source) => {
                return Err(HostsFileError::Step {
                    operation: "follow",
                    path: path.to_owned(),
                    source: source.into(),
                });
            }
        }
    }
    Ok(done)
}

/// The node's `/etc/x` as a path below the mounted directory, which has the node's name for it:
/// `x` below `/host/etc`. None for everything else.
fn below_root(root: &Path, target: &Path) -> Option<PathBuf> {
    let of_node = Path::new("/").join(root.file_name()?);
    target.strip_prefix(of_node).ok().map(Path::to_owned)
}
