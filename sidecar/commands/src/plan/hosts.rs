//! The changes of the nodes' hosts files, by [`private_link`]. Pure.

use std::collections::{BTreeMap, BTreeSet};

use tcr::hosts_entry::{HostsEntry, HostsList};
use tcr::image_pull_secret::{Destination, Tcr};
use tcr::registry_host::RegistryHost;

use super::known::Known;
use super::report::{HostsChange, HostsPlan, Note};
use crate::reader::Seen;
use credential_plan::domains;
use custom_resource::condition::{ConditionReason, ConditionType};
use private_link::networks::{self, Network, NodeVpcs};
use private_link::{Fact, Resolved, running_first};
use reconcile::object::Object;

/// The changes, and why the list cannot be written.
pub(super) fn hosts(
    known: &Known,
    public_domains: &BTreeMap<String, RegistryHost>,
) -> (HostsPlan, Option<Note>) {
    let nothing = HostsPlan::default();
    let Seen::Known(Some(before)) = &known.entries else { return (nothing, None) };
    // Only the controller knows of VPCs that agents reported later.
    let of_nodes = NodeVpcs::default().with(before);
    let mut pending = Vec::new();
    let mut resolved = Vec::new();
    // With an invalid spec nodes keep their entries.
    let mut kept = BTreeSet::new();
    for object in known.after.iter().filter(|object| !object.deleting) {
        if let (Err(_), Some(link)) = (&object.spec, &object.status.private_link) {
            kept.extend(&link.hosts);
            resolved.push(Resolved::unknown());
        }
        let Some(tcr) = object.spec.as_ref().ok().and_then(|spec| spec.tcr.as_ref()) else { continue };
        if !tcr.private_network.resolve {
            continue;
        }
        let mut of_networks = Vec::new();
        for network in networks::of(tcr, &of_nodes) {
            let before = network.before(before);
            let link = resolve(known, object, &network, (&of_nodes, &before), public_domains);
            pending.extend(awaited(object, &network, &link, &before).filter(|_| !network.is_found));
            of_networks.push(link);
        }
        running_first(&mut of_networks);
        resolved.append(&mut of_networks);
    }
    let of_administrator =
        || before.iter().filter(|entry| entry.when_link_down().is_none()).cloned().collect();
    let own: Vec<HostsEntry> = known.settings.static_hosts.clone().unwrap_or_else(of_administrator);
    let is_whose_known = |entry: &HostsEntry| !kept.iter().any(|host| *host == entry.domain());
    let list = private_link::entries(&own, &resolved, before, is_whose_known);
    let list = list.map_err(|error| error.to_string());
    let list = list.and_then(|list| HostsList::new(list).map_err(|error| error.to_string()));
    match list {
        Ok(list) => {
            let entries = changes(before, list.entries());
            let is_about_nodes = !entries.is_empty() || !pending.is_empty();
            let nodes = |names: &Vec<String>| if is_about_nodes { names.clone() } else { Vec::new() };
            let (nodes, nodes_without) = (nodes(&known.nodes), nodes(&known.nodes_without));
            (HostsPlan { entries, pending, nodes, nodes_without }, None)
        }
        Err(error) => (nothing, Some(Note::new("hosts entries", format!("cannot be written: {error}")))),
    }
}

/// The known state of a network's link, from the nodes' entries, which the controller wrote after asking
/// Tencent Cloud.
fn resolve(
    known: &Known,
    object: &Object,
    Network { vpc_id, tcr, .. }: &Network,
    (of_nodes, before): (&BTreeSet<String>, &[HostsEntry]),
    public_domains: &BTreeMap<String, RegistryHost>,
) -> Resolved {
    let of = |hosts, fact| Resolved {
        vpc_id: vpc_id.clone(),
        hosts,
        fact,
        when_down: tcr.private_network.when_link_down,
    };
    let public = public_domain(object, public_domains);
    let hosts = public.and_then(|public| {
        domains::hosts(&tcr.private_network.domains, &public, &known.settings.allowed_roots).ok()
    });
    let Some(hosts) = hosts else { return of(Vec::new(), Fact::Unknown) };
    let hosts: Vec<RegistryHost> = hosts.into_iter().collect();
    if let Some(Destination::Address(address)) = tcr.private_network.destination() {
        return of(hosts, Fact::Up(address));
    }
    let old = known.before(&object.name).and_then(|object| object.spec.as_ref().ok()?.tcr.as_ref());
    let same_link = old.into_iter().flat_map(|old| networks::of(old, of_nodes)).find(|old| {
        let (was, is) = (&old.tcr.private_network, &tcr.private_network);
        (&old.tcr.instance_id, &old.tcr.region) == (&tcr.instance_id, &tcr.region)
            && was.resolve
            && (&old.vpc_id, &was.vpc_id, &was.address) == (vpc_id, &is.vpc_id, &is.address)
    });
    let Some(old) = same_link else { return of(hosts, Fact::Unknown) };
    let fact = match told(object, vpc_id.as_deref()) {
        Some((_, reason)) if reason == ConditionReason::NoLink.as_str() => Fact::Down(None),
        Some((true, _)) => {
            told_address(object, &old.tcr, before, public_domains).map_or(Fact::Unknown, Fact::Up)
        }
        _ => Fact::Unknown,
    };
    of(hosts, fact)
}

fn told_address(
    object: &Object,
    old: &Tcr,
    before: &[HostsEntry],
    public_domains: &BTreeMap<String, RegistryHost>,
) -> Option<std::net::IpAddr> {
    let public = public_domain(object, public_domains)?;
    let is_of = |entry: &&HostsEntry| {
        let domains = old.private_network.domains.iter().map(|domain| match domain.as_str() {
            "default" => Some(public.clone()),
            "vpc" => public.vpc(),
            custom => custom.parse().ok(),
        });
        entry.when_link_down().is_some() && domains.flatten().any(|host| host.name() == entry.domain())
    };
    before.iter().find(is_of).map(HostsEntry::ip)
}

/// The instance's default domain: from its credential, else from the hosts in the status.
fn public_domain(object: &Object, public_domains: &BTreeMap<String, RegistryHost>) -> Option<RegistryHost> {
    if let Some(public) = public_domains.get(&object.name) {
        return Some(public.clone());
    }
    let tcr = object.spec.as_ref().ok().and_then(|spec| spec.tcr.as_ref());
    let named = tcr.into_iter().flat_map(|tcr| tcr.domains.iter().chain(&tcr.private_network.domains));
    let custom: Vec<RegistryHost> = named.filter_map(|domain| domain.parse().ok()).collect();
    // Without a credential, from the link's own hosts.
    let of_link = object.status.private_link.iter().flat_map(|link| &link.hosts);
    let hosts =
        object.status.hosts.iter().chain(of_link).filter_map(|host| host.parse::<RegistryHost>().ok());
    let mut standard = hosts.filter(|host| !custom.contains(host));
    let first = standard.next()?;
    // The domain for VPCs that belongs to the one that is looked for.
    let twin_of = first.as_str().replacen("-vpc.", ".", 1).parse::<RegistryHost>().ok();
    twin_of.filter(|public| public.vpc().as_ref() == Some(&first)).or(Some(first))
}

/// The controller's last state of the link, and its reason. `vpc_id` is that of one of several.
fn told<'a>(object: &'a Object, vpc_id: Option<&str>) -> Option<(bool, &'a str)> {
    if let Some(vpc_id) = vpc_id {
        let link = object.status.private_link.as_ref()?.links.iter().find(|link| link.vpc_id == vpc_id)?;
        return Some((link.address.is_some(), &link.reason));
    }
    let conditions = &object.status.conditions;
    let found = conditions.iter().find(|it| it.type_ == ConditionType::PrivateLink.as_str())?;
    Some((found.status == "True", found.reason.as_str()))
}

/// Domains that would be resolved once Tencent Cloud was asked.
fn awaited(object: &Object, network: &Network, link: &Resolved, before: &[HostsEntry]) -> Option<Note> {
    let tcr = &network.tcr;
    if link.fact != Fact::Unknown {
        return None;
    }
    let is_told = |host: &RegistryHost| before.iter().any(|entry| entry.domain() == host.name());
    if !link.hosts.is_empty() && link.hosts.iter().all(is_told) {
        return None;
    }
    let domains = match link.hosts.is_empty() {
        true => tcr.private_network.domains.join(", "),
        false => link.hosts.iter().map(|host| host.name()).collect::<Vec<_>>().join(", "),
    };
    let nodes = network.vpc_id.as_ref().map_or(String::new(), |vpc_id| format!(" on nodes in {vpc_id}"));
    let message = format!(
        "{domains} of {} would resolve to its private link{nodes}, whose address only the controller can ask for",
        tcr.instance_id
    );
    Some(Note::new(&object.name, message))
}

fn changes(before: &[HostsEntry], after: &[HostsEntry]) -> Vec<HostsChange> {
    type Line = (String, String, Option<String>);
    let lines = |list: &[HostsEntry]| -> BTreeSet<Line> {
        let enabled = list.iter().filter(|entry| !entry.disabled());
        let line =
            |it: &HostsEntry| (it.domain().to_owned(), it.ip().to_string(), it.vpc_id().map(str::to_owned));
        enabled.map(line).collect()
    };
    let (before, after) = (lines(before), lines(after));
    let change = |added: bool, (domain, ip, vpc_id): &Line| HostsChange {
        added,
        domain: domain.clone(),
        ip: ip.clone(),
        vpc_id: vpc_id.clone(),
    };
    let gone = before.difference(&after).map(|line| change(false, line));
    gone.chain(after.difference(&before).map(|line| change(true, line))).collect()
}
