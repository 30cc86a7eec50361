//! Error codes of WASI's functions, by
//! <https://github.com/WebAssembly/WASI/blob/main/legacy/preview1/docs.md#errno>.

pub(super) const SUCCESS: i32 = 0;
pub(super) const BADF: i32 = 8;
pub(super) const INVAL: i32 = 28;
pub(super) const NOSYS: i32 = 52;
