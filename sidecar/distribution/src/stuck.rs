//! Pods that cannot pull because they do not refer to our Secret. Pure.
//!
//! A Pod's list of pull secrets is fixed when the Pod is created. A Pod that was created before its
//! ServiceAccount referred to the Secret, and without the policy, waits for ever; only a person can have it
//! created again.

use std::sync::Arc;

use tcr::image_ref;
use tcr::names::derived_secret_name;
use tcr::pull_rights::{Candidate, Needed, needed};

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
    /// The pull secrets that it refers to.
    pub references: Vec<Box<str>>,
    /// The images that it waits for.
    pub images: Vec<Box<str>>,
}

/// Advice about a stuck Pod.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Advice {
    /// The ImagePullSecret whose Secret it lacks.
    pub image_pull_secret: String,
    /// The problem and what to do, in a sentence each.
    pub message: String,
}

/// The part of an ImagePullSecret that tells which images its Secret is for.
#[derive(Clone, Copy, Debug)]
pub struct AskedFor<'a> {
    /// Its name.
    pub name: &'a str,
    /// The hosts that the Secret is for.
    pub hosts: &'a [String],
    /// The registry namespaces that its credential pulls from; none for all.
    pub registry_namespaces: &'a [String],
    /// Which namespaces and ServiceAccounts it selects.
    pub distribution: &'a Distribution,
}

/// The advice about the Pod; none where no ImagePullSecret could help.
pub fn advice<'a>(
    pod: &WaitingPod,
    namespace: &Namespace,
    asked: impl IntoIterator<Item = AskedFor<'a>>,
) -> Option<Advice> {
    let asked = asked.into_iter().filter(|it| it.distribution.wants(&pod.namespace, namespace));
    let asked: Vec<AskedFor<'_>> = asked.collect();
    let (image, AskedFor { name, distribution, .. }) =
        pod.images.iter().find_map(|image| Some((image, lacking(pod, image, &asked)?)))?;
    let secret = derived_secret_name(name);
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

/// The ImagePullSecret whose Secret the Pod lacks for an image; none where it refers to one that may pull it, or where
/// none may.
fn lacking<'a>(pod: &WaitingPod, image: &str, asked: &[AskedFor<'a>]) -> Option<AskedFor<'a>> {
    let host = image_ref::host_of(image);
    let here: Vec<&AskedFor<'_>> = asked.iter().filter(|it| it.hosts.iter().any(|own| own == host)).collect();
    let is_listed = |it: &AskedFor<'_>| {
        let secret = derived_secret_name(it.name);
        pod.references.iter().any(|reference| **reference == *secret)
    };
    let candidate = |it: &&AskedFor<'a>| Candidate {
        registry_namespaces: it.registry_namespaces,
        is_listed: is_listed(it),
    };
    let candidates: Vec<Candidate<'_>> = here.iter().map(candidate).collect();
    let Needed::All(all) = needed(image, &candidates) else { return None };
    if all.iter().any(|index| candidates[*index].is_listed) {
        return None;
    }
    let all = || all.iter().map(|index| here[*index]);
    all().find(|it| it.distribution.wants_account(&pod.account)).or(all().next()).copied()
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
        let demo =
            AskedFor { name: "demo", hosts: &hosts, registry_namespaces: &[], distribution: &distribution };
        let advice = advice(pod, &Namespace { exists: true, ..Namespace::default() }, [demo]);
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
    #[test]
    fn among_several_for_a_host_the_pod_lacks_the_one_that_may_pull_its_image() {
        let all = |accounts: &str| Distribution {
            selection: Selection { service_accounts: accounts.parse().unwrap(), ..Selection::default() },
            conflict_policy: ConflictPolicy::Never,
            content: None,
            withdrawn: false,
            frozen: false,
        };
        let (builder, everybody) = (all("builder"), all("*"));
        let hosts = ["demo.tencentcloudcr.com".to_owned()];
        let [team_a, team_b] = ["team-a", "team-b"].map(|name| [name.to_owned()]);
        let asked = |name, registry_namespaces, distribution| AskedFor {
            name,
            hosts: &hosts,
            registry_namespaces,
            distribution,
        };
        let asked = [
            asked("a", &team_a, &everybody),
            asked("b-builder", &team_b, &builder),
            asked("b", &team_b, &everybody),
        ];
        let namespace = Namespace { exists: true, ..Namespace::default() };
        let lacks = |image: &str, references: &[&str]| {
            let image = format!("demo.tencentcloudcr.com/{image}");
            advice(&pod(&image, references), &namespace, asked).map(|it| it.image_pull_secret)
        };
        assert_eq!(lacks("team-a/app", &[]).as_deref(), Some("a"));
        assert_eq!(
            lacks("team-b/app", &["tcr.ipsa"]).as_deref(),
            Some("b"),
            "the one for its ServiceAccount"
        );
        assert_eq!(lacks("team-b/app", &["tcr.ipsb-builder"]), None, "what may pull it is there");
        assert_eq!(lacks("team-c/app", &["tcr.ipsa"]), None, "no Secret would help");
        let mut two = pod("demo.tencentcloudcr.com/team-a/app", &["tcr.ipsa"]);
        two.images.push("demo.tencentcloudcr.com/team-b/app".into());
        assert_eq!(advice(&two, &namespace, asked).map(|it| it.image_pull_secret).as_deref(), Some("b"));
    }
}
