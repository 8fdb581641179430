//! Whose an element is, where ours go among those of others, and that the others stay byte for byte.

use proptest::prelude::*;
use rstest::rstest;

use super::entry::Entry;
use super::*;
use crate::iptables::hooks::{Hook, Place};
use crate::iptables::rule::Rule;
use crate::iptables::state::Chain;

fn file(text: &str) -> DirectFile {
    DirectFile::read(Path::new(FILE), Some(text.to_owned())).unwrap()
}

fn table(place: Place, jump: &str, rules: &[&str]) -> TableState {
    TableState {
        chains: vec![Chain {
            name: "KUMA_MESH_OUTBOUND".to_owned(),
            rules: rules.iter().map(|rule| Rule::new(rule)).collect(),
        }],
        hooks: vec![Hook { chain: "OUTPUT".to_owned(), place, rule: Rule::new(jump) }],
        ..TableState::empty("nat")
    }
}

fn ours(place: Place) -> Vec<(IpFamily, Vec<TableState>)> {
    let table = table(place, "-p tcp -j KUMA_MESH_OUTBOUND", &["-d 127.0.0.1/32 -j RETURN", "-j ACCEPT"]);
    IpFamily::ALL.map(|family| (family, vec![table.clone()])).into()
}

fn stored(text: &str) -> String {
    file(text).with(&ours(Place::Last)).unwrap().after.unwrap()
}

/// All that another program may have there: elements of every kind, comments, instructions, quotes, our names in them.
const OTHERS: &str = r#"<?xml version='1.0'   encoding="utf-8"?>
<!-- KUMA_MESH_OUTBOUND is the name of a chain -->
<?note kuma/mesh/transparent/proxy/?>
<direct >
  <chain chain='NOT_KUMA_MESH_X' table="nat" ipv="ipv4" />
	<rule ipv="ipv4" table="nat" chain="OUTPUT" priority="1">-m comment --comment 'kept -j KUMA_MESH_OUTBOUND' -j ACCEPT</rule>

  <rule ipv="ipv6" table="nat" chain="OUTPUT" priority="-7">-p udp -m comment
     --comment "not kuma/mesh/transparent/proxy/" &#45;j <![CDATA[ACCEPT]]></rule> <!-- two on a line --> <passthrough ipv="ipv4">-t nat -A OUTPUT -j KUMA_MESH_OUTBOUND</passthrough>
  <rule ipv="eb" table="nat" chain="OUTPUT" priority="0">-j KUMA_MESH_OUTBOUND</rule>
  <!-- <rule ipv="ipv4" table="nat" chain="KUMA_MESH_OUTBOUND" priority="0">-j DROP</rule> --></direct>
<!-- behind -->"#;

#[test]
fn the_file_that_is_made_where_there_was_none() {
    let change = DirectFile::default().with(&ours(Place::Last)).unwrap();
    assert_eq!((change.path.as_path(), change.before), (Path::new(FILE), None));
    insta::assert_snapshot!(change.after.unwrap());
}

#[test]
fn a_file_that_we_made_goes_with_our_rules_and_another_stays() {
    let made = stored(NEW);
    assert_eq!(file(&made).without_ours().unwrap().after, None);
    let edited = made.replace("</direct>", "  <passthrough ipv=\"ipv4\">-L</passthrough>\n</direct>");
    let rest = file(&edited).without_ours().unwrap().after.unwrap();
    assert_eq!(rest, NEW.replace("</direct>", "  <passthrough ipv=\"ipv4\">-L</passthrough>\n</direct>"));
    let empty = "<direct>\n</direct>\n";
    assert_eq!(file(&stored(empty)).without_ours().unwrap().after.as_deref(), Some(empty));
}

#[rstest]
#[case::all_kinds(OTHERS)]
#[case::one_line("<direct></direct>")]
#[case::with_blanks("<direct>  </direct>\n\n")]
#[case::lines_of_windows("<direct>\r\n  <passthrough ipv=\"ipv4\">-L</passthrough>\r\n</direct>\r\n")]
#[case::indented("\u{feff}<direct>\n\t<passthrough ipv=\"ipv4\">-L</passthrough>\n\t</direct>")]
fn what_others_wrote_stays_byte_for_byte(#[case] text: &str) {
    assert!(!file(text).has_ours(), "{text}");
    assert_eq!(file(text).without_ours(), None);
    let stored = stored(text);
    let again = file(&stored);
    assert!(again.has_ours());
    assert_eq!(again.with(&ours(Place::Last)), None, "{stored}");
    let undone = again.without_ours().unwrap();
    assert_eq!((undone.after.as_deref(), undone.before), (Some(text), Some(stored)));
}

#[test]
fn a_root_without_content_is_opened() {
    let stored = stored("<direct/><!-- end -->");
    assert!(
        stored.starts_with("<direct>\n  <chain ") && stored.ends_with("</rule>\n</direct><!-- end -->"),
        "{stored}"
    );
    let rest = file(&stored).without_ours().unwrap().after;
    assert_eq!(rest.as_deref(), Some("<direct>\n</direct><!-- end -->"));
}

#[test]
fn another_installation_takes_the_place_of_ours() {
    let before = stored(OTHERS);
    let other = vec![(IpFamily::V4, vec![table(Place::Last, "-j KUMA_MESH_OTHER", &[])])];
    let after = file(&before).with(&other).unwrap().after.unwrap();
    assert!(after.contains("-j KUMA_MESH_OTHER</rule>") && !after.contains(">-j ACCEPT</rule>"), "{after}");
    assert_eq!(file(&after).without_ours().unwrap().after.as_deref(), Some(OTHERS));
}

#[test]
fn the_order_in_which_firewalld_writes_the_file_is_as_good_as_ours() {
    let stored = stored("<direct>\n</direct>");
    let mut lines: Vec<&str> = stored.lines().collect();
    let inner = lines.len() - 1;
    // All of one chain together, the other family first.
    lines[1..inner]
        .sort_by_key(|line| (line.contains("<rule"), line.contains("ipv4"), line.contains("\"OUTPUT\"")));
    let rewritten = lines.join("\n");
    assert_ne!(rewritten, stored);
    assert_eq!(file(&rewritten).with(&ours(Place::Last)), None);
    let swapped = stored.replace("-j ACCEPT</rule>", "-j DROP</rule>");
    assert!(file(&swapped).with(&ours(Place::Last)).is_some());
}

/// The priority of our jump of IPv4.
fn priority(text: &str) -> i32 {
    let jump = file(text).document.elements.into_iter().find_map(|element| match element.entry {
        Some(Entry::Rule { chain, priority, rule })
            if chain.ipv == "ipv4" && rule.target() == Some("KUMA_MESH_OUTBOUND") =>
        {
            Some(priority)
        }
        _ => None,
    });
    jump.unwrap()
}

fn with_rules(priorities: &[i32]) -> String {
    let rule = |priority| {
        format!(
            "<rule ipv=\"ipv4\" table=\"nat\" chain=\"OUTPUT\" priority=\"{priority}\">-p udp -j ACCEPT</rule>"
        )
    };
    format!("<direct>{}</direct>", priorities.iter().map(rule).collect::<String>())
}

#[rstest]
#[case(Place::Last, &[], 3)]
#[case(Place::Last, &[0, 2], 3)]
#[case(Place::Last, &[9, 2], 9)]
#[case(Place::First, &[], 0)]
#[case(Place::First, &[5], 0)]
#[case(Place::First, &[0, 7], -1)]
#[case(Place::First, &[-4], -5)]
#[case(Place::First, &[i32::MIN], i32::MIN)]
fn a_jump_stands_before_or_behind_the_rules_of_others(
    #[case] place: Place,
    #[case] others: &[i32],
    #[case] expected: i32,
) {
    let stored = file(&with_rules(others)).with(&ours(place)).unwrap().after.unwrap();
    assert_eq!(priority(&stored), expected);
}

#[test]
fn rules_of_other_chains_do_not_move_a_jump() {
    let others = with_rules(&[9]).replace("OUTPUT", "PREROUTING");
    assert_eq!(priority(&file(&others).with(&ours(Place::Last)).unwrap().after.unwrap()), 3);
    let others = with_rules(&[9]).replace("ipv4", "ipv6");
    assert_eq!(priority(&file(&others).with(&ours(Place::Last)).unwrap().after.unwrap()), 3);
}

#[test]
fn a_jump_keeps_its_place_before_rules_that_came_later() {
    let later = stored("<direct>\n</direct>").replace("</direct>", &with_rules(&[9])["<direct>".len()..]);
    assert_eq!(file(&later).with(&ours(Place::Last)), None);
    let mut other = ours(Place::Last);
    other[0].1[0].hooks[0].rule = Rule::new("-j KUMA_MESH_OUTBOUND");
    assert_eq!(priority(&file(&later).with(&other).unwrap().after.unwrap()), 3);
}

#[rstest]
#[case::a_chain("<chain ipv='ipv4' table='nat' chain='KUMA_MESH_X'/>", true)]
#[case::in_our_chain("<rule ipv='ipv6' table='nat' chain='KUMA_MESH_X' priority='0'>-j ACCEPT</rule>", true)]
#[case::a_jump("<rule ipv='ipv4' table='nat' chain='OUTPUT' priority='3'>-j KUMA_MESH_X</rule>", true)]
#[case::a_comment(
    "<rule ipv='ipv4' table='raw' chain='OUTPUT' priority='3'>-m comment --comment \"kuma/mesh/transparent/proxy/x\" -j CT</rule>",
    true
)]
#[case::an_entity("<rule ipv='ipv4' table='nat' chain='OUTPUT' priority='3'>-j &#75;UMA_MESH_X</rule>", true)]
#[case::a_mention(
    "<rule ipv='ipv4' table='nat' chain='OUTPUT' priority='3'>-m comment --comment '-j KUMA_MESH_X' -j ACCEPT</rule>",
    false
)]
#[case::a_word_more(
    "<rule ipv='ipv4' table='nat' chain='OUTPUT' priority='3'>-j NOT_KUMA_MESH_X</rule>",
    false
)]
#[case::an_open_quote(
    "<rule ipv='ipv4' table='nat' chain='OUTPUT' priority='3'>'-j KUMA_MESH_X</rule>",
    false
)]
#[case::a_passthrough("<passthrough ipv='ipv4'>-t nat -N KUMA_MESH_X</passthrough>", false)]
#[case::bridges("<chain ipv='eb' table='nat' chain='KUMA_MESH_X'/>", false)]
fn ours_is_told_by_names_and_comments(#[case] element: &str, #[case] ours: bool) {
    assert_eq!(file(&format!("<direct>{element}</direct>")).has_ours(), ours);
}

#[rstest]
#[case::no_xml("rules", "is not XML that can be read: unknown token at 1:1")]
#[case::cut("<direct>\n<chain", "is not XML that can be read: ")]
#[case::empty("", "is not XML that can be read: ")]
#[case::a_document_type("<!DOCTYPE direct><direct/>", "is not XML that can be read: ")]
#[case::another_root("<zone/>", ":1:1: `zone` is not `direct`")]
#[case::an_unknown_element("<direct>\n <set/></direct>", ":2:2: element `set` is not known here")]
#[case::one_in_another(
    "<direct><passthrough ipv='ipv4'><chain/></passthrough></direct>",
    ":1:33: element `chain` is not known here"
)]
#[case::a_missing_attribute(
    "<direct><chain ipv='ipv4' table='nat'/></direct>",
    ":1:9: attribute `chain` is missing"
)]
#[case::an_unknown_attribute("<direct x='1'/>", ":1:1: attribute `x` is not known")]
#[case::no_number(
    "<direct><rule ipv='ipv4' table='nat' chain='OUTPUT' priority='low'>-j ACCEPT</rule></direct>",
    ":1:9: the priority is not a number of 32 bits"
)]
fn what_firewalld_would_not_load_is_refused_with_its_place(#[case] text: &str, #[case] words: &str) {
    let refused = DirectFile::read(Path::new(FILE), Some(text.to_owned())).unwrap_err().to_string();
    assert!(refused.starts_with(FILE) && refused.contains(words), "{refused}");
}

/// Elements of others, and what may stand between them.
fn pieces() -> impl Strategy<Value = String> {
    let piece = prop::sample::select(vec![
        "\n",
        "\r\n",
        "  ",
        "\t",
        "<!-- </direct> -->",
        "text",
        "<passthrough ipv=\"ipv4\">-L</passthrough>",
        "<chain ipv=\"ipv4\" table=\"nat\" chain=\"X\"/>",
        "<rule ipv=\"ipv6\" table=\"nat\" chain=\"OUTPUT\" priority=\"2\">-j X</rule>",
    ]);
    prop::collection::vec(piece, 0..12).prop_map(|pieces| pieces.concat())
}

proptest! {
    #[test]
    fn no_text_of_others_is_changed_by_storing_and_removing(inner in pieces(), behind in "[ \n]{0,3}") {
        let text = format!("<direct>{inner}</direct>{behind}");
        let stored = stored(&text);
        prop_assert_eq!(file(&stored).with(&ours(Place::Last)), None);
        let undone = file(&stored).without_ours().unwrap().after;
        prop_assert_eq!(undone, Some(text));
    }

    #[test]
    fn no_text_makes_it_panic(text in "(<direct>|</direct>|<rule |/>|<|>|[a-z=\"' \n]){0,20}") {
        let _ = DirectFile::read(Path::new(FILE), Some(text));
    }
}
