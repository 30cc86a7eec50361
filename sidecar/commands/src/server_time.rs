//! The API server's clock, from the date of an answer.

use http::header::DATE;
use jiff::Timestamp;
use kube::client::Body;

use crate::reader::Reader;

/// The time by the API server's clock; none where it does not answer in time, or without a date.
pub async fn read(reader: &Reader) -> Option<Timestamp> {
    let request = http::Request::get("/version").body(Body::empty()).ok()?;
    let answer = tokio::time::timeout(reader.deadline, reader.client.send(request)).await.ok()?.ok()?;
    let date = answer.headers().get(DATE)?.to_str().ok()?;
    jiff::fmt::rfc2822::parse(date).ok().map(|it| it.timestamp())
}
