use proptest::prelude::*;
use tcr::image_pull_secret::ImagePullSecretSpec;
use tcr::selection::Selection;

use super::*;
use distribution::job::Written;
use distribution::{Content, Labels, Version, tally};

pub(super) fn distribution(namespaces: &str, bytes: &str) -> Distribution {
    let spec = ImagePullSecretSpec { namespaces: namespaces.to_owned(), ..ImagePullSecretSpec::default() };
    Distribution {
        selection: Selection::of(&spec).unwrap(),
        conflict_policy: tcr::image_pull_secret::ConflictPolicy::Never,
        content: Some(Content::new(bytes.as_bytes())),
        withdrawn: false,
        frozen: false,
    }
}

pub(super) fn namespace(name: &str) -> SeenNamespace {
    SeenNamespace { name: name.into(), terminating: false, labels: Labels::default() }
}

fn secret(namespace: &str, uid: &str, version: u64, bytes: &str) -> Placed<SeenSecret> {
    let digest = Some(Content::new(bytes.as_bytes()).digest());
    let seen = SeenSecret::Ours {
        uid: uid.into(),
        version: Version(version),
        digest,
        labelled: true,
        mendable: true,
        marked: true,
        unread: false,
    };
    Placed { namespace: namespace.into(), name: "tcr.ipsdemo".into(), seen }
}

fn account(namespace: &str, name: &str, version: u64, references: &[&str]) -> Placed<Account> {
    let references: Vec<Arc<str>> = references.iter().map(|it| (*it).into()).collect();
    let seen = Account {
        resource_version: version.to_string().as_str().into(),
        has_list: !references.is_empty(),
        references: references.into(),
    };
    Placed { namespace: namespace.into(), name: name.into(), seen }
}

fn demo() -> State {
    let mut state = State::default();
    state.see_namespace(namespace("shop"));
    assert!(state.ask("demo", distribution("*", "v1")));
    state
}

#[test]
fn the_echo_of_our_own_write_is_no_news() {
    let mut state = demo();
    let written = vec![
        Written::Secret { name: "tcr.ipsdemo".to_owned(), seen: Some(secret("shop", "u1", 7, "v1").seen) },
        Written::Account(account("shop", "default", 8, &["tcr.ipsdemo"])),
    ];
    state.written(&"shop".into(), written);
    assert!(!state.see_secret(secret("shop", "u1", 7, "v1")).is_change);
    assert!(!state.see_account(account("shop", "default", 8, &["tcr.ipsdemo"])).is_change);
}

#[test]
fn what_is_older_than_what_is_known_is_no_news() {
    let mut state = demo();
    state.see_secret(secret("shop", "u1", 7, "v1"));
    assert!(!state.see_secret(secret("shop", "u1", 6, "edited")).is_change);
    state.see_account(account("shop", "default", 9, &["tcr.ipsdemo"]));
    assert!(!state.see_account(account("shop", "default", 8, &[])).is_change);
    assert_eq!(state.sum("demo").secrets_success, 1);
}

#[test]
fn the_deletion_of_one_that_was_replaced_meanwhile_is_no_news() {
    let mut state = demo();
    state.see_secret(secret("shop", "u2", 7, "v1"));
    assert!(!state.lose_secret("shop", "tcr.ipsdemo", &"u1".into()).is_change);
    assert!(state.lose_secret("shop", "tcr.ipsdemo", &"u2".into()).is_change);
    assert_eq!(state.lost(&"shop".into(), "tcr.ipsdemo"), Some(&"u2".into()));
    state.see_secret(secret("shop", "u3", 9, "v1"));
}

#[test]
fn what_somebody_else_undid_is_told_from_what_is_only_new() {
    let mut state = demo();
    let undone = |news: Observation| news.undone.as_deref() == Some("demo");
    assert!(!undone(state.see_secret(secret("shop", "u1", 2, "v1"))));
    assert!(undone(state.see_secret(secret("shop", "u1", 3, "edited"))));
    assert!(!undone(state.see_secret(secret("shop", "u1", 4, "v1"))), "our repair");
    assert!(!undone(state.see_account(account("shop", "default", 5, &[]))), "a new one");
    assert!(!undone(state.see_account(account("shop", "default", 6, &["tcr.ipsdemo"]))), "our reference");
    assert!(undone(state.see_account(account("shop", "default", 7, &["other"]))));
    state.see_account(account("shop", "default", 8, &["tcr.ipsdemo"]));
    assert!(undone(state.lose_secret("shop", "tcr.ipsdemo", &"u1".into())));
    state.see_secret(secret("shop", "u2", 9, "v1"));
    state.ask("demo", distribution("!shop", "v1"));
    assert!(!undone(state.see_account(account("shop", "default", 10, &[]))), "what we took away");
    assert!(undone(state.see_account(account("shop", "default", 11, &["tcr.ipsdemo"]))), "put back");
}

#[test]
fn a_list_takes_away_what_it_does_not_have() {
    let mut state = demo();
    state.see_secret(secret("shop", "u1", 7, "v1"));
    state.see_account(account("shop", "default", 8, &[]));
    state.see_account(account("shop", "gone", 8, &[]));
    state.begin_listing(Kind::Accounts);
    state.see_account(account("shop", "default", 8, &[]));
    assert_eq!(state.end_listing(Kind::Accounts), ["shop".into()]);
    assert_eq!(state.sum("demo").accounts_desired, 1);
    state.begin_listing(Kind::Secrets);
    assert_eq!(state.end_listing(Kind::Secrets), ["shop".into()]);
    assert_eq!(state.sum("demo").secrets_success, 0);
}

#[test]
fn a_namespace_that_is_gone_leaves_nothing() {
    let mut state = demo();
    state.see_secret(secret("shop", "u1", 7, "v1"));
    state.lose_namespace("shop");
    state.see_account(account("shop", "late", 9, &[]));
    assert_eq!(state.sum("demo"), Tally::default());
    state.lose_secret("shop", "tcr.ipsdemo", &"u1".into());
    state.lose_account("shop", "late");
    assert_eq!(state.sum("demo"), Tally::default());
    assert_eq!(state.observed().names().count(), 0);
}

#[derive(Clone, Debug)]
enum Step {
    Namespace(String, bool),
    Gone(String),
    Secret(String, u64, bool),
    NoSecret(String),
    Account(String, String, u64, bool),
    NoAccount(String, String),
    Ask(String, String),
}

fn any_step() -> impl Strategy<Value = Step> {
    let place = || prop_oneof!["shop", "team"].prop_map(String::from);
    let name = || prop_oneof!["default", "robot"].prop_map(String::from);
    prop_oneof![
        (place(), any::<bool>()).prop_map(|(place, going)| Step::Namespace(place, going)),
        place().prop_map(Step::Gone),
        (place(), 0..9_u64, any::<bool>())
            .prop_map(|(place, version, right)| Step::Secret(place, version, right)),
        place().prop_map(Step::NoSecret),
        (place(), name(), 0..9_u64, any::<bool>())
            .prop_map(|(place, name, version, has)| Step::Account(place, name, version, has)),
        (place(), name()).prop_map(|(place, name)| Step::NoAccount(place, name)),
        (
            prop_oneof![Just("*".to_owned()), Just("shop".to_owned()), Just("!shop".to_owned())],
            prop_oneof![Just("v1".to_owned()), Just("v2".to_owned())]
        )
            .prop_map(|(namespaces, bytes)| Step::Ask(namespaces, bytes)),
    ]
}

proptest! {
    #[test]
    fn the_sums_are_those_of_the_namespaces_whatever_happens(steps in prop::collection::vec(any_step(), 0..40)) {
        let mut state = State::default();
        state.ask("demo", distribution("*", "v1"));
        for step in steps {
            match step {
                Step::Namespace(name, terminating) => {
                    state.see_namespace(SeenNamespace { terminating, ..namespace(&name) });
                }
                Step::Gone(name) => state.lose_namespace(&name),
                Step::Secret(place, version, right) => {
                    state.see_secret(secret(&place, "u1", version, if right { "v1" } else { "x" }));
                }
                Step::NoSecret(place) => drop(state.lose_secret(&place, "tcr.ipsdemo", &"u1".into())),
                Step::Account(place, name, version, has) => {
                    state.see_account(account(&place, &name, version, if has { &["tcr.ipsdemo"] } else { &[] }));
                }
                Step::NoAccount(place, name) => state.lose_account(&place, &name),
                Step::Ask(namespaces, bytes) => drop(state.ask("demo", distribution(&namespaces, &bytes))),
            }
            let mut sum = Tally::default();
            for (name, seen) in state.observed().iter() {
                sum += tally(name, seen, state.desired()).remove("demo").unwrap_or_default();
            }
            prop_assert_eq!(state.sum("demo"), sum);
        }
    }
}
