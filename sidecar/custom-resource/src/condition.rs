//! The words of an ImagePullSecret's status and Events: condition types, their reasons, and the reasons of Events.
//!
//! Each word is here once, with what it means and what to do about it; `docs/reference.md` is printed from them.

use std::fmt;

/// Declares an enum of words, each of which says what it means and what a person can do about it.
macro_rules! words {
    (
        $(#[$doc:meta])*
        $name:ident { $($word:ident: $meaning:literal, $action:literal;)+ }
    ) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum $name {
            $(#[doc = $meaning] $word,)+
        }

        impl $name {
            /// All of them, in the order of the reference page.
            pub const ALL: &[Self] = &[$(Self::$word),+];

            /// The word as it stands in a status.
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$word => stringify!($word),)+
                }
            }

            /// The one of this word; none when it is another release's.
            pub fn of(word: &str) -> Option<Self> {
                Self::ALL.iter().copied().find(|it| it.as_str() == word)
            }

            /// What it means, in a sentence.
            pub const fn meaning(self) -> &'static str {
                match self {
                    $(Self::$word => $meaning,)+
                }
            }

            /// What to do about it; empty where nothing is to be done.
            pub const fn action(self) -> &'static str {
                match self {
                    $(Self::$word => $action,)+
                }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.as_str())
            }
        }
    };
}

words! {
    /// The type of a condition.
    ConditionType {
        Ready: "All that the object asks for is as it shall be.",
            "Read the reason: it is that of the first of the other conditions that does not hold.";
        CredentialValid: "There is a credential that works. Unknown: it has had no verdict of its registry yet. Not there with `spec.tcr.credential.type: none`.",
            "Read the reason; the last good credential stays distributed meanwhile.";
        Distributed: "Every selected namespace has the Secret, and every selected ServiceAccount refers to it.",
            "Read the counts, and `status.failures` for writes that were refused.";
        PrivateLink: "The private link of the cluster's VPC to the instance runs; with `privateNetwork.resolve` nodes resolve the domains to it, and Ready waits for that. Unknown: it could not be looked at, and nobody waits for it.",
            "Read the reason; nodes keep what they have meanwhile.";
        NodesResolve: "Every node that was asked leads the domains to their private address, by its own configuration. Only once agents answered.",
            "Read the reason; `status.nodes.notResolving` has nodes by name for each reason.";
        Conflicts: "Something of somebody else is in the way.",
            "Read the reason: it names one of them.";
        CanPush: "The credential may also push. Only once the registry said so.",
            "Use an identity that may only pull (`tcr:PullRepository`).";
    }
}

words! {
    /// The reason of a condition.
    ConditionReason {
        Ready: "All that the object asks for is as it shall be.", "";
        Deleting: "The object is being deleted; what is left is counted.",
            "Wait; if it stays, `status.failures` names the writes that are refused.";
        InvalidSpec: "The spec cannot be carried out.", "Correct the field that the message names.";
        InvalidDomain: "A domain of the spec stands for no host that credentials may be kept for.",
            "Correct `domains`, or have the operator allow the root domain.";
        Pending: "The next step waits for Tencent Cloud or for the first look at it.",
            "Wait; if it stays, look at the controller's log.";
        Valid: "There is a credential, and nothing speaks against it.", "";
        Unverified: "The registry has never answered about this credential, so it is distributed unverified.",
            "Make the registry reachable from the controller, or wait for its next try.";
        CredentialRefused: "The registry does not let this credential in.",
            "Correct `spec.docker`, or make its credential valid again.";
        AwaitingVerdict: "A changed password waits for its registry's verdict; the one before stays distributed.",
            "Make the registry reachable, or wait until the time that the message names.";
        CredentialEnded: "The credential no longer works, and another one is being made.",
            "If nobody meant that, look for who deleted or disabled it.";
        SuccessorRefused: "The registry refuses the credential that should replace the present one, which stays.",
            "Correct the credential before the present one ends.";
        SuccessorUntried: "The registry could not be asked about the next credential; the present one stays.",
            "Make the registry reachable from the controller before the present one ends.";
        NoPassword: "The Secret that `passwordSecretRef` names is not there, lacks its label, or lacks the key.",
            "Make it in tcr-assistant-system with the label `tcr.tencentcloudcr.com/password=true`.";
        NoDescription: "No description can be made for the credential, by which it would be known again.",
            "Set the controller's `--cluster-id`, or `spec.tcr.credential.description`.";
        InstanceNotFound: "The API credential sees no instance of this id in this region.",
            "Compare `instanceId` and `region` with the console, and the rights of the identity.";
        InstanceNotRunning: "The instance is there and does not run.", "Look at the instance in the console.";
        CloudFailed: "A call of Tencent Cloud's API failed.",
            "Read the message: it has the action, the cloud's code and its request id.";
        ApiKeyUnknown: "Tencent Cloud does not know the API key that signs: it, or its CAM user, is deleted or disabled.",
            "Give the controller the key of a user that stays; `type: serviceAccount` outlives people.";
        CamUserGone: "The CAM user whose credential pulls was deleted or disabled: the registry refuses it, and Tencent Cloud does not know the key.",
            "Give the controller the key of a user that stays, or set `type: serviceAccount`; the message names the namespaces.";
        QuotaExceeded: "The instance has no room for another service account, so none could be made.",
            "Delete service accounts that are no longer used from the instance, or ask Tencent Cloud for a larger quota.";
        ServiceAccountsUnavailable: "The instance has no service accounts: the feature is not switched on for it.",
            "Ask Tencent Cloud by a ticket to switch service accounts on, or use `type: longterm`.";
        NoRegistryNamespace: "A registry namespace that the service account shall pull from is not in the instance.",
            "Make it in the instance, or correct `registryNamespaces`.";
        RoleRefused: "The role that `spec.tcr.roleArn` names may not be taken on; no other object is concerned.",
            "Add the statement that the message has to the role's trust policy, and allow the controller's identity `sts:AssumeRole` on it.";
        StoreFailed: "The credential cannot be kept in its Secret of tcr-assistant-system.",
            "Read the message: it has the API server's words.";
        NoCredential: "There is nothing to distribute before there is a credential.",
            "See the condition CredentialValid.";
        Complete: "Every selected namespace and ServiceAccount has what it shall have.", "";
        NotRequested: "The spec asks for no credential (`spec.tcr.credential.type: none`), so that there is no Secret.", "";
        Progressing: "Secrets and references are being written.", "Wait.";
        Removing: "Secrets and references that nobody asks for any more are being removed.", "Wait.";
        WritesFailed: "The API server refused some writes, which are tried again.",
            "Read `status.failures`: object by object, with the API server's words.";
        None: "Nothing of somebody else is in the way.", "";
        ForeignSecret: "A Secret of the name is somebody else's and is left alone.",
            "Delete it, or set `spec.conflictPolicy` to adopt or overwrite.";
        Contested: "Somebody changes objects back again and again; they are repaired ever less often.",
            "Have the program that the Event names leave our entries alone.";
        Conflicts: "Some namespaces have a Secret of somebody else under the name.",
            "See the condition Conflicts.";
        PushGranted: "The credential may also push: whoever reads the Secret may change images.",
            "Use an identity that may only pull (`tcr:PullRepository`).";
        PullOnly: "The registry grants no pushing that was seen.", "";
        Running: "The private link runs, with the address that the message names; with `privateNetwork.resolve` nodes resolve the domains to it.", "";
        FixedAddress: "Nodes resolve the domains to the address that the spec gives; whether a link runs there, only they see.", "";
        NoLink: "The instance has no private link to the VPC.",
            "Make one in the instance's access control, for the VPC that the message names.";
        DomainUnusable: "A customized domain of the instance is not usable yet.",
            "Wait, or look at the domain in the console.";
        PrivateDNSAlreadyServes: "Private DNS of the VPC resolves the domains already.",
            "Nothing; `resolve: false` would say so in the spec too.";
        AddressChanged: "The link has another address than before; with `privateNetwork.resolve` nodes are being told.",
            "Wait; correct hosts files and name servers that were set by hand.";
        VpcUnknown: "The VPC of the nodes is not known.", "Set `spec.tcr.privateNetwork.vpcId`, or `--vpc-id`.";
        NodesResolve: "Nothing that the nodes' agents see keeps the entries from being used.", "";
        NodesBehind: "Some nodes do not carry the newest entries yet, or their agents do not answer.",
            "Wait; if it stays, look at the logs of hosts-updater.";
        HostsFileReadOnly: "Nodes let nobody write their hosts file: a read-only or immutable /etc.",
            "Let TCR's private DNS serve the VPC, or configure these nodes: `kubectl tcr nodes --config`.";
        NodeNetworkUnknown: "Entries are by VPC, and nodes have none of those: their VPC is not known, is two, or has none.",
            "Set `hostsUpdater.vpcRanges`, or link their VPC and add it to the entries.";
        HostsFileNotAsked: "Nodes ask something else before their hosts file, or never ask it.",
            "Put `files` first in the line `hosts:` of their /etc/nsswitch.conf.";
        EntriesShadowed: "Nodes have other lines for the domains, which come first in their hosts file.",
            "Remove those lines; the logs of hosts-updater name them.";
        LinkUnanswered: "The private link's address does not answer nodes.",
            "Open port 443 of the address to them: its security group, routes and ACLs of their subnets.";
        WriteFailed: "The list of hosts entries cannot be written.",
            "Read the message: it has the API server's words.";
    }
}

words! {
    /// The reason of an Event that is about no condition.
    EventReason {
        CredentialCreated: "A credential was created for the instance.", "";
        CredentialReplaced: "A credential has taken another one's place.", "";
        CredentialRevoked: "A credential that nobody uses any more was deleted.", "";
        RightsRestored: "Somebody changed the rights of a service account, which has its own again.",
            "If you meant that, change `registryNamespaces` instead.";
        CredentialRetained: "A credential that nobody uses any more was left in the registry, as `onDelete` says.",
            "Delete it in the console if it is not used elsewhere.";
        Conflict: "A Secret of the name is somebody else's and is left alone.",
            "Delete it, or set `spec.conflictPolicy` to adopt or overwrite.";
        RegionDiffers: "The instance is in another region than the cluster.",
            "Use an instance of the cluster's region, or one that is replicated to it.";
        CanPush: "The credential may also push.", "Use an identity that may only pull (`tcr:PullRepository`).";
        PullSecretMissing: "A Pod waits for an image of the registry and has no reference to the Secret.",
            "Recreate the Pod: references are put on Pods when they are created.";
    }
}

words! {
    /// How far a request is, in `status.request.state`.
    RequestState {
        Accepted: "The controller has taken note of the request and carries it out.",
            "Wait; if it stays, read the conditions: something else stands in the way.";
        Making: "Another credential is being made, or waits for its registry's verdict.",
            "Wait; if it stays, read the condition CredentialValid.";
        Replacing: "The new credential is being distributed; the one before is deleted after its last copy.",
            "Wait; if it stays, read the condition Distributed.";
        Revoking: "The credential is being deleted at the registry.",
            "Wait; if it stays, read the condition CredentialValid.";
        Done: "What was asked for has been done.", "";
        Failed: "It was tried and did not succeed; nothing that works was given up.",
            "Read the message, mend what it names, and ask again.";
        Refused: "The request cannot be carried out, and nothing was changed.",
            "Read the message, and ask for something else.";
    }
}

impl RequestState {
    /// Whether nothing more will come of the request.
    pub fn is_final(self) -> bool {
        matches!(self, Self::Done | Self::Failed | Self::Refused)
    }
}

/// The reason of an Event: its own, or that of the condition that it is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// It is about this condition's reason.
    Condition(ConditionReason),
    /// It is about something that happened.
    Event(EventReason),
}

impl Reason {
    /// The word as it stands in a status.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Condition(reason) => reason.as_str(),
            Self::Event(reason) => reason.as_str(),
        }
    }
}

impl From<ConditionReason> for Reason {
    fn from(reason: ConditionReason) -> Self {
        Self::Condition(reason)
    }
}

impl From<EventReason> for Reason {
    fn from(reason: EventReason) -> Self {
        Self::Event(reason)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_word_is_a_reason_as_kubernetes_takes_it_and_says_what_it_means() {
        // metav1.Condition: CamelCase of at most 1,024 characters; here they are names.
        let is_word = |word: &str| word.chars().all(|c| c.is_ascii_alphanumeric()) && word.len() < 64;
        let is_sentence = |text: &str| text.ends_with('.') && text.split(' ').count() > 3;
        for (word, meaning) in ConditionType::ALL
            .iter()
            .map(|it| (it.as_str(), it.meaning()))
            .chain(ConditionReason::ALL.iter().map(|it| (it.as_str(), it.meaning())))
            .chain(EventReason::ALL.iter().map(|it| (it.as_str(), it.meaning())))
            .chain(RequestState::ALL.iter().map(|it| (it.as_str(), it.meaning())))
        {
            assert!(is_word(word) && is_sentence(meaning), "{word}: {meaning}");
        }
    }
}
