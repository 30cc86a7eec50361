//! What would change, as it is told. With `-o json` this is the document.

use schemars::JsonSchema;
use serde::Serialize;

use distribution::Change;

/// What would change, where and why.
#[derive(Clone, Debug, Default, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Plan {
    /// Whether anything would change.
    pub changes: bool,
    /// ImagePullSecrets, by name.
    pub image_pull_secrets: Vec<ObjectPlan>,
    /// Credentials that would be made, renewed, revoked or left at the registry.
    pub credentials: Vec<CredentialPlan>,
    /// Writes of Secrets and ServiceAccounts, by namespace and in the order in which they would be done.
    pub writes: Vec<Write>,
    /// The nodes' hosts files.
    pub hosts: HostsPlan,
    /// Secrets of somebody else in the way, which would be left alone.
    pub conflicts: Vec<Conflict>,
    /// Objects that admission would refuse, so that they stay as they are.
    pub refused: Vec<Note>,
    /// What works, and should be known.
    pub notes: Vec<Note>,
    /// What could not be read.
    pub not_known: Vec<String>,
}

/// What is to be known about an object.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Note {
    /// What it is about.
    pub about: String,
    /// The sentence.
    pub message: String,
}

impl Note {
    /// The message `message` about `about`.
    pub fn new(about: impl Into<String>, message: impl Into<String>) -> Self {
        Self { about: about.into(), message: message.into() }
    }
}

/// An ImagePullSecret, and where it leads.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ObjectPlan {
    /// Its name.
    pub name: String,
    /// What becomes of the object itself.
    pub change: ObjectChange,
    /// Namespaces that would have its Secret.
    pub namespaces: i64,
    /// ServiceAccounts that would refer to it.
    pub service_accounts: i64,
}

/// What becomes of an ImagePullSecret itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum ObjectChange {
    /// It is made.
    Created,
    /// Its spec changes.
    Changed,
    /// It goes, with what it led to.
    Deleted,
    /// The controller takes it up: it puts its finalizer on.
    Secured,
    /// It stays as it is.
    Unchanged,
}

/// What becomes of a credential.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct CredentialPlan {
    /// What is done.
    pub action: CredentialAction,
    /// The instance.
    pub instance_id: String,
    /// Its region.
    pub region: String,
    /// `longterm`, `temp` or `serviceAccount`.
    #[serde(rename = "type")]
    pub kind: &'static str,
    /// Registry namespaces that a service account may pull from; empty for others.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub registry_namespaces: Vec<String>,
    /// Id of the long-term credential that there is, or name of the service account; none for one that is yet to be made.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub token_id: Option<String>,
    /// ImagePullSecrets that use it.
    pub image_pull_secrets: Vec<String>,
    /// Why it is done, where that is not what was asked.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub why: String,
}

/// What is done about a credential.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum CredentialAction {
    /// One is made.
    Create,
    /// Another one is made, and takes its place once the registry lets it in.
    Renew,
    /// It is revoked.
    Revoke,
    /// Nobody uses it any more, and it stays valid at the registry.
    Retain,
}

/// A write of a Secret or a ServiceAccount.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Write {
    /// The namespace.
    pub namespace: String,
    /// `Secret` or `ServiceAccount`.
    pub kind: &'static str,
    /// The object's name.
    pub name: String,
    /// What is done.
    pub action: WriteAction,
    /// References that are added to a ServiceAccount.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub adds: Vec<String>,
    /// References that are removed from it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub removes: Vec<String>,
}

/// What is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum WriteAction {
    /// A Secret is made.
    Create,
    /// A Secret's content and labels are written in place.
    Update,
    /// A Secret of somebody else is taken over, as `spec.conflictPolicy` says.
    TakeOver,
    /// A Secret is deleted and made anew, because no update mends it.
    Replace,
    /// A Secret gets the annotation by which it is known as ours.
    Mark,
    /// References of a ServiceAccount are added and removed.
    EditReferences,
    /// A Secret is deleted.
    Delete,
}

impl Write {
    /// The write that this change is in this namespace.
    pub fn of(namespace: &str, change: &Change) -> Self {
        let (kind, name) = change.target();
        let (mut adds, mut removes) = (Vec::new(), Vec::new());
        let action = match change {
            Change::CreateSecret { .. } => WriteAction::Create,
            Change::UpdateSecret { is_foreign: true, .. } => WriteAction::TakeOver,
            Change::UpdateSecret { is_foreign: false, .. } => WriteAction::Update,
            Change::ReplaceSecret { .. } => WriteAction::Replace,
            Change::MarkSecret { .. } => WriteAction::Mark,
            Change::DeleteSecret { .. } => WriteAction::Delete,
            Change::EditReferences { edit, .. } => {
                adds.extend(edit.added().map(str::to_owned));
                removes.extend(edit.removed().map(str::to_owned));
                WriteAction::EditReferences
            }
        };
        let (namespace, kind, name) = (namespace.to_owned(), kind.as_str(), name.into_owned());
        Self { namespace, kind, name, action, adds, removes }
    }
}

/// What becomes of the nodes' hosts files.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct HostsPlan {
    /// Entries that come or go, the same on every node that follows the list.
    pub entries: Vec<HostsChange>,
    /// Domains whose address nobody knows before the controller has asked Tencent Cloud.
    pub pending: Vec<Note>,
    /// Nodes that follow the list.
    pub nodes: Vec<String>,
    /// Nodes on which no hosts-updater runs, so that nothing changes there.
    pub nodes_without: Vec<String>,
}

/// An entry that comes or goes. One that changes does both.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct HostsChange {
    /// It comes; else it goes.
    pub added: bool,
    /// The name.
    pub domain: String,
    /// The address.
    pub ip: String,
    /// The VPC whose nodes alone it is for; absent where it is for all.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub vpc_id: Option<String>,
}

/// A Secret of somebody else in the way.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Conflict {
    /// The namespace.
    pub namespace: String,
    /// The Secret.
    pub secret: String,
    /// The ImagePullSecret that asks for a Secret of this name.
    pub image_pull_secret: String,
}
