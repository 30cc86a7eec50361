//! The fuzzer's corpus, put to the rules that it checks (`./justw fuzz` looks for more).

use std::path::Path;

#[path = "../../tests/fuzz/src/validate_oracle.rs"]
mod oracle;

#[test]
fn every_rule_holds_for_the_corpus() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/fuzz/corpus/validate");
    let mut inputs = 0;
    for entry in std::fs::read_dir(&folder).expect("the corpus is there") {
        let path = entry.expect("the folder can be read").path();
        let input = std::fs::read(&path).expect("the input can be read");
        if let Err(panic) = std::panic::catch_unwind(|| oracle::check(&input)) {
            panic!("{}: {:?}", path.display(), panic.downcast_ref::<String>());
        }
        inputs += 1;
    }
    assert!(inputs > 50, "{inputs} inputs");
}
