//! The harness as its users have it, as a program: what a command costs, what the webhook answers in which time and
//! memory, and what it does while its policies, its certificate or its neighbours change.
//!
//! The program is the one that ships. Baselines are of the same run: the policy's own compilation, and a server of the
//! same stack that answers every review with the same bytes.

use figure::Figure;

use bench::Bench;

mod answers;
mod bench;
mod client;
mod cold;
mod command;
pub(crate) mod fixed_server;
mod memory;
mod process;
mod reload;
mod stuck;
mod tls;

/// Measures every figure of the harness.
pub(crate) fn measure(smoke: bool) -> anyhow::Result<Vec<Figure>> {
    let bench = Bench::new(smoke)?;
    let runtime = tokio::runtime::Runtime::new()?;
    let mut figures = command::measure(&bench)?;
    figures.extend(runtime.block_on(cold::measure(&bench))?);
    figures.extend(runtime.block_on(answers::measure(&bench))?);
    figures.extend(runtime.block_on(memory::measure(&bench))?);
    figures.extend(runtime.block_on(stuck::measure(&bench))?);
    figures.extend(runtime.block_on(reload::measure(&bench))?);
    Ok(figures)
}
