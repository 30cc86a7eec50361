//! The command line of `hosts-updater`. Every path is an argument, so the whole program runs on a
//! temporary directory.

use std::ffi::OsString;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use clap::{Parser, ValueEnum};
use tcr::hosts_entry::HostsEntry;
use tcr::resource_id::vpc_id;

use crate::address_range::AddressRange;
use crate::bounds::Bounds;
use crate::confine::Wanted;
use crate::network::metadata::MetadataAddress;
use crate::network::{Locator, VpcRange, metadata};

const EXAMPLES: &str = "\
Examples:
  What would change on this node, without changing it:
    hosts-updater --dry-run

  Try it on a copy:
    cp /etc/hosts /tmp/hosts
    printf -- '- domain: demo.tencentcloudcr.com\\n  ip: 10.0.0.2\\n' > /tmp/hosts.yaml
    hosts-updater --config-dir /tmp --hosts-file /tmp/hosts --once

  Take the block out by hand (a running agent puts it back: empty its list instead):
    hosts-updater --hosts-file /etc/hosts --remove

  The list has one more name, at an address outside of the private ranges:
    hosts-updater --allowed-name registry.example.com --allowed-range 10.0.0.0/8,100.64.0.0/10

Exit codes: 0 done (also after SIGTERM), 1 the list or the file is bad or a check failed, 2 usage.";

/// Keeps one block of the node's hosts file as the mounted hosts.yaml says
///
/// hosts.yaml is a list of {domain, ip, disabled, vpcId, whenLinkDown}. Its entries stand in the hosts file between
/// "# BEGIN tcr-assistant hosts-updater" and "# END tcr-assistant hosts-updater"; every other byte
/// of the file stays as it is. An entry with a vpcId is for the nodes in that VPC alone. An empty list, [], removes the block; stopping the program does not.
/// A list that cannot be read, or of which one entry is not allowed, changes nothing: the last good
/// block stays, and --healthcheck ready and the metrics say why.
#[derive(Clone, Debug, Parser)]
#[command(name = "hosts-updater", version = version::long(), after_help = EXAMPLES, max_term_width = 100)]
pub struct Args {
    /// The directory in which the ConfigMap is mounted (the directory: a subPath is never updated)
    #[arg(long, env = "HOSTS_UPDATER_CONFIG_DIR", value_name = "DIR", default_value = "/config")]
    pub config_dir: PathBuf,

    /// The node's hosts file, in a mount of its directory (a mount of the file alone cannot be
    /// replaced atomically, and loses sight of the file when the node replaces it)
    #[arg(long, env = "HOSTS_UPDATER_HOSTS_FILE", value_name = "FILE", default_value = "/host/etc/hosts")]
    pub hosts_file: PathBuf,

    /// Domains that may be listed: these, and all under them
    #[arg(
        long = "allowed-root",
        env = "HOSTS_UPDATER_ALLOWED_ROOTS",
        value_name = "DOMAIN",
        value_delimiter = ',',
        value_parser = domain,
        default_value = tcr::names::TCR_ROOT_DOMAIN
    )]
    pub allowed_roots: Vec<String>,

    /// Addresses that may be listed, as ranges
    #[arg(
        long = "allowed-range",
        env = "HOSTS_UPDATER_ALLOWED_RANGES",
        value_name = "CIDR",
        value_delimiter = ',',
        default_value = "10.0.0.0/8,172.16.0.0/12,192.168.0.0/16,fc00::/7"
    )]
    pub allowed_ranges: Vec<AddressRange>,

    /// Names outside of the allowed roots that may be listed, each exactly
    #[arg(
        long = "allowed-name",
        env = "HOSTS_UPDATER_ALLOWED_NAMES",
        value_name = "DOMAIN",
        value_delimiter = ',',
        value_parser = domain
    )]
    pub allowed_names: Vec<String>,

    /// The node's name, which must not be listed; the host name is refused in any case
    #[arg(long, env = "HOSTS_UPDATER_NODE_NAME", value_name = "NAME")]
    pub node_name: Option<String>,

    /// How often the file is looked at even if nothing seems to have changed
    #[arg(long, env = "HOSTS_UPDATER_RECHECK", value_name = "DURATION", value_parser = recheck, default_value = "60s")]
    pub recheck: Duration,

    /// Where to answer GET /metrics: the node's own address; without it nothing listens
    #[arg(long, env = "HOSTS_UPDATER_METRICS_IP", value_name = "IP")]
    pub metrics_ip: Option<IpAddr>,

    /// On which port to answer GET /metrics
    #[arg(long, env = "HOSTS_UPDATER_METRICS_PORT", value_name = "PORT", default_value_t = tcr::names::HOSTS_UPDATER_METRICS_PORT)]
    pub metrics_port: u16,

    /// The port on which the address of a private link has to accept a connection before its
    /// entries are written (those with whenLinkDown), and from time to time after that; 0: never ask
    #[arg(long, env = "HOSTS_UPDATER_PROBE_PORT", value_name = "PORT", default_value_t = 443)]
    pub probe_port: u16,

    /// The VPC that the node is in; without it, and where no --vpc-range says it, instance metadata is asked: while the
    /// list has entries by VPC, and ever more rarely while it has those of private links
    #[arg(long, env = "HOSTS_UPDATER_VPC_ID", value_name = "VPC", value_parser = vpc_id)]
    pub vpc_id: Option<String>,

    /// The VPC of the nodes whose address (--node-ip) is in the range, such as vpc-12345678=10.0.0.0/16
    #[arg(
        long = "vpc-range",
        env = "HOSTS_UPDATER_VPC_RANGES",
        value_name = "VPC=CIDR",
        value_delimiter = ',',
        requires = "node_ip"
    )]
    pub vpc_ranges: Vec<VpcRange>,

    /// The node's own address, for --vpc-range
    #[arg(long, env = "HOSTS_UPDATER_NODE_IP", value_name = "IP")]
    pub node_ip: Option<IpAddr>,

    /// Where instance metadata answers on this node; none: never ask
    #[arg(long, env = "HOSTS_UPDATER_METADATA", value_name = "IP:PORT", default_value_t)]
    pub metadata: MetadataAddress,

    /// What must confine the running agent, so that it can open no file of the node
    #[arg(long, env = "HOSTS_UPDATER_CONFINEMENT", value_enum, value_name = "WHAT", default_value = "auto")]
    pub confinement: Wanted,

    /// A directory in memory for what --healthcheck reads
    #[arg(long, env = "HOSTS_UPDATER_STATE_DIR", value_name = "DIR", default_value = "/run/hosts-updater")]
    pub state_dir: PathBuf,

    /// Update the file once and exit
    #[arg(long)]
    pub once: bool,

    /// Remove the block and exit, whatever the list says
    #[arg(long, conflicts_with = "once")]
    pub remove: bool,

    /// Print the change as a unified diff and exit; with --remove, that of the removal
    #[arg(long, conflicts_with = "once")]
    pub dry_run: bool,

    /// Open the files for another process of this program, and write the hosts file
    #[arg(long, hide = true)]
    pub keeper: bool,

    /// Ask the running agent's state and exit: live (it is looking at the file), or ready (the list
    /// is good and the file carries it)
    #[arg(long, value_name = "WHAT", conflicts_with_all = ["once", "remove", "dry_run"])]
    pub healthcheck: Option<Healthcheck>,
}

/// What a probe asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Healthcheck {
    /// The agent has looked at the file lately.
    Live,
    /// The list is good, and the file carries it.
    Ready,
}

impl Args {
    /// Where metrics are answered.
    pub fn metrics_address(&self) -> Option<SocketAddr> {
        self.metrics_ip.map(|ip| SocketAddr::new(ip, self.metrics_port))
    }

    /// What finds out which VPC the node is in. `remembered` is what an earlier process of the same Pod was told.
    pub fn locator(&self, remembered: Option<String>) -> Locator {
        let given = Locator::given(self.vpc_id.as_deref(), &self.vpc_ranges, self.node_ip);
        match (given, self.metadata) {
            (Some(given), _) => given,
            (None, MetadataAddress(Some(address))) => {
                Locator::asking(remembered, self.recheck, move || metadata::vpc_ids(address))
            }
            (None, MetadataAddress(None)) => Locator::default(),
        }
    }

    /// The arguments of this process's keeper, which has the same bounds.
    pub fn of_keeper(&self) -> Vec<OsString> {
        let confinement = self.confinement.to_possible_value();
        let confinement = confinement.as_ref().map_or("auto", |value| value.get_name());
        let mut arguments: Vec<OsString> = vec!["--keeper".into()];
        let mut add = |name: &str, value: OsString| {
            // In one word: a value may begin with a hyphen.
            let mut argument = OsString::from(format!("{name}="));
            argument.push(value);
            arguments.push(argument);
        };
        add("--config-dir", self.config_dir.clone().into());
        add("--hosts-file", self.hosts_file.clone().into());
        add("--confinement", confinement.into());
        self.allowed_roots.iter().for_each(|root| add("--allowed-root", root.into()));
        self.allowed_ranges.iter().for_each(|range| add("--allowed-range", range.to_string().into()));
        self.allowed_names.iter().for_each(|name| add("--allowed-name", name.into()));
        self.node_name.iter().for_each(|name| add("--node-name", name.into()));
        arguments
    }

    /// The bounds that the arguments and `host_name`, the node's own, set.
    pub fn bounds(&self, host_name: &str) -> Bounds {
        let own = [self.node_name.as_deref().unwrap_or(""), host_name];
        Bounds {
            roots: self.allowed_roots.clone(),
            names: self.allowed_names.clone(),
            ranges: self.allowed_ranges.clone(),
            own_names: own
                .iter()
                .filter(|name| !name.is_empty())
                .map(|name| name.to_ascii_lowercase())
                .collect(),
        }
    }
}

fn domain(text: &str) -> Result<String, String> {
    // The rules of a listed domain; the address is any that has none of its own problems.
    let entry = HostsEntry::new(text, "10.0.0.1", false).map_err(|error| error.to_string())?;
    Ok(entry.domain().to_owned())
}

fn recheck(text: &str) -> Result<Duration, String> {
    let duration = tcr::go_duration::parse(text).map_err(|error| error.to_string())?;
    if (Duration::from_secs(1)..=Duration::from_secs(3600)).contains(&duration) {
        Ok(duration)
    } else {
        Err("use 1s to 1h".to_owned())
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_sound() {
        Args::command().debug_assert();
    }

    #[test]
    fn lists_come_by_comma_and_by_repetition() {
        let args = Args::try_parse_from([
            "hosts-updater",
            "--allowed-name=a.com,b.com",
            "--allowed-name=C.com",
            "--allowed-range=10.1.0.0/16",
            "--node-name=Node-1",
        ])
        .unwrap();
        let bounds = args.bounds("node-1.local");
        assert_eq!(bounds.names, ["a.com", "b.com", "c.com"]);
        assert_eq!(bounds.roots, ["tencentcloudcr.com"]);
        assert_eq!(bounds.ranges, ["10.1.0.0/16".parse().unwrap()]);
        assert_eq!(bounds.own_names, ["node-1", "node-1.local"]);
    }

    #[test]
    fn the_keeper_has_the_bounds_and_the_files_of_its_agent() {
        for arguments in [
            &["hosts-updater"][..],
            &["hosts-updater", "--allowed-root=a.com,b.com", "--allowed-name=c.com", "--node-name=-x"],
            &[
                "hosts-updater",
                "--allowed-range=fd00::/8,10.1.0.0/16",
                "--confinement=seccomp",
                "--hosts-file=/a b",
            ],
        ] {
            let args = Args::try_parse_from(arguments).unwrap();
            let program = [OsString::from("hosts-updater")];
            let keeper = Args::try_parse_from(program.into_iter().chain(args.of_keeper())).unwrap();
            assert!(keeper.keeper);
            assert_eq!(keeper.bounds("host"), args.bounds("host"));
            assert_eq!(keeper.config_dir, args.config_dir);
            assert_eq!(keeper.hosts_file, args.hosts_file);
            assert_eq!(keeper.confinement, args.confinement);
        }
    }

    #[test]
    fn a_setting_that_cannot_work_is_a_usage_error_that_names_it() {
        for (argument, part) in [
            ("--allowed-range=10.0.0.1/8", "which is 10.0.0.0/8"),
            ("--allowed-root=*.com", "wildcard"),
            ("--recheck=1ms", "1s to 1h"),
            ("--recheck=60", "a unit is missing"),
            ("--metrics-ip=node-1", "--metrics-ip"),
            ("--confinement=none", "auto, landlock, seccomp"),
            ("--vpc-id=vpc-A", "use the id of a VPC"),
            ("--vpc-range=vpc-a", "VPC=CIDR"),
            ("--vpc-range=vpc-a=10.0.0.0/8", "--node-ip"),
            ("--metadata=metadata.tencentyun.com:80", "IP:PORT"),
        ] {
            let error = Args::try_parse_from(["hosts-updater", argument]).unwrap_err();
            assert_eq!(error.exit_code(), 2);
            assert!(error.to_string().contains(part), "{argument}: {error}");
        }
    }
}
