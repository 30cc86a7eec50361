//! Nodes in several VPCs: a link for each, an address over a Cloud Connect Network, and what cannot be.

use anyhow::{Context, Result, ensure};
use custom_resource::PrivateLinkStatus;
use k8s_openapi::api::core::v1::ConfigMap;
use kube::Api;
use kube::api::DeleteParams;
use serde_json::{Value, json};
use support::eventually;
use tcr::hosts_entry::HostsList;
use tcr::names::SYSTEM_NAMESPACE;
use tcr_cloud::VpcLink;

use crate::cluster::{Cluster, SOON};
use crate::links::{Agent, hosts, pods};

const ONE: &str = "vpc-demo0001";
const OTHER: &str = "vpc-other001";

fn spec(private_network: Value) -> Value {
    let mut network = json!({"resolve": true, "domains": ["default"]});
    if let (Value::Object(network), Value::Object(more)) = (&mut network, private_network) {
        network.extend(more);
    }
    json!({"tcr": {"instanceId": "tcr-demo0001", "region": "ap-guangzhou", "privateNetwork": network}})
}

/// A controller that looks at links every second.
async fn cluster() -> Result<Cluster> {
    let mut cluster = Cluster::start().await?;
    let kubeconfig = cluster.kubeconfig().await?;
    cluster.start_one(&kubeconfig, &["--leader-elect=false", "--webhook-service=", "--link-interval=1s"])?;
    cluster.lead().await?;
    Ok(cluster)
}

fn one(address: &str) -> VpcLink {
    VpcLink::running(ONE, "subnet-demo0001", address)
}

/// The link of a VPC in the region of a replica of the instance.
fn other(address: &str) -> VpcLink {
    VpcLink { region: Some("ap-shanghai".to_owned()), ..VpcLink::running(OTHER, "subnet-other001", address) }
}

fn set_links(cluster: &Cluster, links: &[VpcLink]) {
    cluster.cloud.update_instance("tcr-demo0001", |instance| instance.links = Some(links.to_vec()));
}

/// The entries as `VPC ADDRESS`, `*` for all nodes.
async fn entries(cluster: &Cluster) -> Result<Vec<String>> {
    let maps: Api<ConfigMap> = Api::namespaced(cluster.client.clone(), SYSTEM_NAMESPACE);
    let data = maps.get_opt("updater-config").await?.and_then(|map| map.data).unwrap_or_default();
    let text = data.get("hosts.yaml").map_or("[]", String::as_str);
    let list: HostsList = serde_saphyr::from_str(text)?;
    ensure!(list.entries().iter().all(|it| it.domain() == "demo.tencentcloudcr.com"), "{text}");
    Ok(list.entries().iter().map(|it| format!("{} {}", it.vpc_id().unwrap_or("*"), it.ip())).collect())
}

async fn expect_entries(cluster: &Cluster, expected: &[&str]) -> Result<()> {
    eventually(&format!("the entries {expected:?}"), SOON, async || {
        let entries = entries(cluster).await?;
        ensure!(entries == expected, "{entries:?}");
        Ok(())
    })
    .await
}

/// Waits until the links are told so; what is told for machines, and the message.
async fn expect(
    cluster: &Cluster,
    status: &str,
    reason: &str,
    summary: &str,
) -> Result<(PrivateLinkStatus, String)> {
    eventually(&format!("PrivateLink={status} {reason}, {summary}"), SOON, async || {
        let told = cluster.objects().get("demo").await?.status.context("no status")?;
        let condition =
            told.conditions.iter().find(|it| it.type_ == "PrivateLink").context("no condition")?;
        let link = told.private_link.clone().context("nothing for machines")?;
        let is_so = condition.status == status && condition.reason == reason && link.summary == summary;
        ensure!(is_so, "{condition:?} {link:?}");
        Ok((link, condition.message.clone()))
    })
    .await
}

#[tokio::test]
async fn each_vpc_has_the_entries_of_its_own_link_and_one_without_is_named() -> Result<()> {
    let cluster = cluster().await?;
    cluster.ask("demo", spec(json!({}))).await?;
    expect(&cluster, "True", "Running", "Running 10.0.0.2").await?;
    expect_entries(&cluster, &["* 10.0.0.2"]).await?;

    // Nodes of the VPC without a link keep what they have.
    cluster.change("demo", spec(json!({"vpcIds": [ONE, OTHER]}))).await?;
    let (link, message) = expect(&cluster, "False", "NoLink", "NoLink 1/2").await?;
    ensure!(
        message.starts_with(&format!("{OTHER}: there is no private link from {OTHER} to tcr-demo0001")),
        "{message}"
    );
    ensure!(
        message.contains(&format!("{ONE}: nodes resolve demo.tencentcloudcr.com to 10.0.0.2")),
        "{message}"
    );
    ensure!(link.vpc_id.is_none() && link.address.is_none() && link.links.len() == 2, "{link:?}");
    expect_entries(&cluster, &[&format!("{ONE} 10.0.0.2"), "* 10.0.0.2"]).await?;

    set_links(&cluster, &[one("10.0.0.2"), other("10.1.0.2")]);
    // It is new to nodes there, which had the address of all.
    expect(&cluster, "True", "AddressChanged", "AddressChanged 2/2").await?;
    let (in_one, in_other) = (format!("{ONE} 10.0.0.2"), format!("{OTHER} 10.1.0.2"));
    expect_entries(&cluster, &[&in_one, &in_other]).await?;
    let table = cluster.command(&["status"]).await?.stdout;
    ensure!(table.contains("AddressChanged 2/2"), "{table}");

    // What happens in one network changes nothing in the other.
    set_links(&cluster, &[one("10.0.0.3"), other("10.1.0.2")]);
    expect_entries(&cluster, &[&format!("{ONE} 10.0.0.3"), &in_other]).await?;
    set_links(&cluster, &[other("10.1.0.2")]);
    expect(&cluster, "False", "NoLink", "NoLink 1/2").await?;
    expect_entries(&cluster, &[&format!("{ONE} 10.0.0.3"), &in_other]).await?;
    cluster.change("demo", spec(json!({"vpcIds": [ONE, OTHER], "whenLinkDown": "Remove"}))).await?;
    expect_entries(&cluster, &[&in_other]).await?;
    cluster.change("demo", spec(json!({"vpcIds": [OTHER]}))).await?;
    // That its address is new is told for a while.
    expect(&cluster, "True", "AddressChanged", "AddressChanged 1/1").await?;
    expect_entries(&cluster, &[&in_other]).await?;
    cluster.delete("demo").await?;
    expect_entries(&cluster, &[]).await?;
    cluster.finish(&[]).await
}

/// Waits until the agent's node leads the domain there, as a kubelet that mounts the list would have it.
async fn leads_to(cluster: &Cluster, agent: &Agent, address: &str) -> Result<()> {
    eventually(&format!("the node to lead to {address}"), SOON, async || {
        agent.mount(&hosts(cluster).await?)?;
        let hosts = std::fs::read_to_string(agent.folder.join("etc/hosts"))?;
        let lines = hosts.lines().map(|line| line.split('#').next().unwrap_or_default().trim_end());
        let found: Vec<&str> = lines.filter(|line| line.ends_with(" demo.tencentcloudcr.com")).collect();
        ensure!(found.len() == 1 && found[0].starts_with(&format!("{address} ")), "{hosts}");
        Ok(())
    })
    .await
}

#[tokio::test]
async fn nodes_in_vpcs_that_nobody_named_get_the_entries_of_their_own() -> Result<()> {
    let cluster = cluster().await?;
    set_links(&cluster, &[one("10.0.0.2"), other("10.1.0.2")]);
    let first = Agent::start(&cluster, "node-a", &["--vpc-id", ONE]).await?;
    cluster.ask("demo", spec(json!({}))).await?;
    expect(&cluster, "True", "Running", "Running 10.0.0.2").await?;
    expect_entries(&cluster, &["* 10.0.0.2"]).await?;
    leads_to(&cluster, &first, "10.0.0.2").await?;

    // One joins in another VPC, whose link it takes.
    let second = Agent::start(&cluster, "node-b", &["--vpc-id", OTHER]).await?;
    let of_one = format!("{ONE} 10.0.0.2");
    let of_other = |address: &str| format!("{OTHER} {address}");
    expect_entries(&cluster, &[&of_one, &of_other("10.1.0.2"), "* 10.0.0.2"]).await?;
    leads_to(&cluster, &second, "10.1.0.2").await?;
    leads_to(&cluster, &first, "10.0.0.2").await?;
    let (link, _) = expect(&cluster, "True", "Running", "Running 10.0.0.2").await?;
    ensure!(link.links.len() == 2, "{link:?}");
    set_links(&cluster, &[one("10.0.0.2"), other("10.1.0.3")]);
    leads_to(&cluster, &second, "10.1.0.3").await?;

    // Its link goes: it is named, and nodes there keep what they have.
    set_links(&cluster, &[one("10.0.0.2")]);
    let named = format!("{OTHER}: there is no private link from {OTHER} to tcr-demo0001");
    eventually("the VPC without a link to be named", SOON, async || {
        let (_, message) = expect(&cluster, "True", "Running", "Running 10.0.0.2").await?;
        ensure!(message.contains(&named), "{message}");
        Ok(())
    })
    .await?;
    let all = [of_one, "* 10.0.0.2".to_owned(), of_other("10.1.0.3")];
    ensure!(entries(&cluster).await? == all, "{:?}", entries(&cluster).await?);

    // With its last node the VPC is forgotten.
    pods(&cluster)
        .delete("node-b", &DeleteParams { grace_period_seconds: Some(0), ..DeleteParams::default() })
        .await?;
    expect_entries(&cluster, &["* 10.0.0.2"]).await?;
    cluster.delete("demo").await?;
    cluster.finish(&[]).await
}

#[tokio::test]
async fn an_address_over_ccn_is_fixed_or_follows_another_vpcs_link() -> Result<()> {
    let cluster = cluster().await?;
    cluster.ask("demo", spec(json!({"address": "10.9.0.2"}))).await?;
    expect(&cluster, "True", "FixedAddress", "FixedAddress 10.9.0.2").await?;
    expect_entries(&cluster, &["* 10.9.0.2"]).await?;
    let calls = |action: &str| cluster.cloud.calls().iter().filter(|call| call.action == action).count();
    ensure!(calls("DescribeInternalEndpoints") == 0, "the cloud is asked for links that nobody uses");

    cluster.change("demo", spec(json!({"address": "10.9.0.2", "vpcIds": [OTHER]}))).await?;
    expect_entries(&cluster, &[&format!("{OTHER} 10.9.0.2")]).await?;
    cluster.change("demo", spec(json!({"address": ONE, "vpcIds": [OTHER]}))).await?;
    expect_entries(&cluster, &[&format!("{OTHER} 10.0.0.2")]).await?;
    set_links(&cluster, &[one("10.0.0.3")]);
    expect_entries(&cluster, &[&format!("{OTHER} 10.0.0.3")]).await?;
    set_links(&cluster, &[]);
    let (_, message) = expect(&cluster, "False", "NoLink", "NoLink 0/1").await?;
    ensure!(message.contains(&format!("no private link from {ONE} to tcr-demo0001")), "{message}");
    expect_entries(&cluster, &[&format!("{OTHER} 10.0.0.3")]).await?;
    cluster.delete("demo").await?;
    cluster.finish(&[]).await
}

#[tokio::test]
async fn what_cannot_be_is_refused_by_field_or_named_and_nodes_keep_what_they_have() -> Result<()> {
    let cluster = cluster().await?;
    cluster.ask("demo", spec(json!({"vpcIds": [ONE]}))).await?;
    expect(&cluster, "True", "Running", "Running 1/1").await?;
    let before = entries(&cluster).await?;
    // Where no policy is in the way, the API server itself refuses.
    for (wrong, field) in [
        (json!({"vpcId": ONE}), "spec.tcr.privateNetwork.vpcIds"),
        (json!({"vpcIds": ["subnet-1"]}), "spec.tcr.privateNetwork.vpcIds[0]"),
        (json!({"vpcIds": [ONE, ONE]}), "spec.tcr.privateNetwork.vpcIds[1]"),
        (json!({"address": "demo.example.com"}), "spec.tcr.privateNetwork.address"),
        (json!({"vpcId": ONE, "vpcIds": [], "address": "10.0.0.9"}), "spec.tcr.privateNetwork.address"),
    ] {
        let error = cluster.change("demo", spec(wrong.clone())).await.err().context("it was accepted")?;
        ensure!(format!("{error:#}").contains(field), "{wrong}: {error:#}");
    }
    // The rest is for the controller to tell.
    for (wrong, field) in [
        (json!({"address": "8.8.8.8"}), "spec.tcr.privateNetwork.address: \"8.8.8.8\" is a public address"),
        (
            json!({"address": "169.254.0.23"}),
            "spec.tcr.privateNetwork.address: \"169.254.0.23\" is a link-local",
        ),
        (json!({"address": null, "domains": []}), "spec.tcr.privateNetwork.domains: is empty"),
    ] {
        cluster.change("demo", json!({"tcr": {"privateNetwork": wrong}})).await?;
        eventually(&format!("{field} to be named"), SOON, async || {
            let told = cluster.objects().get("demo").await?.status.context("no status")?;
            let ready = told.conditions.iter().find(|it| it.type_ == "Ready").context("no condition")?;
            ensure!(ready.status == "False" && ready.message.contains(field), "{ready:?}");
            Ok(())
        })
        .await?;
        ensure!(entries(&cluster).await? == before, "nodes lose what they have");
    }
    cluster.change("demo", json!({"tcr": {"privateNetwork": {"domains": ["default"]}}})).await?;
    expect(&cluster, "True", "Running", "Running 1/1").await?;
    ensure!(entries(&cluster).await? == before, "{before:?}");
    cluster.delete("demo").await?;
    cluster.finish(&[]).await
}
