use expect_test::{Expect, expect};
use proptest::prelude::*;
use tcr::image_pull_secret::ImagePullSecretSpec;
use tcr::selection::Selection;

use super::super::desired::Digest;
use super::super::identity::Version;
use super::super::observed::{Labels, Observed};
use super::super::order::{Stopped, hold_back};
use super::super::tally::tally;
use super::*;

fn distribution(namespaces: &str, accounts: &str, bytes: Option<&str>) -> Distribution {
    let spec = ImagePullSecretSpec {
        namespaces: namespaces.to_owned(),
        service_accounts: accounts.to_owned(),
        ..ImagePullSecretSpec::default()
    };
    Distribution {
        selection: Selection::of(&spec).unwrap(),
        conflict_policy: ConflictPolicy::Never,
        content: bytes.map(|bytes| Content::new(bytes.as_bytes())),
        withdrawn: false,
        frozen: false,
    }
}

fn demo() -> Desired {
    let mut desired = Desired::default();
    desired.set("demo", distribution("*", "*", Some("v1")));
    desired
}

fn account(references: &[&str]) -> Account {
    Account {
        resource_version: "7".into(),
        references: references.iter().map(|name| (*name).into()).collect(),
        has_list: !references.is_empty(),
    }
}

fn shop(accounts: &[(&str, &[&str])], secrets: &[(&str, SeenSecret)]) -> Namespace {
    Namespace {
        exists: true,
        terminating: false,
        labels: Labels::default(),
        secrets: secrets.iter().map(|(name, secret)| (*name, secret.clone())).collect(),
        accounts: accounts.iter().map(|(name, references)| (*name, account(references))).collect(),
    }
}

fn ours(bytes: &str) -> SeenSecret {
    SeenSecret::Ours {
        uid: "u1".into(),
        version: Version(1),
        digest: Some(Digest::of(bytes.as_bytes())),
        labelled: true,
        mendable: true,
        marked: true,
        unread: false,
    }
}

fn foreign(same_registry: bool) -> SeenSecret {
    SeenSecret::Foreign { uid: "u9".into(), same_registry, mendable: true }
}

fn written(change: &Change) -> String {
    match change {
        Change::CreateSecret { name, .. } => format!("create secret of {name}"),
        Change::UpdateSecret { name, uid, .. } => format!("update secret of {name} ({uid})"),
        Change::ReplaceSecret { name, uid, .. } => format!("replace secret of {name} ({uid})"),
        Change::MarkSecret { name, uid, .. } => format!("mark secret of {name} ({uid})"),
        Change::EditReferences { account, edit } => {
            format!("edit {account}: {}", serde_json::Value::from(edit.patch()))
        }
        Change::DeleteSecret { secret, uid } => format!("delete {secret} ({uid})"),
    }
}

#[track_caller]
fn check(seen: &Namespace, desired: &Desired, expected: Expect) {
    let changes: Vec<String> = plan("shop", seen, desired).iter().map(written).collect();
    expected.assert_eq(&changes.join("\n"));
}

#[test]
fn a_new_namespace_gets_the_secret_first_and_the_reference_second() {
    check(
        &shop(&[("default", &[])], &[]),
        &demo(),
        expect![[r#"
        create secret of demo
        edit default: [{"op":"test","path":"/metadata/resourceVersion","value":"7"},{"op":"add","path":"/imagePullSecrets","value":[{"name":"tcr.ipsdemo"}]}]"#]],
    );
}

#[test]
fn a_list_of_others_is_appended_to() {
    check(
        &shop(&[("default", &["partner"])], &[("tcr.ipsdemo", ours("v1"))]),
        &demo(),
        expect![[
            r#"edit default: [{"op":"test","path":"/metadata/resourceVersion","value":"7"},{"op":"add","path":"/imagePullSecrets/-","value":{"name":"tcr.ipsdemo"}}]"#
        ]],
    );
}

#[test]
fn what_is_as_desired_is_left_alone() {
    check(&shop(&[("default", &["a", "tcr.ipsdemo"])], &[("tcr.ipsdemo", ours("v1"))]), &demo(), expect![""]);
}

#[test]
fn a_namespace_that_was_not_seen_or_is_going_is_left_alone() {
    let seen = shop(&[("default", &[])], &[]);
    check(&Namespace { exists: false, ..seen.clone() }, &demo(), expect![""]);
    check(&Namespace { terminating: true, ..seen }, &demo(), expect![""]);
}

#[test]
fn without_a_credential_nothing_is_written_and_nothing_is_taken_away() {
    let mut desired = demo();
    desired.set("demo", distribution("*", "*", None));
    check(&shop(&[("default", &[])], &[]), &desired, expect![""]);
    check(&shop(&[("default", &["tcr.ipsdemo"])], &[("tcr.ipsdemo", ours("old"))]), &desired, expect![""]);
    // It may refer to somebody's own Secret, which is found when ours is to be made.
    desired.set("demo", distribution("*", "builder", None));
    check(&shop(&[("default", &["tcr.ipsdemo"])], &[]), &desired, expect![""]);
}

#[test]
fn edited_bytes_and_labels_are_mended_in_place() {
    let unlabelled = SeenSecret::Ours {
        uid: "u1".into(),
        version: Version(1),
        digest: Some(Digest::of(b"v1")),
        labelled: false,
        mendable: true,
        marked: true,
        unread: false,
    };
    check(&shop(&[], &[("tcr.ipsdemo", ours("edited"))]), &demo(), expect!["update secret of demo (u1)"]);
    check(&shop(&[], &[("tcr.ipsdemo", unlabelled)]), &demo(), expect!["update secret of demo (u1)"]);
}

#[test]
fn a_secret_without_a_mark_gets_it_after_everything_else() {
    let mut unmarked = ours("v1");
    if let SeenSecret::Ours { marked, .. } = &mut unmarked {
        *marked = false;
    }
    check(
        &shop(&[("default", &["partner"])], &[("tcr.ipsdemo", unmarked)]),
        &demo(),
        expect![[r#"
        edit default: [{"op":"test","path":"/metadata/resourceVersion","value":"7"},{"op":"add","path":"/imagePullSecrets/-","value":{"name":"tcr.ipsdemo"}}]
        mark secret of demo (u1)"#]],
    );
}

#[test]
fn what_a_broken_object_led_to_stays_as_it_is() {
    let mut desired = Desired::default();
    desired.set("demo", Distribution { frozen: true, ..distribution("other", "*", Some("v2")) });
    let held = shop(&[("default", &["tcr.ipsdemo"]), ("new", &[])], &[("tcr.ipsdemo", ours("v1"))]);
    check(&held, &desired, expect![""]);
    desired.set("demo", Distribution { frozen: true, withdrawn: true, ..distribution("*", "*", Some("v2")) });
    check(
        &held,
        &desired,
        expect![[r#"
        edit default: [{"op":"test","path":"/metadata/resourceVersion","value":"7"},{"op":"remove","path":"/imagePullSecrets/0"}]
        delete tcr.ipsdemo (u1)"#]],
    );
}

#[test]
fn an_immutable_or_retyped_secret_of_ours_is_made_again() {
    let stuck = SeenSecret::Ours {
        uid: "u1".into(),
        version: Version(1),
        digest: None,
        labelled: true,
        mendable: false,
        marked: true,
        unread: false,
    };
    check(&shop(&[], &[("tcr.ipsdemo", stuck)]), &demo(), expect!["replace secret of demo (u1)"]);
}

#[test]
fn a_foreign_secret_is_touched_only_when_the_policy_says_so() {
    let with = |policy, same_registry| {
        let mut desired = Desired::default();
        desired.set("demo", Distribution { conflict_policy: policy, ..distribution("*", "*", Some("v1")) });
        let seen = shop(&[("default", &[])], &[("tcr.ipsdemo", foreign(same_registry))]);
        plan("shop", &seen, &desired)
            .iter()
            .map(|it| written(it).split(':').next().unwrap_or_default().to_owned())
            .collect::<Vec<_>>()
    };
    assert_eq!(with(ConflictPolicy::Never, true), Vec::<String>::new());
    assert_eq!(with(ConflictPolicy::Adopt, false), Vec::<String>::new());
    assert_eq!(with(ConflictPolicy::Adopt, true), ["update secret of demo (u9)", "edit default"]);
    assert_eq!(with(ConflictPolicy::Overwrite, false), ["update secret of demo (u9)", "edit default"]);
}

#[test]
fn a_deselected_namespace_loses_references_before_the_secret() {
    let mut desired = Desired::default();
    desired.set("demo", distribution("other", "*", Some("v1")));
    check(
        &shop(&[("default", &["a", "tcr.ipsdemo", "b"])], &[("tcr.ipsdemo", ours("v1"))]),
        &desired,
        expect![[r#"
        edit default: [{"op":"test","path":"/metadata/resourceVersion","value":"7"},{"op":"remove","path":"/imagePullSecrets/1"}]
        delete tcr.ipsdemo (u1)"#]],
    );
}

#[test]
fn a_deselected_account_loses_its_reference_only() {
    let mut desired = Desired::default();
    desired.set("demo", distribution("*", "builder", Some("v1")));
    check(
        &shop(
            &[("builder", &["tcr.ipsdemo"]), ("default", &["tcr.ipsdemo"])],
            &[("tcr.ipsdemo", ours("v1"))],
        ),
        &desired,
        expect![[
            r#"edit default: [{"op":"test","path":"/metadata/resourceVersion","value":"7"},{"op":"remove","path":"/imagePullSecrets/0"}]"#
        ]],
    );
}

#[test]
fn what_an_object_left_that_went_away_unseen_is_cleaned_up() {
    check(
        &shop(&[("default", &["tcr.ipsgone"])], &[("tcr.ipsgone", ours("v1"))]),
        &Desired::default(),
        expect![[r#"
        edit default: [{"op":"test","path":"/metadata/resourceVersion","value":"7"},{"op":"remove","path":"/imagePullSecrets/0"}]
        delete tcr.ipsgone (u1)"#]],
    );
}

#[test]
fn a_dangling_reference_of_no_known_owner_is_left_alone() {
    check(&shop(&[("default", &["tcr.ipsunknown"])], &[]), &Desired::default(), expect![""]);
}

/// Carries a change out as the API server would.
fn carry_out(seen: &mut Namespace, change: Change) {
    let put = |seen: &mut Namespace, name: &str, uid: Uid, content: &Content| {
        let secret = SeenSecret::Ours {
            uid,
            version: Version(2),
            digest: Some(content.digest()),
            labelled: true,
            mendable: true,
            marked: true,
            unread: false,
        };
        seen.secrets.insert(secret_name(name), secret);
    };
    match change {
        Change::CreateSecret { name, content } => {
            assert!(!seen.secrets.contains_key(&secret_name(&name)), "created over an existing Secret");
            put(seen, &name, "new".into(), &content);
        }
        Change::UpdateSecret { name, uid, content, .. }
        | Change::ReplaceSecret { name, uid, content }
        | Change::MarkSecret { name, uid, content } => {
            put(seen, &name, uid, &content);
        }
        Change::DeleteSecret { secret, .. } => {
            let refers = seen.accounts.values().any(|account| account.refers_to(&secret));
            assert!(!refers, "{secret} deleted while a ServiceAccount refers to it");
            assert!(
                seen.secrets.remove(&secret).is_some_and(|it| it.is_ours()),
                "deleted a Secret that is not ours"
            );
        }
        Change::EditReferences { account, edit } => {
            let account = seen.accounts.get_mut(&account).expect("the ServiceAccount was seen");
            let mut references = account.references.to_vec();
            for operation in edit.patch().iter().skip(1) {
                let path = operation["path"].as_str().unwrap();
                match operation["op"].as_str().unwrap() {
                    "remove" => {
                        let index: usize = path.rsplit('/').next().unwrap().parse().unwrap();
                        references.remove(index);
                    }
                    _ if path.ends_with('-') => {
                        assert!(account.has_list);
                        references.push(operation["value"]["name"].as_str().unwrap().into());
                    }
                    _ => {
                        assert!(!account.has_list, "a whole list is written only where there was none");
                        account.has_list = true;
                        let names = operation["value"].as_array().unwrap().iter();
                        references = names.map(|it| it["name"].as_str().unwrap().into()).collect();
                    }
                }
            }
            account.references = references.into();
        }
    }
}

fn any_secret() -> impl Strategy<Value = SeenSecret> {
    let bytes = prop::option::of(prop_oneof!["v1", "v2", "x"]);
    let ours = ("[ab]", bytes, any::<bool>(), any::<bool>(), any::<bool>()).prop_map(
        |(uid, bytes, labelled, mendable, marked)| SeenSecret::Ours {
            uid: uid.as_str().into(),
            version: Version(1),
            digest: bytes.map(|bytes| Digest::of(bytes.as_bytes())),
            labelled,
            mendable,
            marked,
            unread: false,
        },
    );
    let foreign = (any::<bool>(), any::<bool>()).prop_map(|(same_registry, mendable)| SeenSecret::Foreign {
        uid: "f".into(),
        same_registry,
        mendable,
    });
    prop_oneof![ours, foreign]
}

fn any_namespace() -> impl Strategy<Value = Namespace> {
    let names = || prop_oneof![r"tcr\.ips(demo|team|gone)", "partner", "mine"];
    let accounts =
        prop::collection::btree_map("default|builder|robot", prop::collection::vec(names(), 0..5), 0..4);
    let secrets = prop::collection::btree_map(r"tcr\.ips(demo|team|gone)", any_secret(), 0..4);
    (accounts, secrets).prop_map(|(accounts, secrets)| Namespace {
        exists: true,
        terminating: false,
        labels: Labels::default(),
        secrets: secrets.into_iter().collect(),
        accounts: accounts
            .into_iter()
            .map(|(name, references)| {
                let has_list = !references.is_empty();
                let references = references.into_iter().map(Into::into).collect();
                (name, Account { resource_version: "1".into(), references, has_list })
            })
            .collect(),
    })
}

fn any_desired() -> impl Strategy<Value = Desired> {
    let policy = prop_oneof![
        Just(ConflictPolicy::Never),
        Just(ConflictPolicy::Adopt),
        Just(ConflictPolicy::Overwrite)
    ];
    let one = ("\\*|shop|other", "\\*|default|builder", prop::option::of("v1|v2"), policy, any::<bool>())
        .prop_map(|(namespaces, accounts, bytes, conflict_policy, withdrawn)| Distribution {
            conflict_policy,
            withdrawn,
            ..distribution(&namespaces, &accounts, bytes.as_deref())
        });
    prop::collection::btree_map("demo|team", one, 0..3).prop_map(|all| {
        let mut desired = Desired::default();
        all.into_iter().for_each(|(name, distribution)| desired.set(&name, distribution));
        desired
    })
}

fn any_target() -> impl Strategy<Value = (TargetKind, String)> {
    prop_oneof![
        r"tcr\.ips(demo|team|gone)".prop_map(|name| (TargetKind::Secret, name)),
        "default|builder|robot".prop_map(|name| (TargetKind::ServiceAccount, name)),
    ]
}

proptest! {
    #[test]
    fn what_is_withdrawn_is_held_nowhere_once_its_plan_is_carried_out(seen in any_namespace()) {
        let mut desired = Desired::default();
        desired.set("demo", Distribution { withdrawn: true, ..distribution("*", "*", None) });
        let mut observed = Observed::default();
        let after = observed.entry("shop");
        *after = seen.clone();
        for change in plan("shop", &seen, &desired) {
            carry_out(after, change);
        }
        prop_assert!(observed.holding("tcr.ipsdemo").is_empty(), "nobody would let go of the ImagePullSecret");
    }

    /// Whatever is refused, again and again: everything else comes about, and the order holds (which `carry_out` asserts).
    #[test]
    fn what_is_refused_stops_only_what_depends_on_it(
        before in any_namespace(),
        desired in any_desired(),
        refused in prop::collection::btree_set(any_target(), 0..4),
    ) {
        let is_refused = |change: &Change| {
            let (kind, name) = change.target();
            refused.contains(&(kind, name.into_owned()))
        };
        let mut after = before.clone();
        let mut stopped = Stopped::default();
        for change in plan("shop", &before, &desired) {
            match stopped.admit(change) {
                Some(change) if is_refused(&change) => stopped.stop(&change),
                Some(change) => carry_out(&mut after, change),
                None => {}
            }
        }
        let left = plan("shop", &after, &desired);
        let is_held = |kind, name: &str| refused.contains(&(kind, name.to_owned()));
        prop_assert!(hold_back(left.clone(), is_held).is_empty(), "more could have been done: {left:?}");
        for change in left.iter().filter(|change| !is_refused(change)) {
            // A deletion waits for a ServiceAccount that is refused, an addition for a Secret that is.
            let waits = match change {
                Change::DeleteSecret { secret, .. } => after.accounts.iter().any(|(name, account)| {
                    is_held(TargetKind::ServiceAccount, name) && account.refers_to(secret)
                }),
                Change::EditReferences { edit, .. } => {
                    edit.removed().next().is_none() && edit.added().all(|it| is_held(TargetKind::Secret, it))
                }
                _ => false,
            };
            prop_assert!(waits, "{change:?} waits for nothing");
        }
        let missing = |account: &Account| {
            let before = before.accounts.values().flat_map(|it| it.references.iter()).cloned().collect::<Vec<_>>();
            account.references.iter().any(|it| !before.contains(it) && !after.secrets.contains_key(it))
        };
        prop_assert!(!after.accounts.values().any(missing), "a new reference to a Secret that is not there");
        // Once nothing is refused any more, nothing is left.
        for change in left {
            carry_out(&mut after, change);
        }
        prop_assert!(plan("shop", &after, &desired).is_empty());
    }

    #[test]
    fn carrying_out_a_plan_leaves_nothing_to_plan_and_nothing_foreign_changed(
        before in any_namespace(),
        desired in any_desired(),
    ) {
        let mut after = before.clone();
        for change in plan("shop", &before, &desired) {
            carry_out(&mut after, change);
        }
        prop_assert!(plan("shop", &after, &desired).is_empty());
        for (name, secret) in before.secrets.iter().filter(|(_, it)| !it.is_ours()) {
            let may = desired.of_secret(name).is_some_and(|(_, it)| it.conflict_policy != ConflictPolicy::Never);
            prop_assert!(may || after.secrets.get(name) == Some(secret));
        }
        for (name, account) in before.accounts.iter() {
            let others = |account: &Account| -> Vec<_> {
                account.references.iter().filter(|it| !it.starts_with(SECRET_PREFIX)).cloned().collect()
            };
            prop_assert_eq!(others(account), others(after.accounts.get(name).unwrap()));
        }
        for (_, tally) in tally("shop", &after, &desired) {
            prop_assert_eq!(tally.leftovers, 0);
        }
    }
}
