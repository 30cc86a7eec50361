//! Whatever a caller or a guest sends, the rules of the fuzzer hold: for its corpora, and for texts that are put together
//! here. `./justw fuzz 600 review_body` and `./justw fuzz 600 guest_answer` look for more.

use std::fs;
use std::path::Path;

use proptest::prelude::*;

#[path = "../../../tests/fuzz/src/guest_answer_oracle.rs"]
mod guest_answer_oracle;
#[path = "../../../tests/fuzz/src/review_body_oracle.rs"]
mod review_body_oracle;

fn check_corpus(target: &str, least: usize, check: fn(&[u8])) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/fuzz/corpus").join(target);
    let mut inputs = 0;
    for entry in fs::read_dir(&folder).expect("the corpus is there") {
        let path = entry.expect("the folder can be read").path();
        let input = fs::read(&path).expect("the input can be read");
        if let Err(panic) = std::panic::catch_unwind(|| check(&input)) {
            panic!("{}: {:?}", path.display(), panic.downcast_ref::<String>());
        }
        inputs += 1;
    }
    assert!(inputs >= least, "{inputs} inputs");
}

#[test]
fn every_rule_of_bodies_holds_for_the_corpus() {
    check_corpus("review_body", 35, review_body_oracle::check);
}

#[test]
fn every_rule_of_answers_holds_for_the_corpus() {
    check_corpus("guest_answer", 35, guest_answer_oracle::check);
}

/// Objects of few letters, so that what is alike and what is not meet often, with keys that come twice and are escaped.
fn object() -> impl Strategy<Value = String> {
    let scalar = prop::sample::select(vec![
        "null",
        "true",
        "0",
        "-0",
        "1",
        "1.0",
        "1e1",
        "1e400",
        r#""""#,
        r#""a""#,
        r#""\u0061""#,
        r#""\ud800""#,
        r#""é""#,
    ]);
    let key = prop::sample::select(vec![r#""a""#, r#""b""#, r#""\u0061""#, r#""/""#, r#""~1""#, r#""""#]);
    let value = scalar.prop_map(str::to_owned).prop_recursive(4, 24, 4, move |inner| {
        let list =
            prop::collection::vec(inner.clone(), 0..4).prop_map(|items| format!("[{}]", items.join(",")));
        let member = (key.clone(), inner).prop_map(|(key, value)| format!("{key}: {value}"));
        let map =
            prop::collection::vec(member, 0..4).prop_map(|members| format!("{{{}}}", members.join(", ")));
        prop_oneof![list, map]
    });
    value.prop_map(|value| format!(r#"{{"o":{value}}}"#))
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(4000) })]

    #[test]
    fn a_patch_makes_the_object_that_the_guest_gave(
        before in object(), after in object(), at in any::<prop::sample::Index>(), is_edit in any::<bool>(),
    ) {
        // One place of the object before replaced, as policies do, or another object.
        let after = match is_edit {
            true => {
                let places: Vec<usize> = before.match_indices([',', ':', '[']).map(|(at, _)| at + 1).collect();
                let place = places[at.index(places.len())];
                let end = before[place..].find([',', ']', '}']).map_or(before.len(), |end| place + end);
                format!("{}{after}{}", &before[..place], &before[end..])
            }
            false => after,
        };
        guest_answer_oracle::check(format!("{before}\n{{\"accepted\":true,\"mutated_object\":{after}}}").as_bytes());
    }

    #[test]
    fn any_object_is_reviewed_or_refused(before in object(), after in object()) {
        let review = format!(
            r#"{{"request":{{"uid":"u","kind":{{"group":"","version":"v1","kind":"Pod"}},"resource":{{"group":"","version":"v1","resource":"pods"}},"operation":"UPDATE","userInfo":{{}},"object":{before},"oldObject":{after}}}}}"#
        );
        review_body_oracle::check(review.as_bytes());
    }
}
