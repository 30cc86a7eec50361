//! `harness bench`: what a policy costs in time and memory.

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context as _, anyhow, bail};
use clap::{Args, ValueEnum};
use serde::Serialize;

use super::host_capabilities::Answering;
use super::input::Reading;
use super::policy::{Definition, Definitions, PolicyArgs};
use crate::manifest::Operation;
use crate::{Evaluator, Host, HostOptions, Interface, Policy, Request};

const NOTES: &str = "\
Each review has a fresh instance, as in `harness serve`; the warm instance, which answers again and again, shows what
that costs. Throughput is that of as many threads as there are processors. The guest's memory is what one review leaves
it with: --memory-limit-mib has to be more. Compiling is done without the cache.

Example:
  harness bench policy.wasm -r review.json -s settings.yml --measurement-time 5 -o json";

/// Measure a policy: latencies, throughput, compile time, and the guest's memory
#[derive(Debug, Args)]
#[command(after_help = NOTES)]
pub struct Bench {
    #[command(flatten)]
    policy: PolicyArgs,

    /// The AdmissionReview, the bare request or the manifest that is put to it
    #[arg(short, long, value_name = "PATH")]
    request_path: PathBuf,

    /// How long each part warms up, in seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 1, value_parser = clap::value_parser!(u64).range(0..=3600))]
    warm_up_time: u64,

    /// How long each part is measured, in seconds, unless there are too few samples by then
    #[arg(long, value_name = "SECONDS", default_value_t = 3, value_parser = clap::value_parser!(u64).range(0..=3600))]
    measurement_time: u64,

    /// The fewest samples of each part
    #[arg(long, value_name = "NUM", default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    num_samples: u32,

    /// kwctl's; the distribution is that of the samples themselves
    #[arg(long, value_name = "NUM", hide = true)]
    num_resamples: Option<u32>,

    /// How to print the figures
    #[arg(short, long, value_enum, default_value_t = Output::Text)]
    output: Output,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Output {
    /// For people
    Text,
    /// One JSON object a line for each policy
    Json,
}

/// The figures of one policy or group.
#[derive(Debug, Serialize)]
struct Figures {
    policy: String,
    /// Of all its modules; none where they are a group's.
    #[serde(skip_serializing_if = "Option::is_none")]
    compile_ms: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    guest_memory_bytes: Option<usize>,
    validate_settings: Times,
    validate: Times,
    #[serde(skip_serializing_if = "Option::is_none")]
    validate_warm: Option<Times>,
    throughput: Throughput,
}

/// A distribution, in microseconds.
#[derive(Debug, Serialize)]
struct Times {
    samples: usize,
    mean_us: f64,
    p50_us: f64,
    p90_us: f64,
    p99_us: f64,
    max_us: f64,
}

#[derive(Debug, Serialize)]
struct Throughput {
    threads: usize,
    per_second: f64,
}

impl Bench {
    pub(super) fn execute(self) -> anyhow::Result<()> {
        let processors = std::thread::available_parallelism().map_or(1, usize::from);
        let Definitions { definitions, answering } = self.policy.definitions(processors)?;
        for definition in &definitions {
            let reading =
                Reading { raw: definition.raw, operation: Operation::Create, username: "kubernetes-admin" };
            let inputs = reading.read(&self.request_path)?;
            let [input] = &inputs[..] else {
                bail!(
                    "cannot measure with {}: it has {} requests, and one was expected",
                    self.request_path.display(),
                    inputs.len()
                );
            };
            let request = match definition.raw {
                true => Request::raw(input.request.as_bytes())?,
                false => Request::from_request(input.request.as_bytes())?,
            };
            let figures = self.measure(definition, &request, &answering, processors);
            let figures = figures.with_context(|| format!("cannot measure {}", definition.id))?;
            super::files::print(&match self.output {
                Output::Json => serde_json::to_string(&figures)? + "\n",
                Output::Text => figures.text(),
            })?;
        }
        answering.finish()
    }

    fn measure(
        &self,
        definition: &Definition,
        request: &Request<'_>,
        answering: &Answering,
        processors: usize,
    ) -> anyhow::Result<Figures> {
        let once = definition.evaluate(request);
        if once.failed {
            let why = once.response.status.and_then(|status| status.message).unwrap_or_default();
            bail!("the policy has no verdict: {why}");
        }
        self.progress("validate_settings");
        let validate_settings = self.sampled(|| {
            answering.rewind();
            let began = Instant::now();
            // It was asked before, and took them.
            let _ = definition.evaluator.validate_settings();
            began.elapsed()
        });
        self.progress("validate");
        let validate = self.sampled(|| {
            answering.rewind();
            let began = Instant::now();
            definition.evaluate(request);
            began.elapsed()
        });
        let (mut compile_ms, mut guest_memory_bytes, mut validate_warm) = (None, None, None);
        if let Evaluator::Policy(policy, settings) = &definition.evaluator {
            compile_ms = Some(self.compile(definition, policy.interface())?);
            answering.rewind();
            let measured = self.warm_up() + self.measurement();
            let deadline = Instant::now() + measured * 2 + Duration::from_secs(60);
            let began = Instant::now();
            let most = 10_000_000;
            let warm = policy.warm(request, settings, deadline, |count| {
                answering.rewind();
                count < most && (began.elapsed() < measured || count < self.num_samples as usize)
            });
            let warm = warm.map_err(|reason| anyhow!(reason))?;
            guest_memory_bytes = Some(warm.memory);
            // Its first calls warm up.
            let skipped = warm.times.len() / 4;
            validate_warm = Times::of(warm.times.into_iter().skip(skipped).collect());
        }
        let threads = if answering.is_in_order() { 1 } else { processors };
        let throughput = self.throughput(definition, request, answering, threads);
        let policy = definition.id.clone();
        Ok(Figures {
            policy,
            compile_ms,
            guest_memory_bytes,
            validate_settings,
            validate,
            validate_warm,
            throughput,
        })
    }

    fn progress(&self, what: &str) {
        if self.output == Output::Text {
            // Where nobody reads it any more, the figures will say so.
            let _ = super::files::print(&format!("{what}: warming up for {} s\n", self.warm_up_time));
        }
    }

    fn warm_up(&self) -> Duration {
        Duration::from_secs(self.warm_up_time)
    }

    fn measurement(&self) -> Duration {
        Duration::from_secs(self.measurement_time)
    }

    fn sampled(&self, mut sample: impl FnMut() -> Duration) -> Times {
        let began = Instant::now();
        while began.elapsed() < self.warm_up() {
            sample();
        }
        let began = Instant::now();
        let mut times = vec![sample()];
        while began.elapsed() < self.measurement() || times.len() < self.num_samples as usize {
            times.push(sample());
        }
        Times::of(times).unwrap_or_else(Times::none)
    }

    /// Without the cache, on this machine.
    fn compile(&self, definition: &Definition, interface: Interface) -> anyhow::Result<f64> {
        let (wasm, _) = super::source::load_stored(&definition.module, &self.policy.registry)?;
        let host = Host::new(HostOptions { module_cache: None, ..HostOptions::default() })?;
        let began = Instant::now();
        Policy::load_as(&host, &wasm, interface)?;
        Ok(began.elapsed().as_secs_f64() * 1e3)
    }

    fn throughput(
        &self,
        definition: &Definition,
        request: &Request<'_>,
        answering: &Answering,
        threads: usize,
    ) -> Throughput {
        let (count, is_over) = (AtomicUsize::new(0), AtomicBool::new(false));
        let began = Instant::now();
        std::thread::scope(|scope| {
            for _ in 0..threads {
                scope.spawn(|| {
                    while !is_over.load(Ordering::Relaxed) {
                        answering.rewind();
                        definition.evaluate(request);
                        count.fetch_add(1, Ordering::Relaxed);
                    }
                });
            }
            while began.elapsed() < self.measurement()
                || count.load(Ordering::Relaxed) < self.num_samples as usize
            {
                std::thread::sleep(Duration::from_millis(1));
            }
            is_over.store(true, Ordering::Relaxed);
        });
        let per_second = count.into_inner() as f64 / began.elapsed().as_secs_f64();
        Throughput { threads, per_second }
    }
}

impl Times {
    fn of(mut times: Vec<Duration>) -> Option<Self> {
        times.sort();
        let microseconds = |time: &Duration| time.as_secs_f64() * 1e6;
        // The smallest that at least so many are not above.
        let percentile = |percent: usize| {
            times.get((times.len() * percent).div_ceil(100).checked_sub(1)?).map(microseconds)
        };
        Some(Self {
            samples: times.len(),
            mean_us: times.iter().map(microseconds).sum::<f64>() / times.len() as f64,
            p50_us: percentile(50)?,
            p90_us: percentile(90)?,
            p99_us: percentile(99)?,
            max_us: percentile(100)?,
        })
    }

    fn none() -> Self {
        Self { samples: 0, mean_us: 0.0, p50_us: 0.0, p90_us: 0.0, p99_us: 0.0, max_us: 0.0 }
    }

    fn text(&self, name: &str) -> String {
        let Self { samples, mean_us, p50_us, p90_us, p99_us, max_us } = self;
        format!(
            "{name:24} mean {mean_us:9.1}   p50 {p50_us:9.1}   p90 {p90_us:9.1}   p99 {p99_us:9.1}   max {max_us:9.1} µs   ({samples} samples)\n"
        )
    }
}

impl Figures {
    fn text(&self) -> String {
        let mut text = format!("policy                   {}\n", self.policy);
        if let Some(compile) = self.compile_ms {
            text += &format!("compile                  {compile:.1} ms\n");
        }
        if let Some(memory) = self.guest_memory_bytes {
            text += &format!("guest memory             {:.2} MiB\n", memory as f64 / f64::from(1 << 20));
        }
        text += &self.validate_settings.text("validate_settings");
        text += &self.validate.text("validate, fresh instance");
        if let Some(warm) = &self.validate_warm {
            text += &warm.text("validate, warm instance");
        }
        let Throughput { threads, per_second } = self.throughput;
        text + &format!("throughput               {per_second:.0} a second on {threads} threads\n")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_distribution_is_that_of_the_samples() {
        let times = |count: u64| Times::of((1..=count).rev().map(Duration::from_micros).collect());
        let hundred = times(100).unwrap();
        let found = [hundred.p50_us, hundred.p90_us, hundred.p99_us, hundred.max_us, hundred.mean_us];
        assert!(
            found.iter().zip([50.0, 90.0, 99.0, 100.0, 50.5]).all(|(a, b)| (a - b).abs() < 1e-6),
            "{hundred:?}"
        );
        let one = times(1).unwrap();
        assert!((one.p50_us - 1.0).abs() < 1e-6 && (one.p99_us - 1.0).abs() < 1e-6, "{one:?}");
        assert!(times(0).is_none());
    }
}
