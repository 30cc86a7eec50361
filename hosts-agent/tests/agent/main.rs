//! The built `hosts-updater` on temporary directories that stand for the mounted ConfigMap and the
//! node's `/etc`.

mod bounded;
mod callers;
mod commands;
mod confined;
mod following;
mod killed;
mod links;
mod mounted;
mod networks;
mod node;
mod proof;
