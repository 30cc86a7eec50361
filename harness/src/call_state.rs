//! The state of one call: what wasmtime keeps with the instance.

use std::fmt;
use std::sync::Arc;
use std::time::Instant;

use wasmtime::{Memory, ResourceLimiter};

use crate::context::Context;
use crate::guest_output::GuestOutput;
use crate::host_capabilities::GuestLog;
use crate::wasi::program::Program;

/// The state for the guest's imports, and the limits of its memory.
pub(crate) struct CallState {
    pub(crate) operation: &'static str,
    pub(crate) payload: Vec<u8>,
    pub(crate) context: Arc<Context>,
    pub(crate) deadline: Instant,
    /// The guest's memory, once its instance exists.
    pub(crate) memory: Option<Memory>,
    pub(crate) response: Option<Vec<u8>>,
    pub(crate) guest_error: Option<String>,
    /// The answer to the last host call; the guest fetches it by a second call.
    pub(crate) host_response: Option<Vec<u8>>,
    pub(crate) host_error: Option<String>,
    pub(crate) log: GuestLog,
    pub(crate) output: [GuestOutput; 2],
    /// The input and output of a guest that is a program, not waPC's.
    pub(crate) program: Option<Program>,
    memory_limit: usize,
}

impl CallState {
    pub(crate) fn new(
        context: Arc<Context>,
        operation: &'static str,
        payload: Vec<u8>,
        deadline: Instant,
        memory_limit: usize,
    ) -> Self {
        Self {
            operation,
            payload,
            deadline,
            memory: None,
            response: None,
            guest_error: None,
            host_response: None,
            host_error: None,
            log: GuestLog::new(context.name.clone()),
            output: [GuestOutput::stdout(), GuestOutput::stderr()],
            program: None,
            context,
            memory_limit,
        }
    }
}

/// The guest asked for more memory than it may have.
#[derive(Debug)]
pub(crate) struct MemoryLimitExceeded;

impl fmt::Display for MemoryLimitExceeded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("memory limit exceeded")
    }
}

impl std::error::Error for MemoryLimitExceeded {}

impl ResourceLimiter for CallState {
    fn memory_growing(
        &mut self,
        _current: usize,
        desired: usize,
        _maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        match desired > self.memory_limit {
            // A guest told "no" would only abort with a message of its own; this names the reason.
            true => Err(wasmtime::Error::new(MemoryLimitExceeded)),
            false => Ok(true),
        }
    }

    fn table_growing(
        &mut self,
        _current: usize,
        desired: usize,
        _maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        Ok(desired <= 1 << 20)
    }
}
