//! The host: one wasmtime engine, what guests may import, and the limits they run under.

use std::sync::Arc;
use std::time::Duration;

use wasmtime::{
    Config, Enabled, Engine, InstanceAllocationStrategy, Linker, OptLevel, PoolingAllocationConfig,
};

use crate::call_state::CallState;
use crate::module_cache::ModuleCache;
use crate::slots::Slots;
use crate::ticker::Ticker;
use crate::{wapc, wasi};

/// The memory that a freed instance keeps for the next one: returning pages and faulting them in again is
/// what a fresh instance costs. A kept page is wiped after each call, so this is what an ordinary request
/// writes to and not what the largest one does. Times `concurrency` it is also what an idle host holds.
const KEEP_RESIDENT: usize = 256 << 10;

/// The default memory limit of a call, in MiB: what a policy in Rust with Kubewarden's SDK takes, with its
/// set of regular expressions, for an update of 2 MB of small values (old and new object together 4 MB),
/// which it parses into trees. `./justw bench memory` prints how much that is, and `--check` holds it to
/// this.
pub const DEFAULT_MEMORY_LIMIT_MIB: u64 = 64;

/// How guests are limited.
#[derive(Debug, Clone)]
pub struct HostOptions {
    /// How long one call may take, from the wait for a free instance to the answer.
    pub timeout: Duration,
    /// How large a guest's memory may grow, in bytes.
    pub memory_limit: usize,
    /// How many instances may exist at once; further calls wait, within their time.
    pub concurrency: usize,
    /// How many instances that have ended keep their place warm for the next one, at most.
    pub idle_instances: u32,
    /// Where compiled modules are kept for the next run; `None` compiles each time.
    pub module_cache: Option<ModuleCache>,
}

/// wasmtime's own default.
const IDLE_INSTANCES: u32 = 100;

impl Default for HostOptions {
    /// Two seconds and 64 MiB for a call, two instances for each processor, no cache.
    fn default() -> Self {
        let processors = std::thread::available_parallelism().map_or(2, usize::from);
        Self {
            timeout: Duration::from_secs(2),
            memory_limit: (DEFAULT_MEMORY_LIMIT_MIB as usize) << 20,
            concurrency: (2 * processors).max(4),
            idle_instances: IDLE_INSTANCES,
            module_cache: None,
        }
    }
}

/// The host cannot be set up.
#[derive(Debug, thiserror::Error)]
#[error("cannot set up the wasm engine: {0}")]
pub struct HostError(String);

impl HostError {
    pub(crate) fn of_thread(error: &std::io::Error) -> Self {
        Self(error.to_string())
    }
}

/// Runs policies. One for each program; cloning it is cheap and shares everything.
#[derive(Clone)]
pub struct Host {
    pub(crate) inner: Arc<Inner>,
}

pub(crate) struct Inner {
    pub(crate) engine: Engine,
    pub(crate) linker: Linker<CallState>,
    pub(crate) slots: Slots,
    pub(crate) ticker: Ticker,
    pub(crate) options: HostOptions,
}

impl Host {
    /// Sets up the engine.
    ///
    /// # Errors
    /// When the machine cannot run it: an unsupported processor, or no thread can be started.
    pub fn new(options: HostOptions) -> Result<Self, HostError> {
        let failed = |error: wasmtime::Error| HostError(format!("{error:#}"));
        let engine = engine(&options).map_err(failed)?;
        let mut linker = Linker::new(&engine);
        wapc::add_to_linker(&mut linker).map_err(failed)?;
        wasi::add_to_linker(&mut linker).map_err(failed)?;
        let ticker = Ticker::start(&engine).map_err(|error| HostError::of_thread(&error))?;
        let slots = Slots::new(options.concurrency);
        Ok(Self { inner: Arc::new(Inner { engine, linker, slots, ticker, options }) })
    }
}

/// An engine that keeps a pool of instances ready; where the address space for the pool cannot be
/// had (a `ulimit -v`, an odd container), one that allocates each instance on demand.
fn engine(options: &HostOptions) -> wasmtime::Result<Engine> {
    let mut config = base_config()?;
    config.allocation_strategy(InstanceAllocationStrategy::Pooling(pool(options)));
    Engine::new(&config).or_else(|error| {
        tracing::info!("no pool of instances, allocating on demand: {error:#}");
        Engine::new(&base_config()?)
    })
}

fn base_config() -> wasmtime::Result<Config> {
    let mut config = Config::new();
    // The architecture's baseline instead of this very processor: a compiled module is then the same
    // wherever it was made, and runs on an older machine too.
    config.target(&format!("{}-unknown-linux-gnu", std::env::consts::ARCH))?;
    config.epoch_interruption(true);
    config.cranelift_opt_level(OptLevel::Speed);
    Ok(config)
}

fn pool(options: &HostOptions) -> PoolingAllocationConfig {
    let slots = u32::try_from(options.concurrency).unwrap_or(u32::MAX);
    let mut pool = PoolingAllocationConfig::new();
    pool.total_core_instances(slots)
        .total_memories(slots)
        .total_tables(slots)
        .max_memory_size(options.memory_limit)
        // Policies written in Go have tables of tens of thousands of functions.
        .table_elements(200_000)
        .linear_memory_keep_resident(KEEP_RESIDENT.min(options.memory_limit))
        .table_keep_resident(64 << 10)
        .max_unused_warm_slots(options.idle_instances)
        .pagemap_scan(Enabled::Auto);
    pool
}
