//! The way between two states is exact, in place, and its own opposite.

use super::super::hooks::{Hook, Place};
use super::super::state::Chain;
use super::*;

fn chain(name: &str, rules: &[&str]) -> Chain {
    Chain { name: name.to_owned(), rules: rules.iter().map(|rule| Rule::new(rule)).collect() }
}

/// Seen at a position, behind foreign rules only; or wanted last.
fn hook(position: Option<usize>, rule: &str) -> Hook {
    let place = position.map_or(Place::Last, |position| Place::Seen { position, behind: position - 1 });
    Hook { chain: "OUTPUT".to_owned(), place, rule: Rule::new(rule) }
}

fn state(chains: Vec<Chain>, hooks: Vec<Hook>) -> TableState {
    TableState { chains, hooks, ..TableState::empty("nat") }
}

#[test]
fn from_nothing_chains_are_filled_and_hooks_go_to_the_end() {
    let to = state(vec![chain("KUMA_MESH_X", &["-j RETURN"])], vec![hook(None, "-j KUMA_MESH_X")]);
    insta::assert_snapshot!(text(&TableState::empty("nat"), &to).unwrap(), @r"
    *nat
    :KUMA_MESH_X - [0:0]
    -A KUMA_MESH_X -j RETURN
    -A OUTPUT -j KUMA_MESH_X
    COMMIT
    ");
}

#[test]
fn a_chain_name_that_a_restore_parser_would_split_is_quoted() {
    // The kernel takes almost any name. Found by fuzzing.
    let from = state(vec![chain("KUMA_MESH_a\"b", &[])], Vec::new());
    insta::assert_snapshot!(text(&from, &TableState::empty("nat")).unwrap(), @r#"
    *nat
    -F "KUMA_MESH_a\"b"
    -X "KUMA_MESH_a\"b"
    COMMIT
    "#);
}

#[test]
fn a_changed_hook_takes_the_place_of_its_predecessor_and_unchanged_chains_are_not_touched() {
    let kept = chain("KUMA_MESH_KEPT", &["-j RETURN"]);
    let from = state(
        vec![kept.clone(), chain("KUMA_MESH_X", &["-j RETURN"]), chain("KUMA_MESH_OLD", &[])],
        vec![hook(Some(3), "-p tcp -m comment --comment kuma/mesh/transparent/proxy/old -j KUMA_MESH_X")],
    );
    let to = state(
        vec![kept, chain("KUMA_MESH_X", &["-p tcp -j RETURN"])],
        vec![hook(None, "-p tcp -m comment --comment kuma/mesh/transparent/proxy/new -j KUMA_MESH_X")],
    );
    insta::assert_snapshot!(text(&from, &to).unwrap(), @r"
    *nat
    :KUMA_MESH_X - [0:0]
    -A KUMA_MESH_X -p tcp -j RETURN
    -D OUTPUT -p tcp -m comment --comment kuma/mesh/transparent/proxy/old -j KUMA_MESH_X
    -I OUTPUT 3 -p tcp -m comment --comment kuma/mesh/transparent/proxy/new -j KUMA_MESH_X
    -F KUMA_MESH_OLD
    -X KUMA_MESH_OLD
    COMMIT
    ");
}

#[test]
fn the_way_back_puts_hooks_where_they_were() {
    let old = state(vec![chain("KUMA_MESH_X", &[])], vec![hook(Some(2), "-p tcp -j KUMA_MESH_X")]);
    let new = state(vec![chain("KUMA_MESH_X", &[])], vec![hook(None, "-j KUMA_MESH_X")]);
    let back = text(&new, &old).unwrap();
    assert!(back.contains("-D OUTPUT -j KUMA_MESH_X\n-I OUTPUT 2 -p tcp -j KUMA_MESH_X\n"), "{back}");
}

#[test]
fn a_doubled_hook_is_deleted_once() {
    let twice = hook(Some(1), "-j KUMA_MESH_X");
    let from = state(vec![chain("KUMA_MESH_X", &[])], vec![twice.clone(), twice.clone()]);
    let to = state(vec![chain("KUMA_MESH_X", &[])], vec![hook(None, "-j KUMA_MESH_X")]);
    assert_eq!(text(&from, &to).unwrap(), "*nat\n-D OUTPUT -j KUMA_MESH_X\nCOMMIT\n");
}

#[test]
fn between_equal_states_there_is_nothing_to_do() {
    let same = state(vec![chain("KUMA_MESH_X", &[])], vec![hook(Some(1), "-j KUMA_MESH_X")]);
    assert_eq!(text(&same, &same), None);
}
