//! What somebody asks for that cannot be.

use anyhow::{Result, ensure};
use serde_json::{Value, json};
use support::eventually;

use super::{OTHER_VPC, ask, condition, resolved};
use crate::world::{INSTANCE, LONG, VPC, World};

/// A VPC that has no link.
const WITHOUT: &str = "vpc-without1";

pub(super) async fn vpc_without_link(world: &World) -> Result<()> {
    ask(world, &json!({"vpcIds": [VPC, OTHER_VPC, WITHOUT]})).await?;
    let named = format!("{WITHOUT}: there is no private link from {WITHOUT} to {INSTANCE}");
    condition(world, ("demo", "PrivateLink"), ("False", Some("NoLink")), &[&named]).await?;
    ask(world, &json!({"vpcIds": [VPC, OTHER_VPC]})).await?;
    // That the second network's address was new there is told for a while.
    condition(world, ("demo", "PrivateLink"), ("True", None), &[VPC, OTHER_VPC]).await
}

pub(super) async fn by_field(world: &World) -> Result<()> {
    let network = "spec.tcr.privateNetwork";
    let addressed = |address: &str| json!({"vpcIds": [VPC, OTHER_VPC], "address": address});
    for (more, said) in [
        (addressed("8.8.8.8"), format!("{network}.address: \"8.8.8.8\" is a public address")),
        (addressed("127.0.0.1"), format!("{network}.address: \"127.0.0.1\" is a loopback address")),
        (addressed("169.254.0.23"), format!("{network}.address: \"169.254.0.23\" is a link-local address")),
        (json!({"domains": []}), format!("{network}.domains: is empty")),
        (json!({"vpcIds": ["subnet-1"]}), format!("{network}.vpcIds[0]")),
        (json!({"vpcIds": [VPC, VPC]}), format!("{network}.vpcIds[1]")),
    ] {
        refused(world, &World::object(&resolved(&more)), &said).await?;
    }
    let mut object = World::object(&resolved(&json!({"vpcIds": [VPC, OTHER_VPC]})));
    object["spec"]["tcr"]["aliases"] = json!(["mirror.example.org"]);
    refused(world, &object, "spec.tcr.aliases[0]: \"mirror.example.org\" is not under tencentcloudcr.com")
        .await
}

/// The cluster does not take the object, and says why. It only looks at it, because a webhook that is slow is passed over.
async fn refused(world: &World, object: &Value, said: &str) -> Result<()> {
    let file = world.nodes.plane().run().folder().join("refused.json");
    std::fs::write(&file, object.to_string())?;
    let file = file.to_string_lossy();
    eventually(&format!("{said:?} to be said"), LONG, async || {
        let asked = world.nodes.plane().kubectl(&["apply", "--dry-run=server", "-f", &file]).await?;
        ensure!(!asked.success, "it may be had: {object}");
        ensure!(asked.stderr.contains(said), "it says {}", asked.stderr);
        Ok(())
    })
    .await
}
