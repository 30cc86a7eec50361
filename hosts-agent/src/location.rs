//! Where the file behind a path really is, without leaving the path's directory: that directory is
//! the part of the node that is mounted, and an absolute symlink in it means the node's root, not
//! the container's.

use std::collections::VecDeque;
use std::ffi::{OsStr, OsString};
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::path::{Component, Path, PathBuf};

use rustix::fs::{AtFlags, CWD, FileType, Mode, OFlags, Stat};
use rustix::io::Errno;

/// As many as the kernel follows.
const MAX_LINKS: usize = 40;

/// A file as its real directory and its name there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Location {
    /// The path as given.
    path: PathBuf,
    /// The directory that is not left.
    root: PathBuf,
    below: Vec<OsString>,
    name: OsString,
}

/// Why a path leads to no file.
#[derive(Debug, thiserror::Error)]
pub enum LocationError {
    /// A step of the way failed.
    #[error("cannot {operation} {}: {source}", path.display())]
    Step {
        /// The operation that failed.
        operation: &'static str,
        /// On which file or directory.
        path: PathBuf,
        /// Why the operation failed.
        source: io::Error,
    },
    /// A symlink that leads where the node's file system is not mounted.
    #[error(
        "cannot follow the symlink {} to {}: it leads out of {}; mount the directory that holds the file itself",
        path.display(), target.display(), directory.display()
    )]
    Outside {
        /// The path as given.
        path: PathBuf,
        /// The target of its link.
        target: PathBuf,
        /// The directory that must not be left.
        directory: PathBuf,
    },
    /// Links that lead to each other.
    #[error("cannot follow {}: too many symlinks", .0.display())]
    Loop(PathBuf),
    /// A directory, a device or a pipe.
    #[error("cannot use {}: it is not a regular file", .0.display())]
    NotAFile(PathBuf),
}

impl LocationError {
    /// Whether the directory is there and the file is not.
    pub fn is_absence(&self) -> bool {
        match self {
            Self::Step { path, source, .. } => {
                source.kind() == io::ErrorKind::NotFound && parent(path).is_dir()
            }
            _ => false,
        }
    }
}

impl Location {
    /// The real place of `path`'s file. The file itself need not exist. Looks at links only, and opens nothing.
    pub(crate) fn of(path: &Path) -> Result<Self, LocationError> {
        let root = parent(path);
        let name = path.file_name().ok_or_else(|| LocationError::NotAFile(path.to_owned()))?;
        let mut below = resolve(root, name, path)?;
        let Some(name) = below.pop() else { return Err(LocationError::NotAFile(path.to_owned())) };
        Ok(Self { path: path.to_owned(), root: root.to_owned(), below, name })
    }

    /// The name in the real directory.
    pub(crate) fn name(&self) -> &OsStr {
        &self.name
    }

    /// The real directory, for watching it.
    pub(crate) fn directory(&self) -> PathBuf {
        self.below.iter().fold(self.root.clone(), |path, component| path.join(component))
    }

    /// The metadata of the present file. Opens nothing.
    pub(crate) fn stat(&self) -> Result<Stat, Errno> {
        rustix::fs::statat(CWD, self.directory().join(&self.name), AtFlags::SYMLINK_NOFOLLOW)
    }

    /// The real directory, as a place to start from.
    pub(crate) fn open_directory(&self) -> Result<OwnedFd, LocationError> {
        // A confined process may not open a directory for reading.
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let failed = |source| self.step("open the directory of", source);
        let mut directory = rustix::fs::openat(CWD, &self.root, flags, Mode::empty()).map_err(failed)?;
        for component in &self.below {
            // No link is followed here: a link that was created since then is an error, not a way out.
            let flags = flags | OFlags::NOFOLLOW;
            directory = rustix::fs::openat(&directory, component, flags, Mode::empty()).map_err(failed)?;
        }
        Ok(directory)
    }

    /// The file in `directory`, which is the real one, open for reading.
    pub(crate) fn open_in(&self, directory: &OwnedFd) -> Result<(OwnedFd, Stat), LocationError> {
        // NONBLOCK: opening a pipe must not wait for its writer.
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let file = rustix::fs::openat(directory, &self.name, flags, Mode::empty())
            .map_err(|source| self.step("open", source))?;
        let stat = rustix::fs::fstat(&file).map_err(|source| self.step("inspect", source))?;
        if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile {
            return Err(LocationError::NotAFile(self.path.clone()));
        }
        Ok((file, stat))
    }

    fn step(&self, operation: &'static str, source: Errno) -> LocationError {
        LocationError::Step { operation, path: self.path.clone(), source: source.into() }
    }
}

/// The file behind `path`, open for reading.
pub(crate) fn open(path: &Path) -> Result<OwnedFd, LocationError> {
    let location = Location::of(path)?;
    Ok(location.open_in(&location.open_directory()?)?.0)
}

/// The directory that `path` is in.
pub(crate) fn parent(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if parent != Path::new("") => parent,
        _ => Path::new("."),
    }
}

/// The components of `name` below `root` after all symlinks.
fn resolve(root: &Path, name: &OsStr, path: &Path) -> Result<Vec<OsString>, LocationError> {
    let mut done: Vec<OsString> = Vec::new();
    let mut todo: VecDeque<OsString> = VecDeque::from([name.to_owned()]);
    let mut links = 0;
    let mut last_target = PathBuf::new();
    let outside = |target: &Path| LocationError::Outside {
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
        let here = done.iter().fold(root.to_owned(), |path, component| path.join(component)).join(&component);
        match rustix::fs::readlinkat(CWD, &here, Vec::new()) {
            Ok(target) => {
                links += 1;
                if links > MAX_LINKS {
                    return Err(LocationError::Loop(path.to_owned()));
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
            // Not a link, or missing, which opening it will report.
            Err(Errno::INVAL | Errno::NOENT) => done.push(component),
            Err(source) => {
                return Err(LocationError::Step {
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
