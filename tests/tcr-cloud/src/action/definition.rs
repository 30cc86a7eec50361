//! What makes an action of the API.

use crate::{
    envelope::Outcome,
    parameter::{Field, Parameters},
    world::{Caller, World},
};

pub(crate) struct Action {
    pub(crate) name: &'static str,
    /// Calls per second and account.
    pub(crate) per_second: u32,
    pub(crate) form: &'static [Field],
    pub(crate) run: fn(&mut World, &Caller, &Parameters) -> Outcome,
}
