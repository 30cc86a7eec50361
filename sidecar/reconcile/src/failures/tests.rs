use proptest::prelude::*;

use super::*;

fn shop() -> Arc<str> {
    "shop".into()
}

fn failed(kind: TargetKind, name: &str, owners: &[&str], message: &str) -> FailedWrite {
    FailedWrite {
        kind,
        name: name.to_owned(),
        image_pull_secrets: owners.iter().map(|it| (*it).to_owned()).collect(),
        message: message.to_owned(),
        is_quota: message.contains("quota"),
    }
}

fn account(name: &str) -> FailedWrite {
    failed(TargetKind::ServiceAccount, name, &["demo"], "denied")
}

fn secret(name: &str) -> FailedWrite {
    failed(TargetKind::Secret, name, &["demo"], "exceeded quota")
}

/// Takes a failure in, with the longest wait.
fn fail(failures: &mut Failures, namespace: &Arc<str>, write: FailedWrite, now: Instant) -> Remembered {
    failures.fail(namespace, write.name.as_str().into(), write, now, u64::MAX)
}

#[test]
fn a_refused_object_waits_longer_each_time_and_no_other_one_waits() {
    let (mut failures, mut now) = (Failures::default(), Instant::now());
    let mut waits = Vec::new();
    for _ in 0..9 {
        fail(&mut failures, &shop(), account("argocd-manager"), now);
        assert!(failures.holds("shop", TargetKind::ServiceAccount, "argocd-manager", now));
        assert!(!failures.holds("shop", TargetKind::ServiceAccount, "default", now));
        assert!(!failures.holds("shop", TargetKind::Secret, "argocd-manager", now));
        assert!(!failures.holds("team", TargetKind::ServiceAccount, "argocd-manager", now));
        let next = failures.next_in("shop", now).unwrap();
        waits.push((next - now).as_millis());
        now = next;
        assert!(!failures.holds("shop", TargetKind::ServiceAccount, "argocd-manager", now));
    }
    assert_eq!(waits, [500, 1000, 2000, 4000, 8000, 16000, 32000, 60000, 60000]);
    failures.succeed("shop", TargetKind::ServiceAccount, "argocd-manager");
    assert_eq!(failures.next_in("shop", now), None);
    fail(&mut failures, &shop(), account("argocd-manager"), now);
    assert_eq!(failures.next_in("shop", now), Some(now + Duration::from_millis(500)));
}

#[test]
fn what_is_due_and_waits_for_its_turn_is_not_asked_about_all_the_time() {
    let (mut failures, now) = (Failures::default(), Instant::now());
    fail(&mut failures, &shop(), account("default"), now);
    let later = now + Duration::from_secs(5);
    assert_eq!(failures.next_in("shop", later), Some(later + STILL_DUE));
}

#[test]
fn a_deletion_makes_room_for_what_a_quota_refused_and_for_nothing_else() {
    let (mut failures, now) = (Failures::default(), Instant::now());
    for _ in 0..8 {
        fail(&mut failures, &shop(), secret("tcr.ipsnew"), now);
        fail(&mut failures, &shop(), account("default"), now);
    }
    let at = |failures: &Failures, after| {
        let then = now + Duration::from_millis(after);
        ["tcr.ipsnew", "default"].map(|name| {
            let kind = if name == "default" { TargetKind::ServiceAccount } else { TargetKind::Secret };
            failures.holds("shop", kind, name, then)
        })
    };
    assert_eq!(at(&failures, 1000), [true, true]);
    failures.make_room("shop", now);
    assert_eq!(at(&failures, 249), [true, true]);
    assert_eq!(at(&failures, 250), [false, true]);
    // It is counted a little later: from there on as ever.
    fail(&mut failures, &shop(), secret("tcr.ipsnew"), now);
    assert_eq!(at(&failures, 999), [true, true]);
    assert_eq!(at(&failures, 1000), [false, true]);
}

#[test]
fn a_status_names_its_own_failures_in_order_and_ten_at_most() {
    let (mut failures, now) = (Failures::default(), Instant::now());
    let both = failed(TargetKind::ServiceAccount, "robot", &["demo", "team"], "denied");
    fail(&mut failures, &shop(), both, now);
    fail(&mut failures, &shop(), failed(TargetKind::Secret, "tcr.ipsteam", &["team"], "full quota"), now);
    let told = |failures: &Failures, name| -> Vec<String> {
        let line = |it: WriteFailure| format!("{} {}: {}", it.kind, it.namespaced_name, it.message);
        failures.of(name).into_iter().map(line).collect()
    };
    assert_eq!(told(&failures, "demo"), ["ServiceAccount shop/robot: denied"]);
    assert_eq!(
        told(&failures, "team"),
        ["Secret shop/tcr.ipsteam: full quota", "ServiceAccount shop/robot: denied"]
    );
    assert_eq!(told(&failures, "other"), Vec::<String>::new());
    // Only the other one still has something to do there.
    fail(&mut failures, &shop(), failed(TargetKind::ServiceAccount, "robot", &["team"], "denied"), now);
    assert_eq!(told(&failures, "demo"), Vec::<String>::new());
    for index in 0..20 {
        fail(&mut failures, &format!("ns-{index:02}").into(), account("default"), now);
    }
    assert_eq!(told(&failures, "demo").len(), MOST_FAILURES);
    assert_eq!(told(&failures, "demo")[0], "ServiceAccount ns-00/default: denied");
}

#[test]
fn what_is_no_longer_to_be_written_is_forgotten() {
    let (mut failures, now) = (Failures::default(), Instant::now());
    fail(&mut failures, &shop(), account("default"), now);
    fail(&mut failures, &shop(), secret("tcr.ipsdemo"), now);
    assert!(!failures.take_forgotten());
    let secrets = |(kind, _): (TargetKind, &str), _: &str| kind == TargetKind::Secret;
    failures.retain("shop", secrets);
    assert!(failures.take_forgotten());
    failures.retain("shop", secrets);
    assert!(!failures.take_forgotten());
    assert_eq!(failures.of("demo").len(), 1);
    failures.forget("shop");
    assert!(failures.of("demo").is_empty() && !failures.is_any_in("shop") && failures.count == 0);
}

#[test]
fn what_is_no_longer_written_for_an_image_pull_secret_is_not_told_of_it_and_waits_on_for_the_other() {
    let (mut failures, now) = (Failures::default(), Instant::now());
    let both = failed(TargetKind::ServiceAccount, "default", &["demo", "team"], "denied");
    fail(&mut failures, &shop(), both, now);
    failures.retain("shop", |_, owner| owner == "team");
    assert_eq!((failures.of("demo").len(), failures.of("team").len(), failures.count), (0, 1, 1));
    assert!(failures.take_forgotten() && !failures.owners.contains_key("demo"));
    assert!(failures.holds("shop", TargetKind::ServiceAccount, "default", now));
}

#[test]
fn a_person_hears_of_each_object_once_and_again_when_it_keeps_a_deletion() {
    let (mut failures, now) = (Failures::default(), Instant::now());
    let first = fail(&mut failures, &shop(), account("default"), now);
    assert_eq!(first.new_for, ["demo"]);
    assert!(failures.may_tell("demo", true, false));
    let again = fail(&mut failures, &shop(), account("default"), now);
    assert_eq!(again, Remembered { is_remembered: true, new_for: Vec::new() });
    assert!(!failures.may_tell("demo", false, false));
    assert!(failures.may_tell("demo", false, true));
    assert!(!failures.may_tell("demo", false, true));
    let told = (0..50).filter(|_| failures.may_tell("demo", true, true)).count();
    assert_eq!(told, usize::from(MOST_EVENTS) - 1);
    failures.succeed("shop", TargetKind::ServiceAccount, "default");
    assert!(!failures.may_tell("demo", true, true), "nothing of it is refused");
    // A ServiceAccount that was refused for one ImagePullSecret is news for another.
    fail(&mut failures, &shop(), account("default"), now);
    let both = failed(TargetKind::ServiceAccount, "default", &["demo", "team"], "denied");
    assert_eq!(fail(&mut failures, &shop(), both, now).new_for, ["team"]);
}

/// Bytes of a failure, its list and its place in the map: without the reason, which is shared.
fn bytes(failures: &Failures) -> usize {
    let lists =
        failures.by_namespace.values().map(|list| list.capacity() * size_of::<Failure>()).sum::<usize>();
    // A B-tree is at least half full.
    lists + failures.by_namespace.len() * 2 * (size_of::<Arc<str>>() + size_of::<Vec<Failure>>())
}

#[test]
fn all_service_accounts_of_ten_thousand_namespaces_are_remembered_in_three_mebibytes() {
    let (mut failures, now) = (Failures::default(), Instant::now());
    let names: Vec<Arc<str>> = ["builder", "default", "robot"].map(Arc::from).into();
    for index in 0..10_000 {
        let namespace: Arc<str> = format!("namespace-{index}").into();
        for name in &names {
            // Each in its own words, as a webhook may say it.
            let message =
                format!("admission webhook denied the request: {namespace}/{name} {}", "x".repeat(400));
            let failed = failed(TargetKind::ServiceAccount, name, &["demo"], &message);
            assert!(failures.fail(&namespace, name.clone(), failed, now, u64::MAX).is_remembered);
        }
    }
    assert_eq!(failures.count, 30_000);
    assert!(bytes(&failures) <= 3 << 20, "{} bytes", bytes(&failures));
    assert!(failures.reasons.len() <= 2 * MOST_REASONS);
    let words: usize = failures.reasons.iter().map(|reason| reason.message.len()).sum();
    assert!(words <= 256 << 10, "{words} bytes of words");
    assert!(failures.of("demo")[0].message.contains("namespace-0/builder"), "{:?}", failures.of("demo")[0]);
    // The API server is not asked more than a hundred times a second, on average.
    let last: Arc<str> = "namespace-0".into();
    for _ in 0..12 {
        fail(&mut failures, &last, account("default"), now);
    }
    assert!(failures.holds(&last, TargetKind::ServiceAccount, "default", now + Duration::from_secs(299)));
}

#[test]
fn what_is_too_much_makes_its_namespace_wait() {
    let (mut failures, now) = (Failures::default(), Instant::now());
    let name: Arc<str> = "default".into();
    for index in 0..MOST {
        let namespace: Arc<str> = format!("{index}").into();
        failures.fail(&namespace, name.clone(), account("default"), now, 0);
    }
    assert_eq!(fail(&mut failures, &shop(), account("default"), now), Remembered::default());
    assert!(fail(&mut failures, &"7".into(), account("default"), now).is_remembered);
    failures.forget("7");
    assert!(fail(&mut failures, &shop(), account("default"), now).is_remembered);
}

#[derive(Clone, Debug)]
enum Step {
    Fail(u8, u8, Vec<u8>),
    Succeed(u8, u8),
    Forget(u8),
}

fn any_step() -> impl Strategy<Value = Step> {
    prop_oneof![
        (0..3_u8, 0..4_u8, prop::collection::vec(0..3_u8, 0..3)).prop_map(|(a, b, c)| Step::Fail(a, b, c)),
        (0..3_u8, 0..4_u8).prop_map(|(a, b)| Step::Succeed(a, b)),
        (0..3_u8).prop_map(Step::Forget),
    ]
}

proptest! {
    /// Against a plain map of what was refused last and not written since.
    #[test]
    fn a_status_tells_what_was_refused_last_and_not_written_since(steps in prop::collection::vec(any_step(), 1..60)) {
        let (mut failures, now) = (Failures::default(), Instant::now());
        let mut model: BTreeMap<(String, String), Vec<String>> = BTreeMap::new();
        for step in steps {
            match step {
                Step::Fail(namespace, name, owners) => {
                    let (namespace, name) = (namespace.to_string(), name.to_string());
                    let owners: BTreeSet<String> = owners.iter().map(u8::to_string).collect();
                    let names: Vec<&str> = owners.iter().map(String::as_str).collect();
                    let one = failed(TargetKind::Secret, &name, &names, "denied");
                    fail(&mut failures, &namespace.as_str().into(), one, now);
                    model.insert((namespace, name), owners.into_iter().collect());
                }
                Step::Succeed(namespace, name) => {
                    failures.succeed(&namespace.to_string(), TargetKind::Secret, &name.to_string());
                    model.remove(&(namespace.to_string(), name.to_string()));
                }
                Step::Forget(namespace) => {
                    failures.forget(&namespace.to_string());
                    model.retain(|(known, _), _| *known != namespace.to_string());
                }
            }
        }
        prop_assert_eq!(failures.count, model.len());
        for owner in ["0", "1", "2"] {
            let told: Vec<String> = failures.of(owner).into_iter().map(|it| it.namespaced_name).collect();
            let owned = model.iter().filter(|(_, owners)| owners.iter().any(|it| it == owner));
            let expected: Vec<String> = owned.map(|((namespace, name), _)| format!("{namespace}/{name}")).collect();
            prop_assert_eq!(told, expected.into_iter().take(MOST_FAILURES).collect::<Vec<_>>());
        }
        model.keys().for_each(|(namespace, name)| failures.succeed(namespace, TargetKind::Secret, name));
        prop_assert!(failures.count == 0 && failures.owners.is_empty() && failures.by_namespace.is_empty());
    }
}
