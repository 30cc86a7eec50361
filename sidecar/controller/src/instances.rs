//! Which instances the API credential can see.

use custom_resource::request::VisibleInstance;
use tcr::shortened::shortened;

use super::settings::Settings;

/// The region that is asked about every region, where the cluster's own is not known.
const ANY_REGION: &str = "ap-guangzhou";
/// Longest text of the cloud's in a status.
const LONGEST: usize = 253;

/// They, or why they cannot be listed.
pub(super) async fn list(settings: &Settings, region: Option<&str>) -> Result<Vec<VisibleInstance>, String> {
    let (asked, every) = match region {
        Some(region) => (region, false),
        None => (settings.region.as_deref().unwrap_or(ANY_REGION), true),
    };
    let listed = settings.clouds.own().instances(asked, every).await.map_err(|error| error.to_string())?;
    let text = |text: String| shortened(text, LONGEST);
    let visible = listed.into_iter().map(|it| VisibleInstance {
        id: text(it.id),
        name: text(it.name),
        region: text(it.region),
        status: text(it.status),
        domain: text(it.domain),
    });
    Ok(visible.collect())
}
