//! What the derived Secrets of an ImagePullSecret hold.

use tcr::names::derived_secret_name;

use crate::state::State;
use credential_plan::rollout::InPlace;
use distribution::{Content, Digest, SeenSecret};

/// What the namespaces hold in place of `content`. After a restart this is all that is known: only a
/// controller writes the content there, so content that is found in one namespace was meant for all.
pub(crate) fn in_place(state: &State, name: &str, held: Option<&Content>, content: &Content) -> InPlace {
    if let Some(held) = held {
        return if held.digest() == content.digest() { InPlace::Same } else { InPlace::Other };
    }
    let digests = found(state, name).filter_map(digest);
    digests.fold(InPlace::Nothing, |so_far, digest| match so_far {
        _ if digest == content.digest() => InPlace::Same,
        InPlace::Nothing => InPlace::Other,
        InPlace::Same | InPlace::Other => so_far,
    })
}

/// Whether namespaces have this ImagePullSecret's Secret.
pub(crate) fn is_any(state: &State, name: &str) -> bool {
    found(state, name).any(SeenSecret::is_ours)
}

/// Whether namespaces have this ImagePullSecret's Secret with other content.
pub(crate) fn has_another(state: &State, name: &str, content: &Content) -> bool {
    found(state, name).any(|secret| secret.is_ours() && digest(secret) != Some(content.digest()))
}

/// Whether namespaces have this ImagePullSecret's Secret, or refer to it.
pub(crate) fn is_anywhere(state: &State, name: &str) -> bool {
    !state.observed().holding(&derived_secret_name(name)).is_empty()
}

fn found<'a>(state: &'a State, name: &str) -> impl Iterator<Item = &'a SeenSecret> + use<'a> {
    let secret = derived_secret_name(name);
    let live = state.observed().iter().filter(|(_, namespace)| namespace.is_live());
    live.filter_map(move |(_, namespace)| namespace.secrets.get(secret.as_str()))
}

/// The digest of a Secret's bytes; none for a Secret that another client has made unusable.
fn digest(secret: &SeenSecret) -> Option<Digest> {
    match secret {
        SeenSecret::Ours { digest, .. } => *digest,
        SeenSecret::Foreign { .. } => None,
    }
}
