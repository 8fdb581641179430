//! The grammars of 2.3, a case a sentence. Where this program takes more or less than Kuma, the case says so.

use rstest::rstest;
use serde_json::{Value as Json, json};
use tproxy::config::{Layers, Problems, Resolved, print};

use crate::write;

/// What is printed of a key once a file says this (YAML) of it, or the first line of what is wrong.
fn read(key: &str, yaml: &str) -> Result<Json, String> {
    let (section, name) = key.rsplit_once('.').unwrap_or(("", key));
    let open: String =
        section.split('.').filter(|part| !part.is_empty()).map(|part| format!("{part}: {{")).collect();
    let close = "}".repeat(open.matches('{').count());
    printed(key, Layers::default().file("f", format!("{open}{name}: {yaml}{close}")).resolve())
}

/// The same for a flag.
fn typed(key: &str, flag: &str, text: &str) -> Result<Json, String> {
    printed(key, Layers::default().flag(flag, text).resolve())
}

/// The same for a variable.
fn exported(key: &str, name: &str, text: &str) -> Result<Json, String> {
    printed(key, Layers::default().environment(&write::variables([(name, text)])).resolve())
}

fn printed(key: &str, resolved: Result<Resolved, Problems>) -> Result<Json, String> {
    let resolved = resolved.map_err(|problems| problems.to_string().lines().next().unwrap().to_owned())?;
    Ok(print::json(&resolved).pointer(&format!("/{}", key.replace('.', "/"))).unwrap().clone())
}

/// Insists on a value, or on a refusal that begins with the option and goes on with `expected`.
fn assert_read(found: Result<Json, String>, option: &str, expected: Result<Json, &str>) {
    match expected {
        Ok(value) => assert_eq!(found, Ok(value)),
        Err(words) => {
            let said = found.expect_err("must be refused");
            assert!(said.starts_with(&format!("{option}: {words}")), "{said}");
        }
    }
}

#[rstest]
#[case::a_number("15007", Ok(json!(15007)))]
#[case::quoted_differs_kuma_refuses("\"15007\"", Ok(json!(15007)))]
#[case::zero_where_it_is_needed("0", Err("`0` is not a port from 1 to 65535, which inbound capture needs"))]
#[case::zero_where_it_is_off_differs_kuma_refuses("0, enabled: false", Ok(json!(0)))]
#[case::null("null", Err("has no value; give a port"))]
#[case::too_large("65536", Err("`65536` is not a port"))]
#[case::negative("-1", Err("`-1` is not a port"))]
#[case::a_fraction("80.5", Err("`80.5` is not a port"))]
#[case::a_word("http", Err("`http` is not a port"))]
#[case::a_bool("true", Err("`true` is not a port"))]
#[case::a_list("[80]", Err("a list is not a port"))]
#[case::a_mapping("{a: 1}", Err("a mapping is not a port"))]
fn s2_3_1_port(#[case] yaml: &str, #[case] expected: Result<Json, &str>) {
    assert_read(read("redirect.inbound.port", yaml), "redirect.inbound.port", expected);
}

#[rstest]
#[case::a_comma_list("\"80, 443,\"", Ok(json!([80, 443])))]
#[case::only_commas("\" , ,\"", Ok(json!([])))]
#[case::a_number("80", Ok(json!([80])))]
#[case::strings_and_numbers("[80, \"443\"]", Ok(json!([80, 443])))]
#[case::strings_that_are_comma_lists("[\"80,443\", 22]", Ok(json!([22, 80, 443])))]
#[case::items_that_are_empty("[\"\", \" \", \",\", 80]", Ok(json!([80])))]
#[case::order_and_duplicates_differ_a_set_is_kept("[443, 80, 443]", Ok(json!([80, 443])))]
#[case::ranges_differ_kuma_has_none("[\"8000-8999\", 80]", Ok(json!([80, "8000-8999"])))]
#[case::a_bool_in_a_list_differs_kuma_drops_it("[80, true]", Err("`true` is not a port from 1"))]
#[case::a_list_in_a_list_differs_kuma_drops_it("[80, [81]]", Err("a list in a list is not a port"))]
#[case::a_mapping_in_a_list_differs_kuma_drops_it("[80, {a: 1}]", Err("a mapping in a list is not a port"))]
#[case::null_in_a_list_differs_kuma_drops_it("[80, null]", Err("an empty item is not a port"))]
#[case::null("null", Err("has no value; give a list of ports"))]
#[case::a_bool("true", Err("`true` is not a list of ports"))]
#[case::a_mapping("{a: 1}", Err("a mapping is not a list of ports"))]
#[case::a_fraction("80.5", Err("`80.5` is not a list of ports"))]
#[case::zero("0", Err("`0` is not a port from 1 to 65535"))]
#[case::reversed_differs_iptables_refuses_it_later(
    "\"9-8\"",
    Err("`9-8` is reversed: the lower port comes first, as in 8-9")
)]
#[case::empty_text("\"\"", Ok(json!([])))]
#[case::empty_list("[]", Ok(json!([])))]
fn s2_3_2_ports_list(#[case] yaml: &str, #[case] expected: Result<Json, &str>) {
    for key in
        ["inbound.excludePorts", "outbound.excludePorts", "inbound.includePorts", "outbound.includePorts"]
    {
        let key = format!("redirect.{key}");
        assert_read(read(&key, yaml), &key, expected.clone());
    }
}

#[rstest]
#[case::uid("1000", Ok(json!(["1000"])))]
#[case::uid_range("1000-1999", Ok(json!(["1000-1999"])))]
#[case::ports("80,443:1000", Ok(json!(["80,443:1000"])))]
#[case::port_ranges("80,8000-8999:1000", Ok(json!(["80,8000-8999:1000"])))]
#[case::protocol("tcp:80:1000", Ok(json!(["tcp:80:1000"])))]
#[case::protocols_in_any_case_and_trimmed("UDP , Tcp:53:1000", Ok(json!(["53:1000"])))]
#[case::both_protocols_in_one_entry_differs_kuma_makes_a_rule_each("tcp,udp:80:1000", Ok(json!(["80:1000"])))]
#[case::star_stands_for_both("*:80:1000", Ok(json!(["80:1000"])))]
#[case::star_stands_for_all_ports("udp:*:1000", Ok(json!(["udp:*:1000"])))]
#[case::empty_parts_stand_for_all("::1000", Ok(json!(["1000"])))]
#[case::all_ports_by_name("tcp:1-65535:1000", Ok(json!(["tcp:1-65535:1000"])))]
#[case::empty_comma_items("tcp,:80,,443:1000", Ok(json!(["tcp:80,443:1000"])))]
#[case::repeated_protocols_differ_kuma_repeats_the_rule("tcp,tcp:80:1000", Ok(json!(["tcp:80:1000"])))]
#[case::blanks_around_ports_differ_kuma_refuses("tcp: 80 :1000", Ok(json!(["tcp:80:1000"])))]
#[case::uid_of_32_bits_differs_kuma_refuses("1000650000", Ok(json!(["1000650000"])))]
#[case::root("0", Ok(json!(["0"])))]
#[case::star_beside_a_name("*,tcp:80:1000", Err("`*` is not a protocol"))]
#[case::unknown_protocol("sctp:80:1000", Err("`sctp` is not a protocol"))]
#[case::no_uid_differs_kuma_turns_capture_off("tcp:80:", Err("`tcp:80:` names no user"))]
#[case::nothing_differs_kuma_turns_capture_off("", Err("an empty item is not of the form"))]
#[case::any_uid("80:*", Err("`80:*` is for every user"))]
#[case::several_uids("80:1,2", Err("`80:1,2` has several users"))]
#[case::port_zero_differs_kuma_takes_it("0:1000", Err("`0` is not a port from 1 to 65535"))]
#[case::several_dashes_differ_iptables_refuses_them_later("1-2-3:1000", Err("`1-2-3` is not a port"))]
#[case::reversed_ports_differ_iptables_refuses_them_later("9-8:1000", Err("`9-8` is reversed"))]
#[case::reversed_uids_differ_the_kernel_refuses_them_later("9-8", Err("`9-8` is reversed"))]
#[case::a_port_too_large("65536:1000", Err("`65536` is not a port"))]
#[case::four_parts("a:tcp:80:1000", Err("`a:tcp:80:1000` is not of the form"))]
#[case::nobody("4294967295", Err("`4294967295` is not an id from 0 to 4294967294"))]
fn s2_3_3_uid_exclusion(#[case] text: &str, #[case] expected: Result<Json, &str>) {
    const KEY: &str = "redirect.outbound.excludePortsForUIDs";
    const FLAG: &str = "exclude-outbound-ports-for-uids";
    assert_read(read(KEY, &format!("[{}]", json!(text))), KEY, expected.clone());
    assert_read(typed(KEY, FLAG, text), &format!("--{FLAG}"), expected);
}

#[rstest]
#[case::one("1000", Ok(json!(["1000"])))]
#[case::commas_as_kuma_splits_them("1000,tcp:80:2000", Ok(json!(["1000", "tcp:80:2000"])))]
#[case::semicolons_differ_kuma_cannot_say_it("tcp:80,443:1000;2000", Ok(json!(["tcp:80,443:1000", "2000"])))]
#[case::a_semicolon_at_the_end("1000;", Err("an empty item is not of the form"))]
#[case::a_comma_at_the_end("1000,", Err("an empty item is not of the form"))]
#[case::empty("", Ok(json!([])))]
fn s2_3_3_uid_exclusions_in_a_variable(#[case] text: &str, #[case] expected: Result<Json, &str>) {
    for name in ["KUMA_TRANSPARENT_PROXY_REDIRECT_OUTBOUND_EXCLUDE_PORTS_FOR_UIDS", "EXCLUDE_PORTS_FOR_UIDS"]
    {
        assert_read(exported("redirect.outbound.excludePortsForUIDs", name, text), name, expected.clone());
    }
}

#[rstest]
#[case::a_bare_text_differs_kuma_refuses("\"1000\"", Ok(json!(["1000"])))]
#[case::semicolons_as_on_kubernetes("\"1000;tcp:80,443:2000\"", Ok(json!(["1000", "tcp:80,443:2000"])))]
#[case::a_number_in_a_list("[1000]", Ok(json!(["1000"])))]
#[case::a_semicolon_in_an_item("[\"1000;2000\"]", Err("`1000;2000` is more than one exclusion"))]
#[case::null("null", Ok(json!([])))]
fn s2_3_3_uid_exclusions_in_a_file(#[case] yaml: &str, #[case] expected: Result<Json, &str>) {
    const KEY: &str = "redirect.outbound.excludePortsForUIDs";
    assert_read(read(KEY, yaml), KEY, expected);
}

#[rstest]
#[case::an_address("10.0.0.1", Ok(json!(["10.0.0.1/32"])))]
#[case::a_network("10.0.0.0/8", Ok(json!(["10.0.0.0/8"])))]
#[case::host_bits_are_masked("172.32.16.8/16", Ok(json!(["172.32.0.0/16"])))]
#[case::both_families("10.0.0.1,fd00::/8", Ok(json!(["10.0.0.1/32", "fd00::/8"])))]
#[case::blanks(" 10.0.0.1 , 10.0.0.2 ", Ok(json!(["10.0.0.1/32", "10.0.0.2/32"])))]
#[case::empty_comma_items(",10.0.0.1,,", Ok(json!(["10.0.0.1/32"])))]
#[case::only_a_comma(",", Ok(json!([])))]
#[case::mapped_is_ipv4("::ffff:10.0.0.1", Ok(json!(["10.0.0.1/32"])))]
#[case::a_mapped_network_differs_restore_fails_in_kuma("::ffff:10.0.0.0/104", Ok(json!(["10.0.0.0/8"])))]
#[case::duplicates_differ_kuma_repeats_the_rule("10.0.0.1,10.0.0.1/32", Ok(json!(["10.0.0.1/32"])))]
#[case::an_empty_item("", Err("an empty item is not an IP address or a network"))]
#[case::a_name("localhost", Err("`localhost` is not an IP address or a network"))]
#[case::a_bad_mask(
    "10.0.0.0/33",
    Err("the mask of `10.0.0.0/33` is `33`, which is not a number from 0 to 32")
)]
#[case::a_bad_mask_of_ipv6(
    "fd00::/x",
    Err("the mask of `fd00::/x` is `x`, which is not a number from 0 to 128")
)]
#[case::a_scope("fe80::1%eth0", Err("`fe80::1%eth0` is not an IP address"))]
fn s2_3_4_ip_exclusion(#[case] text: &str, #[case] expected: Result<Json, &str>) {
    for (direction, flag) in [("inbound", "exclude-inbound-ips"), ("outbound", "exclude-outbound-ips")] {
        let key = format!("redirect.{direction}.excludePortsForIPs");
        assert_read(read(&key, &format!("[{}]", json!(text))), &key, expected.clone());
        assert_read(typed(&key, flag, text), &format!("--{flag}"), expected.clone());
    }
    // A bare text, which differs: Kuma takes lists only.
    let bare = read("redirect.inbound.excludePortsForIPs", &json!(text).to_string());
    assert_eq!(bare.is_ok(), expected.is_ok() || text.is_empty(), "{bare:?}");
}

#[rstest]
#[case::ipv4("docker0:172.17.0.0/16", Ok(json!(["docker0:172.17.0.0/16"])))]
#[case::the_first_colon_separates("iface:::1/64", Ok(json!(["iface:::/64"])))]
#[case::a_prefix_of_names("br+:10.0.0.0/8", Ok(json!(["br+:10.0.0.0/8"])))]
#[case::without_a_colon("docker0", Err("`docker0` has no network"))]
#[case::without_a_network("docker0:", Err("`docker0:` has no network"))]
#[case::without_a_mask("docker0:172.17.0.1", Err("`docker0:172.17.0.1` has no mask"))]
#[case::a_bad_mask("docker0:172.17.0.0/33", Err("the mask of `172.17.0.0/33` is `33`"))]
#[case::no_interface_differs_it_breaks_kumas_restore(":10.0.0.0/8", Err("`` is not an interface name"))]
#[case::an_impossible_interface_differs("a b:10.0.0.0/8", Err("`a b` is not an interface name"))]
#[case::an_interface_too_long_differs(
    "sixteen-bytes-is:10.0.0.0/8",
    Err("`sixteen-bytes-is` is not an interface name")
)]
fn s2_3_5_vnet(#[case] text: &str, #[case] expected: Result<Json, &str>) {
    assert_read(
        read("redirect.vnet.networks", &format!("[{}]", json!(text))),
        "redirect.vnet.networks",
        expected.clone(),
    );
    assert_read(typed("redirect.vnet.networks", "vnet", text), "--vnet", expected);
}

#[test]
fn s2_3_5_vnet_several_networks_of_one_interface_differ_kuma_keeps_the_last() {
    let text = "[\"b:10.1.0.0/16\", \"a:10.2.0.0/16\", \"b:10.3.0.0/16\", \"b:10.1.0.0/16\"]";
    // Networks of one interface stand together, each once.
    let kept = json!(["b:10.1.0.0/16", "b:10.3.0.0/16", "a:10.2.0.0/16"]);
    assert_eq!(read("redirect.vnet.networks", text), Ok(kept));
}

const SIX: &str =
    "iptables:/a,iptables-save:/b,iptables-restore:/c,ip6tables:/d,ip6tables-save:/e,ip6tables-restore:/f";

#[rstest]
#[case::all_six(SIX, Ok("/a /b /c /d /e /f"))]
#[case::a_family_alone("iptables:/a,iptables-save:/b,iptables-restore:/c", Ok("/a /b /c   "))]
#[case::blanks_and_empty_items(" iptables:/a, ,iptables-save: /b,iptables-restore:/c,", Ok("/a /b /c   "))]
#[case::paths_are_cleaned("iptables:/x/./../a//,iptables-save:/b,iptables-restore:/c", Ok("/a /b /c   "))]
#[case::an_empty_path_is_none("iptables:,iptables-save:,iptables-restore:", Ok("     "))]
#[case::an_unknown_name("nft:/a", Err("`nft` is not one of iptables,"))]
#[case::another_case("IPTABLES:/a", Err("`IPTABLES` is not one of iptables,"))]
#[case::no_colon("/usr/sbin/iptables", Err("`/usr/sbin/iptables` is not of the form `name:path`"))]
#[case::a_relative_path_differs_kuma_takes_it("iptables:a", Err("`a` is not an absolute path to a program"))]
#[case::two_of_three_differ_kuma_warns_and_searches(
    "iptables:/a,iptables-save:/b",
    Err("a family's three programs go together; missing: iptables-restore")
)]
fn s2_3_6_iptables_executables(#[case] text: &str, #[case] expected: Result<&str, &str>) {
    const NAMES: [&str; 6] =
        ["iptables", "iptables-save", "iptables-restore", "ip6tables", "ip6tables-save", "ip6tables-restore"];
    let found = typed("iptablesExecutables", "iptables-executables", text);
    let paths = |map: Json| Json::from(NAMES.map(|name| map[name].as_str().unwrap().to_owned()).join(" "));
    assert_read(found.map(paths), "--iptables-executables", expected.map(Json::from));
}

#[test]
fn s2_3_6_programs_of_file_variable_and_flag_merge_name_by_name() {
    let resolved = Layers::default()
        .file("f", "iptablesExecutables: {iptables: /f/1, iptables-save: /f/2, iptables-restore: /f/3}")
        .environment(&write::variables([(
            "IPTABLES_EXECUTABLES",
            "iptables-save:/v/2,iptables-restore:/v/3",
        )]))
        .flag("iptables-executables", "iptables-restore:/g/3");
    let resolved = resolved.resolve().unwrap();
    let set = resolved.config.iptables_executables.ipv4.clone();
    let paths = [set.base, set.save, set.restore].map(|path| path.unwrap().to_string());
    assert_eq!(paths, ["/f/1", "/v/2", "/g/3"]);
    // Each program has the origin of the text that named it last.
    let origin = |name: &str| resolved.origin(&format!("iptablesExecutables.{name}")).to_string();
    let names = ["iptables", "iptables-save", "iptables-restore", "ip6tables"];
    assert_eq!(names.map(origin), ["f:1", "IPTABLES_EXECUTABLES", "--iptables-executables", "default"]);
}

#[rstest]
#[case("dualstack", Ok("dualstack"))]
#[case("DualStack", Ok("dualstack"))]
#[case("ipv4", Ok("ipv4"))]
#[case::in_its_own_case_differs_kuma_makes_it_dualstack("IPv4", Ok("ipv4"))]
#[case::null("null", Ok("dualstack"))]
#[case::empty("\"\"", Ok("dualstack"))]
#[case::ipv6("ipv6", Err("`ipv6` is not `dualstack` or `ipv4`"))]
#[case::a_number("4", Err("`4` is not `dualstack` or `ipv4`"))]
fn s2_3_7_ip_family_mode(#[case] yaml: &str, #[case] expected: Result<&str, &str>) {
    assert_read(read("ipFamilyMode", yaml), "ipFamilyMode", expected.map(Json::from));
}

#[rstest]
#[case::a_unit("2s", Ok("2s"))]
#[case::several_units("1m30s", Ok("90s"))]
#[case::a_fraction_of_a_unit("1.5s", Ok("1500ms"))]
#[case::nanoseconds("2000000000", Ok("2s"))]
#[case::a_fraction_of_a_nanosecond("1500.9", Ok("1500ns"))]
#[case::zero("0", Ok("0s"))]
#[case::text_without_a_unit("\"2\"", Err("`2` is not a duration"))]
#[case::negative_differs_kuma_takes_it("-2s", Err("`-2s` is not a duration"))]
#[case::null("null", Err("has no value; give a duration"))]
#[case::a_bool("true", Err("`true` is not a duration"))]
#[case::a_list("[2s]", Err("a list is not a duration"))]
fn s2_3_7_duration(#[case] yaml: &str, #[case] expected: Result<&str, &str>) {
    let key = "retry.sleepBetweenRetries";
    assert_read(read(key, yaml), key, expected.map(Json::from));
}

#[rstest]
#[case("true", Ok(true))]
#[case("false", Ok(false))]
#[case::text_differs_kuma_refuses("\"true\"", Ok(true))]
#[case::a_number("1", Err("`1` is not `true` or `false`"))]
#[case::null("null", Err("has no value; give `true` or `false`"))]
#[case::yes_as_in_yaml_1_1("yes", Ok(true))]
#[case::a_word("maybe", Err("`maybe` is not `true` or `false`"))]
fn a_switch_in_a_file(#[case] yaml: &str, #[case] expected: Result<bool, &str>) {
    assert_read(read("redirect.dns.enabled", yaml), "redirect.dns.enabled", expected.map(Json::from));
}

#[rstest]
#[case::the_longest_name("abcdefghijklmno", true)]
#[case::one_more("abcdefghijklmnop", false)]
#[case::this_directory(".", false)]
#[case::the_one_above("..", false)]
#[case::dots_and_more("...", true)]
#[case::a_blank("a b", false)]
#[case::a_control_character("a\u{1}", false)]
#[case::a_slash("a/b", false)]
#[case::a_colon("a:b", false)]
fn an_interface_has_a_name_that_the_kernel_can_have(#[case] name: &str, #[case] fits: bool) {
    let key = "redirect.outbound.excludeInterfaces";
    let found = typed(key, "exclude-outbound-interfaces", name);
    let expected = if fits { Ok(json!([name])) } else { Err("`") };
    assert_read(found, "--exclude-outbound-interfaces", expected);
}

#[rstest]
#[case::the_longest_name(255, true)]
#[case::one_more(256, false)]
fn a_user_has_a_name_that_a_host_can_have(#[case] length: usize, #[case] fits: bool) {
    assert_eq!(typed("kumaDPUser", "kuma-dp-user", &"u".repeat(length)).is_ok(), fits);
}

#[rstest]
#[case::what_go_can_hold("9223372036854775807ns", Ok(json!("9223372036854775807ns")))]
#[case::one_more("9223372036854775808ns", Err("`9223372036854775808ns` is not a duration"))]
#[case::a_fraction_of_a_nanosecond("0.05", Ok(json!("0s")))]
#[case::a_negative_fraction("-0.5", Err("`-0.5` is not a duration"))]
fn a_duration_has_63_bits_of_nanoseconds(#[case] yaml: &str, #[case] expected: Result<Json, &str>) {
    assert_read(read("retry.sleepBetweenRetries", yaml), "retry.sleepBetweenRetries", expected);
}

#[test]
fn a_mask_is_to_blame_only_behind_an_address() {
    let said =
        |text: &str| typed("redirect.outbound.excludePortsForIPs", "exclude-outbound-ips", text).unwrap_err();
    assert!(said("10.0.0.0/x").contains("the mask of `10.0.0.0/x` is `x`"), "{}", said("10.0.0.0/x"));
    assert!(said("here/8").contains("`here/8` is not an IP address or a network"), "{}", said("here/8"));
}

#[rstest]
#[case::a_dash_inside("kuma-dp", true)]
#[case::a_dash_in_front("-kuma", false)]
#[case::a_blank("kuma dp", false)]
#[case::a_control_character("kuma\u{1}", false)]
#[case::a_colon("kuma:0", false)]
fn a_user_name_is_one_word_of_a_user_database(#[case] name: &str, #[case] fits: bool) {
    assert_eq!(typed("kumaDPUser", "kuma-dp-user", name).is_ok(), fits);
}

#[test]
fn a_path_has_up_to_4095_bytes_and_no_control_character() {
    let found = |path: String| typed("ebpf.bpffsPath", "ebpf-bpffs-path", &path);
    assert!(found(format!("/{}", "p".repeat(4094))).is_ok());
    assert!(found(format!("/{}", "p".repeat(4095))).unwrap_err().contains("is longer than 4095 bytes"));
    assert!(found("/a\u{1b}".to_owned()).unwrap_err().contains("has control characters"));
}

#[test]
fn an_instance_address_is_kept_in_its_plain_form_and_its_variable_may_be_any_name() {
    let address = typed("ebpf.instanceIP", "ebpf-instance-ip", "::ffff:10.0.0.1");
    assert_eq!(address, Ok(json!("10.0.0.1")));
    for (name, fits) in [("POD_IP", true), ("a b", true), ("A=B", false), ("A\u{1}", false)] {
        let found = exported(
            "ebpf.instanceIPEnvVarName",
            "KUMA_TRANSPARENT_PROXY_EBPF_INSTANCE_IP_ENV_VAR_NAME",
            name,
        );
        assert_eq!(found.is_ok(), fits, "{name:?}");
    }
}

#[test]
fn what_is_recorded_of_a_configuration_is_what_was_chosen_and_not_how_it_was_run() {
    let text = "{dryRun: true, verbose: true, wait: 9, ipFamilyMode: dualstack}";
    let resolved = Layers::default().file("f", text).resolve().unwrap();
    assert_eq!(print::chosen(&resolved), json!({ "wait": 9 }));
}

#[test]
fn an_origin_with_any_line_break_in_it_stays_a_comment() {
    for line_break in ['\n', '\r', '\u{85}', '\u{2028}', '\u{2029}'] {
        let resolved = Layers::default().file(format!("f{line_break}wait: 7"), "wait: 9").resolve().unwrap();
        let printed = print::yaml(&resolved, true);
        assert!(
            printed.contains("\nwait: 9  # f") && !printed.contains(['\r', '\u{85}', '\u{2028}', '\u{2029}'])
        );
        let again = Layers::default().file("again", printed).resolve().unwrap();
        assert_eq!(again.config, resolved.config);
    }
}

#[test]
fn of_many_problems_twenty_are_shown_and_the_others_counted() {
    let said = |keys: usize| {
        let text: String = (0..keys).map(|n| format!("k{n}: 1\n")).collect();
        let problems = Layers::default().file("f", text).resolve().unwrap_err().to_string();
        (problems.matches("is not a known key").count(), problems.lines().last().unwrap().to_owned())
    };
    assert_eq!((said(20).0, said(21).0), (20, 20));
    assert_ne!(said(20).1, "f: and 1 more like these");
    assert_eq!(
        (said(21).1.as_str(), said(23).1.as_str()),
        ("f: and 1 more like these", "f: and 3 more like these")
    );
}
