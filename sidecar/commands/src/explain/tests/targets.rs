//! What a Pod would get, before there is one.

use super::*;
use crate::explain::admission::{admit, any_images};
use crate::explain::objects::pod_facts;
use crate::explain::target::{Target, TargetKind};

/// What is found about a Deployment in the namespace of [`well`].
fn of_deployment(
    template: &Value,
    change: impl FnOnce(&mut Facts),
) -> (String, crate::explain::findings::Findings) {
    let target: Target = "deploy/web".parse().unwrap();
    let TargetKind::Workload(workload) = target.kind else { panic!("a workload") };
    let object = json!({"spec": {"template": template}});
    let mut facts = Facts { target: Some(target), ..well() };
    facts.pod = pod_facts(&workload.pod(&object, "shop").unwrap());
    change(&mut facts);
    admit(&mut facts);
    let found = findings(&facts);
    (text(&found, at(100)), found)
}

fn template() -> Value {
    json!({"spec": {"containers": [{"name": "app", "image": IMAGE}]}})
}

#[test]
fn a_workload_is_explained_by_its_template_and_says_by_which_way() {
    let (told, found) = of_deployment(&template(), |_| {});
    expect![[r#"
        Deployment:        shop/web, as a Pod that is made now
        Service Account:   default, refers to tcr.ipsdemo
        Policy:            adds tcr.ipsdemo to a Pod like this one, when it is made
        Pull Secrets:      tcr.ipsdemo  for demo-vpc.tencentcloudcr.com, demo.tencentcloudcr.com; its ServiceAccount refers to it

        Image:             demo.tencentcloudcr.com/team/app:v1
          Used by:         container app
          Registry:        demo.tencentcloudcr.com
          Asked for by:    ImagePullSecret demo, for namespaces "shop,team" and ServiceAccounts "*"
          Tried in order:  1. tcr.ipsdemo (user 100 for demo.tencentcloudcr.com): may pull
          Verdict:         it can be pulled

        To do: nothing
    "#]].assert_eq(&told);
    assert_eq!(found.target.as_deref(), Some("Deployment/web"));
    // With a list of its own the ServiceAccount's does not count, and the policy adds.
    let mut own = template();
    own["spec"]["imagePullSecrets"] = json!([{"name": "partner"}]);
    let ways = |found: crate::explain::findings::Findings| {
        found.secrets.into_iter().map(|it| (it.name, it.way.unwrap_or_default())).collect::<Vec<_>>()
    };
    let (_, found) = of_deployment(&own, |_| {});
    let both = [("partner", "the Pod template lists it"), ("tcr.ipsdemo", "the admission policy adds it")];
    assert_eq!(ways(found), both.map(|(name, way)| (name.to_owned(), way)));
}

#[test]
fn a_workload_that_would_get_nothing_is_told_why() {
    let mut opted_out = template();
    opted_out["metadata"] = json!({"annotations": {"tcr.tencentcloudcr.com/inject": "false"}});
    opted_out["spec"]["imagePullSecrets"] = json!([{"name": "partner"}]);
    let (_, found) = of_deployment(&opted_out, |_| {});
    assert_eq!(found.images[0].problem.as_ref().map(|it| it.reason), Some("OptedOut"));
    let (_, found) = of_deployment(&template(), |facts| facts.spec(json!({"serviceAccounts": "robot"})));
    assert_eq!(
        found.images[0].problem.as_ref().map(|it| it.reason),
        None,
        "its ServiceAccount still refers to it"
    );
    let (_, found) = of_deployment(&template(), |facts| {
        facts.spec(json!({"serviceAccounts": "robot"}));
        facts.account = Seen::Known(Some(AccountFacts::default()));
    });
    assert_eq!(found.images[0].problem.as_ref().map(|it| it.reason), Some("ServiceAccountNotSelected"));
    assert!(found.to_do.contains("add default to spec.serviceAccounts"), "{}", found.to_do);
}

#[test]
fn a_namespace_is_explained_for_each_registry_and_by_its_service_accounts() {
    let mut facts = well();
    facts.answers.clear();
    facts.target = Some("ns/shop".parse().unwrap());
    facts.pod =
        PodFacts { namespace: "shop".to_owned(), account: "default".to_owned(), ..PodFacts::default() };
    facts.spec(json!({"serviceAccounts": "*,!robot"}));
    facts.other_accounts = Seen::Known(vec!["builder".to_owned(), "robot".to_owned()]);
    facts.pod.images = any_images(&facts);
    admit(&mut facts);
    assert_eq!(facts.questions(), [], "there is no image to ask for");
    expect![[r#"
        Namespace:         shop, as a Pod that is made now
        Service Account:   default, refers to tcr.ipsdemo
        Policy:            adds tcr.ipsdemo to a Pod like this one, when it is made
        Pull Secrets:      tcr.ipsdemo  for demo-vpc.tencentcloudcr.com, demo.tencentcloudcr.com; its ServiceAccount refers to it

        Image:             demo-vpc.tencentcloudcr.com/*
          Used by:         any container
          Registry:        demo-vpc.tencentcloudcr.com
          Asked for by:    ImagePullSecret demo, for namespaces "shop,team" and ServiceAccounts "*,!robot"
          Tried in order:  1. tcr.ipsdemo (user 100 for demo-vpc.tencentcloudcr.com): not asked
          Verdict:         it should be pulled
          Note:            the registry was not asked

        Image:             demo.tencentcloudcr.com/*
          Used by:         any container
          Registry:        demo.tencentcloudcr.com
          Asked for by:    ImagePullSecret demo, for namespaces "shop,team" and ServiceAccounts "*,!robot"
          Tried in order:  1. tcr.ipsdemo (user 100 for demo.tencentcloudcr.com): not asked
          Verdict:         it should be pulled
          Note:            the registry was not asked

        Other ServiceAccounts:
          robot: ImagePullSecret demo excludes the ServiceAccount robot: spec.serviceAccounts is "*,!robot"

        To do: nothing
    "#]].assert_eq(&text(&findings(&facts), at(100)));
}

#[test]
fn what_is_explained_is_named_as_kubectl_names_it() {
    let kind = |text: &str| text.parse::<Target>().map(|it| it.to_string());
    for (text, expected) in [
        ("web-1", "Pod/web-1"),
        ("po/web-1", "Pod/web-1"),
        ("deploy/web", "Deployment/web"),
        ("sts/db", "StatefulSet/db"),
        ("daemonsets/agent", "DaemonSet/agent"),
        ("cj/nightly", "CronJob/nightly"),
        ("Job/once", "Job/once"),
        ("sa/default", "ServiceAccount/default"),
        ("ns/shop", "Namespace/shop"),
    ] {
        assert_eq!(kind(text).as_deref(), Ok(expected));
    }
    for text in ["service/web", "pod/Web", "pod/", "deploy/a/b"] {
        kind(text).unwrap_err();
    }
    let target: Target = "cj/nightly".parse().unwrap();
    let TargetKind::Workload(workload) = target.kind else { panic!("a workload") };
    let job = json!({"spec": {"jobTemplate": {"spec": {"template": template()}}}});
    assert_eq!(pod_facts(&workload.pod(&job, "shop").unwrap()).images[0].image, IMAGE);
}
