//! The derived Secret of an ImagePullSecret: the same bytes in every namespace.

use std::collections::BTreeMap;

use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::Secret;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use tcr::docker_config::DockerConfig;
use tcr::names::{
    IMAGE_PULL_SECRET_LABEL, MANAGED_BY, MANAGED_BY_LABEL, MARK_ANNOTATION, SECRET_KEY, SECRET_TYPE,
    derived_secret_name, image_pull_secret_label,
};

use crate::Content;
use crate::mark::InstallationKey;

/// The Secret of the ImagePullSecret `name` in `namespace`. It carries our labels only: a deployment tool
/// would prune copies that carry its tracking labels.
pub fn derived(name: &str, namespace: &str, config: &DockerConfig) -> Secret {
    of_bytes(name, namespace, config.to_bytes().expose())
}

/// The Secret from the docker configuration's bytes.
pub fn of_bytes(name: &str, namespace: &str, bytes: &[u8]) -> Secret {
    Secret {
        data: Some(BTreeMap::from([(SECRET_KEY.to_owned(), ByteString(bytes.to_vec()))])),
        metadata: ObjectMeta {
            name: Some(derived_secret_name(name)),
            namespace: Some(namespace.to_owned()),
            labels: Some(labels(name)),
            ..ObjectMeta::default()
        },
        type_: Some(SECRET_TYPE.to_owned()),
        ..Secret::default()
    }
}

/// The Secret with this installation's mark.
pub fn marked(name: &str, namespace: &str, content: &Content, key: &InstallationKey) -> Secret {
    let mut secret = of_bytes(name, namespace, content.bytes());
    let mark = key.mark(namespace, &derived_secret_name(name), content.digest());
    secret.metadata.annotations = Some(BTreeMap::from([(MARK_ANNOTATION.to_owned(), mark)]));
    secret
}

/// The labels of objects that the ImagePullSecret `name` leads to.
pub fn labels(name: &str) -> BTreeMap<String, String> {
    BTreeMap::from([
        (MANAGED_BY_LABEL.to_owned(), MANAGED_BY.to_owned()),
        (IMAGE_PULL_SECRET_LABEL.to_owned(), image_pull_secret_label(name)),
    ])
}

#[cfg(test)]
mod tests {
    use expect_test::expect;
    use tcr::sensitive::Sensitive;

    use super::*;

    fn demo(hosts: &[&str]) -> DockerConfig {
        let hosts = hosts.iter().map(|host| host.parse().unwrap());
        DockerConfig::new(hosts, "100012345678", &Sensitive::new("tcr.jwt.token"))
    }

    #[test]
    fn one_secret_holds_every_domain() {
        let config = demo(&["demo.tencentcloudcr.com", "demo-vpc.tencentcloudcr.com"]);
        expect![[r#"
            {
              "apiVersion": "v1",
              "kind": "Secret",
              "data": {
                ".dockerconfigjson": "eyJhdXRocyI6eyJkZW1vLXZwYy50ZW5jZW50Y2xvdWRjci5jb20iOnsidXNlcm5hbWUiOiIxMDAwMTIzNDU2NzgiLCJwYXNzd29yZCI6InRjci5qd3QudG9rZW4iLCJhdXRoIjoiTVRBd01ERXlNelExTmpjNE9uUmpjaTVxZDNRdWRHOXJaVzQ9In0sImRlbW8udGVuY2VudGNsb3VkY3IuY29tIjp7InVzZXJuYW1lIjoiMTAwMDEyMzQ1Njc4IiwicGFzc3dvcmQiOiJ0Y3Iuand0LnRva2VuIiwiYXV0aCI6Ik1UQXdNREV5TXpRMU5qYzRPblJqY2k1cWQzUXVkRzlyWlc0PSJ9fX0="
              },
              "metadata": {
                "labels": {
                  "app.kubernetes.io/managed-by": "tcr-assistant",
                  "tcr.tencentcloudcr.com/image-pull-secret": "demo"
                },
                "name": "tcr.ipsdemo",
                "namespace": "shop"
              },
              "type": "kubernetes.io/dockerconfigjson"
            }"#]].assert_eq(&serde_json::to_string_pretty(&derived("demo", "shop", &config)).unwrap());
        expect![[r#"{"auths":{"demo-vpc.tencentcloudcr.com":{"username":"100012345678","password":"tcr.jwt.token","auth":"MTAwMDEyMzQ1Njc4OnRjci5qd3QudG9rZW4="},"demo.tencentcloudcr.com":{"username":"100012345678","password":"tcr.jwt.token","auth":"MTAwMDEyMzQ1Njc4OnRjci5qd3QudG9rZW4="}}}"#]].assert_eq(config.to_bytes().into_text().unwrap().expose());
    }

    #[test]
    fn the_order_of_hosts_does_not_change_the_bytes() {
        let config = |hosts| derived("demo", "shop", &demo(hosts));
        assert_eq!(
            config(&["a.tencentcloudcr.com", "b.tencentcloudcr.com"]),
            config(&["b.tencentcloudcr.com", "a.tencentcloudcr.com", "b.tencentcloudcr.com"])
        );
    }

    #[test]
    fn namespaces_differ_in_nothing_but_their_name() {
        let config = demo(&["demo.tencentcloudcr.com"]);
        let mut other = derived("demo", "other", &config);
        other.metadata.namespace = Some("shop".to_owned());
        assert_eq!(other, derived("demo", "shop", &config));
    }
}
