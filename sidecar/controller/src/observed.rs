//! Reduces Kubernetes objects as soon as they arrive.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use tcr::docker_config::DockerConfig;
use tcr::names::{
    IMAGE_PULL_SECRET_LABEL, MANAGED_BY, MANAGED_BY_LABEL, MARK_ANNOTATION, SECRET_KEY, SECRET_PREFIX,
    SECRET_TYPE, image_pull_secret_label,
};

use super::partial_objects::{AccountObject, NamespaceObject, SecretObject};
use distribution::desired::Digest;
use distribution::mark::{ContentTag, InstallationKey};
use distribution::{
    Account, Content, Labels, Placed, ResourceVersion, SeenNamespace, SeenSecret, Uid, Version,
};

mod pod;

pub use pod::pod;

/// The relevant part of a namespace.
pub fn namespace(object: NamespaceObject) -> SeenNamespace {
    let name = object.metadata.name.unwrap_or_default();
    SeenNamespace {
        terminating: object.metadata.deletion_timestamp.is_some(),
        labels: Labels::of(&name, object.metadata.labels.unwrap_or_default()),
        name: name.into(),
    }
}

/// The relevant part of a ServiceAccount.
pub fn account(object: AccountObject) -> Placed<Account> {
    let has_list = object.image_pull_secrets.is_some();
    let references =
        object.image_pull_secrets.unwrap_or_default().into_iter().map(|it| it.name.into()).collect();
    Placed {
        namespace: object.metadata.namespace.unwrap_or_default().into(),
        name: object.metadata.name.unwrap_or_default().into(),
        seen: Account {
            resource_version: ResourceVersion::of(
                object.metadata.resource_version.as_deref().unwrap_or_default(),
            ),
            references,
            has_list,
        },
    }
}

/// The relevant part of the metadata of a Secret with our label; none when its name is not one of ours, such
/// as a copy that a user made with all labels.
pub fn secret(metadata: &ObjectMeta, key: &InstallationKey) -> Option<Placed<SeenSecret>> {
    let written = authentic(metadata, key);
    let seen = SeenSecret::Ours {
        uid: uid(metadata),
        version: version(metadata),
        digest: written.map(ContentTag::unknown),
        labelled: is_labelled(metadata)?,
        mendable: true,
        marked: written.is_some(),
        unread: true,
    };
    let text = |text: &Option<String>| text.clone().unwrap_or_default();
    Some(Placed { namespace: text(&metadata.namespace).into(), name: text(&metadata.name).into(), seen })
}

/// The relevant part of another owner's Secret.
pub fn other(metadata: &ObjectMeta) -> Placed<Uid> {
    let text = |text: &Option<String>| text.clone().unwrap_or_default();
    let (namespace, name) = (text(&metadata.namespace).into(), text(&metadata.name).into());
    Placed { namespace, name, seen: uid(metadata) }
}

/// The relevant part of the metadata of a Secret with a name of ours, but without our label.
pub fn unlabelled(metadata: &ObjectMeta, key: &InstallationKey) -> SeenSecret {
    let ours = authentic(metadata, key).and_then(|_| secret(metadata, key));
    let uid = uid(metadata);
    ours.map_or(SeenSecret::Foreign { uid, same_registry: false, mendable: false }, |placed| placed.seen)
}

/// A Secret that was read as one of ours, whatever its labels.
pub fn ours(object: &SecretObject, key: &InstallationKey) -> Option<SeenSecret> {
    let digest = only_key(object).map(Digest::of);
    let written = authentic(&object.metadata, key);
    Some(SeenSecret::Ours {
        uid: uid(&object.metadata),
        version: version(&object.metadata),
        digest,
        labelled: is_labelled(&object.metadata)?,
        mendable: is_mendable(object),
        marked: digest.is_some_and(|digest| written == Some(key.tag(digest))),
        unread: false,
    })
}

/// A Secret at a name of ours that a write met. It is ours without its label if it has our mark, is the one
/// that was known, or holds exactly the content that ours holds, where that is known; any other one is not
/// ours.
pub fn in_the_way(
    object: &SecretObject,
    known: Option<&Uid>,
    content: Option<&Content>,
    key: &InstallationKey,
) -> SeenSecret {
    let uid = uid(&object.metadata);
    let has_label = object
        .metadata
        .labels
        .as_ref()
        .and_then(|it| it.get(MANAGED_BY_LABEL))
        .is_some_and(|it| it == MANAGED_BY)
        && object.metadata.labels.as_ref().is_some_and(|it| it.contains_key(IMAGE_PULL_SECRET_LABEL));
    let same_bytes = content.is_some_and(|content| only_key(object) == Some(content.bytes()));
    if (has_label || authentic(&object.metadata, key).is_some() || known == Some(&uid) || same_bytes)
        && let Some(ours) = ours(object, key)
    {
        return ours;
    }
    let same_registry = content.is_some_and(|content| shares_a_host(object, content));
    SeenSecret::Foreign { uid, same_registry, mendable: is_mendable(object) }
}

/// The tag of the written content, if the mark was made by us for this Secret.
fn authentic(metadata: &ObjectMeta, key: &InstallationKey) -> Option<ContentTag> {
    let mark = metadata.annotations.as_ref()?.get(MARK_ANNOTATION)?;
    key.authentic(metadata.namespace.as_deref()?, metadata.name.as_deref()?, mark)
}

/// Whether its labels are as desired; none when its name is not one of ours.
fn is_labelled(metadata: &ObjectMeta) -> Option<bool> {
    let image_pull_secret = metadata.name.as_deref()?.strip_prefix(SECRET_PREFIX)?;
    let label = |key: &str| metadata.labels.as_ref().and_then(|labels| labels.get(key)).map(String::as_str);
    let is_labelled = label(MANAGED_BY_LABEL) == Some(MANAGED_BY)
        && label(IMAGE_PULL_SECRET_LABEL) == Some(&image_pull_secret_label(image_pull_secret));
    Some(is_labelled)
}

fn version(metadata: &ObjectMeta) -> Version {
    Version::of(metadata.resource_version.as_deref().unwrap_or_default())
}

fn uid(metadata: &ObjectMeta) -> Uid {
    Uid::of(metadata.uid.as_deref().unwrap_or_default())
}

fn is_mendable(object: &SecretObject) -> bool {
    object.type_.as_deref() == Some(SECRET_TYPE) && object.immutable != Some(true)
}

fn only_key(object: &SecretObject) -> Option<&[u8]> {
    let data = object.data.as_ref().filter(|data| data.len() == 1)?;
    data.get(SECRET_KEY).map(|bytes| &*bytes.0)
}

fn shares_a_host(object: &SecretObject, content: &Content) -> bool {
    let theirs =
        object.data.as_ref().and_then(|data| data.get(SECRET_KEY)).map(|bytes| DockerConfig::hosts(&bytes.0));
    match (theirs, DockerConfig::hosts(content.bytes())) {
        (Some(Ok(theirs)), Ok(ours)) => theirs.iter().any(|host| ours.contains(host)),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use k8s_openapi::ByteString;
    use tcr::sensitive::Sensitive;

    use super::*;
    use distribution::secret;

    fn content(password: &str) -> Content {
        let hosts = ["demo.tencentcloudcr.com".parse().unwrap()];
        Content::new(DockerConfig::new(hosts, "100", &Sensitive::new(password)).to_bytes())
    }

    fn key() -> InstallationKey {
        InstallationKey::parse("a".repeat(64).as_bytes()).unwrap()
    }

    fn stored(content: &Content) -> SecretObject {
        let mut stored = SecretObject::from(secret::marked("demo", "shop", content, &key()));
        stored.metadata.uid = Some("u1".to_owned());
        stored.metadata.resource_version = Some("12".to_owned());
        stored
    }

    #[test]
    fn what_we_write_is_seen_as_whole() {
        let content = content("a");
        let stored = stored(&content);
        let seen = ours(&stored, &key()).unwrap();
        let digest = Some(content.digest());
        assert_eq!(
            seen,
            SeenSecret::Ours {
                uid: "u1".into(),
                version: Version(12),
                digest,
                labelled: true,
                mendable: true,
                marked: true,
                unread: false,
            }
        );
        let hinted = super::secret(&stored.metadata, &key()).unwrap().seen;
        let unknown = Some(key().tag(content.digest()).unknown());
        assert_eq!(
            hinted,
            SeenSecret::Ours {
                uid: "u1".into(),
                version: Version(12),
                digest: unknown,
                labelled: true,
                mendable: true,
                marked: true,
                unread: true,
            }
        );
    }

    #[test]
    fn each_way_to_break_it_is_seen() {
        let content = content("a");
        let broken = |change: fn(&mut SecretObject)| {
            let mut object = stored(&content);
            change(&mut object);
            match ours(&object, &key()).unwrap() {
                SeenSecret::Ours { digest, labelled, mendable, marked, .. } => {
                    (digest == Some(content.digest()), labelled, mendable, marked)
                }
                SeenSecret::Foreign { .. } => panic!("it carries our label"),
            }
        };
        assert_eq!(
            broken(|it| drop(it.data.as_mut().unwrap().insert("x".into(), ByteString(vec![])))),
            (false, true, true, false)
        );
        assert_eq!(broken(|it| it.data = None), (false, true, true, false));
        assert_eq!(
            broken(|it| drop(it.metadata.labels.as_mut().unwrap().remove(IMAGE_PULL_SECRET_LABEL))),
            (true, false, true, true)
        );
        assert_eq!(broken(|it| it.type_ = Some("Opaque".into())), (true, true, false, true));
        assert_eq!(broken(|it| it.immutable = Some(true)), (true, true, false, true));
        assert_eq!(broken(|it| it.metadata.annotations = None), (true, true, true, false));
    }

    #[test]
    fn a_copy_under_another_name_is_nothing_to_us() {
        let mut copy = stored(&content("a"));
        copy.metadata.name = Some("my-copy".to_owned());
        assert_eq!(super::secret(&copy.metadata, &key()), None);
    }

    #[test]
    fn a_secret_in_the_way_is_ours_only_when_it_can_be_nothing_else() {
        let (a, b) = (content("a"), content("b"));
        let in_the_way = |object: &SecretObject, known: Option<&Uid>, content: &Content| {
            in_the_way(object, known, Some(content), &key())
        };
        let mut bare = stored(&a);
        bare.metadata.labels = None;
        let mut marked = bare.clone();
        marked.data = None;
        assert!(in_the_way(&marked, None, &b).is_ours(), "the mark alone");
        marked.metadata.namespace = Some("team".to_owned());
        assert!(!in_the_way(&marked, None, &b).is_ours(), "somebody copied the mark to another namespace");
        bare.metadata.annotations = None;
        assert!(in_the_way(&bare, None, &a).is_ours(), "the same bytes");
        assert!(in_the_way(&bare, Some(&"u1".into()), &b).is_ours(), "the one that we knew");
        assert_eq!(
            in_the_way(&bare, Some(&"u2".into()), &b),
            SeenSecret::Foreign { uid: "u1".into(), same_registry: true, mendable: true }
        );
        bare.data = None;
        assert_eq!(
            in_the_way(&bare, None, &b),
            SeenSecret::Foreign { uid: "u1".into(), same_registry: false, mendable: true }
        );
    }
}
