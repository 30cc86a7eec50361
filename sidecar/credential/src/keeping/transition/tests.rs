use std::cell::Cell;

use expect_test::{Expect, expect};
use tcr::image_pull_secret::CredentialKind;
use tcr::sensitive::Sensitive;

use super::*;

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_second(1_800_000_000 + seconds).unwrap()
}

fn domain() -> RegistryHost {
    "demo.tencentcloudcr.com".parse().unwrap()
}

fn held(token_id: &str) -> Held {
    Held {
        username: "100012345678".to_owned(),
        token: Sensitive::new("password"),
        token_id: Some(token_id.to_owned()),
        issued_at: at(0),
        extended_at: None,
        expires_at: None,
        public_domain: domain(),
    }
}

fn issued(token_id: &str) -> IssuedToken {
    IssuedToken {
        username: "100012345678".to_owned(),
        token: Sensitive::new("password"),
        expires_at: None,
        token_id: Some(token_id.to_owned()),
    }
}

fn key() -> Key {
    Key {
        instance_id: "tcr-demo0001".to_owned(),
        region: "ap-guangzhou".to_owned(),
        kind: CredentialKind::Longterm,
        ..Key::default()
    }
}

/// The stored values by the ids of their tokens.
fn shown(stored: &Stored) -> String {
    let id = |held: &Option<Held>| held.as_ref().and_then(|held| held.token_id.clone()).unwrap_or_default();
    let Stored { marker, intent, candidate, current, why, previous, .. } = stored;
    let previous: Vec<String> = previous
        .iter()
        .map(|old| format!("{} until {}", old.token_id, old.delete_at.as_second() - at(0).as_second()))
        .collect();
    format!(
        "marker {marker:?}, intent {intent:?}, current {:?}, candidate {:?}, previous {previous:?}, why {why:?}",
        id(current),
        id(candidate)
    )
}

#[track_caller]
fn check(stored: &Stored, expected: Expect) {
    expected.assert_eq(&shown(stored));
}

/// One number after the other.
fn random_numbers() -> impl Fn() -> u64 {
    let next = Cell::new(0x1111_2222_3333_4444);
    move || next.replace(next.get() + 1)
}

#[test]
fn the_marker_is_drawn_once_and_the_intent_each_time() {
    let (first, intent, is_clean) = record(Stored::default(), None, "here", random_numbers());
    assert_eq!((intent.as_str(), is_clean), ("1111222233334445", true));
    check(
        &first,
        expect![[
            r#"marker "tcr-assistant 111122223333", intent Some("1111222233334445"), current "", candidate "", previous [], why None"#
        ]],
    );
    let (second, intent, is_clean) = record(first, Some("it is due".to_owned()), "here", random_numbers());
    assert_eq!((intent.as_str(), is_clean), ("1111222233334444", false));
    check(
        &second,
        expect![[
            r#"marker "tcr-assistant 111122223333", intent Some("1111222233334444"), current "", candidate "", previous [], why Some("it is due")"#
        ]],
    );
    let (third, ..) = record(second, None, "here", random_numbers());
    assert_eq!(third.why.as_deref(), Some("it is due"), "a second try has the reason of the first");
}

#[test]
fn the_first_credential_is_used_at_once_and_a_later_one_is_stored_beside_it() {
    let recorded = Stored { marker: "m".to_owned(), intent: Some("i".to_owned()), ..Stored::default() };
    let (first, is_first) = mint(recorded, issued("t1"), domain(), at(0));
    assert!(is_first);
    check(&first, expect![[r#"marker "m", intent None, current "t1", candidate "", previous [], why None"#]]);
    let (second, is_first) = mint(first, issued("t2"), domain(), at(1));
    assert!(!is_first);
    check(
        &second,
        expect![[r#"marker "m", intent None, current "t1", candidate "t2", previous [], why None"#]],
    );
    let promoted = promote(second.clone(), at(10)).unwrap();
    check(
        &promoted,
        expect![[
            r#"marker "m", intent None, current "t2", candidate "", previous ["t1 until 3610"], why None"#
        ]],
    );
    assert_eq!(promote(promoted.clone(), at(11)), None);
    let (discarded, successor) = discard(second).unwrap();
    assert_eq!(successor.token_id.as_deref(), Some("t2"));
    check(
        &discarded,
        expect![[r#"marker "m", intent None, current "t1", candidate "", previous [], why None"#]],
    );
    check(
        &delete(&promoted, "t1").unwrap(),
        expect![[r#"marker "m", intent None, current "t2", candidate "", previous [], why None"#]],
    );
    assert_eq!(delete(&promoted, "t9"), None);
}

#[test]
fn users_are_told_what_was_made_and_what_stays() {
    let said = |event: Option<CredentialEvent>| match event {
        Some(CredentialEvent::Happened { reason, message }) => format!("{}: {message}", reason.as_str()),
        _ => "nothing".to_owned(),
    };
    let stored = Stored { current: Some(held("t1")), ..Stored::default() };
    let replaced = Stored { why: Some("it is due".to_owned()), ..stored.clone() };
    let copied = Stored { installation: Some("there".to_owned()), ..stored.clone() };
    let temporary = Stored { current: Some(Held { token_id: None, ..held("") }), ..Stored::default() };
    let told = [
        said(Some(made(&key(), &stored))),
        said(Some(made(&key(), &replaced))),
        said(Some(made(&key(), &temporary))),
        said(removed(&key(), &stored, OnDelete::Revoke, "here")),
        said(removed(&key(), &stored, OnDelete::Retain, "here")),
        said(removed(&key(), &temporary, OnDelete::Revoke, "here")),
        said(removed(&key(), &copied, OnDelete::Revoke, "here")),
    ];
    expect![[r#"
        CredentialCreated: created credential t1 of tcr-demo0001
        CredentialReplaced: replaced the credential of tcr-demo0001 by credential t1: it is due
        CredentialCreated: created a temporary credential of tcr-demo0001
        CredentialRevoked: deleted credential t1 of tcr-demo0001
        CredentialRetained: credential t1 of tcr-demo0001 stays valid, as onDelete says; to remove it: tccli tcr DeleteInstanceToken --region ap-guangzhou --RegistryId tcr-demo0001 --TokenId t1
        nothing
        nothing"#]]
    .assert_eq(&told.join("\n"));
}

#[test]
fn a_copied_cluster_keeps_the_credential_in_use_and_nothing_else_of_the_other_one() {
    let theirs = Stored {
        installation: Some("there".to_owned()),
        intent: Some("i".to_owned()),
        current: Some(held("t1")),
        candidate: Some(held("t2")),
        previous: vec![Replaced { token_id: "t0".to_owned(), delete_at: at(0) }],
        ..Stored { marker: "m".to_owned(), ..Stored::default() }
    };
    let (ours, _, is_clean) = record(theirs, Some("it is a copy".to_owned()), "here", random_numbers());
    assert!(is_clean, "the marker was never used");
    assert_eq!(ours.installation.as_deref(), Some("here"));
    check(
        &ours,
        expect![[
            r#"marker "tcr-assistant 111122223333", intent Some("1111222233334445"), current "", candidate "", previous [], why Some("it is a copy")"#
        ]],
    );
    assert_eq!(ours.current.as_ref().map(|it| it.token.expose()), Some("password"));
    let (both, _) = mint(ours, issued("t9"), domain(), at(1));
    let promoted = promote(both, at(2)).unwrap();
    assert!(promoted.previous.is_empty(), "nobody here deletes it");
}

#[test]
fn an_end_that_is_put_off_leaves_all_else() {
    let recorded = Stored { intent: Some("i".to_owned()), current: Some(held("t1")), ..Stored::default() };
    let extended = extend(recorded, at(99), at(9));
    let current = extended.current.unwrap();
    assert_eq!(extended.intent, None);
    assert_eq!((current.expires_at, current.extended_at), (Some(at(99)), Some(at(9))));
    assert_eq!(current, Held { expires_at: Some(at(99)), extended_at: Some(at(9)), ..held("t1") });
}

#[test]
fn of_a_service_account_it_is_told_what_it_pulls_and_how_to_delete_it() {
    let key = Key {
        kind: CredentialKind::ServiceAccount,
        registry_namespaces: vec!["base".to_owned(), "team-a".to_owned()],
        ..key()
    };
    let stored = Stored { current: Some(held("tcr$x")), ..Stored::default() };
    let said = |event: Option<CredentialEvent>| match event {
        Some(CredentialEvent::Happened { message, .. }) => message,
        _ => "nothing".to_owned(),
    };
    let told = [
        said(Some(made(&key, &stored))),
        said(removed(&key, &stored, OnDelete::Revoke, "here")),
        said(removed(&key, &stored, OnDelete::Retain, "here")),
        said(Some(amended(&key, "tcr$x", "it has tcr:PushRepository on base"))),
    ];
    expect![[r#"
        created service account tcr$x of tcr-demo0001, which may pull from base, team-a
        deleted service account tcr$x of tcr-demo0001
        service account tcr$x of tcr-demo0001 stays valid, as onDelete says; to remove it: tccli tcr DeleteServiceAccount --region ap-guangzhou --RegistryId tcr-demo0001 --Name 'tcr$x'
        somebody changed the rights of service account tcr$x of tcr-demo0001: it has tcr:PushRepository on base; it has its own again, to pull from base, team-a"#]]
    .assert_eq(&told.join("\n"));
}

#[test]
fn a_secret_of_another_on_delete_or_an_older_release_is_written_as_this_process_would() {
    let document = |on_delete, installation: Option<&str>| {
        let stored = Stored {
            installation: installation.map(str::to_owned),
            current: Some(held("t1")),
            ..Stored::default()
        };
        Document { key: key(), on_delete, stored }
    };
    let order = Order { on_delete: OnDelete::Revoke, ..Order::default() };
    let adopted = |document: Document, order: &Order| {
        adopt(&document, order, "here").map(|next| {
            assert_eq!(
                Stored { installation: document.stored.installation.clone(), ..next.clone() },
                document.stored
            );
            next.installation
        })
    };
    let (here, there) = (Some("here".to_owned()), Some("there".to_owned()));
    assert_eq!(adopted(document(OnDelete::Revoke, Some("here")), &order), None, "it is as it shall be");
    assert_eq!(adopted(document(OnDelete::Retain, Some("here")), &order), Some(here.clone()));
    assert_eq!(adopted(document(OnDelete::Revoke, None), &order), Some(here));
    assert_eq!(
        adopted(document(OnDelete::Retain, Some("there")), &order),
        Some(there),
        "a copy stays known as one"
    );
    let over = Order { is_over: true, ..order };
    assert_eq!(adopted(document(OnDelete::Retain, None), &over), None, "it is about to be deleted");
}
