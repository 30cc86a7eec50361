//! Rules of `spec.tcr`, the instance whose credential is obtained.

use core::time::Duration;
use std::net::IpAddr;

use super::{Findings, HostKind, RuleContext, check_host, crosses_regions, service_account};
use crate::address::{self, AddressProblem};
use crate::go_duration;
use crate::hosts_entry::address_problem;
use crate::image_pull_secret::{
    CredentialKind, CredentialSpec, MAX_DOMAINS, MAX_VPCS, OnDelete, PrivateNetwork, STANDARD_DOMAINS, Tcr,
};
use crate::quoted::{quoted, without_user_information};
use crate::region::{is_region, region_of_zone};
use crate::registry_host::RegistryHost;
use crate::resource_id::{is_instance_id, is_vpc_id};

/// Renewing more often only fills the instance's list of credentials.
const SHORTEST_ROTATION: Duration = Duration::from_secs(3600);
/// How long TCR's long-term credentials last: 3650 days, as their expiry says.
const LONGTERM_LIFE: Duration = Duration::from_secs(3650 * 24 * 3600);

pub(super) fn check(tcr: &Tcr, context: &RuleContext, findings: &mut Findings) {
    let id = tcr.instance_id.as_str();
    check_id("spec.tcr.instanceId", "tcr-", "an instance id", is_instance_id(id), id, findings);
    check_region(&tcr.region, context, findings);
    if let Some(arn) = &tcr.role_arn {
        check_role(arn, tcr.credential.kind, context, findings);
    }
    check_credential(&tcr.credential, context, findings);
    check_domains("spec.tcr.domains", &tcr.domains, HostKind::Registry, context, findings);
    if !tcr.aliases.is_empty() {
        check_domains("spec.tcr.aliases", &tcr.aliases, HostKind::Alias, context, findings);
        let message = match tcr.has_credential() {
            true => {
                "the instance's credential is sent to them too, and who runs one can pull with it; name none that you \
                 would not give a password"
            }
            false => "has no effect: type is none",
        };
        findings.warning("spec.tcr.aliases", message);
    }
    check_private_network(&tcr.private_network, context, findings);
    if !tcr.has_credential() && !tcr.private_network.resolve {
        findings.warning(
            "spec.tcr.credential.type",
            "is none, and privateNetwork.resolve is false: this only tells the state of the private link",
        );
    }
}

fn check_id(field: &str, prefix: &str, kind: &str, is_legal: bool, id: &str, findings: &mut Findings) {
    if id.is_empty() {
        findings.error(field, format!("is empty; set {kind} such as {prefix}dg284imq"));
    } else if !is_legal {
        let message = format!(
            "{} is not {kind}: {prefix} and lower-case letters or digits, such as {prefix}dg284imq",
            quoted(id)
        );
        findings.error(field, message);
    }
}

fn check_region(region: &str, context: &RuleContext, findings: &mut Findings) {
    let field = "spec.tcr.region";
    if region.is_empty() {
        findings.error(field, "is empty; set the instance's region, such as ap-guangzhou");
    } else if let Some(of_zone) = region_of_zone(region) {
        let message = format!("{} is an availability zone; its region is {of_zone}", quoted(region));
        findings.error(field, message);
    } else if !is_region(region) {
        let message = format!("{} is not a region such as ap-guangzhou or ap-shanghai-fsi", quoted(region));
        findings.error(field, message);
    } else if let Some(message) = context.cluster_region.and_then(|cluster| crosses_regions(region, cluster))
    {
        findings.warning(field, message);
    }
}

fn check_role(arn: &String, kind: CredentialKind, context: &RuleContext, findings: &mut Findings) {
    let field = "spec.tcr.roleArn";
    if !context.allowed_roles.contains(arn) {
        findings.error(field, format!("{} is no allowed role (allowedRoles)", quoted(arn)));
    }
    // What becomes of a credential that a role made is not known.
    if kind == CredentialKind::Longterm {
        findings.error(
            field,
            "is not for longterm credentials; set spec.tcr.credential.type to serviceAccount or temp",
        );
    }
}

fn check_credential(credential: &CredentialSpec, context: &RuleContext, findings: &mut Findings) {
    let described = credential.description.as_ref().is_some_and(|text| !text.trim().is_empty());
    service_account::check(credential, findings);
    let needs_description = credential.kind.is_listed() && context.description_required;
    if !described && needs_description && context.cluster_id.is_none() {
        findings.error(
            "spec.tcr.credential.description",
            "is not set, and the default needs the cluster's id, which is unknown; set a description, or \
             the chart's global.cluster.id",
        );
    }
    let why = match credential.kind {
        CredentialKind::Longterm => {
            if let Some(text) = &credential.rotate_after {
                check_rotation(text, findings);
            }
            return;
        }
        CredentialKind::ServiceAccount => return,
        CredentialKind::Temp => WithoutEffect {
            rotate_after: "a temp one is renewed at half its life; leave it out, or set type to longterm",
            description: "TCR keeps none for a temp credential",
            on_delete: "a temp credential cannot be revoked and expires within the hour",
        },
        CredentialKind::None => WithoutEffect {
            rotate_after: "and type is none; leave it out",
            description: "type is none",
            on_delete: "type is none. What becomes of a credential that was made before, onDelete says while type is \
                        another one",
        },
    };
    if let Some(text) = &credential.rotate_after {
        let message = format!("{} is for longterm credentials only, {}", quoted(text), why.rotate_after);
        findings.error("spec.tcr.credential.rotateAfter", message);
    }
    if described {
        let message = format!("has no effect: {}", why.description);
        findings.warning("spec.tcr.credential.description", message);
    }
    if credential.on_delete() == OnDelete::Revoke {
        let message = format!("Revoke has no effect: {}", why.on_delete);
        findings.warning("spec.tcr.credential.onDelete", message);
    }
}

/// Why each of these fields has no effect on a kind of credential.
struct WithoutEffect {
    rotate_after: &'static str,
    description: &'static str,
    on_delete: &'static str,
}

fn check_rotation(text: &str, findings: &mut Findings) {
    let field = "spec.tcr.credential.rotateAfter";
    match go_duration::parse(text) {
        Err(error) => findings.error(field, error.to_string()),
        Ok(after) if after < SHORTEST_ROTATION => {
            findings.error(field, format!("{} is too short; the shortest is 1h", quoted(text)));
        }
        Ok(after) if after >= LONGTERM_LIFE => {
            let message = format!("{} is not shorter than the credential's own life of 87600h", quoted(text));
            findings.warning(field, message);
        }
        Ok(_) => {}
    }
}

fn check_private_network(network: &PrivateNetwork, context: &RuleContext, findings: &mut Findings) {
    let field = "spec.tcr.privateNetwork";
    if network.resolve {
        findings.warning(
            format!("{field}.resolve"),
            "while true, the domains lead to the private address on every node and cannot be reached publicly from there",
        );
    }
    if let Some(id) = &network.vpc_id {
        check_id(&format!("{field}.vpcId"), "vpc-", "a VPC's id", is_vpc_id(id), id, findings);
    }
    check_vpc_ids(network, findings);
    check_destination(network, findings);
    check_domains(&format!("{field}.domains"), &network.domains, HostKind::HostsEntry, context, findings);
}

fn check_vpc_ids(PrivateNetwork { vpc_id, vpc_ids, .. }: &PrivateNetwork, findings: &mut Findings) {
    let field = "spec.tcr.privateNetwork.vpcIds";
    if vpc_id.is_some() && !vpc_ids.is_empty() {
        findings.error(field, "is set together with vpcId; name all VPCs here, and leave vpcId out");
    }
    if vpc_ids.len() > MAX_VPCS {
        findings.error(field, format!("has {} VPCs, and at most {MAX_VPCS} are allowed", vpc_ids.len()));
        return;
    }
    for (index, id) in vpc_ids.iter().enumerate() {
        let item = format!("{field}[{index}]");
        if vpc_ids[..index].contains(id) {
            findings.error(item, format!("{} is there twice; keep one", quoted(id)));
        } else {
            check_id(&item, "vpc-", "a VPC's id", is_vpc_id(id), id, findings);
        }
    }
}

fn check_destination(network: &PrivateNetwork, findings: &mut Findings) {
    let Some(destination) = &network.address else { return };
    let field = "spec.tcr.privateNetwork.address";
    if network.vpc_id.is_some() {
        findings.error(
            field,
            "is set together with vpcId, whose link it takes the place of; name the nodes' VPCs in vpcIds, or none",
        );
    }
    if let Some(problem) = destination_problem(destination) {
        findings.error(field, format!("{} {problem}", quoted(destination)));
    }
    if !network.resolve {
        findings.warning(field, "has no effect while resolve is false");
    }
}

/// Why no private link is there; none where one may be.
fn destination_problem(text: &str) -> Option<String> {
    if is_vpc_id(text) {
        return None;
    }
    let Ok(address) = text.parse::<IpAddr>() else {
        return Some(format!("{}, nor a VPC's id such as vpc-dg284imq", AddressProblem::NotLiteral));
    };
    match address_problem(address) {
        Some(problem) => Some(problem.to_string()),
        None if address::is_private(address) => None,
        None => Some(
            "is a public address; a private link has one of RFC 1918, 100.64.0.0/10 or fc00::/7".to_owned(),
        ),
    }
}

/// `default`, `vpc` (but for aliases), or a host under an allowed root, each once.
fn check_domains(
    field: &str,
    domains: &[String],
    kind: HostKind,
    context: &RuleContext,
    findings: &mut Findings,
) {
    if domains.is_empty() {
        findings.error(field, "is empty; name a domain, or leave the field out for default and vpc");
    }
    if domains.len() > MAX_DOMAINS {
        findings
            .error(field, format!("has {} domains, and at most {MAX_DOMAINS} are allowed", domains.len()));
        return;
    }
    for (index, domain) in domains.iter().enumerate() {
        let item = format!("{field}[{index}]");
        if domains[..index].iter().any(|earlier| earlier.eq_ignore_ascii_case(domain)) {
            findings.error(
                item,
                format!("{} is there twice; keep one", quoted(&without_user_information(domain))),
            );
        } else if kind == HostKind::Alias || !STANDARD_DOMAINS.contains(&domain.as_str()) {
            check_host(&item, domain, kind, context, findings);
            let has_port = domain.parse::<RegistryHost>().is_ok_and(|host| host.port().is_some());
            if kind == HostKind::HostsEntry && has_port {
                let message =
                    format!("{} has a port, and name resolution knows none; leave it out", quoted(domain));
                findings.error(item, message);
            }
        }
    }
}
