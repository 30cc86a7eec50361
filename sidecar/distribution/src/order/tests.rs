use super::*;
use crate::reference::Edit;
use crate::{Account, Content};

fn create(name: &str) -> Change {
    Change::CreateSecret { name: name.to_owned(), content: Content::new(b"v1".as_slice()) }
}

fn update(name: &str, is_foreign: bool) -> Change {
    let content = Content::new(b"v1".as_slice());
    Change::UpdateSecret { name: name.to_owned(), uid: "u1".into(), content, is_foreign }
}

/// Adds references to `add` and removes those to `remove`.
fn edit(account: &str, add: &[&str], remove: &[&str]) -> Change {
    let read = Account {
        resource_version: "7".into(),
        references: remove.iter().map(|name| (*name).into()).collect(),
        has_list: true,
    };
    let add = add.iter().map(|name| (*name).to_owned()).collect();
    let edit = Edit::new(&read, (0..remove.len()).collect(), add).unwrap();
    Change::EditReferences { account: account.to_owned(), edit }
}

fn delete(secret: &str) -> Change {
    Change::DeleteSecret { secret: secret.to_owned(), uid: "u1".into() }
}

fn text(change: &Change) -> String {
    match change {
        Change::CreateSecret { name, .. } => format!("create {name}"),
        Change::UpdateSecret { name, .. } => format!("update {name}"),
        Change::ReplaceSecret { name, .. } => format!("replace {name}"),
        Change::MarkSecret { name, .. } => format!("mark {name}"),
        Change::EditReferences { account, edit } => {
            let added = edit.added().map(|it| format!(" +{it}"));
            let removed = edit.removed().map(|it| format!(" -{it}"));
            format!("edit {account}{}", added.chain(removed).collect::<String>())
        }
        Change::DeleteSecret { secret, .. } => format!("delete {secret}"),
    }
}

#[track_caller]
fn check(held: &[(TargetKind, &str)], changes: Vec<Change>, expected: &[&str]) {
    let free = hold_back(changes, |kind, name| held.contains(&(kind, name)));
    assert_eq!(free.iter().map(text).collect::<Vec<_>>(), expected);
}

const SECRET: TargetKind = TargetKind::Secret;
const ACCOUNT: TargetKind = TargetKind::ServiceAccount;

#[test]
fn only_what_is_held_back_waits_and_the_order_holds() {
    let plan = || {
        vec![
            create("demo"),
            edit("default", &["tcr.ipsdemo"], &["tcr.ipsold"]),
            edit("robot", &["tcr.ipsdemo"], &[]),
            delete("tcr.ipsold"),
        ]
    };
    check(
        &[],
        plan(),
        &[
            "create demo",
            "edit default +tcr.ipsdemo -tcr.ipsold",
            "edit robot +tcr.ipsdemo",
            "delete tcr.ipsold",
        ],
    );
    // The Secret stays as long as a ServiceAccount refers to it.
    check(&[(ACCOUNT, "default")], plan(), &["create demo", "edit robot +tcr.ipsdemo"]);
    // No reference is added to a Secret that is not there; what goes, goes.
    check(&[(SECRET, "tcr.ipsdemo")], plan(), &["edit default -tcr.ipsold", "delete tcr.ipsold"]);
    check(
        &[(SECRET, "tcr.ipsold")],
        plan(),
        &["create demo", "edit default +tcr.ipsdemo -tcr.ipsold", "edit robot +tcr.ipsdemo"],
    );
}

#[test]
fn other_image_pull_secrets_do_not_wait() {
    let plan = || vec![create("a"), create("b"), edit("new", &["tcr.ipsa", "tcr.ipsb"], &[])];
    check(&[(SECRET, "tcr.ipsa")], plan(), &["create b", "edit new +tcr.ipsb"]);
    check(&[(SECRET, "tcr.ipsa"), (SECRET, "tcr.ipsb")], plan(), &[]);
}

#[test]
fn a_secret_that_is_there_may_be_referred_to_while_its_update_waits() {
    let plan = |is_foreign| vec![update("demo", is_foreign), edit("default", &["tcr.ipsdemo"], &[])];
    check(&[(SECRET, "tcr.ipsdemo")], plan(false), &["edit default +tcr.ipsdemo"]);
    // Until it is ours, the reference would be to somebody else's.
    check(&[(SECRET, "tcr.ipsdemo")], plan(true), &[]);
}
