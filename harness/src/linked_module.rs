//! A policy's module: compiled, checked to be a guest, and linked with what a host offers.

use wasmtime::{ExternType, FuncType, InstancePre, Module, ModuleExport, ValType};

use crate::call_state::CallState;
use crate::host::Host;
use crate::{wapc, wasi};

/// How a host and its guest speak to each other.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Interface {
    /// By waPC's functions (Kubewarden's execution mode `kubewarden-wapc`).
    #[default]
    Wapc,
    /// By a program's arguments, input and output (execution mode `wasi`).
    Wasi,
}

impl Interface {
    fn guest(self) -> &'static str {
        match self {
            Self::Wapc => "a waPC guest",
            Self::Wasi => "a WASI program",
        }
    }

    fn offers(self, module: &str, name: &str) -> bool {
        match (module, self) {
            (wapc::MODULE, Self::Wapc) => wapc::FUNCTIONS.contains(&name),
            (wasi::HOST_MODULE, Self::Wasi) => name == wasi::HOST_CALL,
            (wasi::MODULE, _) => wasi::offers(name),
            _ => false,
        }
    }
}

/// Why bytes are not a policy that can be run here.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// It does not begin as a wasm module does.
    #[error("not a wasm module: it begins with {begins}, not with \"\\0asm\" and version 1")]
    NotWasm {
        /// The first bytes, escaped.
        begins: String,
    },
    /// It cannot be compiled, or needs more than a guest may have.
    #[error("cannot compile the wasm module: {0}")]
    Compile(String),
    /// It imports something that no Kubewarden host offers.
    #[error(
        "the wasm module imports \"{module}.{name}\", which this host does not offer: only {offered} and WASI preview 1 (module \"wasi_snapshot_preview1\")"
    )]
    UnknownImport {
        /// The module it imports from.
        module: String,
        /// The name of the import.
        name: String,
        /// The functions that exist besides WASI's.
        offered: &'static str,
    },
    /// It imports a known function with another signature.
    #[error("cannot link the wasm module: {0}")]
    Link(String),
    /// It exports a function under a known name that takes or returns something else.
    #[error("the wasm module's \"{name}\" is not a function {signature}, so it is not {guest}")]
    Signature {
        name: &'static str,
        /// The required parameters and results.
        signature: &'static str,
        /// The kind of guest that it would be.
        guest: &'static str,
    },
    /// It lacks an export, or exports something else under its name.
    #[error("the wasm module has no {kind} \"{name}\" among its exports, so it is not {guest}")]
    MissingExport {
        /// `memory` or `function`.
        kind: &'static str,
        name: &'static str,
        /// The kind of guest that it would be.
        guest: &'static str,
    },
}

/// A module from which instances are made. Its exports are looked up here once instead of by name in each
/// instance.
pub(crate) struct LinkedModule {
    pub(crate) host: Host,
    pub(crate) pre: InstancePre<CallState>,
    pub(crate) memory: ModuleExport,
    pub(crate) entry: Entry,
}

/// The functions by which a guest is called.
pub(crate) enum Entry {
    /// A waPC guest.
    Wapc {
        /// In the order they are called.
        initialisers: Vec<ModuleExport>,
        guest_call: ModuleExport,
    },
    /// A program.
    Wasi { start: ModuleExport },
}

impl LinkedModule {
    /// Checks that a module is a guest of this kind, and links it with what this host offers.
    pub(crate) fn of(host: &Host, module: &Module, interface: Interface) -> Result<Self, LoadError> {
        let linker = &host.inner.linker;
        if let Some(import) =
            module.imports().find(|import| !interface.offers(import.module(), import.name()))
        {
            return Err(LoadError::UnknownImport {
                module: import.module().to_owned(),
                name: import.name().to_owned(),
                offered: match interface {
                    Interface::Wapc => "waPC's functions (module \"wapc\")",
                    Interface::Wasi => "Kubewarden's host calls (\"host.call\")",
                },
            });
        }
        let guest = interface.guest();
        let export = |kind, name: &'static str| {
            let found = match (module.get_export(name), kind) {
                (Some(ExternType::Memory(_)), "memory") | (Some(ExternType::Func(_)), "function") => {
                    module.get_export_index(name)
                }
                _ => None,
            };
            found.ok_or(LoadError::MissingExport { kind, name, guest })
        };
        // Checked here, so that no call can fail on it.
        let signature = |name: &'static str, parameters: usize, results: usize| {
            let fits = |function: &FuncType| {
                let is_i32 = |value: ValType| matches!(value, ValType::I32);
                (function.params().len(), function.results().len()) == (parameters, results)
                    && function.params().chain(function.results()).all(is_i32)
            };
            match module.get_export(name) {
                Some(ExternType::Func(function)) if !fits(&function) => Err(LoadError::Signature {
                    name,
                    signature: if parameters == 0 { "() -> ()" } else { "(i32, i32) -> i32" },
                    guest,
                }),
                _ => Ok(()),
            }
        };
        signature("__guest_call", 2, 1)?;
        // A WASI library initialises by `_initialize`, a WASI program by `_start`; waPC's own
        // initialiser comes last.
        let initialisers = ["_initialize", "_start", "wapc_init"];
        initialisers.iter().try_for_each(|name| signature(name, 0, 0))?;
        let memory = export("memory", "memory")?;
        let entry = match interface {
            Interface::Wapc => Entry::Wapc {
                guest_call: export("function", "__guest_call")?,
                initialisers: initialisers.iter().filter_map(|name| export("function", name).ok()).collect(),
            },
            Interface::Wasi => Entry::Wasi { start: export("function", "_start")? },
        };
        Ok(Self {
            host: host.clone(),
            memory,
            entry,
            pre: linker.instantiate_pre(module).map_err(|error| LoadError::Link(format!("{error:#}")))?,
        })
    }
}

/// Compiles a module, or takes it from the host's cache, where it stands under its digest.
pub(crate) fn compile(host: &Host, wasm: &[u8], digest: &str) -> Result<Module, LoadError> {
    let engine = &host.inner.engine;
    let compile =
        || Module::from_binary(engine, wasm).map_err(|error| LoadError::Compile(format!("{error:#}")));
    match &host.inner.options.module_cache {
        None => compile(),
        Some(cache) => match cache.load(engine, digest) {
            Some(module) => Ok(module),
            None => {
                let module = compile()?;
                cache.store(engine, digest, &module);
                Ok(module)
            }
        },
    }
}
