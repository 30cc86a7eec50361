//! Prints Secrets, with or without their passwords.

use std::collections::BTreeMap;

use clap::ValueEnum;
use custom_resource::manifest;
use k8s_openapi::api::core::v1::Secret;
use serde_json::{Map, Value, json};
use tcr::docker_config::DockerConfig;
use tcr::names::SECRET_KEY;

/// Stands for a password.
const MASK: &str = "***";

/// How to print objects.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// YAML documents
    Yaml,
    /// One JSON object, a List when there are several
    Json,
}

/// All Secrets in one text.
pub(super) fn text(secrets: &[Secret], format: Format) -> anyhow::Result<String> {
    match (format, secrets) {
        (Format::Yaml, _) => {
            let documents: anyhow::Result<Vec<_>> = secrets.iter().map(manifest::yaml).collect();
            Ok(documents?.join("---\n"))
        }
        (Format::Json, [only]) => Ok(serde_json::to_string_pretty(only)? + "\n"),
        (Format::Json, several) => {
            let list = json!({ "apiVersion": "v1", "kind": "List", "items": several });
            Ok(serde_json::to_string_pretty(&list)? + "\n")
        }
    }
}

/// The Secret with its user names and hosts readable, and without passwords and their base64, so that nothing
/// can be decoded from the output.
pub(super) fn masked(mut secret: Secret) -> Secret {
    let data = secret.data.take().unwrap_or_default();
    let shown = data.get(SECRET_KEY).map(|bytes| masked_config(&bytes.0));
    secret.string_data = Some(BTreeMap::from([(SECRET_KEY.to_owned(), shown.unwrap_or_default())]));
    secret
}

fn masked_config(bytes: &[u8]) -> String {
    // Content that cannot be parsed is not printed at all.
    let logins = DockerConfig::logins(bytes).unwrap_or_default();
    let auths: Map<String, Value> = logins
        .into_iter()
        .map(|(host, login)| (host, json!({ "username": login.username, "password": MASK, "auth": MASK })))
        .collect();
    json!({ "auths": auths }).to_string()
}

#[cfg(test)]
mod tests {
    use expect_test::expect;
    use tcr::sensitive::Sensitive;

    use super::*;

    fn demo() -> Secret {
        let host = "demo.tencentcloudcr.com".parse().unwrap();
        let config = DockerConfig::new([host], "100012345678", &Sensitive::new("tcr.jwt.token"));
        distribution::secret::derived("demo", "shop", &config)
    }

    #[test]
    fn masked_secret_keeps_user_name_and_host() {
        expect![[r#"
            apiVersion: v1
            kind: Secret
            metadata:
              labels:
                app.kubernetes.io/managed-by: tcr-assistant
                tcr.tencentcloudcr.com/image-pull-secret: demo
              name: tcr.ipsdemo
              namespace: shop
            stringData:
              .dockerconfigjson: "{\"auths\":{\"demo.tencentcloudcr.com\":{\"auth\":\"***\",\"password\":\"***\",\"username\":\"100012345678\"}}}"
            type: kubernetes.io/dockerconfigjson
        "#]].assert_eq(&text(&[masked(demo())], Format::Yaml).unwrap());
    }

    #[test]
    fn plain_secret_is_what_kubectl_applies() {
        expect![[r#"
            apiVersion: v1
            kind: Secret
            data:
              .dockerconfigjson: eyJhdXRocyI6eyJkZW1vLnRlbmNlbnRjbG91ZGNyLmNvbSI6eyJ1c2VybmFtZSI6IjEwMDAxMjM0NTY3OCIsInBhc3N3b3JkIjoidGNyLmp3dC50b2tlbiIsImF1dGgiOiJNVEF3TURFeU16UTFOamM0T25SamNpNXFkM1F1ZEc5clpXND0ifX19
            metadata:
              labels:
                app.kubernetes.io/managed-by: tcr-assistant
                tcr.tencentcloudcr.com/image-pull-secret: demo
              name: tcr.ipsdemo
              namespace: shop
            type: kubernetes.io/dockerconfigjson
        "#]].assert_eq(&text(&[demo()], Format::Yaml).unwrap());
    }

    #[test]
    fn several_are_documents_or_a_list() {
        let two = [masked(demo()), masked(demo())];
        assert_eq!(text(&two, Format::Yaml).unwrap().matches("\n---\n").count(), 1);
        let list: Value = serde_json::from_str(&text(&two, Format::Json).unwrap()).unwrap();
        assert_eq!((list["kind"].as_str(), list["items"].as_array().map(Vec::len)), (Some("List"), Some(2)));
        let one: Value = serde_json::from_str(&text(&two[..1], Format::Json).unwrap()).unwrap();
        assert_eq!(one["kind"], "Secret");
    }
}
