//! When a crowd of connections or queries may end, where their number alone does not say it.

use std::fmt;
use std::sync::Arc;

/// Says whether there has been enough. A crowd asks after each connection or query beyond its number.
#[derive(Clone)]
pub struct Enough(Arc<dyn Fn() -> bool + Send + Sync>);

impl Enough {
    /// Once this says so.
    pub fn when(is_so: impl Fn() -> bool + Send + Sync + 'static) -> Self {
        Self(Arc::new(is_so))
    }

    pub(super) fn is_so(&self) -> bool {
        (self.0)()
    }
}

/// The number says it.
impl Default for Enough {
    fn default() -> Self {
        Self::when(|| true)
    }
}

impl fmt::Debug for Enough {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Enough({})", self.is_so())
    }
}
