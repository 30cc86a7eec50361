//! Which fields of an object a policy asked for. Pure.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

/// Dotted paths as a tree; lists on the way are looked through.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(in crate::host_capabilities) struct FieldMasks(Option<Mask>);

#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Mask {
    /// Everything below is wanted.
    whole: bool,
    fields: BTreeMap<String, Mask>,
}

impl FieldMasks {
    /// No masks: everything.
    pub(in crate::host_capabilities) fn new(masks: Option<&[String]>) -> Self {
        let Some(masks) = masks else { return Self(None) };
        let mut root = Mask::default();
        for path in masks {
            let last = path
                .split('.')
                .fold(&mut root, |mask, field| mask.fields.entry(field.to_owned()).or_default());
            last.whole = true;
        }
        Self(Some(root))
    }

    /// What of the value was asked for.
    pub(in crate::host_capabilities) fn prune(&self, value: Value) -> Value {
        match &self.0 {
            None => value,
            Some(mask) => mask.prune(value),
        }
    }
}

impl Mask {
    fn prune(&self, value: Value) -> Value {
        if self.whole {
            return value;
        }
        match value {
            Value::Object(members) => {
                let kept = members.into_iter().filter_map(|(name, value)| {
                    let pruned = self.fields.get(&name)?.prune(value);
                    // A text where an object was meant has nothing of what was asked for.
                    (!pruned.is_null()).then_some((name, pruned))
                });
                Value::Object(kept.collect::<Map<_, _>>())
            }
            Value::Array(items) => Value::Array(items.into_iter().map(|item| self.prune(item)).collect()),
            _ => Value::Null,
        }
    }
}

#[cfg(test)]
mod tests {
    use expect_test::{Expect, expect};
    use serde_json::json;

    use super::*;

    fn check(masks: &[&str], expected: Expect) {
        let object = json!({
            "metadata": {"name": "demo", "labels": {"a.b/c": "d"}},
            "spec": {"docker": {"server": "s", "password": "hidden"}, "list": [{"x": 1, "y": 2}, "z"]},
        });
        let masks: Vec<String> = masks.iter().map(|it| (*it).to_owned()).collect();
        expected.assert_eq(&FieldMasks::new(Some(&masks)).prune(object).to_string());
    }

    #[test]
    fn only_what_was_asked_for_is_left() {
        check(
            &["metadata.name", "spec.docker.server"],
            expect![[r#"{"metadata":{"name":"demo"},"spec":{"docker":{"server":"s"}}}"#]],
        );
        check(&["metadata.labels"], expect![[r#"{"metadata":{"labels":{"a.b/c":"d"}}}"#]]);
        check(&["spec.list.x"], expect![[r#"{"spec":{"list":[{"x":1},null]}}"#]]);
        check(&["spec.docker.server.deeper", "nothing"], expect![[r#"{"spec":{"docker":{}}}"#]]);
        check(&[], expect!["{}"]);
    }

    #[test]
    fn without_masks_everything_is_left() {
        assert_eq!(FieldMasks::new(None).prune(json!({"a": [1]})), json!({"a": [1]}));
    }
}
