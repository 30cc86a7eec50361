//! The API credential in environment variables.

use std::ffi::OsString;

use tcr::sensitive::Sensitive;

use super::credential::{ApiCredential, ApiCredentialError, Origin, Variables, usable};

/// Where a name is looked up.
type Lookup<'a> = dyn Fn(&str) -> Option<OsString> + 'a;

/// The variable with the secret id.
pub const SECRET_ID: &str = "TENCENTCLOUD_SECRET_ID";
/// The variable with the secret key.
pub const SECRET_KEY: &str = "TENCENTCLOUD_SECRET_KEY";
/// The session token's two names: tccli reads the first, the Terraform provider the second.
pub const TOKENS: [&str; 2] = ["TENCENTCLOUD_TOKEN", "TENCENTCLOUD_SECURITY_TOKEN"];

/// The credential in the variables, none when neither id nor key is set.
pub fn read(variables: &Variables) -> Result<Option<ApiCredential>, ApiCredentialError> {
    read_from(variables, Origin::Environment)
}

/// Reads the credential from another source with the variables' names.
pub(super) fn read_from(
    variables: &Lookup<'_>,
    origin: Origin,
) -> Result<Option<ApiCredential>, ApiCredentialError> {
    read_variables(variables, &origin).map_err(|reason| ApiCredentialError::Broken { origin, reason })
}

fn read_variables(variables: &Lookup<'_>, origin: &Origin) -> Result<Option<ApiCredential>, String> {
    let (secret_id, secret_key) = match (variable(variables, SECRET_ID)?, variable(variables, SECRET_KEY)?) {
        (None, None) => return Ok(None),
        (Some(_), None) => return Err(format!("{SECRET_ID} is set and {SECRET_KEY} is not")),
        (None, Some(_)) => return Err(format!("{SECRET_KEY} is set and {SECRET_ID} is not")),
        (Some(id), Some(key)) => (id, key),
    };
    usable(SECRET_ID, &secret_id)?;
    usable(SECRET_KEY, &secret_key)?;
    Ok(Some(ApiCredential {
        secret_id,
        secret_key: Sensitive::new(secret_key),
        token: session_token(variables)?,
        origin: origin.clone(),
        expires_at: None,
        renew_at: None,
    }))
}

fn session_token(variables: &Lookup<'_>) -> Result<Option<Sensitive>, String> {
    let mut found: Option<(&str, String)> = None;
    for name in TOKENS {
        // A chart passes "no token" as an empty value.
        let Some(value) = variable(variables, name)?.filter(|value| !value.is_empty()) else { continue };
        usable(name, &value)?;
        match &found {
            Some((first, other)) if *other != value => {
                return Err(format!("{first} and {name} differ; set one of them"));
            }
            _ => found = Some((name, value)),
        }
    }
    Ok(found.map(|(_, value)| Sensitive::new(value)))
}

fn variable(variables: &Lookup<'_>, name: &str) -> Result<Option<String>, String> {
    variables(name)
        .map(|value| value.into_string().map_err(|_| format!("{name} is not valid UTF-8")))
        .transpose()
}
