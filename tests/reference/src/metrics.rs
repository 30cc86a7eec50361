//! The metrics by program.

use tcr::exposition::Metric;

/// Each program's metrics, in the order in which it prints them.
pub(super) const BY_PROGRAM: &[(&str, &[&[Metric]])] = &[
    (
        "The controller, port 8080",
        &[
            &[controller::http::LEADING, kubernetes::api_calls::API_CALLS, tencent_cloud::calls::CALLS],
            &[controller::write_limits::WRITE_LIMITS],
            reconcile::metrics::ALL,
            reconcile::nodes::METRICS,
        ],
    ),
    ("The webhook, port 8081", &[&[harness::serve::certificate::EXPIRY], harness::serve::metrics::ALL]),
    ("hosts-updater, port 19617 of each node", &[hosts_agent::report::metrics::ALL]),
];
