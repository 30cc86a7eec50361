//! The flags of what asks registries about credentials.

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::Context as _;
use clap::Args as Group;
use tcr::registry_host::RegistryHost;

use tencent_cloud::endpoint::Endpoint;

/// What registries are asked about credentials, and where.
#[derive(Debug, Group)]
pub struct RegistryArgs {
    /// Ask registries whether they let credentials in
    #[arg(long, env = "TCR_ASSISTANT_CHECK_REGISTRY", value_name = "BOOL", num_args = 0..=1, require_equals = true, default_missing_value = "true", default_value = "true", action = clap::ArgAction::Set)]
    pub check_registry: bool,
    /// Token service, https://HOST[:PORT], that passwords may be sent to besides the registry's own host (repeatable)
    #[arg(long, value_name = "URL", env = "TCR_ASSISTANT_REGISTRY_REALM", value_delimiter = ',')]
    pub registry_realm: Vec<Endpoint>,
    /// Where a registry is, instead of where DNS says; allows that address whatever it is (repeatable)
    #[arg(long, value_name = "HOST=IP[:PORT]", env = "TCR_ASSISTANT_REGISTRY_ADDRESS", value_delimiter = ',', value_parser = registry_address)]
    pub registry_address: Vec<(RegistryHost, SocketAddr)>,
    /// File with PEM certificates to trust for registries beside the system's
    #[arg(long, value_name = "FILE", env = "TCR_ASSISTANT_REGISTRY_CA")]
    pub registry_ca: Option<PathBuf>,
}

impl RegistryArgs {
    /// Who asks registries, unless they are not to be asked; reads the file of certificates.
    pub fn checker(&self) -> anyhow::Result<Option<Arc<registry_client::Checker>>> {
        let Self { check_registry, registry_realm, registry_address, registry_ca } = self;
        if !check_registry {
            return Ok(None);
        }
        let ca = registry_ca.as_ref().map(|path| {
            std::fs::read(path).with_context(|| format!("cannot read --registry-ca {}", path.display()))
        });
        let settings = registry_client::Settings {
            ca: ca.transpose()?,
            realms: registry_realm.clone(),
            addresses: registry_address.iter().cloned().collect(),
        };
        let checker = registry_client::Checker::new(settings);
        let checker = checker.map_err(|reason| anyhow::anyhow!("cannot use --registry-ca: {reason}"))?;
        Ok(Some(Arc::new(checker)))
    }
}

fn registry_address(text: &str) -> Result<(RegistryHost, SocketAddr), String> {
    let (host, address) = text.split_once('=').ok_or("write it as HOST=IP or HOST=IP:PORT")?;
    let host = host.parse::<RegistryHost>().map_err(|error| error.to_string())?;
    // Port 0 stands for the registry's own.
    let address = address.parse().or_else(|_| address.parse::<IpAddr>().map(|ip| SocketAddr::new(ip, 0)));
    Ok((host, address.map_err(|_| "what follows the = is not an IP address, or one with a port")?))
}
