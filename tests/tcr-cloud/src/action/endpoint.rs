//! DescribeInternalEndpoints and DescribeInternalEndpointDnsStatus: the private way in.

use serde_json::{Value, json};

use super::definition::Action;
use crate::{
    envelope::{ApiError, Outcome, fields},
    parameter::{Field, Kind, Parameters, optional, required},
    region,
    world::{Caller, World},
};

pub(super) static DESCRIBE: Action = Action {
    name: "DescribeInternalEndpoints",
    per_second: 20,
    form: &[required("RegistryId", Kind::String)],
    run: describe,
};

const VPC: &[Field] = &[
    required("InstanceId", Kind::String),
    required("VpcId", Kind::String),
    required("EniLBIp", Kind::String),
    optional("UsePublicDomain", Kind::Bool),
    optional("RegionName", Kind::String),
];

pub(super) static DNS_STATUS: Action = Action {
    name: "DescribeInternalEndpointDnsStatus",
    per_second: 20,
    form: &[required("VpcSet", Kind::Objects(VPC))],
    run: dns_status,
};

/// An unknown instance is an internal error here and not a not-found, as the real API has it.
fn describe(world: &mut World, caller: &Caller, parameters: &Parameters) -> Outcome {
    let id = parameters.text("RegistryId");
    let Ok(instance) = world.instance(id, caller) else {
        return Err(ApiError::new("InternalError", "An internal error has occurred."));
    };
    let seen = world.polls.get(id).copied().unwrap_or(0);
    let links: Option<Vec<Value>> = instance.links.as_ref().map(|links| {
        links
            .iter()
            .map(|link| {
                let ready = seen >= link.pending_polls;
                json!({
                    "VpcId": link.vpc_id,
                    "SubnetId": link.subnet_id,
                    "Status": if ready { &link.status } else { &link.pending_status },
                    "AccessIp": if ready { &link.access_ip } else { "" },
                })
            })
            .collect()
    });
    world.polls.insert(id.to_owned(), seen.saturating_add(1));
    Ok(fields(json!({"TotalCount": links.as_ref().map_or(0, Vec::len), "AccessVpcSet": links})))
}

/// The answer does not tell which kind of domain it is about, as the real one does not: one kind per
/// call is the only way to know. A VPC where nothing was set up is `DISABLED`. `RegionName` is the VPC's region, by default
/// the instance's; in another one there is no such VPC.
fn dns_status(world: &mut World, caller: &Caller, parameters: &Parameters) -> Outcome {
    let set = parameters
        .objects("VpcSet")
        .map(|vpc| {
            let instance = world.instance(vpc.text("InstanceId"), caller)?;
            let public = vpc.bool("UsePublicDomain").unwrap_or(false);
            let status = instance
                .private_dns
                .iter()
                .find(|dns| dns.vpc_id == vpc.text("VpcId") && dns.use_public_domain == public)
                .map_or("DISABLED", |dns| &dns.status);
            let region_name = vpc.string("RegionName").unwrap_or(&instance.region);
            let link = instance.links.iter().flatten().find(|link| link.vpc_id == vpc.text("VpcId"));
            let is = link.and_then(|link| link.region.as_ref()).unwrap_or(&instance.region);
            if region::find(region_name).is_none() || (link.is_some() && region_name != is) {
                let message = format!("The VPC `{}` is not found in `{region_name}`.", vpc.text("VpcId"));
                return Err(ApiError::invalid_parameter(message));
            }
            Ok(json!({"Region": region_name, "VpcId": vpc.text("VpcId"), "Status": status}))
        })
        .collect::<Result<Vec<Value>, ApiError>>()?;
    Ok(fields(json!({"VpcSet": set})))
}
