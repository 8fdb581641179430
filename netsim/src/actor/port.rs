//! Taking a port that somebody else may hold for a moment longer.

use std::io::{self, ErrorKind};
use std::time::Duration;

use tokio::time::{Instant, sleep};

/// How long a port may stay taken that was given back.
pub(super) const HELD: Duration = Duration::from_secs(2);

/// What `bind` gives, tried for so long as the port is taken and `within` is not over.
///
/// A port that was just given back may be held by a child of this process between fork and exec; nothing tells when it is
/// free.
///
/// # Errors
/// Those of `bind`.
pub(super) async fn when_free<T>(within: Duration, mut bind: impl FnMut() -> io::Result<T>) -> io::Result<T> {
    const AGAIN: Duration = Duration::from_millis(2);
    let deadline = Instant::now() + within;
    loop {
        match bind() {
            Err(error) if error.kind() == ErrorKind::AddrInUse && Instant::now() < deadline => {
                sleep(AGAIN).await;
            }
            bound => return bound,
        }
    }
}
