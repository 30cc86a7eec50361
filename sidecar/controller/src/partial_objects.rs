//! Kubernetes objects that contain only the fields that the controller reads.
//!
//! Other fields are skipped while they are parsed, and never allocated: the managed fields of 30,000
//! ServiceAccounts alone are larger than everything that is kept.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;

use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::{LocalObjectReference, Namespace, Pod, Secret, ServiceAccount};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, Time};
use kube::Resource;
use serde::de::{IgnoredAny, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use tcr::names::{MARK_ANNOTATION, SECRET_KEY};

use distribution::mark::LONGEST_MARK;

#[derive(Clone, Debug, Default, Deserialize)]
pub struct NamespaceObject {
    /// Name, version, labels, and whether it is being deleted.
    #[serde(default, deserialize_with = "metadata")]
    pub metadata: ObjectMeta,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AccountObject {
    /// Name, namespace and version.
    #[serde(default, deserialize_with = "metadata")]
    pub metadata: ObjectMeta,
    /// The list that Pods get.
    #[serde(default)]
    pub image_pull_secrets: Option<Vec<LocalObjectReference>>,
}

#[derive(Clone, Debug, Default, Deserialize)]
pub struct SecretObject {
    /// Name, namespace, uid, version, labels, and of the annotations the mark.
    #[serde(default, deserialize_with = "marked_metadata")]
    pub metadata: ObjectMeta,
    /// The data; of all keys but ours, only whether there is any.
    #[serde(default, deserialize_with = "our_data")]
    pub data: Option<BTreeMap<String, ByteString>>,
    /// Whether it is immutable.
    #[serde(default)]
    pub immutable: Option<bool>,
    #[serde(default, rename = "type")]
    pub type_: Option<String>,
}

#[derive(Clone, Debug, Default, Deserialize)]
pub struct PodObject {
    /// Name, namespace, uid, whether it is being deleted, and annotations.
    #[serde(default, deserialize_with = "annotated_metadata")]
    pub metadata: ObjectMeta,
    /// The relevant part of its spec.
    #[serde(default)]
    pub spec: PodSpec,
    /// The relevant part of its status.
    #[serde(default)]
    pub status: PodStatus,
}

/// The relevant part of a Pod's spec.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct PodSpec {
    /// The name of its ServiceAccount.
    pub service_account_name: Option<String>,
    /// Its pull secrets.
    pub image_pull_secrets: Option<Vec<LocalObjectReference>>,
    /// Its init containers.
    pub init_containers: Option<Vec<PodContainer>>,
    pub containers: Vec<PodContainer>,
}

/// A container of a Pod.
#[derive(Clone, Debug, Default, Deserialize)]
pub struct PodContainer {
    pub name: String,
    pub image: Option<String>,
}

/// The relevant part of a Pod's status.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct PodStatus {
    /// The status of init containers.
    pub init_container_statuses: Option<Vec<PodContainerStatus>>,
    /// The status of containers.
    pub container_statuses: Option<Vec<PodContainerStatus>>,
}

/// The relevant part of a container's status.
#[derive(Clone, Debug, Default, Deserialize)]
pub struct PodContainerStatus {
    pub name: String,
    /// The container's state.
    pub state: Option<PodContainerState>,
}

/// The relevant part of a container's state.
#[derive(Clone, Debug, Default, Deserialize)]
pub struct PodContainerState {
    /// Set while it waits.
    pub waiting: Option<PodContainerWaiting>,
}

/// Why a container waits.
#[derive(Clone, Debug, Default, Deserialize)]
pub struct PodContainerWaiting {
    /// The reason, such as `ImagePullBackOff`.
    pub reason: Option<String>,
}

impl From<Secret> for SecretObject {
    fn from(secret: Secret) -> Self {
        let Secret { metadata, data, immutable, type_, string_data: _ } = secret;
        Self { metadata, data, immutable, type_ }
    }
}

/// A deserializer of metadata that keeps these fields.
macro_rules! keeping {
    ($name:ident: $($field:ident: $type:ty),+) => {
        fn $name<'de, D: Deserializer<'de>>(from: D) -> Result<ObjectMeta, D::Error> {
            #[derive(Deserialize)]
            #[serde(rename_all = "camelCase")]
            struct Kept {
                $($field: Option<$type>),+
            }
            let Kept { $($field),+ } = Kept::deserialize(from)?;
            Ok(ObjectMeta { $($field: $field.map(Into::into),)+ ..ObjectMeta::default() })
        }
    };
}

type Pairs = BTreeMap<String, String>;

keeping!(metadata: name: String, namespace: String, uid: String, resource_version: String,
    labels: Pairs, deletion_timestamp: Time);
keeping!(marked_metadata: name: String, namespace: String, uid: String, resource_version: String,
    labels: Pairs, annotations: MarkOnly, deletion_timestamp: Time);
keeping!(annotated_metadata: name: String, namespace: String, uid: String, resource_version: String,
    annotations: Pairs, deletion_timestamp: Time);

/// The value of our key, and an empty one for the first of all other keys.
fn our_data<'de, D: Deserializer<'de>>(from: D) -> Result<Option<BTreeMap<String, ByteString>>, D::Error> {
    struct Data;

    impl<'de> Visitor<'de> for Data {
        type Value = Option<BTreeMap<String, ByteString>>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a Secret's data")
        }

        fn visit_unit<E>(self) -> Result<Self::Value, E> {
            Ok(None)
        }

        fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
            let mut data = BTreeMap::new();
            while let Some(key) = map.next_key::<String>()? {
                if key == SECRET_KEY {
                    data.insert(key, map.next_value()?);
                } else {
                    map.next_value::<IgnoredAny>()?;
                    if !data.keys().any(|known| known != SECRET_KEY) {
                        data.insert(key, ByteString(Vec::new()));
                    }
                }
            }
            Ok(Some(data))
        }
    }

    from.deserialize_any(Data)
}

/// Of all annotations only the mark, and only if it has a mark's form.
#[derive(Default)]
struct MarkOnly(Option<String>);

impl From<MarkOnly> for Pairs {
    fn from(MarkOnly(mark): MarkOnly) -> Self {
        mark.map(|mark| (MARK_ANNOTATION.to_owned(), mark)).into_iter().collect()
    }
}

impl<'de> Deserialize<'de> for MarkOnly {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Annotations;

        impl<'de> Visitor<'de> for Annotations {
            type Value = MarkOnly;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("annotations")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<MarkOnly, A::Error> {
                let mut mark = None;
                while let Some(key) = map.next_key::<Cow<'de, str>>()? {
                    match key == MARK_ANNOTATION {
                        true => mark = map.next_value::<Option<String>>()?,
                        false => drop(map.next_value::<IgnoredAny>()?),
                    }
                }
                Ok(MarkOnly(mark.filter(|mark| mark.len() <= LONGEST_MARK)))
            }
        }

        from.deserialize_map(Annotations)
    }
}

/// Declares that the one type is a partial form of the other.
macro_rules! form_of {
    ($partial:ty, $whole:ty) => {
        impl Resource for $partial {
            type DynamicType = ();
            type Scope = <$whole as Resource>::Scope;

            fn kind((): &()) -> Cow<'_, str> {
                <$whole as Resource>::kind(&())
            }

            fn group((): &()) -> Cow<'_, str> {
                <$whole as Resource>::group(&())
            }

            fn version((): &()) -> Cow<'_, str> {
                <$whole as Resource>::version(&())
            }

            fn plural((): &()) -> Cow<'_, str> {
                <$whole as Resource>::plural(&())
            }

            fn meta(&self) -> &ObjectMeta {
                &self.metadata
            }

            fn meta_mut(&mut self) -> &mut ObjectMeta {
                &mut self.metadata
            }
        }
    };
}

form_of!(NamespaceObject, Namespace);
form_of!(AccountObject, ServiceAccount);
form_of!(SecretObject, Secret);
form_of!(PodObject, Pod);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_looked_at_is_left_out() {
        let account: AccountObject = serde_json::from_value(serde_json::json!({
            "apiVersion": "v1", "kind": "ServiceAccount",
            "metadata": {
                "name": "default", "namespace": "shop", "resourceVersion": "7", "annotations": {"a": "b"},
                "managedFields": [{"manager": "x", "operation": "Update", "fieldsV1": {"f:imagePullSecrets": {}}}],
            },
            "secrets": [{"name": "token"}],
            "imagePullSecrets": [{"name": "tcr.ipsdemo"}],
        }))
        .unwrap();
        assert_eq!(account.metadata.resource_version.as_deref(), Some("7"));
        assert_eq!((account.metadata.annotations, account.metadata.managed_fields), (None, None));
        assert_eq!(account.image_pull_secrets.unwrap()[0].name, "tcr.ipsdemo");
        assert_eq!(AccountObject::url_path(&(), Some("shop")), "/api/v1/namespaces/shop/serviceaccounts");
    }
}
