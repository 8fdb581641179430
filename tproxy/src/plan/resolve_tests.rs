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
fn ipv6_that_is_missing_is_said_and_ipv6_that_is_not_wanted_is_not() {
    let facts = facts(&[("kuma-dp", 5678)], Some("this kernel has no IPv6"));
    let (plan, notes) = resolve(&Config::default(), &facts, Sidecar::MustExist).unwrap();
    assert_eq!(plan.policy.families, [IpFamily::V4].into());
    assert_eq!(notes, [Note::Ipv4Only { reason: "this kernel has no IPv6".to_owned() }]);
    let ipv4 = Config { ip_family_mode: IpFamilyMode::Ipv4, ..Config::default() };
    assert_eq!(resolve(&ipv4, &facts, Sidecar::MustExist).unwrap().1, []);
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
