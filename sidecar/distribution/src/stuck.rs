//! Pods that cannot pull because nobody told them of our Secret. Pure.
//!
//! A Pod's list of pull secrets is fixed when the Pod is made. One that came before its ServiceAccount
//! referred to the Secret, past the policy, waits for ever; only a person can have it made again.

use std::sync::Arc;

use tcr::image_ref;
use tcr::names::derived_secret_name;

use super::desired::Distribution;
use super::identity::Uid;
use super::observed::Namespace;

/// A Pod that waits for an image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WaitingPod {
    /// The uid of the Pod.
    pub uid: Uid,
    /// The namespace of the Pod.
    pub namespace: Arc<str>,
    /// The name of the Pod.
    pub name: Box<str>,
    /// The name of the Pod's ServiceAccount.
    pub account: Box<str>,
    /// The Secrets that it refers to.
    pub references: Vec<Box<str>>,
    /// The images that it waits for.
    pub images: Vec<Box<str>>,
}

/// What would help a stuck Pod.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Advice {
    /// The ImagePullSecret whose Secret it lacks.
    pub image_pull_secret: String,
    /// What is wrong and what to do, in a sentence each.
    pub message: String,
}

/// What to tell about the Pod; none where it is not for us to help. `asked` are the ImagePullSecrets
/// with the hosts that each is for.
pub fn advice<'a>(
    pod: &WaitingPod,
    namespace: &Namespace,
    asked: impl IntoIterator<Item = (&'a str, &'a [String], &'a Distribution)>,
) -> Option<Advice> {
    let (image, name, distribution) = asked
        .into_iter()
        .filter(|(_, _, distribution)| distribution.wants(&pod.namespace, namespace))
        .find_map(|(name, hosts, distribution)| {
            let is_here = |image: &str| hosts.iter().any(|host| host == image_ref::host_of(image));
            Some((pod.images.iter().find(|image| is_here(image))?, name, distribution))
        })?;
    let secret = derived_secret_name(name);
    if pod.references.iter().any(|reference| **reference == *secret) {
        return None;
    }
    let account = &pod.account;
    let help = if distribution.wants_account(account) {
        format!(
            "it was made before its ServiceAccount {account} referred to it, and a Pod's list never changes: delete the \
             Pod, so that its owner makes it again"
        )
    } else {
        format!(
            "its ServiceAccount {account} is not one of spec.serviceAccounts of ImagePullSecret {name}: add it there, \
             then delete the Pod, so that its owner makes it again"
        )
    };
    let message =
        format!("the image {image} needs the Secret {secret}, which this Pod does not refer to: {help}");
    Some(Advice { image_pull_secret: name.to_owned(), message })
}

#[cfg(test)]
mod tests {
    use expect_test::{Expect, expect};
    use tcr::image_pull_secret::{ConflictPolicy, ImagePullSecretSpec};
    use tcr::selection::Selection;

    use super::*;

    fn pod(image: &str, references: &[&str]) -> WaitingPod {
        WaitingPod {
            uid: "u1".into(),
            namespace: "shop".into(),
            name: "web".into(),
            account: "default".into(),
            references: references.iter().map(|it| (*it).into()).collect(),
            images: vec![image.into()],
        }
    }

    #[track_caller]
    fn check(pod: &WaitingPod, namespaces: &str, accounts: &str, expected: Expect) {
        let spec = ImagePullSecretSpec {
            namespaces: namespaces.to_owned(),
            service_accounts: accounts.to_owned(),
            ..ImagePullSecretSpec::default()
        };
        let distribution = Distribution {
            selection: Selection::of(&spec).unwrap(),
            conflict_policy: ConflictPolicy::Never,
            content: None,
            withdrawn: false,
            frozen: false,
        };
        let hosts = ["demo.tencentcloudcr.com".to_owned()];
        let asked = [("demo", hosts.as_slice(), &distribution)];
        let advice = advice(pod, &Namespace { exists: true, ..Namespace::default() }, asked);
        expected.assert_eq(&advice.map_or("nothing".to_owned(), |advice| advice.message));
    }

    #[test]
    fn a_pod_without_the_reference_is_to_be_made_again() {
        check(
            &pod("demo.tencentcloudcr.com/team/app:v1", &["other"]),
            "*",
            "*",
            expect![
                "the image demo.tencentcloudcr.com/team/app:v1 needs the Secret tcr.ipsdemo, which this Pod does not refer to: it was made before its ServiceAccount default referred to it, and a Pod's list never changes: delete the Pod, so that its owner makes it again"
            ],
        );
        check(
            &pod("demo.tencentcloudcr.com/team/app:v1", &[]),
            "*",
            "builder",
            expect![
                "the image demo.tencentcloudcr.com/team/app:v1 needs the Secret tcr.ipsdemo, which this Pod does not refer to: its ServiceAccount default is not one of spec.serviceAccounts of ImagePullSecret demo: add it there, then delete the Pod, so that its owner makes it again"
            ],
        );
    }

    #[test]
    fn what_is_not_for_us_is_left_alone() {
        let ours = "demo.tencentcloudcr.com/team/app:v1";
        check(&pod(ours, &["tcr.ipsdemo"]), "*", "*", expect!["nothing"]);
        check(&pod(ours, &[]), "other", "*", expect!["nothing"]);
        check(&pod("docker.io/library/nginx", &[]), "*", "*", expect!["nothing"]);
        check(&pod("nginx", &[]), "*", "*", expect!["nothing"]);
    }
}
