//! The clocks of a guest: the machine's.

use std::sync::OnceLock;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use wasmtime::Caller;

use super::errno::{INVAL, SUCCESS};
use crate::call_state::CallState;
use crate::wapc::write;

pub(super) fn resolution(
    mut caller: Caller<'_, CallState>,
    clock: u32,
    result: u32,
) -> wasmtime::Result<i32> {
    if clock > 3 {
        return Ok(INVAL);
    }
    write(&mut caller, "clock_res_get", result, &1u64.to_le_bytes())?;
    Ok(SUCCESS)
}

/// Clock 0 is the time of day; the others run from an arbitrary start. `None` for one that there is not.
pub(super) fn now(clock: u32) -> Option<Duration> {
    static START: OnceLock<Instant> = OnceLock::new();
    match clock {
        0 => Some(SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()),
        1..=3 => Some(START.get_or_init(Instant::now).elapsed()),
        _ => None,
    }
}

pub(super) fn time(
    mut caller: Caller<'_, CallState>,
    clock: u32,
    _precision: u64,
    result: u32,
) -> wasmtime::Result<i32> {
    let Some(now) = now(clock) else { return Ok(INVAL) };
    let nanoseconds = u64::try_from(now.as_nanos()).unwrap_or(u64::MAX);
    write(&mut caller, "clock_time_get", result, &nanoseconds.to_le_bytes())?;
    Ok(SUCCESS)
}
