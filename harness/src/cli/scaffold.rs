//! `harness scaffold`: files to begin with.

use clap::{Args, Subcommand};

mod admission_request;
mod artifacthub;
mod manifest;
mod vap;

/// Write a file to begin with, to standard output
#[derive(Debug, Args)]
pub struct Scaffold {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    AdmissionRequest(admission_request::AdmissionRequest),
    Artifacthub(artifacthub::Artifacthub),
    Manifest(manifest::Manifest),
    Vap(vap::Vap),
}

impl Scaffold {
    pub(super) fn execute(self) -> anyhow::Result<()> {
        match self.what {
            What::AdmissionRequest(request) => request.execute(),
            What::Artifacthub(artifacthub) => artifacthub.execute(),
            What::Manifest(manifest) => manifest.execute(),
            What::Vap(vap) => vap.execute(),
        }
    }
}
