//! The shortest histories of faults that were found and mended: none breaks a rule any more. With its fault put back
//! each does, whatever seeds mean by then.

use std::rc::Rc;

use simulation::action::Action::{self, *};
use simulation::call::Fate::*;
use simulation::cluster::Kind::*;
use simulation::history;
use simulation::view::Views;

/// What was wrong, the seed that chance in the controllers is drawn from, and what happens.
const MENDED: &[(&str, u64, &[Action])] = &[
    (
        "a Secret of ours without its labels is not found where a quota refuses to create another one",
        524,
        &[
            CreateNamespace(1, false),
            CreateObject(0, 6),
            CreateObject(1, 0),
            Start,
            Deliver(0, Password, 8),
            Deliver(0, Namespace, 6),
            Deliver(1, Password, 6),
            Serve(237, Well),
            Deliver(0, Account, 5),
            Quota(1, 2),
            Serve(140, Well),
            Deliver(0, Password, 6),
            Serve(0, Well),
            Serve(112, Well),
            Serve(0, Well),
            Deliver(0, Secret, 3),
            Wake(0),
            Deliver(1, Namespace, 4),
            Serve(29, Well),
            Serve(0, Well),
            Serve(133, Well),
            Serve(63, Well),
            Serve(0, Well),
            Serve(0, Well),
            Serve(210, Well),
            TakeLabels(1, 0),
        ],
    ),
    (
        "an ImagePullSecret goes while its Secret, just written, is taken for one that went",
        1067,
        &[
            CreateNamespace(1, true),
            SetPassword(1),
            Start,
            Deliver(0, Account, 8),
            Deliver(0, Secret, 8),
            Deliver(0, Password, 8),
            CreateObject(1, 144),
            Deliver(1, Account, 1),
            Deliver(0, Account, 6),
            Deliver(1, Namespace, 3),
            Serve(170, Well),
            Serve(92, Refused(9)),
            CreateObject(2, 7),
            Deliver(0, Object, 6),
            Serve(0, Well),
            Pass(30000),
            Serve(23, AnswerLost(10)),
            ChangeSpec(2, 35),
            Deliver(0, Namespace, 3),
            Deliver(1, Namespace, 6),
            ChangeSpec(1, 210),
            Deliver(0, Object, 2),
            ChangeSpec(2, 202),
            Deliver(0, Password, 6),
            Serve(215, Well),
            Serve(0, Well),
            Serve(0, Well),
            Serve(0, Well),
            DeleteObject(2),
        ],
    ),
    (
        "a rotation deletes the credential that is distributed while its spec has moved on and the next one is missing",
        20215,
        &[
            CreateObject(0, 105),
            Start,
            Deliver(0, Password, 8),
            Deliver(1, Secret, 5),
            Deliver(0, Object, 6),
            Serve(0, Well),
            Rotate(0),
            CreateNamespace(2, false),
            Deliver(0, Object, 4),
            Deliver(0, Password, 5),
            Serve(158, Well),
            Serve(51, Well),
            Serve(89, Well),
            ChangeSpec(0, 108),
            Serve(0, Well),
            Pass(600_000),
            Deliver(0, Namespace, 4),
            Deliver(1, Password, 5),
            Serve(4, Refused(9)),
        ],
    ),
];

#[test]
fn no_fault_that_was_mended_is_back() {
    let views = Rc::new(Views::new());
    for (fault, seed, actions) in MENDED {
        let outcome = history::run(*seed, actions, &views, None);
        assert_eq!(outcome.broken, None, "{fault}");
    }
}
