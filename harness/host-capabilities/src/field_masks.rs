//! Which fields of an object a policy asks for, and which it was granted. Pure.

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer};
use serde_json::{Map, Value};

use crate::shortened;

/// Masks at most, the bytes of one, and the fields of its path: more than any object's form needs.
const MOST_MASKS: usize = 128;
const LONGEST_MASK: usize = 512;
const DEEPEST_MASK: usize = 32;

/// Dotted paths as a tree; lists on the way are looked through.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct FieldMasks(Option<Mask>);

/// The fault in a list of masks; names the mask.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct FieldMasksError(String);

#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
struct Mask {
    /// Everything below is wanted.
    whole: bool,
    fields: BTreeMap<String, Mask>,
}

impl FieldMasks {
    /// Masks that keep whole objects.
    pub fn everything() -> Self {
        Self(None)
    }

    /// Dotted paths, such as `metadata.labels`.
    ///
    /// # Errors
    /// A path with an empty part, or with control characters; too many, too long or too deep.
    pub fn parse(paths: &[String]) -> Result<Self, FieldMasksError> {
        if paths.len() > MOST_MASKS {
            return Err(FieldMasksError(format!("{} paths are more than {MOST_MASKS}", paths.len())));
        }
        let mut root = Mask::default();
        for path in paths {
            if let Some(fault) = fault(path) {
                return Err(FieldMasksError(format!("\"{}\" {fault}", shortened(path, 60))));
            }
            let last = path
                .split('.')
                .fold(&mut root, |mask, field| mask.fields.entry(field.to_owned()).or_default());
            last.whole = true;
        }
        Ok(Self(Some(root)))
    }

    /// The paths, without those that a shorter one has in it; `None` for whole objects.
    pub fn paths(&self) -> Option<Vec<String>> {
        let mut paths = Vec::new();
        self.0.as_ref()?.add_paths("", &mut paths);
        Some(paths)
    }

    /// The fields that both masks contain.
    #[must_use]
    pub fn within(&self, granted: &Self) -> Self {
        match (&self.0, &granted.0) {
            (_, None) => self.clone(),
            (None, _) => granted.clone(),
            (Some(asked), Some(granted)) => Self(Some(asked.within(granted))),
        }
    }

    /// The part of the value that the masks name.
    #[must_use]
    pub fn prune(&self, value: Value) -> Value {
        match &self.0 {
            None => value,
            Some(mask) => mask.prune(value),
        }
    }
}

fn fault(path: &str) -> Option<&'static str> {
    if path.len() > LONGEST_MASK || path.split('.').count() > DEEPEST_MASK {
        return Some("is longer than a path of fields can be");
    }
    if path.split('.').any(str::is_empty) {
        return Some("is not a path of fields: a part between dots is empty");
    }
    path.contains(char::is_control).then_some("is not a path of fields: it has control characters")
}

impl Mask {
    fn within(&self, other: &Self) -> Self {
        if self.whole {
            return other.clone();
        }
        if other.whole {
            return self.clone();
        }
        let fields = self.fields.iter().filter_map(|(name, mask)| {
            let both = mask.within(other.fields.get(name)?);
            (both.whole || !both.fields.is_empty()).then(|| (name.clone(), both))
        });
        Self { whole: false, fields: fields.collect() }
    }

    fn add_paths(&self, prefix: &str, paths: &mut Vec<String>) {
        for (name, mask) in &self.fields {
            let path = format!("{prefix}{name}");
            match mask.whole {
                true => paths.push(path),
                false => mask.add_paths(&format!("{path}."), paths),
            }
        }
    }

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

impl<'de> Deserialize<'de> for FieldMasks {
    /// A list of paths; `null` is whole objects.
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let paths = Option::<Vec<String>>::deserialize(deserializer)?;
        paths.map_or(Ok(Self::everything()), |paths| Self::parse(&paths)).map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use expect_test::{Expect, expect};
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn masks(paths: &[&str]) -> FieldMasks {
        FieldMasks::parse(&paths.iter().map(|it| (*it).to_owned()).collect::<Vec<_>>()).unwrap()
    }

    fn check(paths: &[&str], expected: Expect) {
        let object = json!({
            "metadata": {"name": "demo", "labels": {"a.b/c": "d"}},
            "spec": {"docker": {"server": "s", "password": "hidden"}, "list": [{"x": 1, "y": 2}, "z"]},
        });
        expected.assert_eq(&masks(paths).prune(object).to_string());
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
        assert_eq!(FieldMasks::everything().prune(json!({"a": [1]})), json!({"a": [1]}));
    }

    #[track_caller]
    fn both(asked: Option<&[&str]>, granted: Option<&[&str]>, expected: Expect) {
        let of = |paths: Option<&[&str]>| paths.map_or(FieldMasks::everything(), masks);
        expected.assert_eq(&format!("{:?}", of(asked).within(&of(granted)).paths()));
    }

    #[test]
    fn a_grant_is_never_widened() {
        let granted: Option<&[&str]> = Some(&["metadata.name", "spec.docker.server"]);
        both(None, granted, expect![[r#"Some(["metadata.name", "spec.docker.server"])"#]]);
        both(Some(&["spec"]), granted, expect![[r#"Some(["spec.docker.server"])"#]]);
        both(Some(&["spec.docker.server.host"]), granted, expect![[r#"Some(["spec.docker.server.host"])"#]]);
        both(Some(&["spec.docker.password", "status"]), granted, expect!["Some([])"]);
        both(Some(&["metadata"]), None, expect![[r#"Some(["metadata"])"#]]);
        both(None, None, expect!["None"]);
        both(Some(&["a", "a.b"]), Some(&["a.c", "a.b"]), expect![[r#"Some(["a.b", "a.c"])"#]]);
    }

    #[test]
    fn what_is_no_path_of_fields_is_named() {
        let error = |path: &str| FieldMasks::parse(&[path.to_owned()]).unwrap_err().to_string();
        expect![[r#""a..b" is not a path of fields: a part between dots is empty"#]]
            .assert_eq(&error("a..b"));
        expect![[r#""" is not a path of fields: a part between dots is empty"#]].assert_eq(&error(""));
        expect![[r#""a\0" is not a path of fields: it has control characters"#]].assert_eq(&error("a\0"));
        // So deep a tree could not be dropped.
        let deep = "a.".repeat(500_000) + "a";
        expect![[r#""a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.… (1000001 bytes)" is longer than a path of fields can be"#]]
            .assert_eq(&error(&deep));
        assert!(FieldMasks::parse(&vec!["a".to_owned(); 129]).is_err());
    }

    fn path() -> impl Strategy<Value = String> {
        prop::collection::vec(prop::sample::select(vec!["a", "b", "c"]), 1..4)
            .prop_map(|fields| fields.join("."))
    }

    fn object(depth: u32) -> impl Strategy<Value = Value> {
        Just(json!("leaf")).prop_recursive(depth, 40, 3, |inner| {
            prop_oneof![
                prop::collection::btree_map(prop::sample::select(vec!["a", "b", "c"]), inner.clone(), 1..4)
                    .prop_map(|members| json!(members)),
                prop::collection::vec(inner, 1..3).prop_map(Value::from),
            ]
        })
    }

    proptest! {
        #[test]
        fn what_both_name_is_what_one_leaves_of_the_other(
            asked in prop::collection::vec(path(), 0..5),
            granted in prop::collection::vec(path(), 0..5),
            object in object(4),
        ) {
            let (asked, granted) = (FieldMasks::parse(&asked).unwrap(), FieldMasks::parse(&granted).unwrap());
            let leaves = |value: &Value| {
                let mut found = Vec::new();
                add_leaves(value, "", &mut found);
                found
            };
            let both = asked.within(&granted).prune(object.clone());
            prop_assert_eq!(leaves(&both), leaves(&granted.prune(asked.prune(object.clone()))));
            let all = leaves(&granted.prune(object));
            prop_assert!(leaves(&both).iter().all(|leaf| all.contains(leaf)));
        }
    }

    fn add_leaves(value: &Value, path: &str, found: &mut Vec<String>) {
        match value {
            Value::Object(members) => {
                members.iter().for_each(|(name, value)| add_leaves(value, &format!("{path}.{name}"), found));
            }
            Value::Array(items) => items.iter().enumerate().for_each(|(at, item)| {
                add_leaves(item, &format!("{path}[{at}]"), found);
            }),
            Value::Null => {}
            _ => found.push(path.to_owned()),
        }
    }
}
