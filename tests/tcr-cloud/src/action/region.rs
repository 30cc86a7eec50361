//! DescribeRegions.

use jiff::Timestamp;
use serde_json::{Value, json};

use super::definition::Action;
use crate::{
    clock::beijing,
    envelope::{Outcome, fields},
    parameter::Parameters,
    region::REGIONS,
    world::{Caller, World},
};

/// Its limit is not documented; most actions have 20.
pub(super) static DESCRIBE: Action =
    Action { name: "DescribeRegions", per_second: 20, form: &[], run: describe };

fn describe(_: &mut World, _: &Caller, _: &Parameters) -> Outcome {
    let epoch = beijing(Timestamp::UNIX_EPOCH);
    let regions: Vec<Value> = REGIONS
        .iter()
        .map(|region| {
            json!({
                "Alias": region.alias,
                "RegionId": region.id,
                "RegionName": region.name,
                "Status": "alluser",
                "Remark": "",
                "CreatedAt": epoch,
                "UpdatedAt": epoch,
                "Id": region.id,
            })
        })
        .collect();
    Ok(fields(json!({"TotalCount": regions.len(), "Regions": regions})))
}
