//! Object storage: layers of the registry come from here, and it can be away, refuse, or ask for patience.

use std::net::Ipv4Addr;
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU16, Ordering};

use anyhow::{Context as _, Result};
use axum::Router;
use axum::http::{StatusCode, Uri};
use axum::response::{IntoResponse as _, Response};
use support::TlsFront;
use support::nodes;
use tokio::net::TcpListener;

const ADDRESS: Ipv4Addr = Ipv4Addr::new(10, 200, 0, 3);

/// What serves a registry's folder.
pub(crate) struct Storage {
    _front: TlsFront,
    /// What it answers instead of a layer, or 0.
    instead: Arc<AtomicU16>,
    ca: String,
}

/// Where the registry redirects to.
pub(crate) fn url() -> String {
    format!("https://{ADDRESS}")
}

impl Storage {
    /// Serves what is in the folder.
    pub(crate) async fn start(folder: PathBuf) -> Result<Self> {
        nodes::add_address(ADDRESS)?;
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.context("cannot listen")?;
        let server = listener.local_addr()?;
        let instead = Arc::new(AtomicU16::new(0));
        let said = instead.clone();
        let serve = move |uri: Uri| {
            let (said, folder) = (said.load(Ordering::Relaxed), folder.clone());
            async move { answer(said, &folder, uri.path()) }
        };
        tokio::spawn(async move { axum::serve(listener, Router::new().fallback(serve)).await });
        let front = TlsFront::start((ADDRESS, 443).into(), server).await?;
        let ca = front.ca().to_owned();
        Ok(Self { _front: front, instead, ca })
    }

    /// The certificate authority, in PEM, that signed its certificate.
    pub(crate) fn ca(&self) -> &str {
        &self.ca
    }

    /// It answers this instead of layers; 0: layers.
    pub(crate) fn answers(&self, status: u16) {
        self.instead.store(status, Ordering::Relaxed);
    }
}

fn answer(instead: u16, folder: &Path, path: &str) -> Response {
    if let Some(status) = StatusCode::from_u16(instead).ok().filter(|_| instead > 0) {
        return status.into_response();
    }
    let path = Path::new(path.trim_start_matches('/'));
    let is_plain = path.components().all(|part| matches!(part, Component::Normal(_)));
    match std::fs::read(folder.join(path)) {
        Ok(bytes) if is_plain => bytes.into_response(),
        _ => StatusCode::NOT_FOUND.into_response(),
    }
}
