//! DescribeInstances and DescribeInstanceStatus.

use serde_json::{Value, json};

use super::definition::Action;
use crate::{
    clock::beijing,
    envelope::{ApiError, Outcome, fields},
    instance::Instance,
    parameter::{Field, Kind, Parameters, optional, required},
    region,
    world::{Caller, World},
};

const FILTER: &[Field] = &[required("Name", Kind::String), required("Values", Kind::Strings)];

pub(super) static DESCRIBE: Action = Action {
    name: "DescribeInstances",
    per_second: 100,
    form: &[
        optional("Registryids", Kind::Strings), // sic: the other actions write `RegistryIds`
        optional("Offset", Kind::Integer),
        optional("Limit", Kind::Integer),
        optional("Filters", Kind::Objects(FILTER)),
        optional("AllRegion", Kind::Bool),
    ],
    run: describe,
};

/// Its limit is not documented; most actions have 20.
pub(super) static STATUS: Action = Action {
    name: "DescribeInstanceStatus",
    per_second: 20,
    form: &[required("RegistryIds", Kind::Strings)],
    run: status,
};

/// Instances that are not there are left out: the documented errors have no not-found.
fn describe(world: &mut World, caller: &Caller, parameters: &Parameters) -> Outcome {
    let limit = parameters.count("Limit", 20)?;
    if limit > 100 {
        return Err(ApiError::invalid_parameter(format!(
            "The value `{limit}` of parameter `Limit` exceeds 100."
        )));
    }
    let ids = parameters.strings("Registryids");
    let all_regions = parameters.bool("AllRegion").unwrap_or(false);
    let filters: Vec<Parameters> = parameters.objects("Filters").collect();
    if let Some(filter) = filters.iter().find(|filter| filter.text("Name") != "Tags") {
        return Err(ApiError::invalid_parameter(format!(
            "The filter `{}` is not supported: `Tags` is.",
            filter.text("Name")
        )));
    }
    let found: Vec<&Instance> = world
        .instances
        .iter()
        .filter(|instance| all_regions || instance.region == caller.region)
        .filter(|instance| caller.owns(instance))
        .filter(|instance| ids.is_empty() || ids.contains(&instance.id.as_str()))
        .filter(|instance| filters.iter().all(|filter| has_a_tag_of(instance, &filter.strings("Values"))))
        .collect();
    let page: Vec<Value> = found
        .iter()
        .skip(parameters.count("Offset", 0)?)
        .take(limit)
        .map(|instance| entry(instance))
        .collect();
    Ok(fields(json!({"TotalCount": found.len(), "Registries": page})))
}

fn has_a_tag_of(instance: &Instance, values: &[&str]) -> bool {
    instance.tags.iter().any(|tag| values.contains(&format!("{}:{}", tag.key, tag.value).as_str()))
}

fn entry(instance: &Instance) -> Value {
    let link = instance.links.iter().flatten().next();
    let tags: Vec<Value> =
        instance.tags.iter().map(|tag| json!({"Key": tag.key, "Value": tag.value})).collect();
    json!({
        "RegistryId": instance.id,
        "RegistryName": instance.name,
        "RegistryType": instance.edition,
        "Status": instance.status,
        "PublicDomain": instance.domain(),
        "CreatedAt": beijing(instance.created_at),
        "RegionName": instance.region,
        "RegionId": region::find(&instance.region).map_or(0, |region| region.id),
        "EnableAnonymous": false,
        "TokenValidTime": instance.token_valid_hours,
        "InternalEndpoint": link.map_or("", |link| &link.access_ip),
        "TagSpecification": {"ResourceType": "instance", "Tags": tags},
        "ExpiredAt": "",
        "PayMod": 0,
        "RenewFlag": 0,
        "DeletionProtection": false,
        "AIFeature": null,
        "EnableCosMAZ": false,
        "EnableCosVersioning": false,
    })
}

fn status(world: &mut World, caller: &Caller, parameters: &Parameters) -> Outcome {
    let set = parameters
        .strings("RegistryIds")
        .into_iter()
        .map(|id| {
            let instance = world.instance(id, caller)?;
            Ok(json!({"RegistryId": id, "Status": instance.status, "Conditions": []}))
        })
        .collect::<Result<Vec<Value>, ApiError>>()?;
    Ok(fields(json!({"RegistryStatusSet": set})))
}
