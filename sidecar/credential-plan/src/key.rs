//! What makes two ImagePullSecrets share a credential.

use std::fmt;

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use tcr::image_pull_secret::{CredentialKind, Tcr};

/// Which credential is meant. `onDelete` and `rotateAfter` are not part of it: changing them must not
/// cost a new credential.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Key {
    /// The id of the instance, `tcr-...`.
    pub instance_id: String,
    /// The region that the instance is in.
    pub region: String,
    /// Whether it is long-term or temporary.
    pub kind: CredentialKind,
    /// The description as the object has it; none for the default.
    pub description: Option<String>,
}

impl Key {
    /// The key of `spec.tcr`.
    pub fn of(tcr: &Tcr) -> Self {
        Self {
            instance_id: tcr.instance_id.clone(),
            region: tcr.region.clone(),
            kind: tcr.credential.kind,
            description: tcr.credential.description.clone().filter(|text| !text.trim().is_empty()),
        }
    }

    /// The name of the Secret that keeps the credential.
    pub fn secret_name(&self) -> String {
        let Self { instance_id, region, kind, description } = self;
        let kind = match kind {
            CredentialKind::Longterm => "longterm",
            CredentialKind::Temp => "temp",
            // Nobody keeps one.
            CredentialKind::None => "none",
        };
        // Lengths in front, so that no two keys give the same text.
        let mut text = String::new();
        for part in [region, kind, description.as_deref().unwrap_or_default()] {
            text.push_str(&format!("{}:{part};", part.len()));
        }
        let digest = Sha256::digest(text);
        let hash = tcr::hex::encode(&digest[..4]);
        format!("tcr-assistant-credential-{instance_id}-{hash}")
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.secret_name())
    }
}

#[cfg(test)]
mod tests {
    use expect_test::expect;

    use super::*;

    #[test]
    fn the_secrets_name_never_changes_between_versions() {
        let mut tcr =
            Tcr { instance_id: "tcr-demo0001".into(), region: "ap-guangzhou".into(), ..Tcr::default() };
        expect![[r#"tcr-assistant-credential-tcr-demo0001-"#]].assert_eq(&Key::of(&tcr).secret_name()[..38]);
        let before = Key::of(&tcr).secret_name();
        tcr.credential.rotate_after = Some("2160h".to_owned());
        assert_eq!(Key::of(&tcr).secret_name(), before);
        tcr.credential.description = Some("mine".to_owned());
        assert_ne!(Key::of(&tcr).secret_name(), before);
    }
}
