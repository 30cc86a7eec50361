//! A guest's question, parsed and checked before it is used.

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use tcr::dns::{is_label, is_subdomain};

use crate::field_masks::FieldMasks;
use crate::grants::ContextAwareResource;
use crate::path_segment::path_segment_fault;
use crate::shortened::shortened;

/// The longest question, in bytes of JSON: names, selectors and masks at their bounds fit, and a chain of
/// certificates.
const LONGEST_QUESTION: usize = 256 << 10;
/// The longest selector. Kubernetes has no bound of its own; the request line has, and this is far
/// below it.
const LONGEST_SELECTOR: usize = 4 << 10;
/// The longest text of a question about rights; user names and groups come from identity providers.
const LONGEST_SUBJECT: usize = 1 << 10;
/// Groups of a user at most.
const MOST_GROUPS: usize = 256;
/// The longest reference of an image, and the longest name of a host.
const LONGEST_IMAGE: usize = 1 << 10;
const LONGEST_HOST: usize = 253;
/// Certificates of a chain at most.
const MOST_CERTIFICATES: usize = 32;
/// The ways in which a signature can be asked for.
const VERIFICATIONS: [&str; 5] = [
    "SigstorePubKeyVerify",
    "SigstoreKeylessVerify",
    "SigstoreKeylessPrefixVerify",
    "SigstoreGithubActionsVerify",
    "SigstoreCertificateVerify",
];
/// How much of a bad value a message shows.
const SHOWN: usize = 60;

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Question {
    /// `kubernetes/get_resource`.
    Get(Get),
    /// `kubernetes/list_resources_all`, without a namespace, and `list_resources_by_namespace`.
    List(List),
    /// `kubernetes/can_i`.
    CanI(CanI),
    /// `oci/v1/manifest_digest`, `oci/v1/oci_manifest` and `oci/v1/oci_manifest_config`: the image's reference.
    Image(String),
    /// `oci/v1/verify` and `oci/v2/verify`.
    Verify(Verify),
    /// `net/v1/dns_lookup_host`: the host's name.
    Host(String),
    /// `crypto/v1/is_certificate_trusted`.
    Certificate(CertificateTrust),
}

/// Whether an image is signed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verify {
    /// Such as `SigstorePubKeyVerify`.
    pub kind: String,
    /// Its parameters: `image`, and those that the kind needs.
    pub parameters: Map<String, Value>,
}

/// Whether a certificate is valid, and leads to an authority.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CertificateTrust {
    pub cert: Certificate,
    /// The certificates up to the authority, which is the last; `None` for the authorities of the host.
    #[serde(default)]
    pub cert_chain: Option<Vec<Certificate>>,
    /// When it must be valid (RFC 3339); `None` for now.
    #[serde(default)]
    pub not_after: Option<String>,
}

/// A certificate's bytes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Certificate {
    /// The encoding of the bytes.
    pub encoding: Encoding,
    /// The bytes.
    pub data: Vec<u8>,
}

/// How a certificate is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Encoding {
    Der,
    Pem,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, Deserialize)]
pub struct Get {
    /// Such as `v1` or `apps/v1`.
    pub api_version: String,
    /// Such as `Secret`.
    pub kind: String,
    pub name: String,
    /// The object's namespace; `None` for a cluster-scoped object.
    #[serde(default)]
    pub namespace: Option<String>,
    /// Whether it is read now, and not some seconds ago.
    #[serde(default)]
    pub disable_cache: bool,
    /// The fields to return.
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
    /// The namespace to list; `None` for all.
    #[serde(default)]
    pub namespace: Option<String>,
    /// Restricts the list by labels.
    #[serde(default)]
    pub label_selector: Option<String>,
    /// Restricts the list by fields.
    #[serde(default)]
    pub field_selector: Option<String>,
    /// The fields to return of each object.
    #[serde(default)]
    pub field_masks: FieldMasks,
}

/// Whether a user may do something.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct CanI {
    /// The subject and the operation.
    pub subject_access_review: Subject,
    /// Whether it is asked now, and not some seconds ago.
    #[serde(default)]
    pub disable_cache: bool,
}

/// The subject of an access review.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Subject {
    #[serde(default)]
    pub groups: Option<Vec<String>>,
    /// The operation.
    pub resource_attributes: SubjectAttributes,
    pub user: String,
}

/// The operation, with the fields of Kubernetes' `ResourceAttributes`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
pub struct SubjectAttributes {
    pub group: Option<String>,
    pub name: Option<String>,
    pub namespace: Option<String>,
    pub resource: Option<String>,
    pub subresource: Option<String>,
    pub verb: Option<String>,
    pub version: Option<String>,
}

impl Question {
    /// Reads the parameters of a known operation.
    pub(crate) fn read(namespace: &str, operation: &str, payload: &[u8]) -> Result<Self, String> {
        if payload.len() > LONGEST_QUESTION {
            let length = payload.len();
            return Err(format!("the question has {length} bytes, which is more than {LONGEST_QUESTION}"));
        }
        if namespace != "kubernetes" {
            return Self::of_elsewhere(namespace, operation, payload);
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

    fn of_elsewhere(namespace: &str, operation: &str, payload: &[u8]) -> Result<Self, String> {
        Ok(match (namespace, operation) {
            ("oci", "v1/verify" | "v2/verify") => Self::Verify(Verify::read(operation, payload)?),
            ("oci", _) => {
                let image: String = parse(payload)?;
                check("image", &image, image_fault)?;
                Self::Image(image)
            }
            ("net", _) => {
                let host: String = parse(payload)?;
                check("host", &host, host_fault)?;
                Self::Host(host)
            }
            _ => {
                let trust: CertificateTrust = parse(payload)?;
                let length = trust.cert_chain.as_ref().map_or(0, Vec::len);
                if length > MOST_CERTIFICATES {
                    return Err(format!(
                        "cert_chain: {length} certificates are more than {MOST_CERTIFICATES}"
                    ));
                }
                Self::Certificate(trust)
            }
        })
    }

    /// The kind of objects that it is about, and what of them is asked for.
    pub(crate) fn kind_and_masks(&mut self) -> Option<(ContextAwareResource, &mut FieldMasks)> {
        let (api_version, kind, masks) = match self {
            Self::Get(Get { api_version, kind, field_masks, .. })
            | Self::List(List { api_version, kind, field_masks, .. }) => (api_version, kind, field_masks),
            _ => return None,
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

impl Verify {
    /// The older form has the kind around the parameters, the newer one among them.
    fn read(operation: &str, payload: &[u8]) -> Result<Self, String> {
        let mut written: Map<String, Value> = parse(payload)?;
        let (kind, parameters) = match operation {
            "v1/verify" => match (written.len(), written.into_iter().next()) {
                (1, Some((kind, Value::Object(parameters)))) => (kind, parameters),
                _ => return Err("one kind of verification was expected, with its parameters".to_owned()),
            },
            _ => match written.remove("type") {
                Some(Value::String(kind)) => (kind, written),
                _ => return Err("type: a kind of verification was expected".to_owned()),
            },
        };
        if !VERIFICATIONS.contains(&kind.as_str()) {
            return Err(format!("\"{}\" is no kind of verification", shortened(&kind, SHOWN)));
        }
        let image = parameters.get("image").and_then(Value::as_str).ok_or("image is missing")?;
        check("image", image, image_fault)?;
        Ok(Self { kind, parameters })
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
    let is_group = group.is_none_or(is_subdomain);
    (!is_version || !is_group).then_some("is neither VERSION nor GROUP/VERSION")
}

/// Why a text is no kind: in lower case it is a DNS label that begins with a letter.
pub fn kind_fault(text: &str) -> Option<&'static str> {
    let is_kind = is_label(&text.to_ascii_lowercase()) && text.starts_with(|c: char| c.is_ascii_alphabetic());
    (!is_kind).then_some("is not a kind")
}

fn selector_fault(text: &str) -> Option<&'static str> {
    if text.len() > LONGEST_SELECTOR {
        return Some("is longer than 4 KiB");
    }
    text.contains(char::is_control).then_some("must not contain control characters")
}

fn image_fault(text: &str) -> Option<&'static str> {
    if text.is_empty() || text.len() > LONGEST_IMAGE {
        return Some("is empty, or longer than 1 KiB");
    }
    text.contains(|c: char| c.is_control() || c.is_whitespace()).then_some("must not contain blanks")
}

/// Why a text is neither a DNS name nor an address; resolvers take it as the C string that it becomes.
fn host_fault(text: &str) -> Option<&'static str> {
    let is_inner = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_' | ':');
    (!(1..=LONGEST_HOST).contains(&text.len()) || !text.chars().all(is_inner))
        .then_some("is neither a DNS name nor an address")
}

fn subject_fault(text: &str) -> Option<&'static str> {
    (text.len() > LONGEST_SUBJECT).then_some("is longer than 1 KiB")
}
