//! WASI preview 1 with nothing in it: no environment, no files, no sockets; arguments and an input only for policies that are
//! programs (`program`).
//!
//! Ordinary Kubewarden policies are built for `wasm32-wasip1` and import some of it, though they
//! use little. What they print goes to the log (a host's own output is its user's), `proc_exit`
//! ends the call with its code, random bytes are real, and the clocks are the machine's.
//!
//! This is written here because the ready-made implementation for wasmtime brings the component
//! model and an async runtime along, for a dozen functions that answer "there is none".

use std::fmt;
use std::time::Instant;

use wasmtime::{Caller, Linker, Val, ValType};

use crate::call_state::CallState;
use crate::wapc::{host_call, read, write};

mod arguments;
mod clock;
mod errno;
mod poll;
pub(crate) mod program;

use errno::{BADF, NOSYS, SUCCESS};

pub(crate) use program::{HOST_CALL, HOST_MODULE, Program};

/// The module that guests import these functions from.
pub(crate) const MODULE: &str = "wasi_snapshot_preview1";

/// The guest left by `proc_exit` with this code.
#[derive(Debug)]
pub(crate) struct Exit(pub(crate) i32);

impl fmt::Display for Exit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the guest exited with code {}", self.0)
    }
}

impl std::error::Error for Exit {}

pub(crate) fn add_to_linker(linker: &mut Linker<CallState>) -> wasmtime::Result<()> {
    linker.func_wrap(MODULE, "args_get", arguments::arguments)?;
    linker.func_wrap(MODULE, "args_sizes_get", arguments::sizes)?;
    linker.func_wrap(MODULE, "environ_get", |_: u32, _: u32| SUCCESS)?;
    linker.func_wrap(MODULE, "environ_sizes_get", nothing)?;
    linker.func_wrap(MODULE, "clock_res_get", clock::resolution)?;
    linker.func_wrap(MODULE, "clock_time_get", clock::time)?;
    linker.func_wrap(MODULE, "fd_write", fd_write)?;
    linker.func_wrap(MODULE, "fd_read", fd_read)?;
    linker.func_wrap(MODULE, "fd_fdstat_get", fd_status)?;
    linker.func_wrap(MODULE, "random_get", random)?;
    linker.func_wrap(MODULE, "sched_yield", || SUCCESS)?;
    linker.func_wrap(MODULE, "poll_oneoff", poll::poll)?;
    linker.func_wrap(MODULE, "proc_exit", |code: i32| -> wasmtime::Result<()> {
        Err(wasmtime::Error::new(Exit(code)))
    })?;
    linker.func_wrap(HOST_MODULE, HOST_CALL, host_call("host.call", take_answer))?;
    for (name, parameters, answer) in UNSUPPORTED {
        let parameters = parameters.chars().map(|letter| match letter {
            'l' => ValType::I64,
            _ => ValType::I32,
        });
        let function = wasmtime::FuncType::new(linker.engine(), parameters, [ValType::I32]);
        linker.func_new(MODULE, name, function, move |_, _, results| {
            results[0] = Val::I32(*answer);
            Ok(())
        })?;
    }
    Ok(())
}

/// The functions that do more than return an error.
const SUPPORTED: [&str; 13] = [
    "args_get",
    "args_sizes_get",
    "environ_get",
    "environ_sizes_get",
    "clock_res_get",
    "clock_time_get",
    "fd_write",
    "fd_read",
    "fd_fdstat_get",
    "random_get",
    "sched_yield",
    "poll_oneoff",
    "proc_exit",
];

/// Whether `name` is a function of WASI preview 1.
pub(crate) fn offers(name: &str) -> bool {
    SUPPORTED.contains(&name) || UNSUPPORTED.iter().any(|(known, ..)| *known == name)
}

/// Functions for files, sockets and signals, which do not exist here: name, parameters (`i` 32 bits, `l` 64
/// bits), and the error to return. A descriptor that was never given out is bad; everything else does not
/// exist.
const UNSUPPORTED: &[(&str, &str, i32)] = &[
    ("fd_advise", "illi", BADF),
    ("fd_allocate", "ill", BADF),
    ("fd_close", "i", BADF),
    ("fd_datasync", "i", BADF),
    ("fd_fdstat_set_flags", "ii", BADF),
    ("fd_fdstat_set_rights", "ill", BADF),
    ("fd_filestat_get", "ii", BADF),
    ("fd_filestat_set_size", "il", BADF),
    ("fd_filestat_set_times", "illi", BADF),
    ("fd_pread", "iiili", BADF),
    ("fd_prestat_dir_name", "iii", BADF),
    ("fd_prestat_get", "ii", BADF),
    ("fd_pwrite", "iiili", BADF),
    ("fd_readdir", "iiili", BADF),
    ("fd_renumber", "ii", BADF),
    ("fd_seek", "ilii", BADF),
    ("fd_sync", "i", BADF),
    ("fd_tell", "ii", BADF),
    ("path_create_directory", "iii", BADF),
    ("path_filestat_get", "iiiii", BADF),
    ("path_filestat_set_times", "iiiilli", BADF),
    ("path_link", "iiiiiii", BADF),
    ("path_open", "iiiiillii", BADF),
    ("path_readlink", "iiiiii", BADF),
    ("path_remove_directory", "iii", BADF),
    ("path_rename", "iiiiii", BADF),
    ("path_symlink", "iiiii", BADF),
    ("path_unlink_file", "iii", BADF),
    ("proc_raise", "i", NOSYS),
    ("sock_accept", "iii", BADF),
    ("sock_recv", "iiiiii", BADF),
    ("sock_send", "iiiii", BADF),
    ("sock_shutdown", "ii", BADF),
];

/// No environment: a count of zero and no bytes.
fn nothing(mut caller: Caller<'_, CallState>, count: u32, size: u32) -> wasmtime::Result<i32> {
    write(&mut caller, "sizes_get", count, &0u32.to_le_bytes())?;
    write(&mut caller, "sizes_get", size, &0u32.to_le_bytes())?;
    Ok(SUCCESS)
}

fn random(mut caller: Caller<'_, CallState>, pointer: u32, length: u32) -> wasmtime::Result<i32> {
    // Bounds first: a length beyond the guest's memory must not become the host's allocation.
    read(&mut caller, "random_get", pointer, length)?;
    let mut bytes = vec![0; length as usize];
    let provider = rustls::crypto::ring::default_provider();
    provider
        .secure_random
        .fill(&mut bytes)
        .map_err(|_| wasmtime::Error::msg("the machine has no random bytes"))?;
    write(&mut caller, "random_get", pointer, &bytes)?;
    Ok(SUCCESS)
}

fn fd_write(
    mut caller: Caller<'_, CallState>,
    descriptor: u32,
    vectors: u32,
    count: u32,
    written: u32,
) -> wasmtime::Result<i32> {
    const IMPORT: &str = "fd_write";
    if !matches!(descriptor, 1 | 2) {
        return Ok(BADF);
    }
    let mut total = 0u32;
    for index in 0..count {
        let (pointer, length) = vector(&mut caller, IMPORT, vectors, index)?;
        let bytes = read(&mut caller, IMPORT, pointer, length)?.to_vec();
        let call = caller.data_mut();
        match &mut call.program {
            Some(program) if descriptor == 1 => program.print(&bytes)?,
            program => {
                if let Some(program) = program {
                    program.complain(&bytes);
                }
                call.output[descriptor as usize - 1].write(&bytes, &mut call.log);
            }
        }
        total = total.saturating_add(length);
        in_time(&caller)?;
    }
    write(&mut caller, IMPORT, written, &total.to_le_bytes())?;
    Ok(SUCCESS)
}

/// Pointer and length of a vector in the guest's list.
fn vector(
    caller: &mut Caller<'_, CallState>,
    import: &'static str,
    vectors: u32,
    index: u32,
) -> wasmtime::Result<(u32, u32)> {
    let at = vectors.wrapping_add(index.wrapping_mul(8));
    let vector = read(caller, import, at, 8)?;
    let pointer = u32::from_le_bytes([vector[0], vector[1], vector[2], vector[3]]);
    let length = u32::from_le_bytes([vector[4], vector[5], vector[6], vector[7]]);
    Ok((pointer, length))
}

/// Each vector may be as large as the memory, and there may be millions: time counts here too.
fn in_time(caller: &Caller<'_, CallState>) -> wasmtime::Result<()> {
    match Instant::now() >= caller.data().deadline {
        true => Err(wasmtime::Error::from(wasmtime::Trap::Interrupt)),
        false => Ok(()),
    }
}

/// Standard input is a program's; it is empty for others.
fn fd_read(
    mut caller: Caller<'_, CallState>,
    descriptor: u32,
    vectors: u32,
    count: u32,
    read: u32,
) -> wasmtime::Result<i32> {
    const IMPORT: &str = "fd_read";
    if descriptor != 0 {
        return Ok(BADF);
    }
    let mut total = 0u32;
    for index in 0..count {
        if caller.data().program.as_ref().is_none_or(Program::has_read_all) {
            break;
        }
        let (pointer, length) = vector(&mut caller, IMPORT, vectors, index)?;
        // Only a program has input to read.
        let bytes = caller.data_mut().program.as_mut().map(|program| program.read(length as usize));
        let bytes = bytes.unwrap_or_default();
        write(&mut caller, IMPORT, pointer, &bytes)?;
        total = total.saturating_add(u32::try_from(bytes.len()).unwrap_or(u32::MAX));
        in_time(&caller)?;
    }
    write(&mut caller, IMPORT, read, &total.to_le_bytes())?;
    Ok(SUCCESS)
}

/// The three standard streams are character devices.
fn fd_status(mut caller: Caller<'_, CallState>, descriptor: u32, result: u32) -> wasmtime::Result<i32> {
    if descriptor > 2 {
        return Ok(BADF);
    }
    let mut status = [0u8; 24];
    status[0] = 2;
    status[8..16].copy_from_slice(&u64::MAX.to_le_bytes());
    write(&mut caller, "fd_fdstat_get", result, &status)?;
    Ok(SUCCESS)
}

/// Takes the host's answer to a question; 0 where there is one, 1 where the input has the reason why there is none.
fn take_answer(call: &mut CallState, answer: Result<Vec<u8>, String>) -> wasmtime::Result<i32> {
    let has_failed = answer.is_err();
    let answer = answer.unwrap_or_else(String::into_bytes);
    if let Some(program) = &mut call.program {
        program.give(&answer)?;
    }
    Ok(i32::from(has_failed))
}
