//! Whatever the reconciler is told, the rules of the fuzzer hold: for its corpus, and for scripts that are drawn here.
//! `./justw fuzz 600 step` looks for more.

use std::path::Path;

use proptest::prelude::*;

#[path = "../../../tests/fuzz/src/step_inputs.rs"]
mod step_inputs;
#[path = "../../../tests/fuzz/src/step_oracle.rs"]
mod step_oracle;

#[test]
fn every_rule_holds_for_the_corpus() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/fuzz/corpus/step");
    let mut inputs = 0;
    for entry in std::fs::read_dir(&folder).expect("the corpus is there") {
        let path = entry.expect("the folder can be read").path();
        let input = std::fs::read(&path).expect("the input can be read");
        if let Err(panic) = std::panic::catch_unwind(|| step_oracle::check(&input)) {
            panic!("{}: {:?}", path.display(), panic.downcast_ref::<String>());
        }
        inputs += 1;
    }
    assert!(inputs > 20, "{inputs} inputs");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn no_script_makes_it_panic_or_stay_awake(
        lists in any::<bool>(),
        script in prop::collection::vec(any::<u8>(), 0..1500),
    ) {
        // Most of what it decides, it decides once everything is listed.
        let ends: &[u8] = if lists { &[10, 0, 10, 1, 10, 2, 10, 3, 10, 4, 1, 0] } else { &[] };
        step_oracle::check(&[&[1], ends, &script].concat());
    }
}
