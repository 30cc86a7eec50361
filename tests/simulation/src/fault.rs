//! The kinds of faults that histories have, counted.

use crate::cloud::FAILURES;

macro_rules! faults {
    ($($name:ident = $text:literal,)*) => {
        /// A kind of fault.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Fault { $($name,)* }
        /// What each is called, in the order of [`Fault`].
        const NAMED: &[&str] = &[$($text,)*];
    };
}

faults! {
    Relist = "watch lists anew",
    ApiRefused = "API server refuses a write",
    ApiLost = "call to the API server is lost",
    ApiAnswerLost = "answer of the API server is lost",
    ApiGivenUp = "call to the API server times out and is carried out later",
    StoreFails = "store of a credential fails",
    StoreAnswerLost = "answer to the store of a credential is lost",
    CloudLost = "call to the cloud is lost",
    CloudAnswerLost = "answer of the cloud is lost",
    CreationLost = "creation of a token is lost",
    CreationAnswerLost = "answer to the creation of a token is lost",
    CreationGivenUp = "creation of a token times out and is carried out later",
    RegistryUnreachable = "registry is unreachable",
    RegistryRefuses = "registry refuses everything",
    RegistryUnanswered = "question to the registry is not answered",
    SecretsDenied = "admission refuses Secrets",
    AccountDenied = "admission refuses a ServiceAccount",
    DeletionsDenied = "admission refuses deletions of Secrets",
    Quota = "quota of Secrets",
    Crash = "leader is killed",
    Supersede = "leader is stopped and goes on beside its successor",
    BytesEdited = "Secret's bytes are edited",
    LabelsTaken = "Secret loses its labels",
    WrongLabel = "Secret gets a wrong label",
    MarkTaken = "Secret loses its mark",
    Frozen = "Secret is made immutable",
    SecretDeleted = "Secret is deleted",
    EditedWithoutLeader = "Secret is edited while nobody leads",
    Foreign = "Secret of somebody else is in the way",
    ListApplied = "ServiceAccount is applied with a list of its own",
    AccountDeleted = "ServiceAccount is deleted",
    NamespaceDeleted = "namespace is deleted",
    NamespaceRecreated = "namespace is created again",
    Relabelled = "namespace's label is changed",
    SpecChanged = "spec is changed",
    ObjectDeleted = "ImagePullSecret is deleted",
    RotationAsked = "somebody asks for another credential",
    PasswordChanged = "Secret with the password is changed",
    TokenKilled = "token is deleted at the cloud",
    TokenDisabled = "token is switched off at the cloud",
    Isolated = "instance is isolated",
    ClockSet = "clock is set",
}

/// How many kinds there are: those with a name, and each failure of the cloud's table.
pub const KINDS: usize = NAMED.len() + FAILURES;

/// Which kinds one history had.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Faults(u64);

impl Faults {
    /// It had this one.
    pub fn add(&mut self, fault: Fault) {
        self.0 |= 1 << fault as u64;
    }

    /// The cloud gave this failure of its table.
    pub fn add_cloud(&mut self, number: u8) {
        self.0 |= 1 << (NAMED.len() + usize::from(number) % FAILURES);
    }

    /// Whether it had the kind of this number.
    pub fn has(self, kind: usize) -> bool {
        self.0 >> kind & 1 == 1
    }
}

/// What the kind of this number is called.
pub fn name(kind: usize) -> String {
    match NAMED.get(kind) {
        Some(name) => (*name).to_owned(),
        None => format!("cloud: {}", crate::cloud::failure(kind - NAMED.len()).code()),
    }
}

const _: () = assert!(KINDS <= 64, "a history's kinds are bits of one word");
