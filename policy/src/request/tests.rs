use super::*;

fn read(text: &str) -> Request<'_> {
    Request::read(text.as_bytes(), &mut Scanner::new(text.as_bytes(), 0)).expect("the text can be followed")
}

#[test]
fn kinds_are_told_by_group_and_name() {
    let kind = |group: &str, kind: &str| {
        let text = format!(r#"{{"kind":{{"group":"{group}","version":"v1","kind":"{kind}"}}}}"#);
        read(&text).kind
    };
    assert_eq!(kind("", "Pod"), Kind::Pod);
    assert_eq!(kind("example.com", "Pod"), Kind::Other);
    assert_eq!(kind("apps", "Deployment"), Kind::Workload(&["spec", "template"]));
    assert_eq!(kind("batch", "CronJob"), Kind::Workload(&["spec", "jobTemplate", "spec", "template"]));
    assert_eq!(kind("", "PodTemplate"), Kind::Workload(&["template"]));
    assert_eq!(kind("tcr.tencentcloudcr.com", "ImagePullSecret"), Kind::ImagePullSecret);
    assert_eq!(kind("", "ConfigMap"), Kind::Other);
}

#[test]
fn members_are_read_wherever_they_stand_and_the_last_counts() {
    let text = r#"{"object":{"spec":{"containers":[{"image":"a"}]}},"operation":"DELETE","kind":{"kind":"Secret"},
        "name":null,"namespace":"n","userInfo":{"groups":[],"username":"u"},"oldObject":null,"operation":"CREATE","kind":{"kind":"Pod"}}"#;
    let request = read(text);
    assert_eq!((request.operation, request.kind), (Operation::Create, Kind::Pod));
    assert_eq!((&*request.name, &*request.namespace, &*request.username), ("", "n", "u"));
    let object = request.object.map(|span| span.of(text.as_bytes()));
    assert_eq!(object, Some(r#"{"spec":{"containers":[{"image":"a"}]}}"#.as_bytes()));
    assert_eq!(request.old_object, None);
    let images = request.pod.and_then(|pod| pod.spec).map(|spec| spec.images);
    assert_eq!(images, Some(vec!["a".into()]));

    let text = r#"{"kind":{"kind":"Pod"},"object":{"spec":{}},"kind":{"kind":"Secret"}}"#;
    assert!(read(text).pod.is_none());
    let text = r#"{"kind":{"kind":"Pod"},"object":{"spec":{}},"object":null}"#;
    assert!(read(text).pod.is_none() && read(text).object.is_none());
}
