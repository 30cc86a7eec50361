//! The controller's port beside callers that say little, with the built program.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};

/// What all of them together may add to its memory.
const MORE_MEMORY_KIB: usize = 4 << 10;

struct Controller {
    child: Child,
    port: u16,
}

impl Drop for Controller {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A controller that waits to lead, because nobody answers as its API server.
fn controller(folder: &std::path::Path) -> Controller {
    let kubeconfig = "{apiVersion: v1, kind: Config, current-context: c, \
        clusters: [{name: c, cluster: {server: 'https://127.0.0.1:1'}}], \
        users: [{name: u, user: {token: t}}], contexts: [{name: c, context: {cluster: c, user: u}}]}";
    let path = folder.join("kubeconfig");
    std::fs::write(&path, kubeconfig).unwrap();
    let mut child = Command::new(env!("CARGO_BIN_EXE_tcr-assistant"))
        .args(["run", "--webhook-service=", "--address=127.0.0.1:0"])
        .env_clear()
        .env("KUBECONFIG", path)
        .env("TENCENTCLOUD_SECRET_ID", "id")
        .env("TENCENTCLOUD_SECRET_KEY", "key")
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut seen = String::new();
    let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
    let port = loop {
        let line = lines.next().unwrap_or_else(|| panic!("no port in\n{seen}")).unwrap();
        if let Some((_, address)) = line.split_once("listening on 127.0.0.1:") {
            break address.trim().parse().unwrap();
        }
        seen.push_str(&line);
    };
    // So that it is never kept from telling more.
    std::thread::spawn(move || lines.for_each(drop));
    Controller { child, port }
}

fn memory_kib(process: u32) -> usize {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}

#[tokio::test]
async fn probes_are_answered_and_memory_stays_beside_silent_callers_and_half_heads() {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let folder = tempfile::tempdir().unwrap();
    let controller = controller(folder.path());
    let url = format!("http://127.0.0.1:{}/healthz", controller.port);
    let healthy = async || reqwest::get(&url).await.unwrap().text().await.unwrap();
    assert_eq!(healthy().await, "ok");
    let before = memory_kib(controller.child.id());
    let half = format!("GET /metrics HTTP/1.1\r\nhost: x\r\nx: {}", "x".repeat(400 << 10));
    let mut held = Vec::new();
    for number in 0..200 {
        let mut stream = TcpStream::connect(("127.0.0.1", controller.port)).unwrap();
        stream.set_write_timeout(Some(std::time::Duration::from_millis(50))).unwrap();
        if number % 2 == 0 {
            // As much of it as is taken.
            let _ = stream.write_all(half.as_bytes());
        }
        held.push(stream);
        assert_eq!(healthy().await, "ok", "beside {number}");
    }
    let after = memory_kib(controller.child.id());
    assert!(after < before + MORE_MEMORY_KIB, "{before} KiB before, {after} KiB after");
}
