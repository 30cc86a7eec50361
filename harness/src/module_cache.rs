//! Compiled modules kept on disk, so that running a policy again does not compile it again.

use std::fs;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};
use wasmtime::{Engine, Module};

use crate::whole_file;

#[cfg(test)]
mod tests;

/// A folder of compiled modules that only its owner can enter.
///
/// A file's name is made of the engine's version and configuration and of the wasm's digest; its
/// first 32 bytes are the SHA-256 of the rest. A file that does not match is ignored and replaced.
#[derive(Debug, Clone)]
pub struct ModuleCache {
    folder: PathBuf,
}

impl ModuleCache {
    /// The user's cache: `$XDG_CACHE_HOME/tcr-assistant/modules`, or the same under `~/.cache`.
    /// `None` when neither is set, or the folder cannot be one of ours alone.
    pub fn of_user() -> Option<Self> {
        let absolute = |name| std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
        let cache = absolute("XDG_CACHE_HOME").or_else(|| Some(absolute("HOME")?.join(".cache")))?;
        let folder = cache.join("tcr-assistant").join("modules");
        Self::at(&folder)
            .inspect_err(|error| tracing::info!("no module cache in {}: {error}", folder.display()))
            .ok()
    }

    /// A cache in `folder`, which is made when it is not there.
    ///
    /// # Errors
    /// When it cannot be made, is not ours, or others may write to it: what lies in it is run.
    pub fn at(folder: &Path) -> io::Result<Self> {
        fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
        let found = fs::metadata(folder)?;
        // The owner of this process's files in /proc is the user that it runs as.
        if found.uid() != fs::metadata("/proc/self")?.uid() {
            return Err(io::Error::other("it belongs to another user"));
        }
        if found.permissions().mode() & 0o022 != 0 {
            return Err(io::Error::other("others may write to it: give it mode 0700 and empty it"));
        }
        if found.permissions().mode() & 0o077 != 0 {
            fs::set_permissions(folder, fs::Permissions::from_mode(0o700))?;
        }
        Ok(Self { folder: folder.to_owned() })
    }

    pub(crate) fn load(&self, engine: &Engine, digest: &str) -> Option<Module> {
        let path = self.path(engine, digest);
        let file = fs::read(&path).ok()?;
        let (sum, compiled) = file.split_at_checked(32)?;
        if Sha256::digest(compiled).as_slice() != sum {
            tracing::warn!("ignoring the damaged compiled module {}", path.display());
            return None;
        }
        #[expect(
            unsafe_code,
            reason = "the bytes are what this engine version and configuration serialised: the name says so, \
                      their digest was checked, and only this user can write to the folder"
        )]
        let module = unsafe { Module::deserialize(engine, compiled) };
        module
            .inspect_err(|error| {
                tracing::info!("cannot use the compiled module {}: {error:#}", path.display())
            })
            .ok()
    }

    /// Keeps a module for next time. A cache that cannot be written costs time, nothing else.
    pub(crate) fn store(&self, engine: &Engine, digest: &str, module: &Module) {
        let path = self.path(engine, digest);
        let stored = module
            .serialize()
            .map_err(|error| io::Error::other(format!("{error:#}")))
            .and_then(|compiled| write(&path, &compiled));
        if let Err(error) = stored {
            tracing::info!("cannot keep the compiled module {}: {error}", path.display());
        }
    }

    fn path(&self, engine: &Engine, digest: &str) -> PathBuf {
        let mut hasher = DefaultHasher::new();
        engine.precompile_compatibility_hash().hash(&mut hasher);
        let digest = digest.rsplit(':').next().unwrap_or_default();
        self.folder.join(format!("{:016x}-{digest}.cwasm", hasher.finish()))
    }
}

/// Writes a module behind its checksum.
fn write(path: &Path, compiled: &[u8]) -> io::Result<()> {
    whole_file::replace(path, |file| {
        file.write_all(&Sha256::digest(compiled))?;
        file.write_all(compiled)?;
        file.sync_all()
    })
}
