//! DescribeNamespaces.

use serde_json::{Value, json};

use super::definition::Action;
use crate::{
    clock::beijing,
    envelope::{ApiError, Outcome, fields},
    parameter::{Field, Kind, Parameters, optional, required},
    world::{Caller, World},
};

const FILTER: &[Field] = &[required("Name", Kind::String), required("Values", Kind::Strings)];

pub(super) static DESCRIBE: Action = Action {
    name: "DescribeNamespaces",
    per_second: 100,
    form: &[
        required("RegistryId", Kind::String),
        optional("NamespaceName", Kind::String),
        optional("Limit", Kind::Integer),
        optional("Offset", Kind::Integer),
        optional("All", Kind::Bool),
        optional("Filters", Kind::Objects(FILTER)),
        optional("KmsSignPolicy", Kind::Bool),
    ],
    run: describe,
};

/// `Offset` is the number of a page; which one is the first is not documented: here it is 1, and 0 means the same.
/// Whether `NamespaceName` is the whole name is not documented either: here a part of it will do, so that a client that
/// does not compare is found out.
fn describe(world: &mut World, caller: &Caller, parameters: &Parameters) -> Outcome {
    let instance = world.running_instance(parameters.text("RegistryId"), caller)?;
    let limit = parameters.count("Limit", 20)?;
    if limit > 100 {
        return Err(ApiError::invalid_parameter(format!(
            "The value `{limit}` of parameter `Limit` exceeds 100."
        )));
    }
    let page = parameters.count("Offset", 1)?.max(1) - 1;
    let part = parameters.string("NamespaceName").unwrap_or_default();
    let found: Vec<&String> = instance.namespaces.iter().filter(|name| name.contains(part)).collect();
    let (skipped, taken) = match parameters.bool("All") {
        Some(true) => (0, usize::MAX),
        _ => (page.saturating_mul(limit), limit),
    };
    let created_at = beijing(instance.created_at);
    let shown = |(id, name): (usize, &&String)| {
        json!({
            "Name": name,
            "CreationTime": created_at,
            "Public": false,
            "NamespaceId": id + 1,
            "TagSpecification": {"ResourceType": "namespace", "Tags": []},
            "Metadata": [],
            "CVEWhitelistItems": [],
            "AutoScan": false,
            "PreventVUL": false,
            "Severity": "",
        })
    };
    let list: Vec<Value> = found.iter().enumerate().skip(skipped).take(taken).map(shown).collect();
    Ok(fields(json!({"TotalCount": found.len(), "NamespaceList": list})))
}
