//! Private links that nodes shall not resolve to: their state is told all the same, and nothing waits for it.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use k8s_openapi::api::core::v1::ConfigMap;
use kube::Api;
use serde_json::{Value, json};
use support::eventually;
use tcr::names::SYSTEM_NAMESPACE;
use tcr_cloud::{Fault, Machine, PrivateDns, VpcLink};

use crate::cluster::{Cluster, SOON};

const VPC: &str = "vpc-demo0001";
/// The VPC's region: another one than the instance's.
const REGION: &str = "ap-nanjing";

fn spec() -> Value {
    json!({"tcr": {"instanceId": "tcr-demo0001", "region": "ap-guangzhou"}})
}

fn link(address: &str) -> VpcLink {
    VpcLink { region: Some(REGION.to_owned()), ..VpcLink::running(VPC, "subnet-demo0001", address) }
}

fn set_link(cluster: &Cluster, link: Option<VpcLink>) {
    cluster.cloud.update_instance("tcr-demo0001", |instance| {
        instance.links = link.map(|link| vec![link]);
    });
}

/// A controller that looks at links every second, and a machine of the VPC's region.
async fn cluster() -> Result<Cluster> {
    let mut cluster = Cluster::start().await?;
    cluster.cloud.set_machine(Some(Machine::new(REGION, VPC, "subnet-demo0001")));
    let kubeconfig = cluster.kubeconfig().await?;
    cluster.start_one(&kubeconfig, &["--leader-elect=false", "--webhook-service=", "--link-interval=1s"])?;
    cluster.lead().await?;
    Ok(cluster)
}

/// Waits until the link is told so, and Ready is not touched by it.
async fn expect(cluster: &Cluster, status: &str, reason: &str, summary: &str) -> Result<()> {
    let object = cluster.expect_condition("demo", "PrivateLink", status, reason).await?;
    let told = object.status.context("no status")?;
    let link = told.private_link.context("nothing about the link")?;
    ensure!(link.summary == summary, "{link:?}");
    ensure!(told.nodes.is_none(), "nobody asks nodes for anything: {:?}", told.nodes);
    cluster.expect_condition("demo", "Ready", "True", "Ready").await?;
    Ok(())
}

#[tokio::test]
async fn the_state_of_a_link_is_told_also_where_nodes_do_not_resolve_to_it() -> Result<()> {
    let cluster = cluster().await?;
    set_link(&cluster, None);
    cluster.ask("demo", spec()).await?;
    expect(&cluster, "False", "NoLink", "NoLink").await?;
    set_link(&cluster, Some(VpcLink { status: "Creating".to_owned(), ..link("") }));
    expect(&cluster, "False", "Pending", "Pending").await?;
    set_link(&cluster, Some(link("10.0.0.2")));
    expect(&cluster, "True", "Running", "Running 10.0.0.2").await?;
    let wide = cluster.plane.kubectl(&["get", "ips", "-o", "wide"]).await?.checked()?;
    ensure!(wide.contains("PRIVATE-LINK") && wide.contains("Running 10.0.0.2"), "{wide}");
    let table = cluster.command(&["status"]).await?.stdout;
    ensure!(table.contains("Running 10.0.0.2"), "{table}");

    set_link(&cluster, Some(link("10.0.0.3")));
    expect(&cluster, "True", "AddressChanged", "AddressChanged 10.0.0.3").await?;
    // The API answers only who asks with the VPC's region.
    cluster.cloud.update_instance("tcr-demo0001", |instance| {
        let dns = |use_public_domain| PrivateDns {
            vpc_id: "vpc-other001".to_owned(),
            use_public_domain,
            status: "ENABLED".to_owned(),
        };
        instance.private_dns = vec![dns(true), dns(false)];
        instance
            .links
            .get_or_insert_default()
            .push(VpcLink { vpc_id: "vpc-other001".to_owned(), ..link("10.1.0.2") });
    });
    cluster.change("demo", json!({"tcr": {"privateNetwork": {"vpcId": "vpc-other001"}}})).await?;
    expect(&cluster, "True", "PrivateDNSAlreadyServes", "PrivateDNSAlreadyServes 10.1.0.2").await?;

    // An identity that may not look, such as one with the rights that pulling alone needs.
    let denied = Fault::error("UnauthorizedOperation").on("DescribeInternalEndpoints");
    cluster.cloud.inject(denied);
    expect(&cluster, "Unknown", "CloudFailed", "CloudFailed").await?;
    let version = cluster.objects().get("demo").await?.metadata.resource_version;
    let calls = || cluster.cloud.calls().iter().filter(|it| it.action == "DescribeInternalEndpoints").count();
    let before = calls();
    eventually("the link to be looked at again", SOON, async || {
        ensure!(calls() > before + 2, "not yet");
        Ok(())
    })
    .await?;
    let after = cluster.objects().get("demo").await?.metadata.resource_version;
    ensure!(version == after, "a failure that stays the same is written again and again");
    let maps: Api<ConfigMap> = Api::namespaced(cluster.client.clone(), SYSTEM_NAMESPACE);
    ensure!(maps.get_opt("updater-config").await?.is_none(), "nobody asked for entries");
    cluster.delete("demo").await?;
    cluster.finish(&[]).await
}

#[tokio::test]
async fn an_instance_is_asked_once_in_a_round_for_all_that_use_it() -> Result<()> {
    let cluster = cluster().await?;
    set_link(&cluster, Some(link("10.0.0.2")));
    for name in ["one", "two", "three"] {
        cluster.ask(name, json!({"namespaces": name, "tcr": spec()["tcr"].clone()})).await?;
    }
    for name in ["one", "two", "three"] {
        cluster.expect_condition(name, "PrivateLink", "True", "Running").await?;
    }
    cluster.cloud.clear_calls();
    let since = std::time::Instant::now();
    let count = |action: &str| cluster.cloud.calls().iter().filter(|it| it.action == action).count();
    eventually("a few rounds", SOON, async || {
        ensure!(count("DescribeInternalEndpoints") >= 3, "not yet");
        Ok(())
    })
    .await?;
    // A round a second at most, and one call in each.
    let rounds = usize::try_from(since.elapsed().as_secs())? + 2;
    let (endpoints, dns) = (count("DescribeInternalEndpoints"), count("DescribeInternalEndpointDnsStatus"));
    ensure!(endpoints <= rounds && dns <= rounds, "{endpoints} and {dns} calls in {rounds} rounds");
    ensure!(since.elapsed() < Duration::from_secs(25), "the rounds are too slow to tell");
    cluster.finish(&[]).await
}
