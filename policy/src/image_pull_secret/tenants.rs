//! The setting `tenants`: what each tenant's ImagePullSecrets may contain.

use tcr::rules;
use tcr::tenants::{Writer, problem};

use crate::error::Error;
use crate::json::{self, Span};
use crate::managed_secret::may_change;
use crate::registry::Wanted;
use crate::review::Review;
use crate::verdict::Answer;

/// Kubernetes' own administrators, who could lift any limit.
const MASTERS: &str = "system:masters";

/// Refuses fields outside the writer's tenants. Both the old and the new object count: an overwritten object
/// is taken away from the namespaces of its former content.
pub(super) fn limit(review: &Review<'_>, answer: &mut Answer) -> Result<(), Error> {
    let request = &review.request;
    let (object, old) = (request.object, request.old_object);
    let of = |span: Span| span.of(review.payload);
    let tenants = review.tenants()?;
    if tenants.is_empty() || (object.is_some() && object.map(of) == old.map(of)) {
        return Ok(());
    }
    let groups = request.groups(review.payload)?;
    let groups: Vec<&str> = groups.iter().map(AsRef::as_ref).collect();
    let settings = review.settings(&Wanted::default(), answer)?;
    if may_change(&request.username, &settings) || groups.contains(&MASTERS) {
        return Ok(());
    }
    let writer = Writer { username: &request.username, groups: &groups };
    for (span, when) in [(old, ", as it is"), (object, "")] {
        let Some(span) = span else { continue };
        let problem = match json::value(span.of(review.payload)).ok().and_then(|it| rules::read(&it).ok()) {
            Some((_, spec)) => problem(&tenants, writer, &spec),
            None => Some("cannot be read".to_owned()),
        };
        if let Some(problem) = problem {
            *answer = Answer::reject(403, format!("ImagePullSecret {:?}{when}: {problem}", request.name));
            break;
        }
    }
    Ok(())
}
