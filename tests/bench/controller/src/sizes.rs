//! How much of everything is measured.

use std::time::Duration;

/// How much of everything is measured.
#[derive(Clone, Debug)]
pub(crate) struct Sizes {
    /// Namespaces of the small fill.
    pub(crate) few: usize,
    /// Namespaces of everything else.
    pub(crate) namespaces: usize,
    /// Tenants of one instance.
    pub(crate) tenants: usize,
    /// Runs of which the median counts.
    pub(crate) runs: usize,
    /// Namespaces that are made while nothing else goes on, and repairs.
    pub(crate) samples: usize,
    /// Secrets of others.
    pub(crate) foreign: usize,
    /// Namespaces in which somebody makes objects as large as may be.
    pub(crate) hostile: usize,
    /// How long idling is watched.
    pub(crate) idle: Duration,
}

impl Sizes {
    /// What the limits are for.
    pub(crate) fn full() -> Self {
        Self {
            few: 1_000,
            namespaces: 10_000,
            tenants: 500,
            runs: 3,
            samples: 200,
            foreign: 20_000,
            hostile: 1_000,
            idle: Duration::from_secs(20),
        }
    }

    /// Enough to see that everything is measured.
    pub(crate) fn smoke() -> Self {
        Self {
            few: 20,
            namespaces: 60,
            tenants: 10,
            runs: 1,
            samples: 5,
            foreign: 100,
            hostile: 10,
            idle: Duration::from_secs(1),
        }
    }

    /// Other sizes, in proportion.
    pub(crate) fn with_namespaces(self, namespaces: usize) -> Self {
        Self {
            namespaces,
            few: self.few.min(namespaces),
            tenants: self.tenants.min(namespaces),
            foreign: namespaces * 2,
            ..self
        }
    }
}
