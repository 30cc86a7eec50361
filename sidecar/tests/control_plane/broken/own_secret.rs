//! Secrets that the team that runs the Pod has made.

use super::*;

const NAME: &str = "partner";
const REGISTRY: &str = "registry.example.com";

impl Broken<'_> {
    /// The entry for the registry in a Secret of the Pod's own.
    pub(super) async fn own_entry(&self, wrong: Value) -> Result<()> {
        self.namespace().await?;
        self.world.pull_secret(self.name(), NAME, entry(REGISTRY, wrong)).await?;
        self.own_pod().await?;
        self.fails().await?;
        self.correct(&self.right()).await?;
        self.pulls().await
    }

    pub(super) async fn own_host(&self) -> Result<()> {
        self.namespace().await?;
        let mistyped = entry("registry.exmaple.com", self.world.right_login());
        self.world.pull_secret(self.name(), NAME, mistyped).await?;
        self.own_pod().await?;
        self.fails().await?;
        self.correct(&self.right()).await?;
        self.pulls().await
    }

    pub(super) async fn own_type(&self) -> Result<()> {
        self.namespace().await?;
        let file = self.world.cluster.plane.run().folder().join("config.json");
        std::fs::write(&file, self.right().to_string())?;
        let from_file = format!("--from-file=.dockerconfigjson={}", file.display());
        self.kubectl(&["-n", self.name(), "create", "secret", "generic", NAME, &from_file]).await?;
        self.own_pod().await?;
        self.fails().await?;
        self.kubectl(&["-n", self.name(), "delete", "secret", NAME]).await?;
        self.make().await?;
        self.pulls().await
    }

    pub(super) async fn own_missing(&self) -> Result<()> {
        self.namespace().await?;
        self.own_pod().await?;
        self.fails().await?;
        self.make().await?;
        self.pulls().await
    }

    pub(super) async fn own_none(&self) -> Result<()> {
        self.namespace().await?;
        self.pod(OTHER, json!({}), UNAUTHORIZED).await?;
        self.fails().await?;
        self.make().await?;
        self.again(OTHER, listing(&[NAME])).await?;
        self.pulls().await
    }

    async fn own_pod(&self) -> Result<()> {
        self.pod(OTHER, listing(&[NAME]), UNAUTHORIZED).await
    }

    fn right(&self) -> Value {
        entry(REGISTRY, self.world.right_login())
    }

    async fn correct(&self, config: &Value) -> Result<()> {
        let patch = json!({"stringData": {".dockerconfigjson": config.to_string()}}).to_string();
        self.kubectl(&["-n", self.name(), "patch", "secret", NAME, "--type=merge", "-p", &patch]).await?;
        Ok(())
    }

    /// As explain says to make it.
    async fn make(&self) -> Result<()> {
        let create = ["-n", self.name(), "create", "secret", "docker-registry", NAME];
        let server = format!("--docker-server={REGISTRY}");
        let username = format!("--docker-username={}", self.world.pusher.username);
        let password = format!("--docker-password={}", self.world.pusher.password);
        self.kubectl(&[&create[..], &[&server, &username, &password]].concat()).await?;
        Ok(())
    }
}

fn entry(host: &str, login: Value) -> Value {
    json!({"auths": {host: login}, "credsStore": "desktop"})
}
