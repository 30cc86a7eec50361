//! Where the objects of a kind are, and whether an object is the one that was asked for. Pure.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::APIResourceList;
use serde_json::Value;
use tcr::dns::is_label;

use super::api_server::Failure;
use crate::path_segment::encoded;
use crate::shortened;

/// How much is told of a name that was not asked for.
const TOLD: usize = 80;

/// A kind as the API server knows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Resource {
    pub(super) api_version: String,
    pub(super) kind: String,
    plural: String,
    is_namespaced: bool,
}

/// Which object, or those of which namespace, were asked for.
pub(super) struct Identity<'a> {
    pub(super) namespace: Option<&'a str>,
    /// The name that was asked for; `None` takes any.
    pub(super) name: Option<&'a str>,
}

/// The path under which a version of a group has its resources. The version is one that
/// [`api_version_fault`](crate::api_version_fault) finds nothing wrong with.
pub(super) fn group_path(api_version: &str) -> String {
    match api_version.contains('/') {
        true => format!("/apis/{api_version}"),
        false => format!("/api/{api_version}"),
    }
}

impl Resource {
    /// Finds a kind in the API server's list of a version's resources.
    pub(super) fn in_list(list: &[u8], api_version: &str, kind: &str) -> Result<Self, Failure> {
        let list: APIResourceList =
            serde_json::from_slice(list).map_err(|_| another("no list of resources"))?;
        if list.group_version != api_version {
            return Err(another(&format!("a list of {}", shortened(&list.group_version, TOLD))));
        }
        let (group, version) = api_version.split_once('/').unwrap_or(("", api_version));
        let is_of =
            |own: &Option<String>, all: &str| own.as_deref().is_none_or(|own| own.is_empty() || own == all);
        // Subresources, which have a slash, may be of the same kind or of another one.
        let found = list.resources.iter().find(|it| {
            it.kind == kind && is_label(&it.name) && is_of(&it.group, group) && is_of(&it.version, version)
        });
        let found = found.ok_or_else(|| another("a list without it"))?;
        Ok(Self {
            api_version: api_version.to_owned(),
            kind: kind.to_owned(),
            plural: found.name.clone(),
            is_namespaced: found.namespaced,
        })
    }

    /// The path of all objects of the kind, or of those in a namespace.
    pub(super) fn path(&self, namespace: Option<&str>) -> Result<String, String> {
        let Self { api_version, kind, plural, is_namespaced } = self;
        let group = group_path(api_version);
        match namespace {
            None => Ok(format!("{group}/{plural}")),
            Some(namespace) if *is_namespaced => {
                Ok(format!("{group}/namespaces/{}/{plural}", encoded(namespace)))
            }
            Some(_) => {
                Err(format!("namespace: objects of the kind {api_version}/{kind} are in no namespace"))
            }
        }
    }

    /// The path of one object.
    pub(super) fn object_path(&self, namespace: Option<&str>, name: &str) -> Result<String, String> {
        if self.is_namespaced && namespace.is_none() {
            let Self { api_version, kind, .. } = self;
            return Err(format!("namespace is missing: objects of the kind {api_version}/{kind} are in one"));
        }
        Ok(format!("{}/{}", self.path(namespace)?, encoded(name)))
    }

    /// Reads an object and checks that it is one that was asked for. Items of the lists of built-in
    /// kinds do not say their kind, because the list does: then `says_its_kind` is false.
    ///
    /// What only writers of an object need is left out.
    pub(super) fn checked(
        &self,
        json: &[u8],
        identity: &Identity<'_>,
        says_its_kind: bool,
    ) -> Result<Value, Failure> {
        // Without the parser's words: they may have a value in them.
        let mut object: Value = serde_json::from_slice(json).map_err(|_| another("not JSON"))?;
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let (api_version, kind) = (text(&object["apiVersion"]), text(&object["kind"]));
        let is_unsaid = !says_its_kind && api_version.is_empty() && kind.is_empty();
        if !is_unsaid && (api_version != self.api_version || kind != self.kind) {
            return Err(another(&format!(
                "of the kind {}/{}, not {}/{}",
                shortened(&api_version, TOLD),
                shortened(&kind, TOLD),
                self.api_version,
                self.kind
            )));
        }
        let metadata = &object["metadata"];
        let (name, namespace) = (text(&metadata["name"]), text(&metadata["namespace"]));
        let is_right_place = match (identity.namespace, self.is_namespaced) {
            (Some(asked), _) => namespace == asked,
            (None, is_namespaced) => namespace.is_empty() != is_namespaced,
        };
        if name.is_empty() || identity.name.is_some_and(|asked| name != asked) || !is_right_place {
            return Err(another(&format!(
                "another object: '{}' in the namespace '{}'",
                shortened(&name, TOLD),
                shortened(&namespace, TOLD)
            )));
        }
        if let Some(metadata) = object["metadata"].as_object_mut() {
            metadata.remove("managedFields");
        }
        Ok(object)
    }
}

fn another(what: &str) -> Failure {
    Failure::NotWhatWasAsked(what.to_owned())
}
