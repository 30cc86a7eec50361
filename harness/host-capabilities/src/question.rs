//! What a guest asks, read and checked before anybody uses it.

use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::{ContextAwareResource, FieldMasks, path_segment_fault, shortened};

/// The longest question about the cluster, in bytes of JSON: names, selectors and masks at their
/// bounds fit.
const LONGEST_QUESTION: usize = 256 << 10;
/// The longest selector. Kubernetes has no bound of its own; the request line has, and this is far
/// below it.
const LONGEST_SELECTOR: usize = 4 << 10;
/// The longest text of a question about rights; user names and groups come from identity providers.
const LONGEST_SUBJECT: usize = 1 << 10;
/// Groups of a user at most.
const MOST_GROUPS: usize = 256;
/// How much of a bad value a message shows.
const SHOWN: usize = 60;

/// A question.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Question<'a> {
    /// `kubernetes/get_resource`.
    Get(Get),
    /// `kubernetes/list_resources_all`, without a namespace, and `list_resources_by_namespace`.
    List(List),
    /// `kubernetes/can_i`.
    CanI(CanI),
    /// Of another namespace than `kubernetes`: its parameters, as the guest wrote them.
    Other(&'a [u8]),
}

/// One object.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Deserialize)]
pub struct Get {
    /// Such as `v1` or `apps/v1`.
    pub api_version: String,
    /// Such as `Secret`.
    pub kind: String,
    /// Its name.
    pub name: String,
    /// Its namespace; `None` for what is not in one.
    #[serde(default)]
    pub namespace: Option<String>,
    /// Whether it is read now, and not some seconds ago.
    #[serde(default)]
    pub disable_cache: bool,
    /// What of it.
    #[serde(default)]
    pub field_masks: FieldMasks,
}

/// The objects of a kind.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Deserialize)]
pub struct List {
    /// Such as `v1` or `apps/v1`.
    pub api_version: String,
    /// Such as `Secret`.
    pub kind: String,
    /// Those in one namespace.
    #[serde(default)]
    pub namespace: Option<String>,
    /// Those with such labels.
    #[serde(default)]
    pub label_selector: Option<String>,
    /// Those with such fields.
    #[serde(default)]
    pub field_selector: Option<String>,
    /// What of them.
    #[serde(default)]
    pub field_masks: FieldMasks,
}

/// Whether somebody may do something.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct CanI {
    /// Who and what.
    pub subject_access_review: Subject,
    /// Whether it is asked now, and not some seconds ago.
    #[serde(default)]
    pub disable_cache: bool,
}

/// Who may do what.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Subject {
    /// The user's groups.
    #[serde(default)]
    pub groups: Option<Vec<String>>,
    /// What is to be done.
    pub resource_attributes: SubjectAttributes,
    /// The user's name.
    pub user: String,
}

/// What is to be done, in the words of Kubernetes' `ResourceAttributes`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[expect(missing_docs, reason = "they are Kubernetes' fields")]
pub struct SubjectAttributes {
    pub group: Option<String>,
    pub name: Option<String>,
    pub namespace: Option<String>,
    pub resource: Option<String>,
    pub subresource: Option<String>,
    pub verb: Option<String>,
    pub version: Option<String>,
}

impl<'a> Question<'a> {
    /// Reads the parameters of a known operation.
    pub(crate) fn read(namespace: &str, operation: &str, payload: &'a [u8]) -> Result<Self, String> {
        if namespace != "kubernetes" {
            return Ok(Self::Other(payload));
        }
        if payload.len() > LONGEST_QUESTION {
            let length = payload.len();
            return Err(format!("the question has {length} bytes, which is more than {LONGEST_QUESTION}"));
        }
        Ok(match operation {
            "get_resource" => Self::Get(Get::check(parse(payload)?)?),
            "list_resources_all" => Self::List(List::check(List { namespace: None, ..parse(payload)? })?),
            "list_resources_by_namespace" => {
                let list: List = parse(payload)?;
                if list.namespace.is_none() {
                    return Err("namespace is missing".to_owned());
                }
                Self::List(List::check(list)?)
            }
            _ => Self::CanI(CanI::check(parse(payload)?)?),
        })
    }

    /// The kind of objects that it is about, and what of them is asked for.
    pub(crate) fn kind_and_masks(&mut self) -> Option<(ContextAwareResource, &mut FieldMasks)> {
        let (api_version, kind, masks) = match self {
            Self::Get(Get { api_version, kind, field_masks, .. })
            | Self::List(List { api_version, kind, field_masks, .. }) => (api_version, kind, field_masks),
            Self::CanI(_) | Self::Other(_) => return None,
        };
        Some((ContextAwareResource { api_version: api_version.clone(), kind: kind.clone() }, masks))
    }
}

impl Get {
    fn check(self) -> Result<Self, String> {
        check("api_version", &self.api_version, api_version_fault)?;
        check("kind", &self.kind, kind_fault)?;
        check("name", &self.name, path_segment_fault)?;
        check_some("namespace", self.namespace.as_deref(), path_segment_fault)?;
        Ok(self)
    }
}

impl List {
    fn check(self) -> Result<Self, String> {
        check("api_version", &self.api_version, api_version_fault)?;
        check("kind", &self.kind, kind_fault)?;
        check_some("namespace", self.namespace.as_deref(), path_segment_fault)?;
        check_some("label_selector", self.label_selector.as_deref(), selector_fault)?;
        check_some("field_selector", self.field_selector.as_deref(), selector_fault)?;
        Ok(self)
    }
}

impl CanI {
    fn check(self) -> Result<Self, String> {
        let Subject { groups, resource_attributes: it, user } = &self.subject_access_review;
        check("user", user, subject_fault)?;
        let groups = groups.as_deref().unwrap_or_default();
        if groups.len() > MOST_GROUPS {
            return Err(format!("groups: {} are more than {MOST_GROUPS}", groups.len()));
        }
        groups.iter().try_for_each(|group| check("groups", group, subject_fault))?;
        let attributes = [
            ("group", &it.group),
            ("name", &it.name),
            ("namespace", &it.namespace),
            ("resource", &it.resource),
            ("subresource", &it.subresource),
            ("verb", &it.verb),
            ("version", &it.version),
        ];
        attributes
            .iter()
            .try_for_each(|(field, value)| check_some(field, value.as_deref(), subject_fault))?;
        Ok(self)
    }
}

/// Without serde's words about a value, which may be long.
fn parse<T: DeserializeOwned>(payload: &[u8]) -> Result<T, String> {
    serde_json::from_slice(payload).map_err(|error| shortened(&error.to_string(), 200))
}

fn check(field: &str, value: &str, fault: fn(&str) -> Option<&'static str>) -> Result<(), String> {
    match fault(value) {
        None => Ok(()),
        Some(fault) => Err(format!("{field}: \"{}\" {fault}", shortened(value, SHOWN))),
    }
}

fn check_some(
    field: &str,
    value: Option<&str>,
    fault: fn(&str) -> Option<&'static str>,
) -> Result<(), String> {
    value.map_or(Ok(()), |value| check(field, value, fault))
}

/// Why a text is no `VERSION` or `GROUP/VERSION`, where the group is a DNS subdomain and the version
/// a DNS label.
pub fn api_version_fault(text: &str) -> Option<&'static str> {
    let (group, version) =
        text.split_once('/').map_or((None, text), |(group, version)| (Some(group), version));
    let is_version = is_label(version) && version.starts_with(|c: char| c.is_ascii_lowercase());
    let is_group = group.is_none_or(|group| group.len() <= 253 && group.split('.').all(is_label));
    (!is_version || !is_group).then_some("is neither VERSION nor GROUP/VERSION")
}

/// Why a text is no kind: in lower case it is a DNS label that begins with a letter.
pub fn kind_fault(text: &str) -> Option<&'static str> {
    let is_kind = is_label(&text.to_ascii_lowercase()) && text.starts_with(|c: char| c.is_ascii_alphabetic());
    (!is_kind).then_some("is not a kind")
}

/// Whether a text is a DNS label: the names of resources, too.
pub(crate) fn is_label(text: &str) -> bool {
    let is_inner = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    (1..=63).contains(&text.len())
        && text.chars().all(is_inner)
        && !text.starts_with('-')
        && !text.ends_with('-')
}

fn selector_fault(text: &str) -> Option<&'static str> {
    if text.len() > LONGEST_SELECTOR {
        return Some("is longer than 4 KiB");
    }
    text.contains(char::is_control).then_some("must not contain control characters")
}

fn subject_fault(text: &str) -> Option<&'static str> {
    (text.len() > LONGEST_SUBJECT).then_some("is longer than 1 KiB")
}
