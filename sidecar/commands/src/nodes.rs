//! `tcr-assistant nodes`: the entries as configuration for nodes with an immutable hosts file. `config`
//! prints it, without a client. Nothing is applied.

pub mod config;

use std::collections::BTreeSet;
use std::io::Write;

use anyhow::{Context as _, Result, bail};
use k8s_openapi::api::core::v1::ConfigMap;
use kube::Api;
use tcr::hosts_entry::{HOSTS_KEY, HostsList};
use tcr::names::{SYSTEM_NAMESPACE, UPDATER_CONFIG};

use crate::reader::{Reader, Right};
use config::Config;

/// Prints to `out` the configuration of nodes in `vpc_id`, from the list that nodes have now.
///
/// # Errors
/// The list cannot be read, has no entries for these nodes, or is per VPC and none is given.
pub async fn run(reader: &Reader, config: Config, vpc_id: Option<&str>, out: &mut dyn Write) -> Result<()> {
    let maps: Api<ConfigMap> = Api::namespaced(reader.client.clone(), SYSTEM_NAMESPACE);
    let right = Right::get("configmaps", SYSTEM_NAMESPACE);
    let what = format!("the ConfigMap {SYSTEM_NAMESPACE}/{UPDATER_CONFIG}");
    let map = reader.object(&maps, UPDATER_CONFIG, right).await.required(&what)?;
    let text = map.and_then(|map| map.data).and_then(|mut data| data.remove(HOSTS_KEY));
    let list: HostsList = match text {
        Some(text) => {
            serde_saphyr::from_str(&text).with_context(|| format!("cannot use {HOSTS_KEY} of {what}"))?
        }
        None => HostsList::default(),
    };
    let text = text_for(&list, config, vpc_id)?;
    out.write_all(text.as_bytes()).context("cannot write to stdout")
}

fn text_for(list: &HostsList, config: Config, vpc_id: Option<&str>) -> Result<String> {
    if vpc_id.is_none() && list.is_by_vpc() {
        let enabled = list.entries().iter().filter(|entry| !entry.disabled());
        let vpc_ids: BTreeSet<&str> = enabled.filter_map(|entry| entry.vpc_id()).collect();
        let vpc_ids = vpc_ids.into_iter().collect::<Vec<_>>().join(", ");
        bail!("the entries are by VPC: say which one the nodes are in with --vpc-id, which may be {vpc_ids}");
    }
    let entries = list.enabled_for(vpc_id);
    if entries.is_empty() {
        bail!(
            "there are no entries for {}: nothing resolves privately yet (see kubectl tcr status)",
            vpc_id.unwrap_or("nodes")
        );
    }
    Ok(config::text(config, &entries))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(yaml: &str) -> HostsList {
        serde_saphyr::from_str(yaml).unwrap()
    }

    #[test]
    fn a_list_by_vpc_is_for_the_nodes_of_one() {
        let list = list(
            "- {domain: a.com, ip: 10.1.0.2, vpcId: vpc-one}\n- {domain: a.com, ip: 10.2.0.2, vpcId: vpc-two}\n\
             - {domain: off.com, ip: 10.3.0.2, vpcId: vpc-off, disabled: true}\n",
        );
        let error = text_for(&list, Config::Coredns, None).unwrap_err().to_string();
        assert!(error.ends_with("--vpc-id, which may be vpc-one, vpc-two"), "{error}");
        let text = text_for(&list, Config::Coredns, Some("vpc-two")).unwrap();
        assert!(text.contains("10.2.0.2 a.com") && !text.contains("10.1.0.2"), "{text}");
        let error = text_for(&list, Config::Coredns, Some("vpc-off")).unwrap_err().to_string();
        assert!(error.starts_with("there are no entries for vpc-off"), "{error}");
    }

    #[test]
    fn without_entries_nothing_is_printed() {
        for empty in ["[]", "- {domain: a.com, ip: 10.1.0.2, disabled: true}\n"] {
            assert!(text_for(&list(empty), Config::Talos, None).is_err(), "{empty}");
        }
    }
}
