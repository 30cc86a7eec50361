//! What makes two ImagePullSecrets share a credential.

use std::collections::BTreeSet;
use std::fmt::{self, Write as _};

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use tcr::image_pull_secret::{CredentialKind, Tcr};

/// Which credential is meant. `onDelete`, `rotateAfter` and `validity` are not part of it: changing them must not
/// cost a new credential.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Key {
    /// The id of the instance, `tcr-...`.
    pub instance_id: String,
    /// The region that the instance is in.
    pub region: String,
    /// Whether it is long-term, temporary, or a service account.
    pub kind: CredentialKind,
    /// The description as the object has it; none for the default.
    pub description: Option<String>,
    /// The registry namespaces that a service account may pull from, sorted, each once; empty for other kinds.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub registry_namespaces: Vec<String>,
    /// The only ImagePullSecret that has it, where it is not shared.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owner: Option<String>,
    /// The role in which the cloud is asked for it; none for the controller's own identity.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub role_arn: Option<String>,
}

impl Key {
    /// The key of the `spec.tcr` of the ImagePullSecret `name`.
    pub fn of(name: &str, tcr: &Tcr) -> Self {
        // Nothing but a service account's rights is the object's to say.
        let named = match tcr.credential.kind {
            CredentialKind::ServiceAccount => tcr.credential.registry_namespaces.iter().cloned().collect(),
            CredentialKind::Longterm | CredentialKind::Temp | CredentialKind::None => BTreeSet::new(),
        };
        Self {
            instance_id: tcr.instance_id.clone(),
            region: tcr.region.clone(),
            kind: tcr.credential.kind,
            description: tcr.credential.description.clone().filter(|text| !text.trim().is_empty()),
            registry_namespaces: named.into_iter().collect(),
            owner: (!tcr.credential.is_shared()).then(|| name.to_owned()),
            role_arn: tcr.role_arn.clone(),
        }
    }

    /// The name of the Secret that keeps the credential.
    pub fn secret_name(&self) -> String {
        let Self { instance_id, region, kind, description, registry_namespaces, owner, role_arn } = self;
        let mut parts = vec![region.as_str(), kind.as_str(), description.as_deref().unwrap_or_default()];
        if *kind == CredentialKind::ServiceAccount {
            parts.push(owner.as_deref().unwrap_or_default());
            parts.extend(registry_namespaces.iter().map(String::as_str));
        }
        // Its space tells it from a registry namespace; without a role the name is what it was before there were any.
        let role = role_arn.as_ref().map(|arn| format!("role {arn}"));
        parts.extend(role.as_deref());
        // Lengths in front, so that no two keys give the same text.
        let mut text = String::new();
        for part in parts {
            // Nothing fails to be written to a text.
            let _ = write!(text, "{}:{part};", part.len());
        }
        let digest = Sha256::digest(text);
        // The description is free text: with four bytes of the digest, who may write one ImagePullSecret could find a
        // description that leads to another one's service account, or to a credential of a role. All others pull as the
        // same identity, and keep the names that they had before there were service accounts and roles.
        let is_of_another_identity = *kind == CredentialKind::ServiceAccount || role_arn.is_some();
        let length = if is_of_another_identity { 16 } else { 4 };
        let hash = tcr::hex::encode(&digest[..length]);
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
        let name = |tcr: &Tcr| Key::of("demo", tcr).secret_name();
        expect![[r#"tcr-assistant-credential-tcr-demo0001-66234ab3"#]].assert_eq(&name(&tcr));
        let before = name(&tcr);
        tcr.credential.rotate_after = Some("2160h".to_owned());
        assert_eq!(name(&tcr), before);
        tcr.role_arn = Some("qcs::cam::uin/100000000002:roleName/reader".to_owned());
        let in_role = name(&tcr);
        assert_ne!(in_role, before);
        tcr.role_arn = None;
        tcr.credential.description = Some("mine".to_owned());
        assert!(![before, in_role].contains(&name(&tcr)));
    }

    #[test]
    fn a_service_account_is_shared_by_those_who_may_pull_the_same_and_nobody_else() {
        let account = |namespaces: &[&str]| {
            let mut tcr = Tcr { instance_id: "tcr-demo0001".into(), ..Tcr::default() };
            tcr.credential.kind = CredentialKind::ServiceAccount;
            tcr.credential.registry_namespaces = namespaces.iter().map(|name| (*name).to_owned()).collect();
            tcr
        };
        let both = account(&["team-a", "base"]);
        let key = Key::of("demo", &both);
        assert_eq!(key, Key::of("twin", &account(&["base", "team-a"])), "the order says nothing");
        let mut others =
            vec![account(&["team-a"]), account(&["team-a", "base", "more"]), account(&["team", "-abase"])];
        let mut own = both.clone();
        own.credential.shared = Some(false);
        others.push(own.clone());
        for other in &others {
            assert_ne!(Key::of("demo", other).secret_name(), key.secret_name(), "{other:?}");
        }
        assert_ne!(Key::of("demo", &own), Key::of("twin", &own));
        let mut longer = both;
        longer.credential.validity = Some("48h".to_owned());
        assert_eq!(Key::of("demo", &longer), key);
        let read: Key = serde_json::from_value(serde_json::to_value(&key).unwrap()).unwrap();
        assert_eq!(read, key);
    }

    #[test]
    fn nobody_finds_another_text_for_a_service_account() {
        let mut tcr = Tcr { instance_id: "tcr-demo0001".into(), ..Tcr::default() };
        tcr.credential.kind = CredentialKind::ServiceAccount;
        tcr.credential.registry_namespaces = vec!["team-a".to_owned()];
        let name = Key::of("demo", &tcr).secret_name();
        // 128 bits of it.
        expect![[r#"tcr-assistant-credential-tcr-demo0001-b1720c9f47035ec0c732c6694d7fb082"#]]
            .assert_eq(&name);
        assert!(name.len() <= 253);
    }

    #[test]
    fn nobody_finds_another_text_for_a_role() {
        let mut tcr = Tcr { instance_id: "tcr-demo0001".into(), ..Tcr::default() };
        tcr.credential.kind = CredentialKind::Temp;
        let without = Key::of("demo", &tcr).secret_name();
        tcr.role_arn = Some("qcs::cam::uin/100000000002:roleName/reader".to_owned());
        let name = Key::of("demo", &tcr).secret_name();
        expect![[r#"tcr-assistant-credential-tcr-demo0001-e402b0db4047220dd45bbd8830af1bac"#]]
            .assert_eq(&name);
        assert_eq!(name.len(), without.len() + 24, "128 bits of it");
        // A description that says the role without being one leads elsewhere.
        tcr.credential.description = tcr.role_arn.take();
        assert_ne!(Key::of("demo", &tcr).secret_name(), name);
    }
}
