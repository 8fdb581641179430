//! What of a configuration these programs cannot do, and what of it does not concern them.
//!
//! Pure. Must never let an option pass in silence that would change what happens to a flow.

use std::borrow::Cow;

use crate::config::Config;
use crate::plan::{Exclusion, Plan};

/// A part of the configuration that this backend cannot honour.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{key} {reason}")]
pub struct Unsupported {
    key: &'static str,
    reason: Cow<'static, str>,
}

impl Unsupported {
    pub(super) fn new(key: &'static str, reason: impl Into<Cow<'static, str>>) -> Self {
        Self { key, reason: reason.into() }
    }

    /// The key of the setting that asks for it.
    #[must_use]
    pub fn key(&self) -> &'static str {
        self.key
    }

    /// The sentence behind the setting's name.
    #[must_use]
    pub fn reason(&self) -> &str {
        &self.reason
    }
}

/// More sets than the programs can tell apart.
pub(super) fn too_many_sets() -> Unsupported {
    Unsupported::new(
        "redirect.outbound.excludePortsForUIDs",
        "means more than 65532 different sets of ports, which the ebpf backend cannot tell apart; use iptables",
    )
}

/// Refuses what `plan`, from `config`, asks for and cannot be had.
///
/// # Errors
/// The first such option.
pub fn check(config: &Config, plan: &Plan) -> Result<(), Unsupported> {
    let policy = &plan.policy;
    for (asked, key, reason) in [
        (
            !policy.outbound.exclude_interfaces.is_empty(),
            "redirect.outbound.excludeInterfaces",
            "cannot be honoured by the ebpf backend, which decides before a route is chosen; use iptables",
        ),
        (
            !policy.inbound.exclude_interfaces.is_empty(),
            "redirect.inbound.excludeInterfaces",
            "cannot be honoured by the ebpf backend, which asks for listeners and not for interfaces; use iptables",
        ),
        (
            config.rules.log,
            "log.enabled",
            "cannot be honoured by the ebpf backend, which sees calls and no packets; use iptables, or the counters of \
             `tproxy status`",
        ),
        (
            policy.drop_invalid,
            "dropInvalidPackets",
            "cannot be honoured by the ebpf backend, which asks no connection tracking; use iptables",
        ),
        (
            !policy.vnets.is_empty(),
            "redirect.vnet.networks",
            "cannot be honoured by the ebpf backend, which sees what arrives for this host alone; use iptables",
        ),
        (
            config.store_firewalld,
            "storeFirewalld",
            "cannot be honoured by the ebpf backend, which has no rules to store; use iptables",
        ),
        (
            config.ebpf.tc_attach_interface.is_some(),
            "ebpf.tcAttachIface",
            "cannot be honoured: arriving connections are captured on every interface; leave it out",
        ),
    ] {
        if asked {
            return Err(Unsupported::new(key, reason));
        }
    }
    let is_one_part = |exclusion: &Exclusion| {
        let Exclusion { protocol: _, ports: _, uids, gids, network } = exclusion;
        [uids.is_some(), gids.is_some(), network.is_some()].iter().filter(|given| **given).count() == 1
    };
    match policy.outbound.exclusions.iter().find(|exclusion| !is_one_part(exclusion)) {
        None => Ok(()),
        Some(_) => Err(Unsupported::new(
            "redirect.outbound.excludePortsForUIDs",
            "combines parts that the ebpf backend cannot combine; use iptables",
        )),
    }
}

/// Options that somebody chose and that concern netfilter's own workings alone, by their names: they change nothing here.
#[must_use]
pub fn without_effect(config: &Config) -> Vec<&'static str> {
    let default = Config::default();
    [
        (config.inbound.insert != default.inbound.insert, "redirect.inbound.insertRedirectInsteadOfAppend"),
        (
            config.outbound.insert != default.outbound.insert,
            "redirect.outbound.insertRedirectInsteadOfAppend",
        ),
        (
            config.dns.skip_conntrack_zone_split != default.dns.skip_conntrack_zone_split,
            "redirect.dns.skipConntrackZoneSplit",
        ),
        (
            [&config.inbound, &config.outbound]
                .map(|direction| [&direction.chain, &direction.redirect_chain])
                != [&default.inbound, &default.outbound]
                    .map(|direction| [&direction.chain, &direction.redirect_chain]),
            "chain names",
        ),
        (config.rules.without_comments != default.rules.without_comments, "comments.disabled"),
        (config.iptables_executables != default.iptables_executables, "iptablesExecutables"),
        (
            config.loading != default.loading,
            "wait, waitInterval, retry.maxRetries and retry.sleepBetweenRetries",
        ),
    ]
    .into_iter()
    .filter_map(|(chosen, key)| chosen.then_some(key))
    .collect()
}
