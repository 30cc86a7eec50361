//! Writes that the API server refuses.

use super::*;

fn ended(written: Vec<Written>, failed: Vec<FailedWrite>) -> Input {
    let (looked, took, ended) = (Vec::new(), Duration::ZERO, Ended::Done);
    Input::JobEnded(Report { namespace: "shop".into(), looked, written, failed, ended, took })
}

fn refused(kind: TargetKind, name: &str, owner: &str, message: &str) -> FailedWrite {
    FailedWrite {
        kind,
        name: name.to_owned(),
        image_pull_secrets: vec![owner.to_owned()],
        message: message.to_owned(),
        is_quota: message.contains("quota"),
    }
}

fn placed(name: &str, references: &[&str], version: u64) -> Placed<Account> {
    let references: Vec<Arc<str>> = references.iter().map(|it| (*it).into()).collect();
    let seen = Account {
        resource_version: version.to_string().as_str().into(),
        has_list: true,
        references: references.into(),
    };
    Placed { namespace: "shop".into(), name: name.into(), seen }
}

fn seen(name: &str, references: &[&str], version: u64) -> Input {
    Input::Watch(WatchEvent::Account(Watched::Applied(placed(name, references, version))))
}

/// What is begun in the namespace.
fn jobs(effects: Vec<String>) -> Vec<String> {
    effects.into_iter().filter(|it| it.starts_with("in shop: ")).collect()
}

#[test]
fn a_refused_service_account_waits_and_no_other_one_does() {
    let mut world = World::ready(false, docker("demo", "a"));
    world.step([seen("argocd-manager", &[], 1), seen("default", &[], 2)]);
    let secret = world.secret("demo");
    let effects = world.step([ended(vec![secret], Vec::new())]);
    assert_eq!(jobs(effects), ["in shop: edit argocd-manager, edit default"]);
    let denied = || vec![refused(TargetKind::ServiceAccount, "argocd-manager", "demo", "it is protected")];
    let written = Written::Account(placed("default", &["tcr.ipsdemo"], 3));
    assert_eq!(jobs(world.step([ended(vec![written], denied())])), Vec::<String>::new());
    assert_eq!(jobs(world.step([seen("web", &[], 4)])), ["in shop: edit web"]);
    let written = Written::Account(placed("web", &["tcr.ipsdemo"], 5));
    world.step([ended(vec![written], Vec::new())]);
    // Each time it waits twice as long, and comes again by itself.
    let mut waits = Vec::new();
    for _ in 0..9 {
        let due = world.wake.unwrap();
        waits.push((due - world.now.monotonic).as_millis());
        world.pass(due - world.now.monotonic);
        assert_eq!(jobs(world.step([])), ["in shop: edit argocd-manager"]);
        world.step([ended(Vec::new(), denied())]);
        // Statuses are over, so that nothing else is waited for.
        world.pass(Duration::from_millis(1));
        world.step([]);
    }
    assert!(waits.is_sorted() && waits[8] > 30_000 && waits[8] <= 60_000, "{waits:?}");
}

#[test]
fn what_is_refused_is_left_once_nobody_wants_it_and_named_while_it_keeps_a_deletion() {
    let mut world = World::ready(false, docker("demo", "a"));
    world.step([seen("argocd-manager", &["tcr.ipsdemo"], 1), seen("default", &["tcr.ipsdemo"], 2)]);
    let secret = world.secret("demo");
    world.step([ended(vec![secret], Vec::new())]);
    let metadata = json!({"deletionTimestamp": "2026-01-01T00:00:00Z", "generation": 2});
    let effects = world.step([applied(docker_with("demo", "a", &metadata))]);
    assert_eq!(jobs(effects), ["in shop: edit argocd-manager, edit default, delete tcr.ipsdemo"]);
    let denied = vec![refused(TargetKind::ServiceAccount, "argocd-manager", "demo", "it is protected")];
    let written = Written::Account(placed("default", &[], 3));
    let effects = world.step([ended(vec![written], denied)]);
    let event = "Event on demo: WritesFailed cannot write ServiceAccount shop/argocd-manager: it is protected; trying \
                 again, everything else goes on";
    assert!(effects.contains(&event.to_owned()), "{effects:?}");
    assert!(!effects.iter().any(|it| it.starts_with("finalizers")), "{effects:?}");
    // Somebody else takes the reference off: the Secret goes, and the object.
    let effects = world.step([seen("argocd-manager", &[], 4)]);
    assert_eq!(jobs(effects), ["in shop: delete tcr.ipsdemo"]);
    let written = Written::Secret { name: "tcr.ipsdemo".to_owned(), seen: None };
    let effects = world.step([ended(vec![written], Vec::new())]);
    assert!(effects.contains(&"finalizers of demo: []".to_owned()), "{effects:?}");
}

#[test]
fn what_a_quota_refused_is_tried_soon_after_something_went() {
    let mut world = World::ready(false, docker("old", "a"));
    world.step([seen("default", &["tcr.ipsold"], 1)]);
    let secret = world.secret("old");
    world.step([ended(vec![secret], Vec::new())]);
    assert_eq!(jobs(world.step([applied(docker("new", "b"))])), ["in shop: create tcr.ipsnew, edit default"]);
    let full = || vec![refused(TargetKind::Secret, "tcr.ipsnew", "new", "exceeded quota: one")];
    for _ in 0..9 {
        world.step([ended(Vec::new(), full())]);
        world.pass(Duration::from_secs(60));
        assert_eq!(jobs(world.step([])), ["in shop: create tcr.ipsnew, edit default"]);
    }
    world.step([ended(Vec::new(), full())]);
    let metadata = json!({"deletionTimestamp": "2026-01-01T00:00:00Z", "generation": 2});
    let effects = world.step([applied(docker_with("old", "a", &metadata))]);
    assert_eq!(jobs(effects), ["in shop: edit default, delete tcr.ipsold"]);
    let written = [
        Written::Account(placed("default", &[], 2)),
        Written::Secret { name: "tcr.ipsold".to_owned(), seen: None },
    ];
    assert_eq!(jobs(world.step([ended(written.into(), Vec::new())])), Vec::<String>::new());
    // The quota is counted anew a little later.
    world.pass(Duration::from_millis(250));
    assert_eq!(jobs(world.step([])), ["in shop: create tcr.ipsnew, edit default"]);
}

#[test]
fn what_was_refused_in_a_namespace_that_is_gone_keeps_nobody_busy() {
    let mut world = World::ready(false, docker("demo", "a"));
    let gone = SeenNamespace { name: "shop".into(), terminating: true, labels: Labels::default() };
    world.step([Input::Watch(WatchEvent::Namespace(Watched::Deleted(gone)))]);
    world.step([ended(Vec::new(), vec![refused(TargetKind::Secret, "tcr.ipsdemo", "demo", "denied")])]);
    for _ in 0..3 {
        world.pass(Duration::from_secs(10));
        assert_eq!(jobs(world.step([])), Vec::<String>::new());
    }
    assert!(
        world.wake.is_none_or(|at| at > world.now.monotonic + Duration::from_secs(5)),
        "it would never sleep"
    );
}
