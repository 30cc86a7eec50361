//! Which cluster is asked, and as whom: kubectl's own flags.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context as _, bail};
use clap::Args as Group;
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Client, Config};

/// Which cluster, and as whom.
#[derive(Debug, Group)]
pub struct ClusterArgs {
    /// The kubeconfig, instead of what KUBECONFIG names or ~/.kube/config
    #[arg(long, value_name = "FILE")]
    pub kubeconfig: Option<PathBuf>,
    /// The kubeconfig's context to use, instead of its current one
    #[arg(long, value_name = "NAME")]
    pub context: Option<String>,
    /// The kubeconfig's cluster to use
    #[arg(long, value_name = "NAME")]
    pub cluster: Option<String>,
    /// The kubeconfig's user to use
    #[arg(long, value_name = "NAME")]
    pub user: Option<String>,
    /// Another user or ServiceAccount to act as
    #[arg(long = "as", value_name = "USER")]
    pub impersonate: Option<String>,
    /// Another group to act in (repeatable)
    #[arg(long = "as-group", value_name = "GROUP", requires = "impersonate")]
    pub impersonate_groups: Vec<String>,
    /// Longest time for one request to the API server, such as 10s
    #[arg(long, value_name = "DURATION", default_value = "10s", value_parser = super::value_parser::timeout)]
    pub request_timeout: Duration,
}

impl ClusterArgs {
    /// A client of the cluster, and the namespace to look at: this one, or the context's.
    ///
    /// # Errors
    /// There is no kubeconfig, or it lacks what the flags name.
    pub async fn connect(&self, namespace: Option<String>) -> anyhow::Result<(Client, String)> {
        let config = self.config().await?;
        let namespace = namespace.unwrap_or_else(|| config.default_namespace.clone());
        let client = Client::try_from(config).context("cannot make a client of the API server")?;
        Ok((client, namespace))
    }

    /// A client whose answers may take as long as they like, such as those of a watch.
    ///
    /// # Errors
    /// There is no kubeconfig, or it lacks what the flags name.
    pub async fn connect_patiently(&self) -> anyhow::Result<Client> {
        let mut config = self.config().await?;
        config.read_timeout = None;
        Client::try_from(config).context("cannot make a client of the API server")
    }

    async fn config(&self) -> anyhow::Result<Config> {
        let Self { kubeconfig, context, cluster, user, .. } = self;
        let chosen = context.is_some() || cluster.is_some() || user.is_some();
        let mut config = if kubeconfig.is_none() && !chosen {
            Config::infer()
                .await
                .context("cannot find out how to reach the API server: name a kubeconfig with --kubeconfig")?
        } else {
            let read = match kubeconfig {
                Some(path) => Kubeconfig::read_from(path)
                    .with_context(|| format!("cannot read --kubeconfig {}", path.display()))?,
                None => Kubeconfig::read().context("cannot read the kubeconfig")?,
            };
            if let Some(context) =
                context.as_ref().filter(|it| !read.contexts.iter().any(|one| one.name == **it))
            {
                let known: Vec<&str> = read.contexts.iter().map(|it| it.name.as_str()).collect();
                bail!("the kubeconfig has no context {context:?}; it has {}", known.join(", "));
            }
            let options =
                KubeConfigOptions { context: context.clone(), cluster: cluster.clone(), user: user.clone() };
            Config::from_custom_kubeconfig(read, &options).await.context("cannot use the kubeconfig")?
        };
        config.read_timeout = Some(self.request_timeout);
        if let Some(user) = &self.impersonate {
            config.auth_info.impersonate = Some(user.clone());
            config.auth_info.impersonate_groups =
                Some(self.impersonate_groups.clone()).filter(|groups| !groups.is_empty());
        }
        Ok(config)
    }
}
