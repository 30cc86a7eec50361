//! The arguments of a program, which tell it the operation.

use wasmtime::Caller;

use super::errno::SUCCESS;
use crate::call_state::CallState;
use crate::wapc::write;

fn arguments_of(caller: &Caller<'_, CallState>) -> Vec<&'static str> {
    caller.data().program.as_ref().map(|program| program.arguments().to_vec()).unwrap_or_default()
}

/// How many arguments there are, and how many bytes they take with the zero behind each.
pub(super) fn sizes(mut caller: Caller<'_, CallState>, count: u32, size: u32) -> wasmtime::Result<i32> {
    const IMPORT: &str = "args_sizes_get";
    let arguments = arguments_of(&caller);
    let bytes: usize = arguments.iter().map(|argument| argument.len() + 1).sum();
    write(&mut caller, IMPORT, count, &(arguments.len() as u32).to_le_bytes())?;
    write(&mut caller, IMPORT, size, &(bytes as u32).to_le_bytes())?;
    Ok(SUCCESS)
}

/// The arguments: a pointer to each, and their bytes.
pub(super) fn arguments(
    mut caller: Caller<'_, CallState>,
    pointers: u32,
    bytes: u32,
) -> wasmtime::Result<i32> {
    const IMPORT: &str = "args_get";
    let mut at = bytes;
    for (index, argument) in arguments_of(&caller).into_iter().enumerate() {
        let text = [argument.as_bytes(), &[0]].concat();
        write(&mut caller, IMPORT, pointers.wrapping_add(4 * index as u32), &at.to_le_bytes())?;
        write(&mut caller, IMPORT, at, &text)?;
        at = at.wrapping_add(text.len() as u32);
    }
    Ok(SUCCESS)
}
