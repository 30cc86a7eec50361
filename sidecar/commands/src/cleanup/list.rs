//! Lists, page by page.

use kube::Api;
use kube::api::ListParams;
use kube::core::{ObjectList, PartialObjectMeta};
use serde::de::DeserializeOwned;

/// Objects in one page.
const PAGE: u32 = 500;

/// A whole list, page by page.
pub(super) async fn list<K>(api: &Api<K>, params: &ListParams) -> kube::Result<Vec<K>>
where
    K: Clone + DeserializeOwned + std::fmt::Debug,
{
    pages(params, async |page| api.list(&page).await).await
}

/// A whole list of metadata, page by page.
pub(super) async fn list_metadata<K>(
    api: &Api<K>,
    params: &ListParams,
) -> kube::Result<Vec<PartialObjectMeta<K>>>
where
    K: Clone + DeserializeOwned + std::fmt::Debug,
{
    pages(params, async |page| api.list_metadata(&page).await).await
}

async fn pages<T: Clone>(
    params: &ListParams,
    get: impl AsyncFn(ListParams) -> kube::Result<ObjectList<T>>,
) -> kube::Result<Vec<T>> {
    let mut all = Vec::new();
    let mut params = params.clone().limit(PAGE);
    loop {
        let page = get(params.clone()).await?;
        all.extend(page.items);
        match page.metadata.continue_.filter(|token| !token.is_empty()) {
            Some(token) => params = params.continue_token(&token),
            None => return Ok(all),
        }
    }
}
