//! The running double: a thread with its own runtime, so that synchronous tests can use it too.

use std::{
    io,
    net::{SocketAddr, TcpListener},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    thread::JoinHandle,
    time::Duration,
};

use axum::{
    Router,
    body::{Body, to_bytes},
    extract::{ConnectInfo, Path, Request as HttpRequest, State},
    http::{Response, header},
    routing::any,
};
use jiff::Timestamp;
use tokio::sync::oneshot;

use crate::{
    account::Account,
    admin,
    call::Call,
    config::{Config, ConfigError},
    connection::{CuttableListener, Scissors},
    fault::Fault,
    gateway::{GREATEST_BODY, Gateway},
    http::{Cut, Reply, Request},
    instance::Instance,
    machine::Machine,
    metadata,
    random::Random,
    role::Role,
    service_account::ServiceAccountRecord,
    signer::{self, KeyError},
    token::TokenRecord,
    token_request::TokenRequest,
    token_service::{self, TokenService},
};

/// What handlers share with the owner.
pub(crate) type Shared = Arc<Mutex<Gateway>>;

/// The state, also after a panic in another thread: each change is a single step.
pub(crate) fn lock(shared: &Shared) -> MutexGuard<'_, Gateway> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A cloud that listens; dropping it ends it.
pub struct Cloud {
    shared: Shared,
    address: SocketAddr,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

/// Why the cloud does not listen.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The configuration cannot work.
    #[error("configuration: {0}")]
    Config(#[from] ConfigError),
    /// The address is taken, or not ours.
    #[error("cannot listen on {address}: {source}")]
    Listen {
        /// Where it should have listened.
        address: SocketAddr,
        /// What the system says.
        source: io::Error,
    },
    /// No thread or runtime.
    #[error("cannot start the server's thread: {0}")]
    Thread(#[source] io::Error),
    /// No random bytes.
    #[error("cannot draw random bytes: {0}")]
    Random(#[from] getrandom::Error),
}

impl Cloud {
    /// Checks the configuration, binds, and serves until dropped.
    ///
    /// # Errors
    /// The configuration cannot work, or the address cannot be bound.
    pub fn start(config: Config) -> Result<Self, StartError> {
        config.check()?;
        let wanted = config.listen;
        let shared: Shared = Arc::new(Mutex::new(Gateway::new(config, Random::new()?)));
        let runtime =
            tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(StartError::Thread)?;
        let not_listening = |source| StartError::Listen { address: wanted, source };
        let listener = TcpListener::bind(wanted).map_err(not_listening)?;
        let address = listener.local_addr().map_err(not_listening)?;
        listener.set_nonblocking(true).map_err(not_listening)?;
        let listener = {
            let _runtime = runtime.enter();
            CuttableListener(tokio::net::TcpListener::from_std(listener).map_err(not_listening)?)
        };
        let router = Router::new()
            .nest("/_admin", admin::router())
            .route(&token_service::path("{registry_id}"), any(token))
            .route(&format!("{}{{*path}}", metadata::PATH), any(metadata))
            .fallback(api)
            .with_state(Arc::clone(&shared))
            .into_make_service_with_connect_info::<Scissors>();
        let (stop, stopped) = oneshot::channel::<()>();
        let thread = std::thread::Builder::new()
            .name("tcr-cloud".to_owned())
            .spawn(move || {
                runtime.block_on(async move {
                    tokio::select! {
                        _ = axum::serve(listener, router) => {}
                        _ = stopped => {}
                    }
                });
                // Replies that are still being delayed are not waited for.
                runtime.shutdown_background();
            })
            .map_err(StartError::Thread)?;
        Ok(Self { shared, address, stop: Some(stop), thread: Some(thread) })
    }

    /// `http://127.0.0.1:PORT`, without a slash at the end.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The time by the cloud's own clock.
    pub fn now(&self) -> Timestamp {
        lock(&self.shared).clock.now()
    }

    /// Moves the clock on: tokens expire, buckets fill, signatures age.
    pub fn advance(&self, by: Duration) {
        lock(&self.shared).clock.advance(by);
    }

    /// Every credential ever minted, oldest first.
    pub fn tokens(&self) -> Vec<TokenRecord> {
        lock(&self.shared).world.tokens.clone()
    }

    /// The credentials that open a registry now: not deleted, disabled or expired.
    pub fn live_tokens(&self) -> Vec<TokenRecord> {
        let gateway = lock(&self.shared);
        let now = gateway.clock.now();
        gateway.world.tokens.iter().filter(|token| token.is_live(now)).cloned().collect()
    }

    /// Every service account ever made, oldest first.
    pub fn service_accounts(&self) -> Vec<ServiceAccountRecord> {
        lock(&self.shared).world.service_accounts.clone()
    }

    /// The service accounts that open a registry now: not deleted, disabled or expired.
    pub fn live_service_accounts(&self) -> Vec<ServiceAccountRecord> {
        let gateway = lock(&self.shared);
        let now = gateway.clock.now();
        gateway.world.service_accounts.iter().filter(|it| it.is_live(now)).cloned().collect()
    }

    /// Changes a service account as the console would. False when there is none of that whole name.
    pub fn update_service_account(&self, name: &str, change: impl FnOnce(&mut ServiceAccountRecord)) -> bool {
        let mut gateway = lock(&self.shared);
        let mut accounts = gateway.world.service_accounts.iter_mut();
        accounts.find(|it| it.name == name && it.deleted_at.is_none()).map(change).is_some()
    }

    /// Whether the registry of that instance would let this user name and password in now.
    pub fn accepts_login(&self, registry_id: &str, username: &str, password: &str) -> bool {
        let gateway = lock(&self.shared);
        gateway.world.login(registry_id, username, password, gateway.clock.now())
    }

    /// What the registry of that instance needs to know to ask this cloud about every pull and push.
    ///
    /// # Errors
    /// No key can be made.
    pub fn token_service(&self, registry_id: &str) -> Result<TokenService, KeyError> {
        Ok(TokenService {
            realm: format!("{}{}", self.url(), token_service::path(registry_id)),
            service: token_service::SERVICE.to_owned(),
            issuer: token_service::ISSUER.to_owned(),
            certificate: self.token_certificate()?,
        })
    }

    /// The certificate, in PEM, of the key that signs what the token service answers. The key is made when it is first
    /// wanted, which takes up to a second, and is the same for all clouds of a process.
    ///
    /// # Errors
    /// No key can be made.
    pub fn token_certificate(&self) -> Result<String, KeyError> {
        Ok(signer::get()?.certificate().to_owned())
    }

    /// Every request to the token service so far, oldest first.
    pub fn token_requests(&self) -> Vec<TokenRequest> {
        lock(&self.shared).token_requests.clone()
    }

    /// Forgets the requests to the token service so far.
    pub fn clear_token_requests(&self) {
        lock(&self.shared).token_requests.clear();
    }

    /// Every API request so far, oldest first.
    pub fn calls(&self) -> Vec<Call> {
        lock(&self.shared).calls.clone()
    }

    /// Forgets the calls so far.
    pub fn clear_calls(&self) {
        lock(&self.shared).calls.clear();
    }

    /// Adds a fault behind those in force. The action's name is not checked: a fault on a misspelt
    /// action strikes calls that misspell it alike.
    pub fn inject(&self, fault: Fault) {
        lock(&self.shared).script.add(fault);
    }

    /// The faults in force, with what is left of their numbers; those used up are gone.
    pub fn faults(&self) -> Vec<Fault> {
        lock(&self.shared).script.faults().to_vec()
    }

    /// Behaves again.
    pub fn clear_faults(&self) {
        lock(&self.shared).script.clear();
    }

    /// Changes an account. False when there is none of that secret id.
    pub fn update_account(&self, secret_id: &str, change: impl FnOnce(&mut Account)) -> bool {
        let mut gateway = lock(&self.shared);
        gateway.world.accounts.iter_mut().find(|it| it.secret_id == secret_id).map(change).is_some()
    }

    /// Deletes a CAM user as the console would: its keys sign no more, and its tokens open no registry. False when it had no
    /// key.
    pub fn delete_user(&self, uin: &str) -> bool {
        lock(&self.shared).world.delete_user(uin)
    }

    /// Changes a role. False when there is none of that name.
    pub fn update_role(&self, name: &str, change: impl FnOnce(&mut Role)) -> bool {
        let mut gateway = lock(&self.shared);
        gateway.world.roles.iter_mut().find(|it| it.name == name).map(change).is_some()
    }

    /// What instance metadata tells from now on; None, and there is none to ask.
    pub fn set_machine(&self, machine: Option<Machine>) {
        lock(&self.shared).world.machine = machine;
    }

    /// Changes an instance. False when there is none of that id.
    pub fn update_instance(&self, registry_id: &str, change: impl FnOnce(&mut Instance)) -> bool {
        let mut gateway = lock(&self.shared);
        gateway.world.instances.iter_mut().find(|it| it.id == registry_id).map(change).is_some()
    }

    /// Changes a long-term token as the console would. False when there is none of that id.
    pub fn update_token(&self, token_id: &str, change: impl FnOnce(&mut TokenRecord)) -> bool {
        let mut gateway = lock(&self.shared);
        gateway
            .world
            .tokens
            .iter_mut()
            .find(|it| !it.id.is_empty() && it.id == token_id)
            .map(change)
            .is_some()
    }
}

impl Drop for Cloud {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// One API request. It runs in a task of its own: what a caller set going happens even if the caller
/// does not wait for the answer, as it would at the real cloud.
async fn api(
    State(shared): State<Shared>,
    ConnectInfo(scissors): ConnectInfo<Scissors>,
    request: HttpRequest,
) -> Response<Body> {
    let Some(request) = read(request).await else {
        scissors.cut_after(0);
        return Response::default();
    };
    let answered = tokio::spawn(async move {
        let fate = lock(&shared).fate(&request);
        tokio::time::sleep(fate.delay_before).await;
        lock(&shared).answer(&request, fate)
    });
    match answered.await {
        Ok(reply) => deliver(reply, &scissors).await,
        Err(_) => {
            scissors.cut_after(0);
            Response::default()
        }
    }
}

/// One request for instance metadata.
async fn metadata(
    State(shared): State<Shared>,
    ConnectInfo(scissors): ConnectInfo<Scissors>,
    request: HttpRequest,
) -> Response<Body> {
    let Some(request) = read(request).await else {
        scissors.cut_after(0);
        return Response::default();
    };
    let fate = lock(&shared).metadata_fate();
    tokio::time::sleep(fate.delay_before).await;
    let reply = lock(&shared).answer_metadata(&request, fate);
    deliver(reply, &scissors).await
}

/// Sends a reply as late and as much of it as it says.
async fn deliver(reply: Reply, scissors: &Scissors) -> Response<Body> {
    tokio::time::sleep(reply.delay).await;
    match reply.cut {
        Cut::Never => {}
        Cut::BeforeReply => scissors.cut_after(0),
        // The head is longer than nothing, so as many bytes as the body has end within the body.
        Cut::WithinBody => scissors.cut_after(reply.body.len()),
    }
    write(reply)
}

/// One request to an instance's token service.
async fn token(
    State(shared): State<Shared>,
    Path(registry_id): Path<String>,
    ConnectInfo(scissors): ConnectInfo<Scissors>,
    request: HttpRequest,
) -> Response<Body> {
    // The first one may wait for a key; the rest of the cloud shall not.
    let (Some(request), Ok(signer)) = (read(request).await, tokio::task::spawn_blocking(signer::get).await)
    else {
        scissors.cut_after(0);
        return Response::default();
    };
    write(lock(&shared).answer_token_request(&registry_id, &request, signer, Timestamp::now()))
}

/// The request as a value. None when its body breaks off, or is beyond all measure.
async fn read(request: HttpRequest) -> Option<Request> {
    let (head, body) = request.into_parts();
    let headers = head
        .headers
        .iter()
        .map(|(name, value)| {
            (name.as_str().to_owned(), String::from_utf8_lossy(value.as_bytes()).into_owned())
        })
        .collect();
    Some(Request {
        method: head.method.to_string(),
        path: head.uri.path().to_owned(),
        query: head.uri.query().unwrap_or_default().to_owned(),
        headers,
        body: to_bytes(body, 4 * GREATEST_BODY).await.ok()?.to_vec(),
    })
}

fn write(reply: Reply) -> Response<Body> {
    let mut response = Response::new(Body::from(reply.body));
    if let Ok(status) = axum::http::StatusCode::from_u16(reply.status) {
        *response.status_mut() = status;
    }
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, header::HeaderValue::from_static(reply.content_type));
    if let Ok(date) = header::HeaderValue::from_str(&reply.date) {
        headers.insert(header::DATE, date);
    }
    response
}
