//! The API credential in a profile file, an INI file that Tencent's SDKs share:
//!
//! ```ini
//! [default]
//! secret_id = AKIDxxxxxxxx
//! secret_key = xxxxxxxx
//! ```

use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use tcr::sensitive::Sensitive;

use super::credential::{ApiCredential, ApiCredentialError, Origin, Variables, usable};

/// Names the file; then no other file is looked for.
pub const CREDENTIALS_FILE: &str = "TENCENTCLOUD_CREDENTIALS_FILE";
/// The file's path in a home directory.
const IN_HOME: &str = ".tencentcloud/credentials";
/// Another path of the Python SDK.
const SYSTEM_WIDE: &str = "/etc/tencentcloud/credentials";
/// Far above any real file, so that a wrong path does not fill the memory.
const LARGEST: u64 = 64 * 1024;

/// A file that may hold a credential.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Candidate {
    /// The path of the profile.
    pub path: PathBuf,
    /// Whether it was named explicitly, so that its absence is an error.
    pub named: bool,
}

/// The files to look in, in order.
pub fn candidates(variables: &Variables) -> Result<Vec<Candidate>, ApiCredentialError> {
    if let Some(path) = variables(CREDENTIALS_FILE) {
        if path.is_empty() {
            return Err(ApiCredentialError::Broken {
                origin: Origin::Environment,
                reason: format!("{CREDENTIALS_FILE} is empty; name a file or unset it"),
            });
        }
        return Ok(vec![Candidate { path: path.into(), named: true }]);
    }
    let home = variables("HOME").filter(|home| !home.is_empty());
    let in_home = home.map(|home| Path::new(&home).join(IN_HOME));
    let paths = in_home.into_iter().chain([PathBuf::from(SYSTEM_WIDE)]);
    Ok(paths.map(|path| Candidate { path, named: false }).collect())
}

/// The credential in the file; none when the file does not exist and was not named explicitly.
pub fn read(candidate: &Candidate) -> Result<Option<ApiCredential>, ApiCredentialError> {
    let broken = |reason: String| ApiCredentialError::Broken {
        origin: Origin::Profile(candidate.path.clone()),
        reason,
    };
    match read_file(&candidate.path) {
        Ok(text) => parse(&text, &candidate.path).map(Some).map_err(broken),
        Err(error) if absent(&error) && !candidate.named => Ok(None),
        Err(error) => Err(broken(format!("cannot read it: {error}"))),
    }
}

fn absent(error: &std::io::Error) -> bool {
    matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory)
}

fn read_file(path: &Path) -> std::io::Result<String> {
    let size = std::fs::metadata(path)?.len();
    if size > LARGEST {
        return Err(std::io::Error::other(format!("{size} bytes are too many for a profile file")));
    }
    std::fs::read_to_string(path)
}

/// Reads the section `[default]`.
fn parse(text: &str, path: &Path) -> Result<ApiCredential, String> {
    let (mut secret_id, mut secret_key, mut in_default, mut seen_default) = (None, None, false, false);
    for (line, number) in text.lines().map(str::trim).zip(1..) {
        if line.is_empty() || line.starts_with(['#', ';']) {
            continue;
        }
        if let Some(section) = line.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
            in_default = section.trim() == "default";
            seen_default |= in_default;
            continue;
        }
        // The line is not quoted: it may be a key whose "=" is missing.
        let (key, value) = line.split_once('=').ok_or(format!("line {number} is not \"key = value\""))?;
        let slot = match key.trim() {
            "secret_id" if in_default => &mut secret_id,
            "secret_key" if in_default => &mut secret_key,
            _ => continue,
        };
        if slot.replace(value.trim().to_owned()).is_some() {
            return Err(format!("line {number} gives {} a second time", key.trim()));
        }
    }
    if !seen_default {
        return Err("there is no section [default]".to_owned());
    }
    let secret_id = secret_id.ok_or("section [default] has no secret_id")?;
    let secret_key = secret_key.ok_or("section [default] has no secret_key")?;
    usable("secret_id", &secret_id)?;
    usable("secret_key", &secret_key)?;
    Ok(ApiCredential {
        secret_id,
        secret_key: Sensitive::new(secret_key),
        token: None,
        origin: Origin::Profile(path.to_owned()),
        expires_at: None,
        renew_at: None,
    })
}
