//! The API credential in a mounted Secret: one file for each key. The kubelet updates the files with the
//! Secret, so a changed credential is used without a restart.

use std::ffi::OsString;
use std::io::ErrorKind;
use std::os::unix::ffi::OsStringExt as _;
use std::path::Path;

use super::credential::{ApiCredential, ApiCredentialError, Origin};
use super::environment;

/// Far above any key, so that a wrong path does not fill the memory.
const LARGEST: u64 = 64 * 1024;

/// The credential in the folder's files, which are named as the variables are. None when neither the id nor the
/// key is there.
pub fn read(folder: &Path) -> Result<Option<ApiCredential>, ApiCredentialError> {
    let origin = Origin::Directory(folder.to_owned());
    let mut broken = None;
    let read = |name: &str| match read_file(&folder.join(name)) {
        Ok(value) => value,
        Err(error) => {
            broken = Some(format!("cannot read {name}: {error}"));
            None
        }
    };
    let names = [environment::SECRET_ID, environment::SECRET_KEY, environment::TOKENS[0]];
    let values = names.map(read);
    if let Some(reason) = broken {
        return Err(ApiCredentialError::Broken { origin, reason });
    }
    let variables = |wanted: &str| {
        names.iter().zip(&values).find(|(name, _)| **name == wanted).and_then(|(_, value)| value.clone())
    };
    environment::read_from(&variables, origin)
}

/// A file's content, without the line end that `kubectl create secret --from-file` keeps.
fn read_file(path: &Path) -> std::io::Result<Option<OsString>> {
    let size = match std::fs::metadata(path) {
        Ok(metadata) => metadata.len(),
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => {
            return Ok(None);
        }
        Err(error) => return Err(error),
    };
    if size > LARGEST {
        return Err(std::io::Error::other(format!("{size} bytes are too many for a key")));
    }
    let mut bytes = std::fs::read(path)?;
    if bytes.last() == Some(&b'\n') {
        bytes.pop();
    }
    Ok(Some(OsString::from_vec(bytes)))
}
