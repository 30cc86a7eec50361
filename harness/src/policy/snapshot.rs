//! A module whose instances begin with a given memory.
//!
//! Only what a guest can have changed before has to be in it: its memory. So a module qualifies when
//! there is nothing else to change: one memory that is its own, no mutable global but a compiler's
//! stack pointer (which is where it was when a call has returned), data that was put into the memory
//! at the beginning, and no start function. What LLVM makes of Rust, C and Zig is of that form.

use crate::wasm_section::{self, leb, push_leb};

/// Why a module does not qualify.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum SnapshotError {
    #[error(transparent)]
    Sections(#[from] wasm_section::SectionError),
    #[error("{0}")]
    Form(&'static str),
}

const MEMORY: u8 = 5;
const GLOBAL: u8 = 6;
const START: u8 = 8;
const DATA: u8 = 11;
const DATA_COUNT: u8 = 12;
const PAGE: usize = 64 << 10;
/// Zeros that are worth a segment's end and beginning.
const GAP: usize = 128;

/// The module with this memory in the place of what its instances begin with.
pub(super) fn with_memory(wasm: &[u8], memory: &[u8]) -> Result<Vec<u8>, SnapshotError> {
    let sections = wasm_section::sections(wasm)?;
    let find = |id| sections.iter().find(|section| section.id == id).map(|section| section.content);
    if find(START).is_some() {
        return Err(SnapshotError::Form("it has a start function"));
    }
    let only_the_stack_pointer =
        find(GLOBAL).is_none_or(|globals| mutable_globals(globals).is_some_and(|it| it <= 1));
    if !only_the_stack_pointer {
        return Err(SnapshotError::Form("it has mutable globals besides a stack pointer"));
    }
    let data = find(DATA).ok_or(SnapshotError::Form("it has no data"))?;
    if !all_data_is_active(data) {
        return Err(SnapshotError::Form("it has data for later"));
    }
    let limits = find(MEMORY).ok_or(SnapshotError::Form("its memory is not its own"))?;
    let limits = with_size(limits, memory.len() / PAGE)
        .ok_or(SnapshotError::Form("it has several memories, or one of an unusual kind"))?;
    let segments = segments(memory);

    let mut changed = wasm[..8].to_vec();
    let mut push = |id: u8, content: &[u8]| {
        changed.push(id);
        push_leb(&mut changed, content.len());
        changed.extend_from_slice(content);
    };
    for section in &sections {
        match section.id {
            MEMORY => push(MEMORY, &limits),
            DATA => push(DATA, &encoded(&segments)),
            DATA_COUNT => {
                let mut count = Vec::new();
                push_leb(&mut count, segments.len());
                push(DATA_COUNT, &count);
            }
            id => push(id, section.content),
        }
    }
    Ok(changed)
}

/// How many globals can be changed; `None` for an initialiser of an unusual kind.
fn mutable_globals(globals: &[u8]) -> Option<usize> {
    let (count, mut at) = leb(globals, 0)?;
    let mut mutable = 0;
    for _ in 0..count {
        mutable += usize::from(*globals.get(at + 1)? == 1);
        let constant = at + 3;
        at = match *globals.get(at + 2)? {
            // i32.const, i64.const, global.get: a number in LEB128
            0x41 | 0x42 | 0x23 => {
                constant + globals.get(constant..)?.iter().position(|byte| byte & 0x80 == 0)? + 1
            }
            0x43 => constant + 4,
            0x44 => constant + 8,
            _ => return None,
        };
        (*globals.get(at)? == 0x0b).then_some(())?;
        at += 1;
    }
    (at == globals.len()).then_some(mutable)
}

/// Whether each segment is put into the one memory when an instance begins.
fn all_data_is_active(data: &[u8]) -> bool {
    let walk = || {
        let (count, mut at) = leb(data, 0)?;
        for _ in 0..count {
            // Kind 0, an offset `i32.const N end`, and the bytes.
            (data.get(at..at + 2)? == [0, 0x41]).then_some(())?;
            at += 2 + data.get(at + 2..)?.iter().position(|byte| byte & 0x80 == 0)? + 1;
            (*data.get(at)? == 0x0b).then_some(())?;
            let (length, start) = leb(data, at + 1)?;
            at = start.checked_add(length)?;
        }
        (at == data.len()).then_some(())
    };
    walk().is_some()
}

/// The limits of one ordinary memory, with at least this many pages.
fn with_size(limits: &[u8], pages: usize) -> Option<Vec<u8>> {
    let (count, at) = leb(limits, 0)?;
    let kind = *limits.get(at)?;
    // Kind 0 has no maximum, kind 1 has one; shared and 64-bit memories have others.
    (count == 1 && kind <= 1).then_some(())?;
    let (_, rest) = leb(limits, at + 1)?;
    let mut changed = vec![1, kind];
    push_leb(&mut changed, pages);
    changed.extend_from_slice(limits.get(rest..)?);
    Some(changed)
}

/// The parts of the memory that are not zero, with their offsets.
fn segments(memory: &[u8]) -> Vec<(usize, &[u8])> {
    let mut segments = Vec::new();
    let mut at = 0;
    while let Some(gap) = memory.get(at..).and_then(|rest| rest.iter().position(|byte| *byte != 0)) {
        let start = at + gap;
        let mut end = start;
        // Up to the next long run of zeros.
        while let Some(next) = memory[end..].iter().take(GAP).position(|byte| *byte != 0) {
            end += next + 1;
        }
        segments.push((start, &memory[start..end]));
        at = end;
    }
    segments
}

fn encoded(segments: &[(usize, &[u8])]) -> Vec<u8> {
    let mut data = Vec::new();
    push_leb(&mut data, segments.len());
    for (offset, bytes) in segments {
        data.extend_from_slice(&[0, 0x41]);
        push_signed_leb(&mut data, *offset);
        data.push(0x0b);
        push_leb(&mut data, bytes.len());
        data.extend_from_slice(bytes);
    }
    data
}

/// `i32.const` takes a signed number; an offset of 2 GiB and more is a negative one.
fn push_signed_leb(bytes: &mut Vec<u8>, offset: usize) {
    let mut value = (offset as u32).cast_signed();
    loop {
        let low = (value & 0x7f) as u8;
        value >>= 7;
        let is_last = (value == 0 && low & 0x40 == 0) || (value == -1 && low & 0x40 != 0);
        if is_last {
            return bytes.push(low);
        }
        bytes.push(low | 0x80);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use wasmtime::{Engine, Instance, Module, Store};

    use super::*;

    const GUEST: &str = r#"(module
        (memory (export "memory") 1)
        (global $stack_pointer (mut i32) (i32.const 1024))
        (global i64 (i64.const -5))
        (global f64 (f64.const 1.5))
        (data (i32.const 8) "before")
        (data (i32.const 70) "\00\00x")
        (func (export "at") (param i32) (result i32) (i32.load8_u (local.get 0))))"#;

    fn wasm(text: &str) -> Vec<u8> {
        wat::parse_str(text).unwrap_or_else(|error| panic!("{error}\n{text}"))
    }

    fn memory_of(wasm: &[u8]) -> Vec<u8> {
        let engine = Engine::default();
        let module = Module::from_binary(&engine, wasm).unwrap();
        let mut store = Store::new(&engine, ());
        let instance = Instance::new(&mut store, &module, &[]).unwrap();
        instance.get_memory(&mut store, "memory").unwrap().data(&store).to_vec()
    }

    #[test]
    fn instances_begin_with_the_memory() {
        let mut memory = vec![0; 3 * PAGE];
        memory[0] = 1;
        memory[8..13].copy_from_slice(b"after");
        memory[3 * PAGE - 1] = 2;
        let changed = with_memory(&wasm(GUEST), &memory).unwrap();
        assert!(memory_of(&changed) == memory);
        // Once more, from there.
        assert!(memory_of(&with_memory(&changed, &memory).unwrap()) == memory);
    }

    #[test]
    fn other_forms_do_not_qualify() {
        #[track_caller]
        fn check(text: &str, expected: &str) {
            assert_eq!(with_memory(&wasm(text), &[0; PAGE]).unwrap_err().to_string(), expected);
        }
        check(
            r#"(module (memory 1) (data (i32.const 0) "") (func $f) (start $f))"#,
            "it has a start function",
        );
        check(
            r#"(module (memory 1) (data (i32.const 0) "") (global (mut i32) (i32.const 0)) (global (mut i32) (i32.const 0)))"#,
            "it has mutable globals besides a stack pointer",
        );
        check(r#"(module (memory 1) (data "later"))"#, "it has data for later");
        check(r#"(module (memory 1))"#, "it has no data");
        check(r#"(module (import "m" "m" (memory 1)) (data (i32.const 0) ""))"#, "its memory is not its own");
        check(
            r#"(module (memory 1) (memory 1) (data (i32.const 0) ""))"#,
            "it has several memories, or one of an unusual kind",
        );
        assert!(with_memory(b"\0asm", &[]).is_err());
    }

    proptest! {
        #[test]
        fn any_memory_survives(runs in proptest::collection::vec((0..2 * PAGE, proptest::collection::vec(any::<u8>(), 1..300)), 0..20)) {
            let mut memory = vec![0; 2 * PAGE];
            for (start, bytes) in runs {
                let end = (start + bytes.len()).min(memory.len());
                memory[start..end].copy_from_slice(&bytes[..end - start]);
            }
            let mut again = vec![0; memory.len()];
            for (offset, bytes) in segments(&memory) {
                prop_assert!(bytes.first() != Some(&0) && bytes.last() != Some(&0));
                again[offset..offset + bytes.len()].copy_from_slice(bytes);
            }
            prop_assert!(again == memory);
        }
    }
}
