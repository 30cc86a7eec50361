//! A cluster that is a list of objects: what a case says that the policy can read.

use serde_json::{Value, json};

use crate::{Get, HostCall, HostCapabilities, List, Question};

/// Answers `kubernetes/get_resource` and the two lists from objects, as an API server that has just
/// these would.
#[derive(Debug, Clone, Default)]
pub struct Objects(Vec<Value>);

impl Objects {
    /// A cluster of these objects.
    pub fn new(objects: Vec<Value>) -> Self {
        Self(objects)
    }

    fn of_kind<'s>(&'s self, api_version: &'s str, kind: &'s str) -> impl Iterator<Item = &'s Value> {
        self.0.iter().filter(move |object| object["apiVersion"] == api_version && object["kind"] == kind)
    }

    fn get(&self, get: &Get) -> Result<Value, String> {
        let Get { api_version, kind, name, namespace, field_masks, .. } = get;
        let found = self.of_kind(api_version, kind).find(|object| {
            object["metadata"]["name"] == *name
                && object["metadata"]["namespace"].as_str() == namespace.as_deref()
        });
        let place = namespace.as_ref().map(|it| format!(" inside of namespace '{it}'")).unwrap_or_default();
        let found = found.ok_or_else(|| format!("Cannot find {api_version}/{kind} named '{name}'{place}"))?;
        Ok(field_masks.prune(found.clone()))
    }

    fn list(&self, list: &List) -> Result<Value, String> {
        let List { api_version, kind, namespace, label_selector, field_selector, field_masks } = list;
        if label_selector.is_some() || field_selector.is_some() {
            return Err("selectors are not answered from a list of objects".to_owned());
        }
        let items: Vec<Value> = self
            .of_kind(api_version, kind)
            .filter(|object| {
                namespace.is_none() || object["metadata"]["namespace"].as_str() == namespace.as_deref()
            })
            .map(|object| field_masks.prune(object.clone()))
            .collect();
        Ok(json!({"apiVersion": "v1", "kind": format!("{kind}List"), "metadata": {}, "items": items}))
    }
}

impl HostCapabilities for Objects {
    fn call(&self, call: &HostCall<'_>) -> Result<Vec<u8>, String> {
        let answer = match &call.question {
            Question::Get(get) => self.get(get),
            Question::List(list) => self.list(list),
            _ => {
                let HostCall { namespace, operation, .. } = call;
                Err(format!("{namespace}/{operation} cannot be answered from a list of objects"))
            }
        };
        Ok(answer?.to_string().into_bytes())
    }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;

    fn ask(operation: &str, payload: &Value) -> Result<Value, String> {
        let objects = Objects::new(vec![
            json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "a", "namespace": "x"}, "data": {"k": "v"}}),
            json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "b", "namespace": "y"}}),
            json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "x"}}),
        ]);
        let payload = payload.to_string();
        let question = Question::read("kubernetes", operation, payload.as_bytes())?;
        let call = HostCall { namespace: "kubernetes", operation, question, deadline: Instant::now() };
        objects.call(&call).map(|bytes| serde_json::from_slice(&bytes).unwrap())
    }

    #[test]
    fn finds_one_by_kind_namespace_and_name() {
        let secret = |name: &str, namespace: Value| json!({"api_version": "v1", "kind": "Secret", "name": name, "namespace": namespace, "field_masks": ["metadata.name"]});
        assert_eq!(ask("get_resource", &secret("a", "x".into())), Ok(json!({"metadata": {"name": "a"}})));
        assert_eq!(
            ask("get_resource", &secret("a", "y".into())),
            Err("Cannot find v1/Secret named 'a' inside of namespace 'y'".to_owned())
        );
        let namespace = json!({"api_version": "v1", "kind": "Namespace", "name": "x", "namespace": null});
        assert_eq!(ask("get_resource", &namespace).unwrap()["metadata"]["name"], "x");
    }

    #[test]
    fn lists_all_or_those_of_a_namespace() {
        let names = |operation, namespace: Value| {
            let payload = json!({"api_version": "v1", "kind": "Secret", "namespace": namespace});
            let list = ask(operation, &payload).unwrap();
            let items = list["items"].as_array().cloned().unwrap_or_default();
            items.iter().map(|item| item["metadata"]["name"].to_string()).collect::<Vec<_>>().concat()
        };
        assert_eq!(names("list_resources_all", Value::Null), r#""a""b""#);
        assert_eq!(names("list_resources_by_namespace", "y".into()), r#""b""#);
        assert!(ask("can_i", &json!({})).is_err());
    }
}
