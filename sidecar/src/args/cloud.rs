//! The flags of what talks to Tencent Cloud once.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context as _;
use clap::Args as Group;

use tencent_cloud::client;
use tencent_cloud::endpoint::Endpoint;

/// How to reach Tencent Cloud.
#[derive(Debug, Group)]
pub struct CloudArgs {
    /// API endpoint, https://HOST[:PORT]; by default the public one of each instance's region
    #[arg(long, value_name = "URL", env = "TCR_ASSISTANT_ENDPOINT")]
    pub endpoint: Option<Endpoint>,
    /// Endpoint of the security token service, https://HOST[:PORT]; by default the public one of TKE_REGION
    #[arg(long, value_name = "URL", env = "TCR_ASSISTANT_STS_ENDPOINT")]
    pub sts_endpoint: Option<Endpoint>,
    /// File with PEM certificates to trust for the endpoint instead of the system's
    #[arg(long, value_name = "FILE", env = "TCR_ASSISTANT_CA")]
    pub ca: Option<PathBuf>,
    /// Longest time that one API call may take, repeats included, such as 30s
    #[arg(long, value_name = "DURATION", default_value = "30s", value_parser = super::value_parser::timeout)]
    pub timeout: Duration,
}

impl CloudArgs {
    /// The client's settings; reads the file of certificates.
    pub fn settings(&self) -> anyhow::Result<client::Settings> {
        let Self { endpoint, sts_endpoint, ca, timeout } = self;
        let ca = ca
            .as_ref()
            .map(|path| std::fs::read(path).with_context(|| format!("cannot read {}", path.display())))
            .transpose()?;
        Ok(client::Settings {
            endpoint: endpoint.clone(),
            sts_endpoint: sts_endpoint.clone(),
            ca,
            deadline: *timeout,
            ..client::Settings::default()
        })
    }
}
