use distribution::reference::Edit;
use distribution::{Account, Content};
use kube::core::Status;

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
    let (mut progress, now) = (Progress::default(), Instant::now());
    progress.fail(&create("new"), &refused(403, "Forbidden", "exceeded quota: one"));
    let left = progress.admit(edit("default", "tcr.ipsnew", "tcr.ipsold"), now).unwrap();
    assert_eq!(left.image_pull_secrets(), ["old"].into(), "nothing refers to a Secret that is not there");
    progress.fail(&left, &refused(403, "Forbidden", "it is protected"));
    assert!(progress.admit(delete("tcr.ipsold"), now).is_none(), "a ServiceAccount refers to it");
    assert!(progress.admit(delete("tcr.ipsother"), now).is_some());
    let failed = |kind, name: &str, owner: &str, message: &str, is_quota| FailedWrite {
        kind,
        name: name.to_owned(),
        image_pull_secrets: vec![owner.to_owned()],
        message: message.to_owned(),
        is_quota,
    };
    assert_eq!(
        progress.failed,
        [
            failed(TargetKind::Secret, "tcr.ipsnew", "new", "exceeded quota: one", true),
            failed(TargetKind::ServiceAccount, "default", "old", "it is protected", false),
        ]
    );
    assert_eq!(progress.ended, Ended::Done);
    progress.fail(&create("long"), &refused(403, "Forbidden", &"x".repeat(2 * LONGEST_MESSAGE)));
    assert_eq!(progress.failed[2].message.len(), LONGEST_MESSAGE);
}

#[test]
fn without_an_answer_nothing_more_is_tried() {
    let (mut progress, now) = (Progress::default(), Instant::now());
    progress.fail(&create("a"), &ApiError::Deadline(Duration::from_secs(30)));
    assert_eq!((progress.ended, progress.failed.len()), (Ended::Unanswered, 1));
    assert!(progress.admit(delete("tcr.ipsold"), now).is_none());
}

#[test]
fn in_a_namespace_that_is_going_nothing_has_failed() {
    let (mut progress, now) = (Progress::default(), Instant::now());
    progress.fail(&create("a"), &refused(403, "Forbidden", "denied"));
    let going = "unable to create new content in namespace shop because it is being terminated";
    progress.fail(&create("b"), &refused(403, "Forbidden", going));
    assert!(progress.failed.is_empty() && progress.ended == Ended::NamespaceGoing);
    assert!(progress.admit(delete("tcr.ipsold"), now).is_none());
}

#[test]
fn who_was_faster_stops_the_write_and_nothing_else() {
    let (mut progress, now) = (Progress::default(), Instant::now());
    progress.fail(&edit("default", "tcr.ipsnew", "tcr.ipsold"), &ApiError::Overtaken);
    assert!(progress.failed.is_empty() && progress.ended == Ended::Overtaken);
    assert!(progress.admit(delete("tcr.ipsold"), now).is_none());
    assert!(progress.admit(edit("robot", "tcr.ipsnew", "tcr.ipsold"), now).is_some());
}

#[test]
fn a_stage_that_takes_too_long_gives_the_next_one_its_turn() {
    let (mut progress, mut now) = (Progress::default(), Instant::now());
    assert!(progress.admit(edit("a", "tcr.ipsnew", "tcr.ipsold"), now).is_some());
    now += TURN + Duration::from_secs(1);
    assert!(progress.admit(edit("b", "tcr.ipsnew", "tcr.ipsold"), now).is_none());
    assert!(progress.admit(delete("tcr.ipsother"), now).is_some());
    assert!(progress.admit(delete("tcr.ipsold"), now).is_none(), "b was not tried, and refers to it");
    assert_eq!(progress.ended, Ended::OutOfTime);
}
