//! hosts-updater: what it costs a node, and how fast and how safely the hosts file changes.
//!
//! The program is the one that ships: static, of the profile `small`, with its image's environment. It
//! runs on temporary directories that stand for the mounted ConfigMap and the node's `/etc`; `TMPDIR` says on which
//! file system.

use std::fs;
use std::io::Write as _;
use std::os::unix::fs::{MetadataExt as _, symlink};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail, ensure};
use tempfile::TempDir;

use figure::{Figure, Limit, median, p99};

const ENTRIES: usize = 256;
/// What a large hosts file has, such as one that blocks advertisements.
const FILE_BYTES: usize = 1 << 20;
const PATIENCE: Duration = Duration::from_secs(30);

/// Measures every figure of hosts-updater but those of a real cluster.
pub(crate) fn measure(smoke: bool) -> anyhow::Result<Vec<Figure>> {
    let program = program(smoke)?;
    let mut figures = Vec::new();
    let mut put = |metric, value, unit, limit| {
        let limit = Option::map(limit, Limit::AtMost);
        figures.push(Figure { name: "hosts", metric, value, unit, limit });
    };
    put("binary_kib", fs::metadata(&program)?.len() as f64 / 1024.0, "KiB", Some(2048.0));
    put("image_kib", compressed(&program)? as f64 / 1024.0, "KiB", Some(1024.0));

    let node = Node::new(&program)?;
    let mut agent = node.start()?;
    let swaps = if smoke { 10 } else { 400 };
    let (swap, raw) = swaps_and_raw_writes(&node, swaps)?;
    put("swap_to_file_p99_vs_raw", p99(swap.clone()) / p99(raw.clone()), "ratio", Some(1.5));
    put("swap_to_file_p99", p99(swap.clone()), "ms", None);
    put("swap_to_file_p50_vs_raw", median(swap) / median(raw), "ratio", None);

    // At rest, after it has rewritten a file of a megabyte.
    let memory = agent.memory()?;
    put("rss_mib", memory.resident, "MiB", Some(4.0));
    put("pss_mib", memory.proportional, "MiB", None);
    put("peak_rss_mib", memory.peak, "MiB", None);
    let quiet = Duration::from_secs(if smoke { 2 } else { 180 });
    // The last swap's own echo is no idling.
    std::thread::sleep(Duration::from_secs(3));
    let before = agent.wakeups()?;
    std::thread::sleep(quiet);
    let wakeups = (agent.wakeups()? - before) as f64 * 60.0 / quiet.as_secs_f64();
    put("idle_wakeups_per_minute", wakeups, "1/min", Some(2.0));
    agent.end()?;

    let kills = if smoke { 50 } else { 10_000 };
    let (torn, reads) = torn_reads(&node, kills)?;
    ensure!(reads > u64::from(kills), "the readers hardly ran: {reads} reads in {kills} kills");
    put("torn_reads", torn as f64, "reads", Some(0.0));
    put("reads", reads as f64, "reads", None);
    Ok(figures)
}

/// The static program; the short form takes what the tests have built.
fn program(smoke: bool) -> anyhow::Result<PathBuf> {
    let target = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target");
    let place = match smoke {
        true => "debug/hosts-updater".to_owned(),
        false => format!("{}-unknown-linux-gnu/small/hosts-updater", std::env::consts::ARCH),
    };
    let path = target.join(place);
    fs::canonicalize(&path)
        .with_context(|| format!("cannot find {}: run ./justw bench hosts", path.display()))
}

/// What an image with nothing but the program weighs: one layer, a gzipped tar.
fn compressed(program: &Path) -> anyhow::Result<usize> {
    let (directory, name) = (program.parent().context("a program has a directory")?, "hosts-updater");
    let output = Command::new("tar")
        .args(["--create", "--gzip", "--owner=0", "--group=0", "--directory"])
        .arg(directory)
        .arg(name)
        .output()
        .context("this benchmark needs tar and gzip")?;
    ensure!(output.status.success(), "tar: {}", String::from_utf8_lossy(&output.stderr));
    Ok(output.stdout.len())
}

/// Milliseconds from the swap of the list to the new file, and of a bare write of as many bytes:
/// write, fsync, rename, fsync of the directory. They come in pairs, each bare write right before its swap, so that a
/// disk which others keep busy delays both.
fn swaps_and_raw_writes(node: &Node, count: usize) -> anyhow::Result<(Vec<f64>, Vec<f64>)> {
    let (mut swaps, mut raw) = (Vec::new(), Vec::new());
    for round in 0..count + count / 10 {
        let version = node.prepare_list(&list(round))?;
        let bytes = fs::read(node.hosts())?;
        let before = fs::metadata(node.hosts())?.ino();
        let started = Instant::now();
        node.write_raw(&bytes)?;
        let bare = started.elapsed();
        let started = Instant::now();
        node.swap(&version)?;
        while fs::metadata(node.hosts())?.ino() == before {
            ensure!(started.elapsed() < PATIENCE, "the list of round {round} did not reach the file");
            std::thread::sleep(Duration::from_micros(50));
        }
        let swap = started.elapsed();
        ensure!(
            has(&fs::read(node.hosts())?, &address(round)),
            "the file of round {round} is another list's"
        );
        // The agent looks once more at what it wrote, half a moment later.
        std::thread::sleep(Duration::from_millis(150));
        if round >= count / 10 {
            swaps.push(swap.as_secs_f64() * 1e3);
            raw.push(bare.as_secs_f64() * 1e3);
        }
    }
    Ok((swaps, raw))
}

/// Kills writers at random moments while readers loop; gives how many reads found neither the old
/// nor the new file, and how many reads there were.
fn torn_reads(node: &Node, kills: u32) -> anyhow::Result<(u64, u64)> {
    let mut versions = Vec::new();
    let mut took = Duration::ZERO;
    for round in 0..2 {
        node.swap(&node.prepare_list(&list(round))?)?;
        let started = Instant::now();
        ensure!(node.once().status()?.success(), "hosts-updater --once failed");
        took = started.elapsed();
        versions.push(fs::read(node.hosts())?);
    }
    let stop = AtomicBool::new(false);
    let (torn, reads) = (AtomicU64::new(0), AtomicU64::new(0));
    let result = std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                while !stop.load(Ordering::Relaxed) {
                    let is_whole = fs::read(node.hosts()).is_ok_and(|bytes| versions.contains(&bytes));
                    torn.fetch_add(u64::from(!is_whole), Ordering::Relaxed);
                    reads.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
        let result = (0..kills).try_for_each(|kill| -> anyhow::Result<()> {
            node.swap(&node.prepare_list(&list(kill as usize % 2))?)?;
            let mut writer = node.once().spawn()?;
            // Steps of the golden ratio: every moment of one and a half rewrites, in no order.
            let moment = took.mul_f64(1.5 * (f64::from(kill) * 0.618_033_988_749_895).fract());
            let until = Instant::now() + moment;
            while Instant::now() < until && writer.try_wait()?.is_none() {
                std::thread::yield_now();
            }
            writer.kill()?;
            writer.wait()?;
            Ok(())
        });
        stop.store(true, Ordering::Relaxed);
        result
    });
    result?;
    Ok((torn.into_inner(), reads.into_inner()))
}

fn has(file: &[u8], text: &str) -> bool {
    file.windows(text.len()).any(|window| window == text.as_bytes())
}

fn address(round: usize) -> String {
    format!("10.{}.{}.1 ", round / 250 % 250, round % 250)
}

/// A list whose every entry differs from one round to the next.
fn list(round: usize) -> String {
    let address = address(round);
    let address = address.trim_end();
    (0..ENTRIES)
        .map(|entry| format!("- domain: r{entry}.tencentcloudcr.com\n  ip: {address}\n  disabled: false\n"))
        .collect()
}

/// Directories that stand for a node's.
struct Node<'a> {
    program: &'a Path,
    environment: Vec<(&'static str, &'static str)>,
    root: TempDir,
    /// The agent's state, in memory as in the chart: on a disk each write of it would be waited for.
    state: TempDir,
}

/// What the image sets for the program.
fn environment() -> Vec<(&'static str, &'static str)> {
    let image = include_str!("../../../artifacts/images/hosts-updater.Dockerfile");
    image.lines().filter_map(|line| line.strip_prefix("ENV ")?.split_once('=')).collect()
}

impl<'a> Node<'a> {
    fn new(program: &'a Path) -> anyhow::Result<Self> {
        let state = tempfile::tempdir_in("/dev/shm").context("cannot make a folder in memory")?;
        let node = Self { program, environment: environment(), root: tempfile::tempdir()?, state };
        for directory in ["etc", "config", "raw"] {
            fs::create_dir(node.path(directory))?;
        }
        let mut hosts = "127.0.0.1 localhost\n".to_owned();
        for number in 0.. {
            if hosts.len() >= FILE_BYTES {
                break;
            }
            hosts += &format!("0.0.0.0 advertisement-{number}.example.com # theirs\n");
        }
        fs::write(node.hosts(), hosts)?;
        fs::write(node.path("raw/hosts"), "")?;
        node.swap(&node.prepare_list(&list(9999))?)?;
        symlink("..data/hosts.yaml", node.path("config/hosts.yaml"))?;
        Ok(node)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.root.path().join(name)
    }

    fn hosts(&self) -> PathBuf {
        self.path("etc/hosts")
    }

    /// A new version of the list, as the kubelet lays it down before it swaps the link.
    fn prepare_list(&self, yaml: &str) -> anyhow::Result<PathBuf> {
        let version = tempfile::Builder::new().prefix("..v").tempdir_in(self.path("config"))?.keep();
        fs::write(version.join("hosts.yaml"), yaml)?;
        Ok(version)
    }

    fn swap(&self, version: &Path) -> anyhow::Result<()> {
        let data = self.path("config/..data");
        let old = fs::read_link(&data);
        let link = self.path("config/..data_tmp");
        symlink(version.file_name().context("a version has a name")?, &link)?;
        fs::rename(link, &data)?;
        if let Ok(old) = old {
            fs::remove_dir_all(self.path("config").join(old))?;
        }
        Ok(())
    }

    fn write_raw(&self, bytes: &[u8]) -> anyhow::Result<()> {
        let beside = self.path("raw/new");
        let mut file = fs::File::create(&beside)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        fs::rename(beside, self.path("raw/hosts"))?;
        fs::File::open(self.path("raw"))?.sync_all()?;
        Ok(())
    }

    fn command(&self) -> Command {
        let mut command = Command::new(self.program);
        command
            .env_clear()
            .envs(self.environment.iter().copied())
            .arg("--config-dir")
            .arg(self.path("config"));
        command.arg("--hosts-file").arg(self.hosts()).arg("--state-dir").arg(self.state.path());
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        command
    }

    fn once(&self) -> Command {
        let mut command = self.command();
        command.arg("--once");
        command
    }

    /// The agent as the DaemonSet runs it, after its first pass.
    fn start(&self) -> anyhow::Result<Agent> {
        let child = self.command().args(["--metrics-ip=127.0.0.1", "--metrics-port=0"]).spawn()?;
        let mut agent = Agent(child);
        let started = Instant::now();
        while !self.command().arg("--healthcheck=ready").status()?.success() {
            if started.elapsed() > PATIENCE || agent.0.try_wait()?.is_some() {
                bail!("hosts-updater does not become ready");
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        Ok(agent)
    }
}

/// The agent with its keeper.
struct Agent(Child);

/// MiB of both processes together, files included: the program's own pages are most of it.
struct Memory {
    /// Now; pages that they share count twice.
    resident: f64,
    /// Now; pages that they share count once.
    proportional: f64,
    /// The most that each had, for the moment of a rewrite; counted as `resident`.
    peak: f64,
}

impl Agent {
    fn processes(&self) -> anyhow::Result<Vec<u32>> {
        let id = self.0.id();
        let children = fs::read_to_string(format!("/proc/{id}/task/{id}/children"))?;
        let children = children.split_whitespace().map(str::parse);
        Ok(std::iter::once(Ok(id)).chain(children).collect::<Result<_, _>>()?)
    }

    /// What both processes have in memory.
    fn memory(&self) -> anyhow::Result<Memory> {
        let processes = self.processes()?;
        let sum = |file: &str, name: &str| -> anyhow::Result<f64> {
            let each = processes.iter().map(|id| field(Path::new(&format!("/proc/{id}/{file}")), name));
            Ok(each.sum::<anyhow::Result<u64>>()? as f64 / 1024.0)
        };
        Ok(Memory {
            resident: sum("status", "VmRSS:")?,
            proportional: sum("smaps_rollup", "Pss:")?,
            peak: sum("status", "VmHWM:")?,
        })
    }

    /// How often a thread of both has given up the processor, to be woken later.
    fn wakeups(&self) -> anyhow::Result<u64> {
        let mut sum = 0;
        for id in self.processes()? {
            for task in fs::read_dir(format!("/proc/{id}/task"))? {
                sum += field(&task?.path().join("status"), "voluntary_ctxt_switches:")?;
            }
        }
        Ok(sum)
    }

    fn end(&mut self) -> anyhow::Result<()> {
        self.0.kill()?;
        self.0.wait()?;
        Ok(())
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        let _ = self.end();
    }
}

fn field(status: &Path, name: &str) -> anyhow::Result<u64> {
    let text = fs::read_to_string(status)?;
    let line =
        text.lines().find_map(|line| line.strip_prefix(name)).context("a field of /proc is missing")?;
    Ok(line.split_whitespace().next().unwrap_or_default().parse()?)
}
