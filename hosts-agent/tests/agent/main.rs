//! The built `hosts-updater` on temporary directories that stand for the mounted ConfigMap and the
//! node's `/etc`.

mod commands;
mod following;
mod killed;
mod mounted;
mod node;
