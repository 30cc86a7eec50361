//! Where the modules of policies come from, and how one is told from the next one under the same name.

use crate::host_capabilities::online::OpenRegistry;

/// Gives modules by what the policies file calls them, such as `file:///policy.wasm`.
pub trait Modules: Send + Sync {
    /// The module's bytes.
    ///
    /// # Errors
    /// It cannot be read or pulled.
    fn load(&self, module: &str) -> anyhow::Result<Vec<u8>>;

    /// A value that changes when the module does, obtained without reading the whole module.
    ///
    /// # Errors
    /// The module does not exist, or cannot be looked up.
    fn version(&self, module: &str) -> anyhow::Result<String>;

    /// The registries that modules come from, for policies that ask about images.
    fn open_registry(&self) -> OpenRegistry;
}

/// Whether looking at a module costs no more than a look at a file.
pub(super) fn is_near(module: &str) -> bool {
    !module.contains("://") || module.starts_with("file://")
}
