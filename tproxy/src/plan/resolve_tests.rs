//! Who the sidecar is, and which families are captured, on hosts of every kind.

use super::*;
use crate::config::SidecarUser;
use crate::host::Users;
use crate::host::resolv_conf::Resolver;

fn facts(users: &[(&str, u32)], without_ipv6: Option<&str>) -> HostFacts {
    HostFacts {
        users: Users::named(users.iter().copied()),
        loopback: "lo".to_owned(),
        addresses: Vec::new(),
        without_ipv6: without_ipv6.map(str::to_owned),
        resolver: Resolver::default(),
    }
}

fn with_user(user: SidecarUser) -> Config {
    Config { kuma_dp_user: Some(user), ..Config::default() }
}

fn uid(config: &Config, facts: &HostFacts) -> Result<u32, String> {
    resolve(config, facts, Sidecar::MustExist)
        .map(|(plan, _)| plan.policy.sidecar_uid)
        .map_err(|error| error.to_string())
}

#[test]
fn uid_5678_comes_before_user_kuma_dp() {
    let both = facts(&[("envoy", 5678), ("kuma-dp", 77)], None);
    assert_eq!(uid(&Config::default(), &both), Ok(5678));
    assert_eq!(uid(&Config::default(), &facts(&[("kuma-dp", 77)], None)), Ok(77));
}

#[test]
fn without_either_installing_is_refused_and_looking_assumes_5678() {
    let nobody = facts(&[], None);
    assert!(uid(&Config::default(), &nobody).unwrap_err().contains("--kuma-dp-user"));
    let (plan, notes) = resolve(&Config::default(), &nobody, Sidecar::MayBeAssumed).unwrap();
    let told = notes.first().map(ToString::to_string).unwrap_or_default();
    assert!(told.ends_with("`install` refuses until --kuma-dp-user names the sidecar's user"), "{told}");
    assert_eq!((plan.policy.sidecar_uid, notes), (5678, vec![Note::SidecarAssumed]));
}

#[test]
fn a_name_must_exist_and_a_number_need_not() {
    let nobody = facts(&[], None);
    assert_eq!(
        uid(&with_user(SidecarUser::Name("ghost".to_owned())), &nobody).unwrap_err(),
        "user `ghost` does not exist on this host; give a user that does, or a user id"
    );
    let config = with_user(SidecarUser::Uid(1_000_650_000));
    let (plan, notes) = resolve(&config, &nobody, Sidecar::MustExist).unwrap();
    assert_eq!(plan.policy.sidecar_uid, 1_000_650_000);
    assert_eq!(notes, [Note::UnknownUid(1_000_650_000)]);
}

/// A pod has users of its own, which this host does not know (1.8).
#[test]
fn in_cni_mode_numbers_are_taken_without_a_word_and_5678_is_who_is_not_named() {
    let pod = |user| Config { cni_mode: true, kuma_dp_user: user, ..Config::default() };
    let hosts = [facts(&[], None), facts(&[("kuma-dp", 77)], None), facts(&[("envoy", 5678)], None)];
    for facts in &hosts {
        for (user, uid) in [(None, 5678), (Some(SidecarUser::Uid(9)), 9), (Some(SidecarUser::Uid(77)), 77)] {
            let (plan, notes) = resolve(&pod(user), facts, Sidecar::MustExist).unwrap();
            assert_eq!((plan.policy.sidecar_uid, notes), (uid, Vec::new()));
        }
    }
    // A name has no meaning but that of this host: iptables, too, looks it up here.
    let named = pod(Some(SidecarUser::Name("kuma-dp".to_owned())));
    assert_eq!(uid(&named, &hosts[1]), Ok(77));
    assert!(uid(&named, &hosts[0]).unwrap_err().contains("user `kuma-dp` does not exist"));
}

#[test]
fn a_pod_of_a_cni_plugin_has_users_of_its_own() {
    let host = facts(&[("kuma-dp", 77)], None);
    let cni = |user| Config { cni_mode: true, kuma_dp_user: user, ..Config::default() };
    for (user, uid) in [(None, 5678), (Some(SidecarUser::Uid(1234)), 1234)] {
        let (plan, notes) = resolve(&cni(user), &host, Sidecar::MustExist).unwrap();
        assert_eq!((plan.policy.sidecar_uid, notes), (uid, vec![]));
    }
}

#[test]
fn of_many_unusable_name_servers_the_first_are_named() {
    let notes = |count: usize| {
        let text: String = (0..count).map(|i| format!("nameserver fe80::{i}%eth0\n")).collect();
        let resolver =
            crate::host::resolv_conf::parse(&format!("{text}nameserver 10.0.0.53\nnameserver fd00::53"));
        let host = HostFacts { resolver, ..facts(&[("kuma-dp", 5678)], None) };
        let mut config = Config::default();
        config.dns.enabled = true;
        resolve(&config, &host, Sidecar::MustExist).unwrap().1
    };
    let named = |count: usize| {
        let notes = notes(count);
        let named = notes.iter().filter(|note| matches!(note, Note::UnusableServer { .. })).count();
        (named, notes.get(named..).unwrap_or_default().to_vec())
    };
    assert_eq!(named(0), (0, vec![]));
    assert_eq!(named(8), (8, vec![]));
    assert_eq!(named(10), (8, vec![Note::MoreUnusableServers(2)]));
}

#[test]
fn the_level_of_the_log_counts_where_there_is_a_log() {
    let host = facts(&[("kuma-dp", 5678)], None);
    let level = |yaml: &str| {
        let config = crate::config::Layers::default().file("f", yaml).resolve().unwrap().config;
        resolve(&config, &host, Sidecar::MustExist).unwrap().0.iptables.log_level
    };
    assert_eq!(level("log: {enabled: true, level: 4}"), Some(4));
    assert_eq!(level("log: {enabled: false, level: 4}"), None);
}

#[test]
fn a_mapped_address_is_the_same_as_its_ipv4_address() {
    let own = |address: &str| crate::host::InterfaceAddress {
        interface: "eth0".to_owned(),
        address: address.parse().unwrap(),
    };
    let addresses = vec![own("10.0.0.2"), own("::ffff:10.0.0.3")];
    let host = HostFacts { addresses, ..facts(&[("kuma-dp", 5678)], None) };
    let (plan, _) = resolve(&Config::default(), &host, Sidecar::MustExist).unwrap();
    for address in ["::ffff:10.0.0.2", "10.0.0.3", "::ffff:10.0.0.3", "::ffff:127.0.0.1"] {
        assert!(plan.host.owns(address.parse().unwrap()), "{address}");
    }
    assert!(!plan.host.owns("::ffff:10.0.0.4".parse().unwrap()));
}

#[test]
fn ipv6_that_is_missing_is_said_and_ipv6_that_is_not_wanted_is_not() {
    let facts = facts(&[("kuma-dp", 5678)], Some("this kernel has no IPv6"));
    let (plan, notes) = resolve(&Config::default(), &facts, Sidecar::MustExist).unwrap();
    assert_eq!(plan.policy.families, [IpFamily::V4].into());
    assert_eq!(notes, [Note::Ipv4Only { reason: "this kernel has no IPv6".to_owned() }]);
    let ipv4 = Config { ip_family_mode: IpFamilyMode::Ipv4, ..Config::default() };
    assert_eq!(resolve(&ipv4, &facts, Sidecar::MustExist).unwrap().1, []);
}

#[test]
fn the_passthrough_source_is_an_address_of_this_host_where_ipv6_is_captured() {
    let passthrough = IpFamily::V6.passthrough();
    let owns = |config: &Config, without_ipv6| {
        let host = facts(&[("kuma-dp", 5678)], without_ipv6);
        resolve(config, &host, Sidecar::MustExist).unwrap().0.host.owns(passthrough)
    };
    assert!(owns(&Config::default(), None));
    assert!(!owns(&Config::default(), Some("this kernel has no IPv6")));
    assert!(!owns(&Config { ip_family_mode: IpFamilyMode::Ipv4, ..Config::default() }, None));
}

#[test]
fn exclusions_beside_an_include_list_make_no_other_policy() {
    let host = facts(&[("kuma-dp", 5678)], None);
    let plan = |yaml: &str| {
        let config = crate::config::Layers::default().file("f", yaml).resolve().unwrap().config;
        resolve(&config, &host, Sidecar::MustExist).unwrap().0
    };
    let included = plan("redirect: {outbound: {includePorts: [80]}}");
    assert_eq!(included, plan("redirect: {outbound: {includePorts: [80], excludePorts: [80, 81]}}"));
    assert_ne!(included.digest(), plan("{}").digest());
}
