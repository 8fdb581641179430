//! What of a configuration these programs cannot do, and what of it does not concern them.
//!
//! Pure. Must never let an option pass in silence that would change what happens to a flow.

use std::borrow::Cow;

use crate::config::Config;
use crate::config::interface::InterfacePattern;
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

    /// No interface is there that a pattern stands for.
    pub(super) fn no_interface(key: &'static str, pattern: &InterfacePattern) -> Self {
        let reason = format!(
            "names `{pattern}`, and no interface of this host is called so: the ebpf backend takes those that are there \
             when it is installed; install when it is there, or use iptables, which asks for names"
        );
        Self::new(key, reason)
    }

    /// An interface whose packets the programs cannot read.
    pub(super) fn no_link(interface: &str) -> Self {
        let reason = format!(
            "names {interface}, whose packets begin neither with Ethernet nor with IP, which the ebpf backend cannot read; \
             use iptables"
        );
        Self::new("redirect.vnet.networks", reason)
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
            config.store_firewalld,
            "storeFirewalld",
            "cannot be honoured by the ebpf backend, which has no rules to store; use iptables",
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

/// The setting that needs programs to be told by which interface a connection arrives; `None` where none does.
#[must_use]
pub fn by_interface(plan: &Plan) -> Option<&'static str> {
    let inbound = &plan.policy.inbound;
    let excludes = (!inbound.exclude_interfaces.is_empty()).then_some("redirect.inbound.excludeInterfaces");
    excludes.or_else(|| inbound.only_interface.as_ref().map(|_| "ebpf.tcAttachIface"))
}

/// Settings that name interfaces by a pattern, which stands for those that are there now.
#[must_use]
pub fn patterns(plan: &Plan) -> Vec<&'static str> {
    let is_pattern = |pattern: &InterfacePattern| pattern.as_str().ends_with('+');
    let policy = &plan.policy;
    let named = [
        ("redirect.inbound.excludeInterfaces", policy.inbound.exclude_interfaces.iter().any(is_pattern)),
        ("redirect.vnet.networks", policy.vnets.iter().any(|vnet| is_pattern(&vnet.interface))),
    ];
    named.into_iter().filter_map(|(key, is_there)| is_there.then_some(key)).collect()
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
