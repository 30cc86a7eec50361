//! `tcr-cloud serve`: starts the double, says where, and waits to be stopped.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result};
use tcr_cloud::Cloud;
use tokio::{
    signal::unix::{SignalKind, signal},
    sync::oneshot,
};

use crate::{
    args::{self, Serve},
    print,
};

pub(crate) fn run(args: Serve) -> Result<()> {
    let Serve { config, listen, ready_file, token_certificate, exit_with_stdin } = args;
    let mut config = args::load(config.as_deref())?;
    if let Some(listen) = listen {
        config.listen = listen;
    }
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("cannot start the runtime")?;
    runtime.block_on(async {
        // Before anyone can know that it is up, so that no signal is missed.
        let mut terminate = signal(SignalKind::terminate()).context("cannot wait for SIGTERM")?;
        let mut interrupt = signal(SignalKind::interrupt()).context("cannot wait for SIGINT")?;
        let cloud = Cloud::start(config)?;
        let _certificate = match token_certificate {
            Some(path) => Some(TrueFile::write(path, &cloud.token_certificate()?)?),
            None => None,
        };
        let _ready =
            ready_file.map(|path| TrueFile::write(path, &format!("{}\n", cloud.url()))).transpose()?;
        print(&format!("listening on {}\n", cloud.url()))?;
        let stdin_closed = watch_stdin(exit_with_stdin)?;
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
            Ok(()) = stdin_closed => {}
        }
        Ok(())
    })
}

/// Resolves with Ok when stdin is closed. The read is in a thread of its own: it cannot be cancelled,
/// and a runtime would wait for it.
fn watch_stdin(wanted: bool) -> Result<oneshot::Receiver<()>> {
    let (closed, receiver) = oneshot::channel();
    if wanted {
        std::thread::Builder::new()
            .name("stdin".to_owned())
            .spawn(move || {
                let _ = io::copy(&mut io::stdin().lock(), &mut io::sink());
                let _ = closed.send(());
            })
            .context("cannot watch stdin")?;
    }
    Ok(receiver)
}

/// A file that tells something of the cloud that runs, for as long as it is true.
struct TrueFile(PathBuf);

impl TrueFile {
    /// Written beside and renamed, so that a script that waits for the file never reads half of it.
    fn write(path: PathBuf, text: &str) -> Result<Self> {
        let draft = path.with_added_extension("new");
        write_and_rename(&draft, &path, text).with_context(|| format!("cannot write {}", path.display()))?;
        Ok(Self(path))
    }
}

fn write_and_rename(draft: &Path, path: &Path, text: &str) -> io::Result<()> {
    fs::write(draft, text)?;
    fs::rename(draft, path)
}

impl Drop for TrueFile {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}
