//! The facts about a Pod and everything that its pulls depend on.

use std::collections::BTreeMap;
use std::net::IpAddr;

use jiff::Timestamp;
use k8s_openapi::api::core::v1::Secret;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, ObjectMeta};
use tcr::docker_config::keyring::{self, Credential};
use tcr::docker_config::{DockerConfig, Login};
use tcr::image_name::ImageName;
use tcr::image_pull_secret::ImagePullSecretSpec;
use tcr::image_ref::ImageRef;
use tcr::names::{
    IMAGE_PULL_SECRET_LABEL, MANAGED_BY, MANAGED_BY_LABEL, SECRET_KEY, SECRET_PREFIX, SECRET_TYPE,
    image_pull_secret_label,
};
use tcr::pull_rights::may_pull;

use super::target::Target;
use crate::reader::{Controller, Seen};
use custom_resource::{NodesStatus, PrivateLinkStatus, WriteFailure};
use registry_client::PullAnswer;

/// The older type and key of such Secrets, which kubelets still read.
const OLD_TYPE: &str = "kubernetes.io/dockercfg";
const OLD_KEY: &str = ".dockercfg";

/// Reasons of containers that wait for something other than a pull.
const BEFORE_PULL: [&str; 3] = ["", "ContainerCreating", "PodInitializing"];
/// Reasons of containers whose images are on the node.
const AFTER_PULL: [&str; 11] = [
    "CrashLoopBackOff",
    "CreateContainerConfigError",
    "CreateContainerError",
    "PreCreateHookError",
    "PreStartHookError",
    "PostStartHookError",
    "RunContainerError",
    "StartError",
    "ContainerCannotRun",
    "VerifyNonRootError",
    "RunInitContainerError",
];

/// All facts.
#[derive(Clone, Debug)]
pub struct Facts {
    pub pod: PodFacts,
    /// Labels of its namespace.
    pub labels: Seen<BTreeMap<String, String>>,
    /// Its ServiceAccount; none when there is none.
    pub account: Seen<Option<AccountFacts>>,
    /// The webhook does not review Pods of its namespace.
    pub unreviewed: bool,
    pub asked: Seen<Vec<AskedFor>>,
    /// Secrets of the namespace, by name: those in the Pod's list, and the derived ones of ImagePullSecrets.
    pub secrets: BTreeMap<String, Seen<Option<SecretFacts>>>,
    /// Its Events about pulls, the newest first.
    pub events: Seen<Vec<EventFact>>,
    pub controller: Seen<Controller>,
    /// The registries' answers.
    pub answers: BTreeMap<Question, PullAnswer>,
    /// The explained object, where that is not an existing Pod.
    pub target: Option<Target>,
    /// What adds each Secret to a Pod created now.
    pub ways: BTreeMap<String, &'static str>,
    /// Other ServiceAccounts of the namespace, where a ServiceAccount or a namespace is explained.
    pub other_accounts: Seen<Vec<String>>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PodFacts {
    pub namespace: String,
    pub name: String,
    /// When it was created.
    pub created: Option<Timestamp>,
    pub phase: String,
    /// The node that it runs on.
    pub node: Option<String>,
    pub account: String,
    /// The owner that creates it again when it is deleted, `ReplicaSet/web-5d8f7`.
    pub owner: Option<String>,
    /// Its annotation opts out of the policy.
    pub opted_out: bool,
    /// It is the mirror Pod of a static Pod.
    pub mirror: bool,
    /// The Secrets that it refers to, in its order.
    pub references: Vec<String>,
    /// Its images, in the order in which they are pulled.
    pub images: Vec<ImageUse>,
}

/// An image and its user.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ImageUse {
    /// The image as the Pod has it.
    pub image: String,
    /// `container app`, `init container setup`, `volume models`.
    pub user: String,
    /// It stands for any image of its registry.
    pub is_any: bool,
    /// It is on the node: the container runs or ran.
    pub is_there: bool,
    /// Why the container waits: the reason, and the kubelet's message.
    pub waiting: Option<(String, String)>,
    /// How the container last failed: the reason, and the message.
    pub ended: Option<(String, String)>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AccountFacts {
    /// The pull secrets that Pods without a list of their own get.
    pub references: Vec<String>,
    /// Its Pods may refer only to the Secrets that it lists.
    pub enforces: bool,
}

#[derive(Clone, Debug, Default)]
pub struct AskedFor {
    pub name: String,
    /// When it was created.
    pub created: Option<Timestamp>,
    /// It is being deleted.
    pub deleting: bool,
    pub spec: ImagePullSecretSpec,
    /// The hosts that its Secret is for: those in the status, and those that the spec itself names.
    pub hosts: Vec<String>,
    /// Its private link, from the status.
    pub link: Option<PrivateLinkStatus>,
    /// The conditions of its status.
    pub conditions: Vec<Condition>,
    /// The nodes' progress with the private link.
    pub nodes: Option<NodesStatus>,
    /// Some of the controller's refused writes.
    pub failures: Vec<WriteFailure>,
}

impl AskedFor {
    /// Whether its credential may pull the image, which is of one of its hosts.
    pub fn may_pull(&self, image: &str) -> bool {
        may_pull(self.spec.registry_namespaces(), image)
    }

    /// Whether its private link resolves this host, or could.
    pub(super) fn has_link_for(&self, host: &str) -> bool {
        self.link.iter().any(|link| link.hosts.iter().any(|it| it == host))
    }

    /// The addresses of its private links, one for each VPC where nodes are in several.
    pub(super) fn link_addresses(&self) -> Vec<IpAddr> {
        let told = self.link.iter().flat_map(|link| {
            link.address.iter().chain(link.links.iter().filter_map(|link| link.address.as_ref()))
        });
        told.filter_map(|address| address.parse().ok()).collect()
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SecretFacts {
    /// It has our labels.
    pub is_ours: bool,
    /// The client that changed its content after our write.
    pub edited_by: Option<String>,
    /// Its content as a kubelet reads it.
    pub content: Content,
}

/// A Secret's content as a kubelet reads it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Content {
    /// Credentials, by the keys of `auths`.
    Logins(BTreeMap<String, Login>),
    /// No credential: kubelets ignore the Secret.
    Ignored(String),
    /// An error, by which every pull of the Pod fails.
    Broken(String),
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EventFact {
    /// When it last happened.
    pub at: Option<Timestamp>,
    pub reason: String,
    pub message: String,
    /// How often it happened.
    pub count: i32,
}

/// A question to a registry: may this image be pulled with this credential, or without one.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Question {
    /// The image, as the Pod has it.
    pub image: String,
    /// The Secret and the key in its `auths`.
    pub credential: Option<(String, String)>,
}

impl AskedFor {
    /// Why the API server refuses the controller's write of an object; none where it does not, or that is not
    /// known.
    pub fn refusal(&self, kind: &str, namespace: &str, name: &str) -> Option<&str> {
        let object = format!("{namespace}/{name}");
        let mut refused = self.failures.iter().filter(|it| it.kind == kind && it.namespaced_name == object);
        refused.next().map(|it| it.message.as_str())
    }
}

impl ImageUse {
    /// Why its pull waits. An error before the container runtime is called has no reason of its own, only a
    /// message.
    pub fn waits_for_pull(&self) -> Option<&(String, String)> {
        let waiting = self.waiting.as_ref();
        waiting.filter(|(it, _)| !BEFORE_PULL.contains(&it.as_str()) && !AFTER_PULL.contains(&it.as_str()))
    }

    /// Why its container waits although the image is on the node.
    pub fn waits_after_pull(&self) -> Option<&(String, String)> {
        self.waiting.as_ref().filter(|(it, _)| AFTER_PULL.contains(&it.as_str()))
    }
}

impl Facts {
    /// The credentials that the kubelet tries for an image, as far as the Secrets could be read.
    pub fn credentials(&self, image: &str) -> Vec<Credential<'_>> {
        let Ok(image) = image.parse::<ImageName>() else { return Vec::new() };
        let logins = |name: &String| {
            let (name, seen) = self.secrets.get_key_value(name)?;
            match &seen.known()?.as_ref()?.content {
                Content::Logins(logins) => Some((name.as_str(), logins)),
                Content::Ignored(_) | Content::Broken(_) => None,
            }
        };
        keyring::credentials(self.pod.references.iter().filter_map(logins), &image)
    }

    /// The questions to registries, each with its credential.
    pub fn questions(&self) -> Vec<(Question, ImageRef, Option<&Login>)> {
        let mut questions = Vec::new();
        for used in self.pod.images.iter().filter(|it| !it.is_any) {
            let Ok(image) = used.image.parse::<ImageRef>() else { continue };
            let credentials = self.credentials(&used.image);
            let question = |credential| Question { image: used.image.clone(), credential };
            if credentials.is_empty() {
                questions.push((question(None), image.clone(), None));
            }
            for Credential { secret, key, login } in credentials {
                let credential = (secret.to_owned(), key.to_owned());
                // Container runtimes send no credential where the entry is empty.
                let is_empty = login.username.is_empty() && login.password.is_empty();
                questions.push((question(Some(credential)), image.clone(), (!is_empty).then_some(login)));
            }
        }
        questions.sort_by(|(a, ..), (b, ..)| a.cmp(b));
        questions.dedup_by(|(a, ..), (b, ..)| a == b);
        questions
    }
}

impl SecretFacts {
    /// The relevant part of a Secret.
    pub fn of(secret: &Secret) -> Self {
        Self {
            is_ours: is_ours(&secret.metadata),
            edited_by: edited_by(&secret.metadata),
            content: content(secret),
        }
    }

    /// Whether it has a credential for the image.
    pub fn is_for(&self, image: &str) -> bool {
        match (&self.content, image.parse()) {
            (Content::Logins(logins), Ok(image)) => !keyring::credentials([("", logins)], &image).is_empty(),
            _ => false,
        }
    }
}

fn is_ours(metadata: &ObjectMeta) -> bool {
    let labels = metadata.labels.as_ref();
    let label = |key: &str| labels.and_then(|labels| labels.get(key)).map(String::as_str);
    let asked_for = metadata.name.as_deref().and_then(|name| name.strip_prefix(SECRET_PREFIX));
    label(MANAGED_BY_LABEL) == Some(MANAGED_BY)
        && asked_for
            .is_some_and(|name| label(IMAGE_PULL_SECRET_LABEL) == Some(&image_pull_secret_label(name)))
}

/// The client other than us that wrote the content.
fn edited_by(metadata: &ObjectMeta) -> Option<String> {
    let entries = metadata.managed_fields.as_deref().unwrap_or_default();
    let data = |fields: &serde_json::Value| {
        fields.get("f:data").and_then(|it| it.get(format!("f:{SECRET_KEY}"))).is_some()
    };
    let mut others = entries.iter().filter(|entry| entry.fields_v1.as_ref().is_some_and(|it| data(&it.0)));
    others.find_map(|entry| entry.manager.clone().filter(|manager| manager != MANAGED_BY))
}

fn content(secret: &Secret) -> Content {
    let type_ = secret.type_.as_deref().unwrap_or("Opaque");
    let bytes = |key: &str| {
        let bytes = secret.data.as_ref().and_then(|data| data.get(key)).map(|bytes| bytes.0.as_slice());
        bytes.filter(|bytes| !bytes.is_empty())
    };
    let read = match type_ {
        SECRET_TYPE => match bytes(SECRET_KEY) {
            Some(bytes) => DockerConfig::logins(bytes),
            None => return Content::Ignored(format!("it has no {SECRET_KEY}")),
        },
        OLD_TYPE => match bytes(OLD_KEY) {
            Some(bytes) => DockerConfig::legacy_logins(bytes),
            None => return Content::Ignored(format!("it has no {OLD_KEY}")),
        },
        other => {
            return Content::Ignored(format!("its type is {other}, and kubelets read {SECRET_TYPE} only"));
        }
    };
    match read {
        Ok(logins) => Content::Logins(logins),
        Err(error) => Content::Broken(error.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use expect_test::expect;
    use serde_json::{Value, json};

    use super::*;

    fn secret(value: Value) -> SecretFacts {
        SecretFacts::of(&serde_json::from_value(value).unwrap())
    }

    #[test]
    fn a_kubelet_reads_two_types_and_passes_over_the_rest() {
        let of = |type_: &str, key: &str, text: &str| {
            use base64::Engine as _;
            let text = base64::engine::general_purpose::STANDARD.encode(text);
            let facts = secret(json!({"metadata": {"name": "a"}, "type": type_, "data": {key: text}}));
            match facts.content {
                Content::Logins(logins) => format!("{:?}", logins.keys().collect::<Vec<_>>()),
                Content::Ignored(why) => format!("ignored: {why}"),
                Content::Broken(why) => format!("broken: {why}"),
            }
        };
        let told = [
            of(SECRET_TYPE, SECRET_KEY, r#"{"auths":{"a.b":{"auth":"dTpw"}}}"#),
            of(OLD_TYPE, OLD_KEY, r#"{"a.b":{"auth":"dTpw"}}"#),
            of("Opaque", SECRET_KEY, r#"{"auths":{"a.b":{"auth":"dTpw"}}}"#),
            of(SECRET_TYPE, "other", "{}"),
            of(SECRET_TYPE, SECRET_KEY, "p-secret"),
        ];
        expect![[r#"
            ["a.b"]
            ["a.b"]
            ignored: its type is Opaque, and kubelets read kubernetes.io/dockerconfigjson only
            ignored: it has no .dockerconfigjson
            broken: cannot read the docker configuration: not the expected JSON at line 1, column 1"#]]
        .assert_eq(&told.join("\n"));
    }

    #[test]
    fn who_wrote_the_content_is_seen_and_whose_it_is() {
        let labels = |name: &str| json!({MANAGED_BY_LABEL: MANAGED_BY, IMAGE_PULL_SECRET_LABEL: name});
        let fields = |manager: &str, field: &str| json!({"manager": manager, "operation": "Update", "fieldsType": "FieldsV1", "fieldsV1": {field: {"f:.dockerconfigjson": {}}}});
        let facts = |label: &str, managers: Value| {
            let facts = secret(
                json!({"metadata": {"name": "tcr.ipsdemo", "labels": labels(label), "managedFields": managers}}),
            );
            (facts.is_ours, facts.edited_by)
        };
        assert_eq!(facts("demo", json!([fields(MANAGED_BY, "f:data")])), (true, None));
        let both = json!([fields(MANAGED_BY, "f:data"), fields("kubectl-edit", "f:data")]);
        assert_eq!(facts("demo", both), (true, Some("kubectl-edit".to_owned())));
        assert_eq!(facts("other", json!([fields("x", "f:metadata")])), (false, None));
    }
}
