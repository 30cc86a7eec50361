use kube::core::Status;

use distribution::Account;

use super::*;

fn create(name: &str) -> Change {
    Change::CreateSecret { name: name.to_owned(), content: Content::new(b"v1".as_slice()) }
}

fn delete(secret: &str) -> Change {
    Change::DeleteSecret { secret: secret.to_owned(), uid: "u1".into() }
}

/// Adds a reference to the one and removes that to the other.
fn edit(account: &str, added: &str, removed: &str) -> Change {
    let read = Account { resource_version: "7".into(), references: [removed.into()].into(), has_list: true };
    let edit = Edit::new(&read, [0].into(), vec![added.to_owned()]).unwrap();
    Change::EditReferences { account: account.to_owned(), edit }
}

fn refused(code: u16, reason: &str, message: &str) -> ApiError {
    let status = Status { code, reason: reason.to_owned(), message: message.to_owned(), ..Status::default() };
    kube::Error::Api(status.boxed()).into()
}

#[test]
fn what_is_refused_is_told_with_whom_it_was_for_and_the_rest_goes_on() {
    let (mut work, now) = (Work::default(), Instant::now());
    work.fail(&create("new"), &refused(403, "Forbidden", "exceeded quota: one"));
    let left = work.admit(edit("default", "tcr.ipsnew", "tcr.ipsold"), now).unwrap();
    assert_eq!(left.image_pull_secrets(), ["old"].into(), "nothing refers to a Secret that is not there");
    work.fail(&left, &refused(403, "Forbidden", "it is protected"));
    assert!(work.admit(delete("tcr.ipsold"), now).is_none(), "a ServiceAccount refers to it");
    assert!(work.admit(delete("tcr.ipsother"), now).is_some());
    let failed = |kind, name: &str, owner: &str, message: &str, is_quota| FailedWrite {
        kind,
        name: name.to_owned(),
        image_pull_secrets: vec![owner.to_owned()],
        message: message.to_owned(),
        is_quota,
    };
    assert_eq!(
        work.failed,
        [
            failed(TargetKind::Secret, "tcr.ipsnew", "new", "exceeded quota: one", true),
            failed(TargetKind::ServiceAccount, "default", "old", "it is protected", false),
        ]
    );
    assert_eq!(work.ended, Ended::Done);
    work.fail(&create("long"), &refused(403, "Forbidden", &"x".repeat(2 * LONGEST_MESSAGE)));
    assert_eq!(work.failed[2].message.len(), LONGEST_MESSAGE);
}

#[test]
fn without_an_answer_nothing_more_is_tried() {
    let (mut work, now) = (Work::default(), Instant::now());
    work.fail(&create("a"), &ApiError::Deadline(DEADLINE));
    assert_eq!((work.ended, work.failed.len()), (Ended::Unanswered, 1));
    assert!(work.admit(delete("tcr.ipsold"), now).is_none());
}

#[test]
fn in_a_namespace_that_is_going_nothing_has_failed() {
    let (mut work, now) = (Work::default(), Instant::now());
    work.fail(&create("a"), &refused(403, "Forbidden", "denied"));
    let going = "unable to create new content in namespace shop because it is being terminated";
    work.fail(&create("b"), &refused(403, "Forbidden", going));
    assert!(work.failed.is_empty() && work.ended == Ended::NamespaceGoing);
    assert!(work.admit(delete("tcr.ipsold"), now).is_none());
}

#[test]
fn who_was_faster_stops_the_write_and_nothing_else() {
    let (mut work, now) = (Work::default(), Instant::now());
    work.fail(&edit("default", "tcr.ipsnew", "tcr.ipsold"), &ApiError::Overtaken);
    assert!(work.failed.is_empty() && work.ended == Ended::Overtaken);
    assert!(work.admit(delete("tcr.ipsold"), now).is_none());
    assert!(work.admit(edit("robot", "tcr.ipsnew", "tcr.ipsold"), now).is_some());
}

#[test]
fn a_stage_that_takes_too_long_gives_the_next_one_its_turn() {
    let (mut work, mut now) = (Work::default(), Instant::now());
    assert!(work.admit(edit("a", "tcr.ipsnew", "tcr.ipsold"), now).is_some());
    now += TURN + Duration::from_secs(1);
    assert!(work.admit(edit("b", "tcr.ipsnew", "tcr.ipsold"), now).is_none());
    assert!(work.admit(delete("tcr.ipsother"), now).is_some());
    assert!(work.admit(delete("tcr.ipsold"), now).is_none(), "b was not tried, and refers to it");
    assert_eq!(work.ended, Ended::OutOfTime);
}
