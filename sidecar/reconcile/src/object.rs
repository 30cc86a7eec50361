//! An ImagePullSecret as the controller reads it: lenient, because it must be able to report on an
//! object that no admission policy ever saw.

use std::sync::Arc;
use std::time::Duration;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use serde_json::{Value, json};
use tcr::docker_config::DockerConfig;
use tcr::image_pull_secret::{ImagePullSecretSpec, OnDelete, SecretKeyRef};
use tcr::names::{API_GROUP, API_VERSION, FINALIZER, IMAGE_PULL_SECRET_KIND, REQUEST_ANNOTATION};
use tcr::registry_host::RegistryHost;
use tcr::rules::{self, RuleContext};
use tcr::selection::Selection;
use tcr::sensitive::{SensitiveBytes, wipe_json};

use crate::password::Passwords;
use credential_plan::Key;
use credential_plan::domains;
use credential_plan::plan::Held;
use custom_resource::ImagePullSecretStatus;
use custom_resource::condition::ConditionReason;
use custom_resource::request::{Asked, Unreadable};
use distribution::{Content, Distribution};

/// An ImagePullSecret.
#[derive(Clone, Debug)]
pub struct Object {
    /// Its name.
    pub name: String,
    /// Its uid.
    pub uid: String,
    /// Counts changes of the spec.
    pub generation: i64,
    /// The version it was read at.
    pub resource_version: String,
    /// Its finalizers.
    pub finalizers: Vec<String>,
    /// Somebody deleted it.
    pub deleting: bool,
    /// What it asks for, or what is wrong with it.
    pub spec: Result<ImagePullSecretSpec, String>,
    /// The status that it has.
    pub status: Arc<ImagePullSecretStatus>,
    /// What somebody asks for once.
    pub request: Option<Result<Asked, Unreadable>>,
}

/// Where the bytes come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Filled {
    /// The docker configuration.
    pub bytes: SensitiveBytes,
    /// The hosts it is for, sorted.
    pub hosts: Vec<String>,
}

/// What an object's login was made from: the same gives the same login.
#[derive(Clone, Debug)]
pub(crate) struct LoginSource {
    generation: i64,
    /// The resourceVersion of the Secret with the password.
    password_version: Option<String>,
    /// The credential of the instance.
    held: Option<Held>,
    /// It may stand beside others for the same registry.
    is_beside_others: bool,
}

impl LoginSource {
    /// What its login is made from now.
    pub(crate) fn of(
        object: &Object,
        passwords: &Passwords,
        held: Option<&Held>,
        is_beside_others: bool,
    ) -> Self {
        Self {
            generation: object.generation,
            password_version: password_version(object, passwords).map(str::to_owned),
            held: held.cloned(),
            is_beside_others,
        }
    }

    /// Whether that is this.
    pub(crate) fn is_of(
        &self,
        object: &Object,
        passwords: &Passwords,
        held: Option<&Held>,
        is_beside_others: bool,
    ) -> bool {
        self.generation == object.generation
            && self.is_beside_others == is_beside_others
            && self.password_version.as_deref() == password_version(object, passwords)
            && self.held.as_ref() == held
    }
}

fn password_version<'a>(object: &Object, passwords: &'a Passwords) -> Option<&'a str> {
    passwords.version(object.password_reference()?)
}

/// Why there are no bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NotReady {
    /// A word for the condition.
    pub reason: ConditionReason,
    /// A sentence.
    pub message: String,
}

impl Object {
    /// Reads an object from its metadata and the rest of it.
    pub fn read(metadata: ObjectMeta, mut data: Value, context: &RuleContext<'_>) -> Self {
        let name = metadata.name.unwrap_or_default();
        let status: ImagePullSecretStatus = serde_json::from_value(data["status"].take()).unwrap_or_default();
        let spec = data["spec"].take();
        let mut whole = json!({
            "apiVersion": format!("{API_GROUP}/{API_VERSION}"),
            "kind": IMAGE_PULL_SECRET_KIND,
            "metadata": {"name": name},
        });
        // Moved: a copy would stay in memory.
        whole["spec"] = spec;
        let spec = match rules::read(&whole) {
            Ok((name, spec)) => {
                let findings = rules::check(&name, &spec, context);
                if findings.is_ok() { Ok(spec) } else { Err(findings.to_string()) }
            }
            Err(findings) => Err(findings.to_string()),
        };
        // The spec has its own copy of a password.
        wipe_json(&mut whole);
        Self {
            name,
            uid: metadata.uid.unwrap_or_default(),
            generation: metadata.generation.unwrap_or_default(),
            resource_version: metadata.resource_version.unwrap_or_default(),
            finalizers: metadata.finalizers.unwrap_or_default(),
            deleting: metadata.deletion_timestamp.is_some(),
            spec,
            status: Arc::new(status),
            request: metadata
                .annotations
                .as_ref()
                .and_then(|it| it.get(REQUEST_ANNOTATION))
                .map(|it| Asked::parse(it)),
        }
    }

    /// Whether both ask for the same, whatever their statuses say.
    pub(crate) fn asks_like(&self, other: &Self) -> bool {
        let asked = |it: &Self| (it.generation, it.deleting, it.is_secured());
        asked(self) == asked(other) && self.spec == other.spec && self.request == other.request
    }

    /// Whether our finalizer is on it, so that nothing is left behind when it is deleted.
    pub fn is_secured(&self) -> bool {
        self.finalizers.iter().any(|finalizer| finalizer == FINALIZER)
    }

    /// The credential it needs, if it is one of an instance.
    pub fn key(&self) -> Option<Key> {
        self.spec
            .as_ref()
            .ok()?
            .tcr
            .as_ref()
            .filter(|tcr| tcr.has_credential())
            .map(|tcr| Key::of(&self.name, tcr))
    }

    /// Whether it asks for Secrets at all. What it asks for while its spec is wrong, nobody knows.
    pub fn has_credential(&self) -> bool {
        self.spec.as_ref().map_or(true, ImagePullSecretSpec::has_credential)
    }

    /// The region of its instance.
    pub fn region(&self) -> Option<&str> {
        Some(&self.spec.as_ref().ok()?.tcr.as_ref()?.region)
    }

    /// Whether nodes shall resolve to its private link; none where it has no instance.
    pub fn resolves(&self) -> Option<bool> {
        Some(self.spec.as_ref().ok()?.tcr.as_ref()?.private_network.resolve)
    }

    /// What it costs that its instance is in another region than the cluster; none where it is not.
    pub fn crosses_regions(&self, cluster: &str) -> Option<String> {
        let told = rules::crosses_regions(self.region().filter(|_| !self.deleting)?, cluster)?;
        Some(format!("spec.tcr.region {told}"))
    }

    /// What becomes of the credential with its last user.
    pub fn on_delete(&self) -> OnDelete {
        let tcr = self.spec.as_ref().ok().and_then(|spec| spec.tcr.as_ref());
        tcr.map(|tcr| tcr.credential.on_delete()).unwrap_or_default()
    }

    /// When a credential that the instance lists is to be renewed: a service account at half its validity.
    pub fn rotate_after(&self) -> Option<Duration> {
        let tcr = self.spec.as_ref().ok()?.tcr.as_ref()?;
        let said = tcr.credential.rotate_after.as_deref().and_then(|text| tcr::go_duration::parse(text).ok());
        said.or(self.validity().map(|validity| validity / 2))
    }

    /// How long each service account is valid; none for other kinds.
    pub fn validity(&self) -> Option<Duration> {
        self.spec.as_ref().ok()?.tcr.as_ref()?.credential.validity()
    }

    /// What its Secret holds. Where it may stand beside others for the same registry, a service account is for the images
    /// of its registry namespaces alone; else for its hosts, which everything that reads docker configurations knows.
    pub fn fill(
        &self,
        passwords: &Passwords,
        held: Option<&Held>,
        allowed_roots: &[String],
        is_beside_others: bool,
    ) -> Result<Filled, NotReady> {
        let not_ready = |reason, message: String| NotReady { reason, message };
        let spec =
            self.spec.as_ref().map_err(|problem| not_ready(ConditionReason::InvalidSpec, problem.clone()))?;
        let namespaces = if is_beside_others { spec.registry_namespaces() } else { &[] };
        let config = |hosts: Vec<RegistryHost>, username: &str, password| Filled {
            hosts: hosts.iter().map(|host| host.as_str().to_owned()).collect(),
            bytes: DockerConfig::new(hosts, username, password).for_namespaces(namespaces).to_bytes(),
        };
        if let Some(docker) = &spec.docker {
            let host = docker.server.parse().map_err(|error| {
                not_ready(ConditionReason::InvalidSpec, format!("spec.docker.server: {error}"))
            })?;
            let password = match &docker.password_secret_ref {
                None => &docker.password,
                Some(reference) => passwords
                    .get(reference)
                    .map_err(|error| not_ready(ConditionReason::NoPassword, error.to_string()))?,
            };
            return Ok(config(vec![host], &docker.username, password));
        }
        let Some(tcr) = &spec.tcr else {
            return Err(not_ready(ConditionReason::InvalidSpec, "neither docker nor tcr is set".to_owned()));
        };
        let Some(held) = held else {
            return Err(not_ready(
                ConditionReason::Pending,
                format!("the credential of {} is being obtained", tcr.instance_id),
            ));
        };
        let hosts = domains::all(tcr, &held.public_domain, allowed_roots)
            .map_err(|error| not_ready(ConditionReason::InvalidDomain, error.to_string()))?;
        Ok(config(hosts.into_iter().collect(), &held.username, &held.token))
    }

    /// What differs when it gives another login, in every process alike, and tells nothing of the login itself.
    pub fn login_version(&self, passwords: &Passwords, held: Option<&Held>) -> String {
        match (self.password_reference(), held) {
            (Some(reference), _) => {
                format!("{}/{}", self.generation, passwords.version(reference).unwrap_or_default())
            }
            (None, Some(held)) => format!("{}/{}", self.generation, held.issued_at),
            (None, None) => self.generation.to_string(),
        }
    }

    /// The Secret that its password is read from.
    pub(crate) fn password_reference(&self) -> Option<&SecretKeyRef> {
        self.spec.as_ref().ok()?.docker.as_ref()?.password_secret_ref.as_ref()
    }

    /// What is asked of the namespaces, with the content that there is.
    pub fn distribution(&self, content: Option<Content>) -> Distribution {
        let spec = self.spec.as_ref().ok();
        let selection = spec.and_then(|spec| Selection::of(spec).ok());
        Distribution {
            // Without our finalizer it could go before what it led to.
            frozen: selection.is_none() || !self.is_secured(),
            selection: selection.unwrap_or_default(),
            conflict_policy: spec.and_then(|spec| spec.conflict_policy).unwrap_or_default(),
            content,
            withdrawn: self.deleting || !self.has_credential(),
        }
    }
}
