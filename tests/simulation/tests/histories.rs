//! What is asked of histories, and of the histories of 5,000 seeds.

use std::rc::Rc;

use simulation::campaign::{self, Progress};
use simulation::view::Views;
use simulation::{action, history};

const HISTORIES: u64 = 5000;

#[test]
fn no_rule_is_broken_in_histories_that_are_long_and_have_every_kind_of_fault() {
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let summary = campaign::run_on(threads, 0, HISTORIES, 1, &Progress::default());
    assert_eq!(summary.failed, [], "./justw simulate --seed N tells the history of a seed");
    assert_eq!(summary.histories, HISTORIES);
    assert!(summary.median_inputs() >= 200, "half of them have {} inputs or more", summary.median_inputs());
    for (fault, share) in summary.faults() {
        assert!(share >= 0.01, "{:.2} % of histories have the fault: {fault}", share * 100.0);
    }
}

#[test]
fn a_seed_is_one_history() {
    let views = Rc::new(Views::new());
    for seed in 0..20 {
        let run = || history::run(seed, &action::draw(seed), &views, None);
        let (once, again) = (run(), run());
        assert_eq!(
            (once.inputs, once.faults, once.broken),
            (again.inputs, again.faults, again.broken),
            "{seed}"
        );
    }
}
