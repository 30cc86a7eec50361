//! Which namespaces get which Secret, and which ServiceAccounts refer to it. Decided here, carried out
//! elsewhere.
//!
//! ```text
//!   watch events ──► Observed (what each namespace has)  ─┐
//!                                                         ├─► plan(namespace) ──► Vec<Change>
//!   ImagePullSecrets, credentials ──► Desired ────────────┘          └──► Tally (for the status)
//! ```
//!
//! Work is keyed by namespace: a new namespace costs one plan, whatever the cluster's size.
//! Nothing here has a client or a clock, and a plan of what has been carried out is empty.
//!
//! Imports no other crate of this folder.

pub mod contest;
pub mod desired;
pub mod identity;
pub mod job;
pub mod mark;
pub mod name_map;
pub mod observed;
pub mod order;
pub mod plan;
pub mod reference;
pub mod secret;
pub mod stuck;
pub mod tally;

pub use contest::{Contest, Contests, Target, TargetKind};
pub use desired::{Content, Desired, Digest, Distribution};
pub use identity::{ResourceVersion, Uid, Version};
pub use observed::{Account, Labels, Namespace, Observed, Placed, References, SeenNamespace, SeenSecret};
pub use plan::{Change, Stage, plan};
pub use tally::{Tally, tally, tally_one};
