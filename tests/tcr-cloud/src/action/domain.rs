//! DescribeInstanceCustomizedDomain.

use serde_json::{Value, json};

use super::definition::Action;
use crate::{
    envelope::{Outcome, fields},
    parameter::{Kind, Parameters, optional, required},
    world::{Caller, World},
};

pub(super) static DESCRIBE: Action = Action {
    name: "DescribeInstanceCustomizedDomain",
    per_second: 20,
    form: &[
        required("RegistryId", Kind::String),
        optional("Limit", Kind::Integer),
        optional("Offset", Kind::Integer),
    ],
    run: describe,
};

fn describe(world: &mut World, caller: &Caller, parameters: &Parameters) -> Outcome {
    let instance = world.instance(parameters.text("RegistryId"), caller)?;
    let page: Vec<Value> = instance
        .custom_domains
        .iter()
        .skip(parameters.count("Offset", 0)?)
        .take(parameters.count("Limit", 20)?)
        .map(|domain| {
            json!({
                "RegistryId": instance.id,
                "CertId": domain.cert_id,
                "DomainName": domain.name,
                "Status": domain.status,
            })
        })
        .collect();
    Ok(fields(json!({"DomainInfoList": page, "TotalCount": instance.custom_domains.len()})))
}
