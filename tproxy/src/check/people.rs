//! Who installs, and who the sidecar is.
//!
//! Must never look a user up.

use super::case::Case;
use super::evidence::{Evidence, Privileges};
use super::finding::Finding;
use crate::iptables::Flavour;
use crate::plan::{Note, PlanError};

pub(super) fn findings(case: &Case, evidence: &Evidence) -> [Finding; 2] {
    [privileges(case, evidence.privileges), sidecar(case)]
}

fn privileges(case: &Case, privileges: Privileges) -> Finding {
    const SUBJECT: &str = "privileges";
    let legacy = case.tools.iter().any(|tool| tool.flavour == Flavour::Legacy);
    match privileges {
        Privileges { uid, .. } if uid != 0 => Finding::warning(
            SUBJECT,
            format!("this check runs as uid {uid}, and installing needs root"),
            "run tproxy install as root",
        ),
        Privileges { net_admin: false, .. } => Finding::missing(
            SUBJECT,
            "root without CAP_NET_ADMIN may not change rules",
            "give this container or service CAP_NET_ADMIN",
        ),
        Privileges { net_raw: false, .. } if legacy => Finding::missing(
            SUBJECT,
            "iptables-legacy opens raw sockets, which root without CAP_NET_RAW may not",
            "give this container or service CAP_NET_RAW",
        ),
        _ => Finding::works(SUBJECT, "root, with CAP_NET_ADMIN"),
    }
}

fn sidecar(case: &Case) -> Finding {
    const SUBJECT: &str = "sidecar-user";
    const ADVICE: &str = "create the sidecar's user, or name one that exists with --kuma-dp-user";
    match &case.without_sidecar {
        Some(PlanError::UnknownUser(name)) => {
            return Finding::missing(SUBJECT, format!("user `{name}` does not exist on this host"), ADVICE);
        }
        Some(PlanError::NoSidecarUser) => {
            return Finding::missing(SUBJECT, "this host has neither uid 5678 nor user kuma-dp", ADVICE);
        }
        None => {}
    }
    let uid = case.plan.policy.sidecar_uid;
    match case.notes.iter().find(|note| matches!(note, Note::UnknownUid(_))) {
        Some(note) => Finding::warning(SUBJECT, note.to_string(), ADVICE),
        None => Finding::works(SUBJECT, format!("the sidecar is uid {uid}")),
    }
}
