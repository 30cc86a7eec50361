//! The store of pulled policies, which is kwctl's too: `$XDG_CACHE_HOME/kubewarden/store`, or the same under `~/.cache`.
//!
//! A policy lies where its URI says: `registry://ghcr.io/kubewarden/policies/a:v1` is the file
//! `registry/ghcr.io/kubewarden/policies/a:v1`.

use std::fs;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use sha2::{Digest as _, Sha256};
use tcr::hex;

use crate::whole_file;

mod archive;
#[cfg(test)]
mod tests;

pub use archive::ArchiveError;

/// Where policies come from that are kept.
const SCHEMES: [&str; 3] = ["registry", "https", "http"];
/// How deep folders may be: repositories have no more parts.
const DEEPEST: usize = 32;

/// Pulled policies.
#[derive(Debug, Clone)]
pub struct Store {
    root: PathBuf,
}

/// Why the store has or takes no such policy.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The URI names no place in it.
    #[error("\"{uri}\" is no policy's URI: {reason}")]
    Uri {
        /// As given.
        uri: String,
        /// The fault.
        reason: &'static str,
    },
    /// A file or folder of it.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        source: io::Error,
    },
    /// There is no such policy.
    #[error("Cannot find policy \"{0}\" inside of the local store: pull it (harness pull)")]
    Unknown(String),
    /// Several policies have a digest that begins so.
    #[error("several policies begin with \"{prefix}\": {}", uris.join(", "))]
    Several { prefix: String, uris: Vec<String> },
}

impl Store {
    /// The user's; `None` where neither `XDG_CACHE_HOME` nor `HOME` is set.
    pub fn of_user() -> Option<Self> {
        let absolute = |name| std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
        let cache = absolute("XDG_CACHE_HOME").or_else(|| Some(absolute("HOME")?.join(".cache")))?;
        Some(Self::at(&cache.join("kubewarden").join("store")))
    }

    /// A store in a folder, which is made when the first policy comes.
    pub fn at(root: &Path) -> Self {
        Self { root: root.to_owned() }
    }

    pub fn root(&self) -> &Path {
        &self.root
    }

    /// A policy's bytes; `None` where it is not in the store.
    ///
    /// # Errors
    /// The URI is none, or the file cannot be read.
    pub fn read(&self, uri: &str) -> Result<Option<Vec<u8>>, StoreError> {
        let path = self.root.join(relative(uri)?);
        match fs::read(&path) {
            Ok(bytes) => Ok(Some(bytes)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(source) => Err(StoreError::Io { path, source }),
        }
    }

    /// Keeps a policy, in the place of what its URI was before. Readers see the old one or the new one.
    ///
    /// # Errors
    /// The URI is none, or the file cannot be written.
    pub fn write(&self, uri: &str, wasm: &[u8]) -> Result<PathBuf, StoreError> {
        let path = self.root.join(relative(uri)?);
        let failed = |path: &Path| {
            let path = path.to_owned();
            |source| StoreError::Io { path, source }
        };
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder).map_err(failed(folder))?;
        }
        whole_file::replace(&path, |file| file.write_all(wasm)).map_err(failed(&path))?;
        Ok(path)
    }

    /// Takes a policy out, and the folders that are empty then.
    ///
    /// # Errors
    /// It is not there, or cannot be removed.
    pub fn remove(&self, uri: &str) -> Result<(), StoreError> {
        let relative = relative(uri)?;
        let path = self.root.join(&relative);
        match fs::remove_file(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Err(StoreError::Unknown(uri.to_owned()));
            }
            removed => removed.map_err(|source| StoreError::Io { path, source })?,
        }
        for folder in relative.ancestors().skip(1).filter(|folder| !folder.as_os_str().is_empty()) {
            if fs::remove_dir(self.root.join(folder)).is_err() {
                break;
            }
        }
        Ok(())
    }

    /// The URIs of all policies, by name.
    ///
    /// # Errors
    /// A folder cannot be read.
    pub fn list(&self) -> Result<Vec<String>, StoreError> {
        let mut uris = Vec::new();
        for scheme in SCHEMES {
            self.walk(&self.root.join(scheme), &format!("{scheme}:/"), 0, &mut uris)?;
        }
        uris.sort();
        Ok(uris)
    }

    fn walk(&self, folder: &Path, uri: &str, depth: usize, uris: &mut Vec<String>) -> Result<(), StoreError> {
        let failed = |source| StoreError::Io { path: folder.to_owned(), source };
        let entries = match fs::read_dir(folder) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            entries => entries.map_err(failed)?,
        };
        for entry in entries {
            let entry = entry.map_err(failed)?;
            let name = entry.file_name();
            let Some(name) = name.to_str().filter(|name| !name.ends_with(".new")) else { continue };
            let (kind, uri) = (entry.file_type().map_err(failed)?, format!("{uri}/{name}"));
            match () {
                () if kind.is_dir() && depth < DEEPEST => self.walk(&entry.path(), &uri, depth + 1, uris)?,
                () if kind.is_file() => uris.push(uri),
                () => {}
            }
        }
        Ok(())
    }

    /// The policy whose SHA-256 begins so.
    ///
    /// # Errors
    /// There is none, or there are several.
    pub fn by_digest(&self, prefix: &str) -> Result<String, StoreError> {
        let mut found = Vec::new();
        for uri in self.list()? {
            let wasm = self.read(&uri)?.unwrap_or_default();
            if hex::encode(&Sha256::digest(&wasm)).starts_with(prefix) {
                found.push(uri);
            }
        }
        match <[String; 1]>::try_from(found) {
            Ok([uri]) => Ok(uri),
            Err(none) if none.is_empty() => Err(StoreError::Unknown(prefix.to_owned())),
            Err(uris) => Err(StoreError::Several { prefix: prefix.to_owned(), uris }),
        }
    }
}

/// A URI as the store has it: a reference of a registry that names neither tag nor digest is the tag `latest`.
pub fn normalized(uri: &str) -> String {
    let last = uri.rsplit('/').next().unwrap_or_default();
    match uri.starts_with("registry://") && !last.contains([':', '@']) {
        true => format!("{uri}:latest"),
        false => uri.to_owned(),
    }
}

/// Where a policy lies, from the store's root on.
fn relative(uri: &str) -> Result<PathBuf, StoreError> {
    let bad = |reason| StoreError::Uri { uri: uri.to_owned(), reason };
    let normal = normalized(uri);
    let (scheme, rest) = normal.split_once("://").ok_or_else(|| bad("it has no scheme"))?;
    if !SCHEMES.contains(&scheme) {
        return Err(bad("its scheme is not registry, https or http"));
    }
    if !rest.contains('/') {
        return Err(bad("it names a host only"));
    }
    let mut path = PathBuf::from(scheme);
    for part in rest.split(['?', '#']).next().unwrap_or_default().split('/') {
        let is_plain = !matches!(part, "" | "." | "..") && !part.contains(['\\', '\0']);
        if !is_plain || part.len() > 255 {
            return Err(bad("a part of it is empty, \".\", \"..\", or too long"));
        }
        path.push(part);
    }
    Ok(path)
}
