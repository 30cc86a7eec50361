//! The programs that ship keep their memory their own: there is no core dump, and no other process of the same user
//! reads it.

use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, chown};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use integration::{policy_wasm, program};
use tempfile::TempDir;

/// Longer than anything here takes on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);
/// For tests of root, which may read every process: `nobody`.
const OTHER: u32 = 65534;

/// A process that ends with the value, with a folder that is its user's.
struct Running {
    child: Child,
    folder: TempDir,
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn is_root() -> bool {
    fs::metadata("/proc/self").unwrap().uid() == 0
}

/// A command as the user whose processes are looked at.
fn as_user(program: impl AsRef<std::ffi::OsStr>) -> Command {
    let mut command = Command::new(program);
    if is_root() {
        command.uid(OTHER).gid(OTHER);
    }
    command.env_clear().env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin").current_dir("/");
    command
}

impl Running {
    /// Starts a program that may dump core as much as it likes, unless it says otherwise.
    fn start(program: &Path, arguments: impl FnOnce(&Path) -> Vec<String>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
        let copy = folder.path().join("program");
        fs::copy(program, &copy).unwrap();
        fs::set_permissions(&copy, fs::Permissions::from_mode(0o755)).unwrap();
        let arguments = arguments(folder.path());
        if is_root() {
            give(folder.path());
        }
        let child = as_user("sh")
            .args(["-c", r#"ulimit -c "$(ulimit -H -c)"; exec "$@""#, "sh"])
            .arg(&copy)
            .args(arguments)
            .env("HOME", folder.path())
            .env("KUBECONFIG", folder.path().join("kubeconfig"))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(fs::File::create(folder.path().join("log")).unwrap())
            .spawn()
            .unwrap();
        Self { child, folder }
    }

    fn log(&self) -> String {
        fs::read_to_string(self.folder.path().join("log")).unwrap()
    }

    /// Waits until the process, or one that it started, is what a test wants.
    #[track_caller]
    fn eventually(&mut self, what: &str, is_it: impl Fn(u32) -> bool) {
        let start = Instant::now();
        while !is_it(self.child.id()) {
            let ended = self.child.try_wait().unwrap();
            assert!(ended.is_none(), "it ended: {ended:?}\n{}", self.log());
            assert!(start.elapsed() < PATIENCE, "not within {PATIENCE:?}: {what}\n{}", self.log());
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

/// Everything in the folder becomes the user's.
fn give(path: &Path) {
    chown(path, Some(OTHER), Some(OTHER)).unwrap();
    if path.is_dir() {
        fs::read_dir(path).unwrap().for_each(|entry| give(&entry.unwrap().path()));
    }
}

/// Whether another process of the same user reads its memory: the kernel asks the same for its environment, which a
/// program reads without ptrace.
fn is_readable(id: u32) -> bool {
    let mut cat = as_user("cat");
    let cat = cat.arg(format!("/proc/{id}/environ")).stdout(Stdio::null()).stderr(Stdio::null());
    cat.status().unwrap().success()
}

fn may_dump_core(id: u32) -> bool {
    let limits = fs::read_to_string(format!("/proc/{id}/limits")).unwrap();
    let line = limits.lines().find(|line| line.starts_with("Max core file size")).unwrap();
    line.split_whitespace().skip(4).take(2).any(|limit| limit != "0")
}

fn built(name: &str) -> PathBuf {
    PathBuf::from(program(name).get_program())
}

#[test]
fn an_ordinary_process_is_readable_so_the_look_is_worth_something() {
    let mut sleep = Running::start(Path::new("/usr/bin/sleep"), |_| vec!["600".to_owned()]);
    sleep.eventually("sleep to be readable", |id| {
        fs::read_to_string(format!("/proc/{id}/comm")).unwrap().trim() == "program" && is_readable(id)
    });
}

#[test]
fn a_controller_leaves_no_core_dump_and_no_memory_to_others() {
    let mut controller = Running::start(&built("tcr-assistant"), |folder| {
        // Nobody listens there: it waits to lead.
        let kubeconfig = "{apiVersion: v1, kind: Config, current-context: c, contexts: [{name: c, context: {cluster: c, user: u}}], \
                          clusters: [{name: c, cluster: {server: 'https://127.0.0.1:1'}}], users: [{name: u, user: {}}]}";
        fs::write(folder.join("kubeconfig"), kubeconfig).unwrap();
        ["run", "--address=127.0.0.1:0", "--metadata-endpoint="].map(str::to_owned).to_vec()
    });
    controller.eventually("its memory to be its own", |id| !may_dump_core(id) && !is_readable(id));
}

#[test]
fn a_webhook_leaves_no_core_dump_and_no_memory_to_others() {
    let mut webhook = Running::start(&built("harness"), |folder| {
        fs::copy(policy_wasm(), folder.join("policy.wasm")).unwrap();
        let policies = "tcr: {module: 'file://policy.wasm', settings: {registries: [{name: demo, hosts: [demo.tencentcloudcr.com]}]}}\n";
        let policies = policies.replace("policy.wasm", &folder.join("policy.wasm").display().to_string());
        fs::write(folder.join("policies.yml"), policies).unwrap();
        let policies = format!("--policies={}", folder.join("policies.yml").display());
        vec![
            "serve".to_owned(),
            "--addr=127.0.0.1".to_owned(),
            "--port=0".to_owned(),
            "--readiness-probe-port=0".to_owned(),
            policies,
        ]
    });
    webhook.eventually("its memory to be its own", |id| !may_dump_core(id) && !is_readable(id));
}

#[test]
fn both_processes_of_hosts_updater_leave_no_core_dump_and_no_memory_to_others() {
    let mut agent = Running::start(&built("hosts-updater"), |folder| {
        for name in ["etc", "config", "state"] {
            fs::create_dir(folder.join(name)).unwrap();
        }
        fs::write(folder.join("etc/hosts"), "127.0.0.1 localhost\n").unwrap();
        fs::write(folder.join("config/hosts.yaml"), "[]\n").unwrap();
        let path = |flag: &str, name: &str| format!("{flag}={}", folder.join(name).display());
        vec![path("--config-dir", "config"), path("--hosts-file", "etc/hosts"), path("--state-dir", "state")]
    });
    agent.eventually("the memory of both to be their own", |id| {
        let children = fs::read_to_string(format!("/proc/{id}/task/{id}/children")).unwrap_or_default();
        let keepers: Vec<u32> = children.split_whitespace().filter_map(|id| id.parse().ok()).collect();
        // A kernel without Landlock has one process.
        std::iter::once(&id).chain(&keepers).all(|id| !may_dump_core(*id) && !is_readable(*id))
    });
}
