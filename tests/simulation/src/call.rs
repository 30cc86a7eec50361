//! Calls to somebody outside a controller, and their answers.

use std::sync::Arc;

use credential::store::Document;
use credential_plan::Key;
use credential_plan::plan::ListedToken;
use custom_resource::ImagePullSecretStatus;
use distribution::{Digest, Uid};
use kubernetes::api_error::ApiError;
use tcr::verdict::Verdict;
use tencent_cloud::error::Failure;
use tencent_cloud::instance::Instance;
use tencent_cloud::instance_token::IssuedToken;
use tencent_cloud::service_account::ServiceAccountSpec;

use crate::cloud;
use crate::cluster::{Account, Secret, Stored};
use crate::refusal;

/// A call to somebody outside.
#[derive(Clone, Debug)]
pub enum Call {
    /// DescribeInstances.
    Instance(Key),
    /// CreateInstanceToken.
    CreateToken(Key, String),
    /// CreateServiceAccount.
    CreateAccount(Key, ServiceAccountSpec),
    /// ModifyServiceAccount.
    SetAccount(ServiceAccountSpec),
    /// DescribeInstanceToken and DescribeServiceAccounts.
    ListTokens,
    /// DeleteInstanceToken and DeleteServiceAccount.
    DeleteToken(String),
    /// Reads a stored credential.
    ReadStored(String),
    /// Writes one where that version of that uid was read, or where there was none.
    WriteStored(Box<Document>, Option<(u64, u64)>),
    /// Deletes one as it was read.
    DeleteStored(String, u64, u64),
    /// Lists them.
    ListStored,
    /// Asks the registry.
    Check(String),
    /// Reads a derived Secret.
    GetSecret(usize, usize),
    /// Creates one, or only asks whether it would be admitted.
    CreateSecret(usize, usize, Digest, bool),
    /// Patches one of this uid.
    UpdateSecret(usize, usize, Uid, Digest),
    /// Replaces one of this version.
    PutSecret(usize, usize, u64, Digest),
    /// Puts the mark on one of this uid.
    MarkSecret(usize, usize, Uid, Digest),
    /// Deletes one of this uid, and whether another one is made in its place.
    DeleteSecret(usize, usize, Uid, bool),
    /// Patches a ServiceAccount of this version to this list.
    EditAccount(usize, usize, u64, Vec<u8>),
    /// Writes a status.
    Status(usize, Arc<ImagePullSecretStatus>),
    /// Puts the finalizer on, or takes it off, of an object of this version.
    Finalize(usize, u64, bool),
}

/// An answer.
#[derive(Debug)]
#[expect(clippy::large_enum_variant, reason = "few are under way at a time, and none is kept")]
pub enum Reply {
    /// The instance.
    Instance(Result<Option<Instance>, Failure>),
    /// A token.
    Issued(Result<IssuedToken, Failure>),
    /// All tokens.
    Tokens(Result<Vec<ListedToken>, Failure>),
    /// A token was deleted.
    Deleted(Result<(), Failure>),
    /// A stored credential.
    Stored(Result<Option<Stored>, ApiError>),
    /// All of them.
    AllStored(Result<Vec<Document>, ApiError>),
    /// The registry's answer.
    Verdict(Verdict),
    /// A derived Secret, or that there is none.
    Secret(Result<Option<Secret>, ApiError>),
    /// A ServiceAccount.
    Account(Result<Account, ApiError>),
    /// A status or a finalizer was written.
    Done(Result<(), ApiError>),
}

/// What becomes of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It is carried out and answered.
    Well,
    /// It is refused, in one of several ways.
    Refused(u8),
    /// It is never carried out, and there is no answer.
    Lost,
    /// It is carried out, and the answer is lost.
    AnswerLost(u8),
    /// The caller gives up; it may be carried out later.
    GivenUp,
}

/// Who is called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Service {
    /// Tencent's API, to read or delete.
    Cloud,
    /// Tencent's API, to make a token.
    Creation,
    /// The API server, about a stored credential.
    Store,
    /// The API server.
    Api,
    /// A registry.
    Registry,
}

impl Call {
    /// Who is called.
    pub fn service(&self) -> Service {
        match self {
            Self::CreateToken(..) | Self::CreateAccount(..) => Service::Creation,
            Self::Instance(_) | Self::ListTokens | Self::DeleteToken(_) | Self::SetAccount(_) => {
                Service::Cloud
            }
            Self::ReadStored(_) | Self::WriteStored(..) | Self::DeleteStored(..) | Self::ListStored => {
                Service::Store
            }
            Self::Check(_) => Service::Registry,
            _ => Service::Api,
        }
    }

    /// The namespace that it is about.
    pub fn place(&self) -> Option<usize> {
        match self {
            Self::GetSecret(place, _)
            | Self::CreateSecret(place, ..)
            | Self::UpdateSecret(place, ..)
            | Self::PutSecret(place, ..)
            | Self::MarkSecret(place, ..)
            | Self::DeleteSecret(place, ..)
            | Self::EditAccount(place, ..) => Some(*place),
            _ => None,
        }
    }

    /// What its caller has when there is no answer, in one of several ways; the first is that time is over.
    pub fn unanswered(&self, how: u8) -> Reply {
        let failure = || match how % 3 {
            0 => cloud::failure(15),
            1 => cloud::failure(14),
            _ => cloud::failure(16),
        };
        let api = || if how.is_multiple_of(2) { refusal::deadline() } else { refusal::broken() };
        match self {
            Self::Instance(_) => Reply::Instance(Err(failure())),
            Self::ListTokens => Reply::Tokens(Err(failure())),
            Self::DeleteToken(_) | Self::SetAccount(_) => Reply::Deleted(Err(failure())),
            Self::CreateToken(..) | Self::CreateAccount(..) => Reply::Issued(Err(failure())),
            Self::Check(_) => Reply::Verdict(Verdict::Unknown { reason: "no answer within 10 s".to_owned() }),
            Self::ReadStored(_) | Self::WriteStored(..) | Self::DeleteStored(..) => Reply::Stored(Err(api())),
            Self::ListStored => Reply::AllStored(Err(api())),
            Self::EditAccount(..) => Reply::Account(Err(api())),
            Self::Status(..) | Self::Finalize(..) => Reply::Done(Err(api())),
            _ => Reply::Secret(Err(api())),
        }
    }
}
