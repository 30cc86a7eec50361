//! The sections of a wasm module; custom ones are read, and replaced without touching the rest.

/// Where a section lies in the module.
pub(crate) struct Section<'a> {
    start: usize,
    end: usize,
    /// The id of the section's kind; 0 is a custom section.
    pub(crate) id: u8,
    pub(crate) content: &'a [u8],
}

/// Why a module's sections cannot be walked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SectionError {
    /// The module does not begin with wasm's magic number and version 1.
    #[error("not a wasm module")]
    NotWasm,
    /// A section's size or name reaches beyond the end.
    #[error("the wasm module is cut off or damaged at byte {0}")]
    Damaged(usize),
}

/// The content of the first custom section of that name.
///
/// # Errors
/// When the module is damaged.
pub fn read<'a>(wasm: &'a [u8], name: &str) -> Result<Option<&'a [u8]>, SectionError> {
    let sections = sections(wasm)?;
    Ok(sections.iter().find_map(|section| custom(section, name)))
}

/// The module with exactly one custom section of that name, at its end; all else as it was.
///
/// # Errors
/// When the module is damaged.
pub fn replace(wasm: &[u8], name: &str, content: &[u8]) -> Result<Vec<u8>, SectionError> {
    let mut changed = wasm[..8.min(wasm.len())].to_vec();
    for section in sections(wasm)?.iter().filter(|section| custom(section, name).is_none()) {
        changed.extend_from_slice(&wasm[section.start..section.end]);
    }
    let mut body = Vec::with_capacity(content.len() + name.len() + 5);
    push_leb(&mut body, name.len());
    body.extend_from_slice(name.as_bytes());
    body.extend_from_slice(content);
    changed.push(0);
    push_leb(&mut changed, body.len());
    changed.extend_from_slice(&body);
    Ok(changed)
}

fn custom<'a>(section: &Section<'a>, name: &str) -> Option<&'a [u8]> {
    if section.id != 0 {
        return None;
    }
    let (length, start) = leb(section.content, 0)?;
    let end = start.checked_add(length)?;
    (section.content.get(start..end)? == name.as_bytes()).then(|| &section.content[end..])
}

/// The sections in their order.
pub(crate) fn sections(wasm: &[u8]) -> Result<Vec<Section<'_>>, SectionError> {
    if !wasm.starts_with(b"\0asm\x01\0\0\0") {
        return Err(SectionError::NotWasm);
    }
    let mut sections = Vec::new();
    let mut start = 8;
    while let Some(id) = wasm.get(start) {
        let damaged = SectionError::Damaged(start);
        let (size, content) = leb(wasm, start + 1).ok_or(damaged)?;
        let end = content.checked_add(size).filter(|end| *end <= wasm.len()).ok_or(damaged)?;
        sections.push(Section { start, end, id: *id, content: &wasm[content..end] });
        start = end;
    }
    Ok(sections)
}

/// Reads an unsigned 32-bit number in LEB128; the number and the offset behind it.
pub(crate) fn leb(bytes: &[u8], start: usize) -> Option<(usize, usize)> {
    let mut value = 0u64;
    for (index, byte) in bytes.get(start..)?.iter().take(5).enumerate() {
        value |= u64::from(byte & 0x7f) << (7 * index);
        if byte & 0x80 == 0 {
            return Some((usize::try_from(u32::try_from(value).ok()?).ok()?, start + index + 1));
        }
    }
    None
}

/// Appends an unsigned number in LEB128.
pub(crate) fn push_leb(bytes: &mut Vec<u8>, mut value: usize) {
    loop {
        let low = (value & 0x7f) as u8;
        value >>= 7;
        if value == 0 {
            return bytes.push(low);
        }
        bytes.push(low | 0x80);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MODULE: &[u8] = b"\0asm\x01\0\0\0\x00\x06\x04nameX\x05\x03\x01\x00\x01";

    #[test]
    fn replacing_touches_nothing_else_and_twice_is_once() {
        let once = replace(MODULE, "io.kubewarden.metadata", b"{}").unwrap();
        assert!(once.starts_with(MODULE));
        assert_eq!(read(&once, "io.kubewarden.metadata"), Ok(Some(&b"{}"[..])));
        assert_eq!(replace(&once, "io.kubewarden.metadata", b"{}").unwrap(), once);
        let long = vec![b'x'; 70_000];
        let twice = replace(&once, "io.kubewarden.metadata", &long).unwrap();
        assert_eq!(read(&twice, "io.kubewarden.metadata"), Ok(Some(&long[..])));
        assert_eq!(read(&twice, "name"), Ok(Some(&b"X"[..])));
        assert_eq!(replace(&twice, "io.kubewarden.metadata", b"{}").unwrap(), once);
    }

    #[test]
    fn every_truncation_is_an_error_or_a_shorter_module() {
        for length in 0..MODULE.len() {
            let cut = &MODULE[..length];
            match length {
                0..8 => assert_eq!(read(cut, "x"), Err(SectionError::NotWasm)),
                8 | 16 => assert_eq!(read(cut, "x"), Ok(None)),
                9..16 => assert_eq!(read(cut, "x"), Err(SectionError::Damaged(8))),
                _ => assert_eq!(read(cut, "x"), Err(SectionError::Damaged(16))),
            }
        }
        assert_eq!(read(b"\0asm\x01\0\0\0\0\xff\xff\xff\xff\xff\xff", "x"), Err(SectionError::Damaged(8)));
    }
}
