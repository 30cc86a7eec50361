//! Where the modules of policies come from, and how one is told from the next one under the same name.

use crate::host_capabilities::online::OpenRegistry;

/// Gives modules by what the policies file calls them, such as `file:///policy.wasm`.
pub trait Modules: Send + Sync {
    /// The module's bytes.
    ///
    /// # Errors
    /// It cannot be read or pulled.
    fn load(&self, module: &str) -> anyhow::Result<Vec<u8>>;

    /// What changes when the module does, without reading all of it.
    ///
    /// # Errors
    /// It is not there, or cannot be asked for.
    fn version(&self, module: &str) -> anyhow::Result<String>;

    /// The registries that modules come from, for policies that ask about images.
    fn open_registry(&self) -> OpenRegistry;
}

/// Whether looking at a module costs no more than a look at a file.
pub(super) fn is_near(module: &str) -> bool {
    !module.contains("://") || module.starts_with("file://")
}
