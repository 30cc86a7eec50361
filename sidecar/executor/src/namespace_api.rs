//! What is asked of the API server about one namespace.

use std::time::Instant;

use distribution::reference::Edit;
use distribution::{Account, Content, Placed, SeenSecret, Uid};
use kubernetes::api_error::ApiError;

/// The API server, as far as one namespace goes. Each call gives up in the end, with
/// [`ApiError::Deadline`]; what it asked for may be carried out nevertheless.
#[expect(
    async_fn_in_trait,
    reason = "a job is spawned with its API server known, so that its future is Send"
)]
pub trait NamespaceApi {
    /// A Secret with all that is in it, as it is sent back.
    type Object;

    /// The time by which a job's turns are measured.
    fn now(&self) -> Instant;

    /// Creates the Secret of the ImagePullSecret `name`. A dry run goes through admission and writes nothing.
    async fn create(&self, name: &str, content: &Content, dry_run: bool) -> Result<SeenSecret, ApiError>;

    /// Patches bytes, labels and mark of the Secret of the ImagePullSecret `name`, under a test of the uid.
    async fn patch(&self, name: &str, uid: &Uid, content: &Content) -> Result<SeenSecret, ApiError>;

    /// Patches the mark of that Secret alone, under a test of the uid.
    async fn mark(&self, name: &str, uid: &Uid, content: &Content) -> Result<SeenSecret, ApiError>;

    /// Reads the Secret `secret`, where ours would hold `content`; none where there is none. With the uid `known` it is
    /// ours, whatever it looks like.
    async fn read(
        &self,
        secret: &str,
        known: Option<&Uid>,
        content: Option<&Content>,
    ) -> Result<Option<SeenSecret>, ApiError>;

    /// Reads the Secret `secret` with all that is in it.
    async fn read_whole(&self, secret: &str) -> Result<Option<WholeSecret<Self::Object>>, ApiError>;

    /// What [`NamespaceApi::read`] would have given for an object that was read whole.
    fn seen(&self, object: Self::Object, known: Option<&Uid>, content: &Content) -> SeenSecret;

    /// Writes an object back that was read whole, with bytes, labels and mark of the ImagePullSecret `name`, where it
    /// still has the version that was read.
    async fn replace(
        &self,
        name: &str,
        object: Self::Object,
        content: &Content,
    ) -> Result<SeenSecret, ApiError>;

    /// Deletes the Secret `secret` where it has this uid.
    async fn delete(&self, secret: &str, uid: &Uid) -> Result<(), ApiError>;

    /// Patches the list of the ServiceAccount `account`, under a test of the version that it was read at.
    async fn edit(&self, account: &str, edit: &Edit) -> Result<Placed<Account>, ApiError>;
}

/// A Secret that was read whole.
#[derive(Debug)]
pub struct WholeSecret<O> {
    pub uid: Uid,
    /// No update of it is allowed.
    pub is_immutable: bool,
    pub object: O,
}
