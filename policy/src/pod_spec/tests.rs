use expect_test::{Expect, expect};

use super::*;

#[track_caller]
fn check(text: &str, expected: Expect) {
    let pod = Pod::read(&mut Scanner::new(text.as_bytes(), 0)).expect("the text can be followed");
    let spec = pod.spec.as_ref();
    let images = spec.map(|spec| (&spec.images, &spec.ephemeral_images, &spec.service_account));
    let names = spec.map(|spec| &spec.pull_secrets.names);
    expected.assert_eq(&format!("{:?}\n{images:?}\n{names:?}\n", pod.metadata));
}

#[test]
fn reads_what_decides() {
    check(
        r#"{"metadata":{"annotations":{"tcr.tencentcloudcr.com/inject":"false","a":"b"},"ownerReferences":[{}],"deletionTimestamp":"x"},
            "spec":{"volumes":[{"name":"v","image":{"pullPolicy":"Always","reference":"volume"}},{"emptyDir":{}}],
            "ephemeralContainers":[{"image":"ephemeral"}],"containers":[{"name":"c","image":"first"},{"image":"second"}],
            "initContainers":[{"image":"init"}],"serviceAccountName":"builder","serviceAccount":"old",
            "imagePullSecrets":[{"name":"a"},{},null,{"name":"b"},{"name":7}]},"status":{}}"#,
        expect![[r#"
            Metadata { opted_out: true, mirror: false, owned: true, deleting: true }
            Some((["first", "second", "init", "volume"], ["ephemeral"], "builder"))
            Some([(0, "a"), (3, "b")])
        "#]],
    );
}

#[test]
fn other_types_mean_nothing() {
    check(
        r#"{"metadata":[],"spec":{"containers":{"image":"x"},"volumes":[{"image":"x"}],"serviceAccountName":null}}"#,
        expect![[r#"
        Metadata { opted_out: false, mirror: false, owned: false, deleting: false }
        Some(([], [], "default"))
        Some([])
    "#]],
    );
    check(
        r#"{"metadata":{"annotations":null,"ownerReferences":[],"deletionTimestamp":null},"spec":7}"#,
        expect![[r#"
        Metadata { opted_out: false, mirror: false, owned: false, deleting: false }
        None
        None
    "#]],
    );
    check(
        "[]",
        expect![[r#"
        Metadata { opted_out: false, mirror: false, owned: false, deleting: false }
        None
        None
    "#]],
    );
}

#[test]
fn of_members_with_one_name_the_last_counts() {
    check(
        r#"{"spec":{"containers":[{"image":"gone"}]},"metadata":{"annotations":{"tcr.tencentcloudcr.com/inject":"false"}},
            "metadata":{"annotations":{"kubernetes.io/config.mirror":"1"},"annotations":{}},
            "spec":{"containers":[{"image":"a","image":"b"}],"containers":[{"image":"c"}],"serviceAccount":"old"}}"#,
        expect![[r#"
            Metadata { opted_out: false, mirror: false, owned: false, deleting: false }
            Some((["c"], [], "old"))
            Some([])
        "#]],
    );
}
