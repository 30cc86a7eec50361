//! The node's disk, its container runtime and what that is told.

use super::*;

/// Where containerd keeps what it pulls.
const CONTENT: &str = "/run/node/containerd/io.containerd.content.v1.content";
const CONFIG: &str = "/etc/containerd/config.toml";

impl Broken<'_> {
    /// What is pulled is kept on a disk of its own, with less room than the next image needs.
    pub(super) async fn disk_full(&mut self) -> Result<()> {
        let small = format!(
            "size=$(($(du -sk {CONTENT} | cut -f1) + 256))k; mkdir -p /run/small; \
             mount -t tmpfs -o size=$size tmpfs /run/small; cp -a {CONTENT}/. /run/small/; \
             mount --bind /run/small {CONTENT}"
        );
        self.on_node(&small).await?;
        self.usual_pod().await?;
        let told = self.fails().await;
        // Made larger.
        self.on_node("mount -o remount,size=2g /run/small").await?;
        told?;
        self.runs().await
    }

    pub(super) async fn disk_read_only(&mut self) -> Result<()> {
        self.on_node(&format!("mount --bind {CONTENT} {CONTENT}; mount -o remount,bind,ro {CONTENT}"))
            .await?;
        self.usual_pod().await?;
        let told = self.fails().await;
        self.on_node(&format!("umount {CONTENT}")).await?;
        told?;
        self.runs().await
    }

    pub(super) async fn proxy_away(&mut self) -> Result<()> {
        let proxy = format!("http://{HUB}:3128");
        self.world.nodes.restart_runtime(0, &[("HTTPS_PROXY", &proxy)]).await?;
        self.usual_pod().await?;
        let told = self.fails().await;
        let without = [("HTTPS_PROXY", proxy.as_str()), ("NO_PROXY", "10.200.0.0/24,.tencentcloudcr.com")];
        self.world.nodes.restart_runtime(0, &without).await?;
        told?;
        self.runs().await
    }

    /// What containerd is told of the registry is this, until it is what it was.
    async fn told_of_registry(&mut self, wrong: &str) -> Result<()> {
        let [(path, right), _] = trust(DEFAULT_DOMAIN, self.world.registry.ca());
        self.node()?.write(&path, wrong.as_bytes())?;
        self.usual_pod().await?;
        let told = self.fails().await;
        self.node()?.write(&path, right.as_bytes())?;
        told?;
        self.runs().await
    }

    pub(super) async fn mirror_away(&mut self) -> Result<()> {
        self.told_of_registry(&told_of(&format!("https://{HUB}:5443"))).await
    }

    pub(super) async fn authority_missing(&mut self) -> Result<()> {
        self.told_of_registry(&told_of(&format!("https://{DEFAULT_DOMAIN}"))).await
    }

    pub(super) async fn sandbox_image(&mut self) -> Result<()> {
        let pause = self.world.nodes.plane().run().folder().join("pause.tar");
        let pause = pause.to_str().context("a path is not UTF-8")?.to_owned();
        self.containerd(&["images", "rm", "--sync", "localhost/pause:1"]).await?;
        self.usual_pod().await?;
        let told = self.fails().await;
        self.containerd(&["images", "import", &pause]).await?;
        told?;
        self.runs().await
    }

    async fn containerd(&self, arguments: &[&str]) -> Result<()> {
        let arguments = [&["-n", "k8s.io"], arguments].concat();
        self.world.nodes.ctr(self.node()?, &arguments).await?.checked().map(drop)
    }

    pub(super) async fn runtime_handler(&mut self) -> Result<()> {
        let class = json!({
            "apiVersion": "node.k8s.io/v1", "kind": "RuntimeClass", "metadata": {"name": "gvisor"}, "handler": "gvisor",
        });
        self.world.nodes.plane().apply(&class.to_string()).await?;
        self.namespace().await?;
        let image = self.image().await?;
        self.pod(&image, json!({"runtimeClassName": "gvisor"})).await?;
        let told = self.fails().await;
        let mut config = String::from_utf8(self.node()?.read(CONFIG)?)?;
        config += "\n[plugins.\"io.containerd.grpc.v1.cri\".containerd.runtimes.gvisor]\n  runtime_type = \
                   \"io.containerd.runc.v2\"\n";
        self.node()?.write(CONFIG, config.as_bytes())?;
        self.world.nodes.restart_runtime(0, &[]).await?;
        told?;
        self.runs().await
    }
}

/// A hosts.toml by which the registry's images come from there, and nothing is known of its certificate's authority.
fn told_of(server: &str) -> String {
    format!("server = \"{server}\"\n\n[host.\"{server}\"]\n  capabilities = [\"pull\", \"resolve\"]\n")
}
