//! What a user should know about a plan, and why there may be none.
//!
//! Must never decide anything: notes are made where the decision is.

use std::fmt;

use crate::diagnostic::shortened;
use crate::family::IpFamily;

/// The uid that Kuma gives its sidecar.
pub(super) const DEFAULT_UID: u32 = 5678;
/// The user name that Kuma gives its sidecar.
pub(super) const DEFAULT_NAME: &str = "kuma-dp";

/// Something that the user should know, though the plan stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Note {
    /// Nobody said who the sidecar is.
    SidecarAssumed,
    /// No user has the given uid.
    UnknownUid(u32),
    /// IPv6 is wanted but cannot be captured here.
    Ipv4Only {
        /// Why.
        reason: String,
    },
    /// A name server that a captured query cannot be told by.
    UnusableServer {
        /// As it is written.
        server: String,
        /// Why not.
        reason: String,
    },
    /// So many more that are not named.
    MoreUnusableServers(usize),
    /// DNS is captured, and no name server of this family is known.
    NoServer(IpFamily),
}

impl Note {
    /// A server and the reason why it cannot be captured.
    pub(super) fn unusable_server((server, reason): (String, String)) -> Self {
        Self::UnusableServer { server, reason }
    }
}

impl fmt::Display for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::SidecarAssumed => write!(
                f,
                "this host has neither uid {DEFAULT_UID} nor user {DEFAULT_NAME}: uid {DEFAULT_UID} is assumed here, where \
                 `install` refuses until --kuma-dp-user names the sidecar's user"
            ),
            Self::UnknownUid(uid) => write!(f, "no user of this host has uid {uid}; it is used as given"),
            Self::Ipv4Only { reason } => write!(f, "only IPv4 is captured: {reason}"),
            Self::UnusableServer { server, reason } => {
                write!(f, "queries to name server `{}` are not captured: {reason}", shortened(server))
            }
            Self::MoreUnusableServers(more) => {
                write!(f, "queries to {more} more name servers are not captured for such reasons")
            }
            Self::NoServer(family) => {
                write!(
                    f,
                    "no {} name server is known: DNS over {} is not captured",
                    family.title(),
                    family.title()
                )
            }
        }
    }
}

/// Why no plan can be made.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PlanError {
    /// The configured user name is not known.
    #[error("user `{0}` does not exist on this host; give a user that does, or a user id")]
    UnknownUser(String),
    /// Nobody said who the sidecar is.
    #[error(
        "the sidecar's user is not known: this host has neither uid {DEFAULT_UID} nor user {DEFAULT_NAME}; \
         name it with --kuma-dp-user"
    )]
    NoSidecarUser,
}
