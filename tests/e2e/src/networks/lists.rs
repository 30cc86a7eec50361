//! What becomes of the list that all nodes share.

use std::net::Ipv4Addr;

use anyhow::Result;
use serde_json::json;
use tcr::names::{SYSTEM_NAMESPACE, UPDATER_CONFIG};
use tcr_cloud::VpcLink;

use super::{
    FIXED, HUB_VPC, OF_HUB, ONE_MOVED, OTHER, OTHER_REGION, OTHER_VPC, ask, condition, lead, pull_on,
    resolved,
};
use crate::private_network::{all, scale};
use crate::world::{INSTANCE, REGION, VPC, World};

/// Good until its last entry, which is of no VPC that there can be.
const BROKEN: &str = "- domain: demo.tencentcloudcr.com\n  ip: 10.200.0.77\n\
                      - domain: demo-vpc.tencentcloudcr.com\n  ip: 10.200.0.77\n  vpcId: subnet-demo0001\n";

/// The links of the instance, with them that of a replica in the second network's region.
pub(super) fn links(one: Ipv4Addr, other: Ipv4Addr) -> Vec<VpcLink> {
    let other = VpcLink::running(OTHER_VPC, "subnet-other001", other.to_string());
    vec![
        VpcLink::running(VPC, "subnet-demo0001", one.to_string()),
        VpcLink { region: Some(OTHER_REGION.to_owned()), ..other },
        VpcLink::running(HUB_VPC, "subnet-hub00001", OF_HUB.to_string()),
    ]
}

pub(super) async fn moves(world: &World, one: Ipv4Addr, other: Ipv4Addr) -> Result<()> {
    world.set_links(links(one, other))?;
    lead(world, Some(one), Some(other)).await
}

pub(super) async fn broken(world: &World) -> Result<()> {
    scale(world, 0).await?;
    let patch = json!({"data": {"hosts.yaml": BROKEN}}).to_string();
    let patch = ["patch", "configmap", UPDATER_CONFIG, "--type=merge", "-p", &patch];
    world.kubectl(&[&["-n", SYSTEM_NAMESPACE], &patch[..]].concat()).await?;
    all(world, "list_good", 0).await?;
    all(world, "ready", 0).await?;
    scale(world, 1).await?;
    all(world, "list_good", 1).await?;
    all(world, "ready", 1).await
}

pub(super) async fn fixed_address(world: &World) -> Result<()> {
    over_ccn(world, &FIXED.to_string()).await?;
    ask(world, &json!({"vpcIds": [VPC]})).await?;
    lead(world, Some(ONE_MOVED), Some(FIXED)).await?;
    condition(world, ("ccn", "PrivateLink"), ("True", None), &[&FIXED.to_string()]).await
}

/// The second network's nodes resolve to this address, or to the link of this VPC, without a credential of their own.
async fn over_ccn(world: &World, address: &str) -> Result<()> {
    let object = json!({
        "apiVersion": "tcr.tencentcloudcr.com/v1", "kind": "ImagePullSecret", "metadata": {"name": "ccn"},
        "spec": {"tcr": {
            "instanceId": INSTANCE, "region": REGION, "credential": {"type": "none"},
            "privateNetwork": resolved(&json!({"vpcIds": [OTHER_VPC], "address": address})),
        }},
    });
    world.nodes.plane().apply(&object.to_string()).await.map(drop)
}

pub(super) async fn link_of_hub(world: &mut World) -> Result<()> {
    over_ccn(world, HUB_VPC).await?;
    lead(world, Some(ONE_MOVED), Some(OF_HUB)).await?;
    pull_on(world, "node-4", "over-ccn").await
}

pub(super) async fn removed(world: &World) -> Result<()> {
    ask(world, &json!({"vpcIds": [VPC, OTHER_VPC], "whenLinkDown": "Remove"})).await?;
    world.kubectl(&["delete", "imagepullsecret", "ccn"]).await?;
    lead(world, Some(ONE_MOVED), Some(OTHER)).await?;
    let mut left = links(ONE_MOVED, OTHER);
    left.retain(|link| link.vpc_id != OTHER_VPC);
    world.set_links(left)?;
    lead(world, Some(ONE_MOVED), None).await?;
    condition(world, ("demo", "PrivateLink"), ("False", Some("NoLink")), &[OTHER_VPC]).await
}

pub(super) async fn deleted(world: &World) -> Result<()> {
    world.kubectl(&["delete", "imagepullsecret", "demo"]).await?;
    lead(world, None, None).await
}
