//! What a command costs: `run` with a policy that is compiled already, and `test` with a thousand cases.

use std::process::{Command, Stdio};
use std::time::Instant;

use anyhow::{Context as _, ensure};
use figure::{Figure, median};
use harness::{Host, HostOptions, Policy};

use super::bench::{Bench, at_most, figure};
use crate::review;

pub(super) fn measure(bench: &Bench) -> anyhow::Result<Vec<Figure>> {
    bench.write("review.json", &review::pod(5 << 10, true))?;
    let run = ["run", "policy.wasm", "-r", "review.json", "-s", "settings.json"];
    // Compiles it.
    bench.command(&run)?;
    let times = bench.times(60, 5);
    let before = processor_seconds()?;
    let mut took = Vec::new();
    for _ in 0..times {
        took.push(bench.command(&run)?);
    }
    let of_run = (processor_seconds()?.children - before.children) / f64::from(times);
    let run_ms = median(took);
    let compiled = compilation(bench, "policy.wasm")?;

    bench.write("cases.yaml", cases(1000).as_bytes())?;
    let test = ["test", "policy.wasm", "cases.yaml"];
    let took = (0..bench.times(7, 1)).map(|_| bench.command(&test)).collect::<anyhow::Result<Vec<_>>>()?;
    let test_ms = median(took);
    Ok(vec![
        figure("run_process_ms", run_ms, "ms", at_most(40.0)),
        figure("run_cpu_ms", of_run * 1e3, "ms", None),
        figure("run_cpu_vs_compile", of_run / compiled, "ratio", at_most(0.1)),
        figure("compile_cpu_ms", compiled * 1e3, "ms", None),
        figure("test_1000_cases_ms", test_ms, "ms", at_most(1000.0)),
        figure("test_1000_cases_vs_runs", test_ms / (1000.0 * run_ms), "ratio", None),
    ])
}

impl Bench {
    /// Runs the harness to its end; milliseconds that it took.
    fn command(&self, arguments: &[&str]) -> anyhow::Result<f64> {
        let mut command = Command::new(&self.program);
        command.args(arguments).current_dir(self.folder.path()).env_clear();
        command.env("XDG_CACHE_HOME", self.path("cache")).stdin(Stdio::null());
        let began = Instant::now();
        let output = command.output().with_context(|| format!("cannot run {command:?}"))?;
        let took = began.elapsed();
        ensure!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
        Ok(took.as_secs_f64() * 1e3)
    }
}

/// Processor seconds of one compilation of the module, by all threads together.
fn compilation(bench: &Bench, module: &str) -> anyhow::Result<f64> {
    let wasm = std::fs::read(bench.path(module))?;
    let host = Host::new(HostOptions::default())?;
    let times = bench.times(8, 1);
    let before = processor_seconds()?;
    for _ in 0..times {
        Policy::load(&host, &wasm)?;
    }
    Ok((processor_seconds()?.own - before.own) / f64::from(times))
}

/// What processors have done so far, in seconds.
struct ProcessorSeconds {
    /// For this process.
    own: f64,
    /// For its children that have ended.
    children: f64,
}

fn processor_seconds() -> anyhow::Result<ProcessorSeconds> {
    const TICKS: f64 = 100.0;
    let stat = std::fs::read_to_string("/proc/self/stat")?;
    // The name in parentheses may have blanks; the third field comes after it.
    let (_, fields) = stat.rsplit_once(')').context("/proc/self/stat has another form")?;
    let fields: Vec<&str> = fields.split_whitespace().collect();
    let seconds = |from: usize| -> anyhow::Result<f64> {
        let ticks = fields.get(from..from + 2).context("/proc/self/stat is short")?;
        Ok(ticks.iter().map(|ticks| ticks.parse::<f64>()).sum::<Result<f64, _>>()? / TICKS)
    };
    Ok(ProcessorSeconds { own: seconds(11)?, children: seconds(13)? })
}

/// A file of cases as people write them, each about a Pod of its own.
fn cases(count: usize) -> String {
    let mut text = format!("settings: {}\ncases:\n", review::settings(1));
    for number in 0..count {
        text += &format!(
            "  - name: Pod {number} gets the Secret
    object:
      apiVersion: v1
      kind: Pod
      metadata: {{name: web-{number}, namespace: shop, labels: {{app: web, number: n{number}}}}}
      spec:
        containers:
          - name: app
            image: demo-vpc.tencentcloudcr.com/team/app:v{number}
            ports: [{{containerPort: 8080}}]
          - name: proxy
            image: registry.example.com/proxy:v1
    expect:
      patch:
        - {{op: add, path: /spec/imagePullSecrets, value: [{{name: tcr.ipsdemo}}]}}
"
        );
    }
    text
}
