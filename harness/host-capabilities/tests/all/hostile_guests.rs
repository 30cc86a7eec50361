//! The fuzzer's corpus, put to the rules that it checks (`./justw fuzz 60 host_calls` looks for
//! more), and texts that are too long for it.

use std::path::Path;

use proptest::prelude::*;
use serde_json::json;

use crate::oracle;

#[test]
fn no_request_of_the_corpus_leaves_the_granted_kinds_path() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/fuzz/corpus/host_calls");
    let mut inputs = 0;
    for entry in std::fs::read_dir(&folder).expect("the corpus is there") {
        let path = entry.expect("the folder can be read").path();
        let input = std::fs::read(&path).expect("the input can be read");
        if let Err(panic) = std::panic::catch_unwind(|| oracle::check(&input)) {
            panic!("{}: {:?}", path.display(), panic.downcast_ref::<String>());
        }
        inputs += 1;
    }
    assert!(inputs > 15, "{inputs} inputs");
}

/// A text that is put together of what leads elsewhere in a path, a query or a list.
fn hostile() -> impl Strategy<Value = String> {
    let part = prop::sample::select(vec![
        "/",
        "?",
        "#",
        "%",
        "%2f",
        "%2e",
        "..",
        ".",
        "\0",
        "\r\n",
        " ",
        "&",
        "=",
        ";",
        ":",
        ",",
        "名",
        "\u{202e}",
        "a",
        "kube-system",
        "secrets",
        "cloud-key",
        "x",
        "labelSelector",
    ]);
    prop_oneof![
        8 => prop::collection::vec(part.clone(), 0..6).prop_map(|parts| parts.concat()),
        2 => "[a-z]{1,8}",
        1 => any::<String>(),
        1 => part.prop_map(|part| part.repeat(1 << 20)),
    ]
}

fn kind() -> impl Strategy<Value = (String, String)> {
    let granted = prop::sample::select(vec![
        ("v1", "Namespace"),
        ("v1", "ServiceAccount"),
        ("tcr.tencentcloudcr.com/v1", "ImagePullSecret"),
        ("v1", "Secret"),
    ]);
    let granted = granted.prop_map(|(version, kind)| (version.to_owned(), kind.to_owned()));
    prop_oneof![6 => granted, 1 => (hostile(), hostile())]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn no_request_of_a_hostile_guest_leaves_the_granted_kinds_path(
        operation in prop::sample::select(vec![
            "get_resource", "list_resources_all", "list_resources_by_namespace", "can_i",
        ]),
        (api_version, kind) in kind(),
        name in hostile(),
        namespace in prop::option::of(hostile()),
        selectors in prop::option::of((hostile(), hostile())),
        masks in prop::option::of(prop::collection::vec(hostile(), 0..3)),
    ) {
        let (labels, fields) = selectors.unzip();
        let question = match operation {
            "can_i" => json!({"subject_access_review": {
                "user": name, "groups": masks,
                "resource_attributes": {"namespace": namespace, "name": labels, "subresource": fields},
            }}),
            _ => json!({
                "api_version": api_version, "kind": kind, "name": name, "namespace": namespace,
                "label_selector": labels, "field_selector": fields, "field_masks": masks,
            }),
        };
        oracle::check_call(operation, question.to_string().as_bytes());
    }
}
