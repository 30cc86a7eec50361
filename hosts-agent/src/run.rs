//! Runs `hosts-updater` with its arguments.

use std::error::Error;
use std::io::{self, Write};
use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::PoisonError;
use std::time::{Duration, Instant};

use signal_hook::consts::{SIGINT, SIGTERM};
use tcr::hosts_entry::HostsList;

use crate::agent::{Agent, Outcome, Patience, Probing};
use crate::args::Args;
use crate::block;
use crate::bounds::Bounds;
use crate::config::{self, ListFile};
use crate::confine;
use crate::diff;
use crate::hosts_file::{HostsFile, HostsFileError};
use crate::keeper::{self, Files};
use crate::location::parent;
use crate::message::Message;
use crate::metrics_server::{self, SharedReport};
use crate::network::Locator;
use crate::state_file::{self, StateFile};
use crate::watch::{Wake, Watch};

/// After another process was in the way.
const SOON: Duration = Duration::from_secs(1);

type Result<T> = std::result::Result<T, Box<dyn Error>>;

/// Does what `args` say; prints what was asked for to `out`, and what happens to standard error.
pub fn run(args: Args, out: &mut impl Write) -> Result<()> {
    if let Some(what) = args.healthcheck {
        return Ok(state_file::check(&args.state_dir, what)?);
    }
    let bounds = args.bounds(&rustix::system::uname().nodename().to_string_lossy());
    if args.keeper {
        return keep(&args, &bounds);
    }
    let metrics_address = args.metrics_address();
    let of_keeper = args.of_keeper();
    // Read before the file of the Pod's earlier process is replaced.
    let locator = args.locator(state_file::remembered_vpc(&args.state_dir));
    let metadata_port = args.metadata.0.filter(|_| locator.is_asking()).map(|address| address.port());
    let Args { config_dir, hosts_file, recheck, probe_port, state_dir, once, remove, dry_run, .. } = args;
    let probe_port = Some(probe_port).filter(|port| *port != 0);
    if dry_run || remove {
        return edit(&HostsFile::new(&hosts_file), &config_dir, &bounds, locator, remove, dry_run, out);
    }
    let probing = probe_port.map(|port| Probing::on_port(port, recheck));
    if once {
        let (list, file) = (ListFile::new(&config_dir), HostsFile::new(&hosts_file));
        return pass_once(Agent::new(list, bounds, file, probing).located_by(locator));
    }
    version::check_chart()?;
    keep_memory_to_itself();
    // Everything that has to be opened or started is, before confinement.
    let state = StateFile::begin(&state_dir).inspect_err(|error| log_state_error(&state_dir, error)).ok();
    let mut watch = Watch::new(stop_signals()?);
    let program = std::env::current_exe()?;
    let Files { list, hosts: file, nsswitch, line } =
        keeper::start(&program, &of_keeper, &config::path(&config_dir), &hosts_file)?;
    watch.keeper(line);
    let metrics_port = metrics_address.map(|address| address.port());
    let ports: Vec<u16> = probe_port.into_iter().chain(metadata_port).collect();
    let confinement = confine::agent(args.confinement, metrics_port, &ports)?;
    log(confinement.sentence());
    let mut agent = Agent::new(list, bounds, file.clone(), probing).located_by(locator).asked_as(nsswitch);
    agent.report_mut().confinement = confinement;
    Loop { watch, agent, file, config_dir, recheck, metrics_address, metrics: None, state_dir, state }.run()
}

fn keep_memory_to_itself() {
    if let Err(refused) = undumpable::set() {
        log(&refused.to_string());
    }
}

/// `--keeper`: works for the process at the other end of standard input.
fn keep(Args { config_dir, hosts_file, confinement, .. }: &Args, bounds: &Bounds) -> Result<()> {
    keep_memory_to_itself();
    confine::keeper(*confinement, parent(hosts_file), config_dir)?;
    Ok(keeper::serve(io::stdin(), &config::path(config_dir), hosts_file, bounds)?)
}

/// `--dry-run` and `--remove`: one change, shown or made.
fn edit(
    file: &HostsFile,
    config_dir: &Path,
    bounds: &Bounds,
    mut locator: Locator,
    remove: bool,
    dry_run: bool,
    out: &mut impl Write,
) -> Result<()> {
    let list = if remove { None } else { Some(ListFile::new(config_dir).read(bounds)?) };
    if list.as_ref().is_some_and(HostsList::is_by_vpc) {
        locator.look(Instant::now());
    }
    let vpc_id = locator.network().vpc_id();
    let entries = list.as_ref().map(|list| list.enabled_for(vpc_id)).unwrap_or_default();
    let snapshot = file.read()?;
    let new = block::merge(&snapshot.bytes, &entries);
    if dry_run {
        out.write_all(&diff::unified(&file.path().to_string_lossy(), &snapshot.bytes, &new))?;
        return Ok(());
    }
    if new == snapshot.bytes {
        log(&format!("{} has no block", file.path().display()));
        return Ok(());
    }
    let mode = file.replace(&snapshot.version(), &entries)?;
    log(&format!("removed the block from {} ({mode})", file.path().display()));
    Ok(())
}

fn pass_once(mut agent: Agent) -> Result<()> {
    let before = agent.report().clone();
    agent.pass();
    let report = agent.report();
    match report.unready() {
        Some(problem) => Err(problem.to_owned().into()),
        None => {
            report.news(&before).iter().for_each(|line| log(line));
            Ok(())
        }
    }
}

struct Loop {
    agent: Agent,
    watch: Watch,
    file: HostsFile,
    config_dir: PathBuf,
    recheck: Duration,
    metrics_address: Option<SocketAddr>,
    /// Set once the server runs.
    metrics: Option<SharedReport>,
    state_dir: PathBuf,
    /// None where it could not be created.
    state: Option<StateFile>,
}

impl Loop {
    /// Until SIGTERM or SIGINT. The block stays: the next version of the program, or the next boot
    /// of the node, needs it before it could write it.
    fn run(mut self) -> Result<()> {
        // Files of a killed process; without the directory the first pass reports the error.
        let _ = self.file.clean();
        let mut patience = Patience::new(self.recheck);
        loop {
            // Before the pass, so that no change falls between looking and waiting.
            let before = self.agent.report().clone();
            self.agent.report_mut().watch_problem = self.watch.follow(&self.config_dir, &self.file.places());
            self.start_metrics();
            let Outcome { retry_soon, foreign_change, next_probe, is_lost } = self.agent.pass();
            self.agent.report().news(&before).iter().for_each(|line| log(line));
            let now = Instant::now();
            if foreign_change {
                patience.answered(now);
            }
            if is_lost {
                return Err(self.agent.report().unready().unwrap_or_default().into());
            }
            self.publish();
            let due = now + if retry_soon { SOON } else { self.recheck };
            let due = next_probe.map_or(due, |probe| due.min(probe));
            if !self.wait(due, &patience)? {
                return Ok(());
            }
        }
    }

    /// Waits for a reason to pass again; false at the end.
    fn wait(&mut self, mut due: Instant, patience: &Patience) -> Result<bool> {
        loop {
            match self.watch.wait(due)? {
                Wake::Stop => return Ok(false),
                Wake::Alone => return Err(HostsFileError::Alone(self.file.path().to_owned()).into()),
                Wake::HostsFile => match patience.until() {
                    Some(until) if Instant::now() < until => due = due.min(until),
                    _ => return Ok(true),
                },
                Wake::List | Wake::Due => return Ok(true),
            }
        }
    }

    /// A port that is taken must not keep the node from resolving: tried again with each pass.
    fn start_metrics(&mut self) {
        let Some(address) = self.metrics_address else { return };
        if self.metrics.is_some() {
            return;
        }
        let shared = SharedReport::default();
        self.agent.report_mut().metrics_problem = match metrics_server::start(address, shared.clone()) {
            Ok(bound) => {
                log(&format!("metrics at http://{bound}/metrics"));
                self.metrics = Some(shared);
                None
            }
            Err(error) => Some(Message::new(format_args!("cannot listen on {address} for metrics: {error}"))),
        };
    }

    fn publish(&mut self) {
        if let Some(shared) = &self.metrics {
            self.agent.report().clone_into(&mut shared.lock().unwrap_or_else(PoisonError::into_inner));
        }
        let Some(state) = &self.state else { return };
        if let Err(error) = state.write(self.agent.report(), self.recheck) {
            log_state_error(&self.state_dir, &error);
        }
    }
}

/// Becomes readable with SIGTERM or SIGINT. Process 1 of a container is not ended by a signal that
/// it does not handle.
fn stop_signals() -> io::Result<OwnedFd> {
    let (stop, signal) = UnixStream::pair()?;
    signal_hook::low_level::pipe::register(SIGTERM, signal.try_clone()?)?;
    signal_hook::low_level::pipe::register(SIGINT, signal)?;
    Ok(stop.into())
}

/// The probes will fail, and this says why.
fn log_state_error(directory: &Path, error: &io::Error) {
    log(&format!("cannot write the state for --healthcheck to {}: {error}", directory.display()));
}

fn log(line: &str) {
    // Without a reader of standard error nothing can be reported.
    let _ = writeln!(io::stderr(), "{line}");
}
