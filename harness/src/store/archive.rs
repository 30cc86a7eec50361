//! Policies of the store in one file (a gzipped tar archive), for where there is no network. kwctl's form.

use std::io::{self, Read, Write};
use std::path::{Component, Path};

use flate2::Compression;
use flate2::read::GzDecoder;
use flate2::write::GzEncoder;
use tar::{Archive, Builder, EntryType, Header};

use super::{SCHEMES, Store, StoreError, relative};

/// The largest policy; more than a registry's may have is none.
const LARGEST: u64 = 256 << 20;
/// Policies of one file at most.
const MOST: usize = 10_000;

/// Why policies cannot be saved or loaded.
#[derive(Debug, thiserror::Error)]
pub enum ArchiveError {
    /// A policy, or a file of the store.
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Io(#[from] io::Error),
    /// Something in it that is no policy of a store.
    #[error("\"{name}\" in it is no policy: {reason}")]
    Entry {
        name: String,
        /// The fault.
        reason: String,
    },
}

impl Store {
    /// Writes policies into an archive, in the order in which they are given.
    ///
    /// # Errors
    /// One is not in the store, or the archive cannot be written.
    pub fn save(&self, uris: &[String], archive: impl Write) -> Result<(), ArchiveError> {
        let mut builder = Builder::new(GzEncoder::new(archive, Compression::default()));
        for uri in uris {
            let wasm = self.read(uri)?.ok_or_else(|| StoreError::Unknown(uri.clone()))?;
            let mut header = Header::new_gnu();
            header.set_entry_type(EntryType::Regular);
            header.set_size(wasm.len() as u64);
            header.set_mode(0o644);
            builder.append_data(&mut header, relative(uri)?, &wasm[..])?;
        }
        builder.into_inner()?.finish()?;
        Ok(())
    }

    /// Puts the policies of an archive into the store; their URIs. Each is looked at before any is written.
    ///
    /// # Errors
    /// It is no such archive, or something in it is no policy.
    pub fn load(&self, archive: impl Read) -> Result<Vec<String>, ArchiveError> {
        let mut policies = Vec::new();
        for entry in Archive::new(GzDecoder::new(archive)).entries()? {
            let mut entry = entry?;
            if entry.header().entry_type() == EntryType::Directory {
                continue;
            }
            let path = entry.path()?.into_owned();
            let bad = |reason: String| ArchiveError::Entry { name: path.display().to_string(), reason };
            if !entry.header().entry_type().is_file() {
                return Err(bad("it is not a file".to_owned()));
            }
            if entry.size() > LARGEST || policies.len() == MOST {
                return Err(bad(format!("it has more than {LARGEST} bytes, or is one of more than {MOST}")));
            }
            let uri = uri_of(&path).ok_or_else(|| bad("its name is no policy's place".to_owned()))?;
            let mut wasm = Vec::new();
            entry.read_to_end(&mut wasm)?;
            if !wasm.starts_with(b"\0asm") {
                return Err(bad("it is not a wasm module".to_owned()));
            }
            policies.push((uri, wasm));
        }
        for (uri, wasm) in &policies {
            self.write(uri, wasm)?;
        }
        Ok(policies.into_iter().map(|(uri, _)| uri).collect())
    }
}

fn uri_of(path: &Path) -> Option<String> {
    let mut parts = Vec::new();
    for component in path.components() {
        match component {
            Component::Normal(part) => parts.push(part.to_str()?),
            Component::CurDir => {}
            _ => return None,
        }
    }
    let (scheme, rest) = parts.split_first()?;
    let uri = format!("{scheme}://{}", rest.join("/"));
    (SCHEMES.contains(scheme) && relative(&uri).is_ok()).then_some(uri)
}
