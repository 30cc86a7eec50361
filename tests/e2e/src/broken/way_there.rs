//! How the node comes to the registry.

use std::net::Ipv4Addr;

use super::*;
use crate::private_network::Link;

/// Another address of the private link.
const LINK: Ipv4Addr = Ipv4Addr::new(10, 200, 0, 4);
const NSSWITCH: &str = "/etc/nsswitch.conf";

impl Broken<'_> {
    pub(super) async fn hosts_file_not_used(&mut self) -> Result<()> {
        self.node()?.write(NSSWITCH, b"hosts: dns\n")?;
        self.world.nodes.restart_runtime(0, &[]).await?;
        self.usual_pod().await?;
        let told = self.fails().await;
        self.node()?.write(NSSWITCH, b"hosts: files dns\n")?;
        self.world.nodes.restart_runtime(0, &[]).await?;
        told?;
        self.runs().await
    }

    /// Nobody asked for private resolution, and the name server does not know the instance's VPC domain.
    pub(super) async fn name_not_resolved(&mut self) -> Result<()> {
        self.world.ask(false).await?;
        self.world.hosts_files_have(false).await?;
        self.namespace().await?;
        let mut told = Ok(());
        for number in 1..10 {
            let name = format!("{}:v{number}", self.repository());
            let image = self.world.image(VPC_DOMAIN, &name).await?;
            match number {
                1 => self.pod(&image, json!({})).await?,
                _ => self.again(&image, json!({})).await?,
            }
            let tried = self.world.pull_fails(self.name(), "web", &["no such host"]).await;
            if tried.is_ok() {
                told = self.fails().await;
                break;
            }
            told = tried.map(drop);
        }
        self.world.ask(true).await?;
        self.world.hosts_files_have(true).await?;
        told?;
        self.runs().await
    }

    pub(super) async fn link_silent(&mut self) -> Result<()> {
        nodes::add_address(LINK)?;
        let link = Link::up(LINK).await?;
        self.world.move_link(LINK)?;
        self.world.hosts_files_lead(Some(LINK), &[DEFAULT_DOMAIN]).await?;
        self.world.ready().await?;
        link.down().await;
        self.usual_pod().await?;
        let told = self.fails().await;
        let link = Link::up(LINK).await?;
        let told = match told {
            Ok(()) => self.runs().await,
            failed => failed,
        };
        self.world.move_link(HUB)?;
        self.world.hosts_files_have(true).await?;
        drop(link);
        told
    }
}
