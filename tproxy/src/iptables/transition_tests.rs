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

fn text(from: &TableState, to: &TableState) -> Option<String> {
    let mut text = String::new();
    append(&mut text, from, to);
    (!text.is_empty()).then_some(text)
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

/// A jump in the chain OUTPUT of the table nat, and how many foreign rules are there.
fn jump(place: Place, others: usize) -> TableState {
    let hook = Hook { place, ..hook(None, "-j KUMA_MESH_X") };
    TableState { others: [("OUTPUT".to_owned(), others)].into(), ..state(Vec::new(), vec![hook]) }
}

#[test]
fn a_hook_that_belongs_at_the_end_leaves_the_front_and_comes_back_there() {
    let before = TableState { hooks: vec![hook(Some(1), "-j KUMA_MESH_X")], ..jump(Place::Last, 2) };
    let to = jump(Place::End, 0);
    assert_eq!(
        text(&before, &to).unwrap(),
        "*nat\n-D OUTPUT -j KUMA_MESH_X\n-A OUTPUT -j KUMA_MESH_X\nCOMMIT\n"
    );
    let back = text(&to.clone().applied_over(&before), &before).unwrap();
    assert_eq!(back, "*nat\n-D OUTPUT -j KUMA_MESH_X\n-I OUTPUT 1 -j KUMA_MESH_X\nCOMMIT\n");
    assert_eq!(to.settled_over(&before).hooks[0].place, Place::Behind(2));
}

#[test]
fn what_comes_back_stands_behind_the_foreign_rules_of_then_and_those_that_came_before_ours_since() {
    let seen = |behind| Place::Seen { position: behind + 1, behind };
    // Then, as installed, now, foreign rules now, and where it comes to stand.
    let cases = [
        (2, Place::First, 0, 4, 2),
        (2, Place::First, 1, 5, 3),
        (2, Place::Behind(2), 1, 3, 1),
        (2, Place::Behind(2), 0, 1, 0),
        (0, Place::Behind(3), 4, 4, 1),
        (2, Place::First, 0, 1, 1),
    ];
    for (then, installed, now, others, expected) in cases {
        let back = jump(seen(then), 0).returned_over(&jump(installed, 0), &jump(seen(now), others));
        let place = back.hooks.first().map(|hook| hook.place);
        assert_eq!(place, Some(seen(expected)), "{then} {installed:?} {now} {others}");
    }
}

#[test]
fn what_comes_back_keeps_its_order_where_foreign_rules_are_gone() {
    let before = state(Vec::new(), vec![hook(Some(3), "-j KUMA_MESH_X"), hook(Some(5), "-j KUMA_MESH_Y")]);
    let now = TableState::empty("nat");
    let back = before.returned_over(&now, &now);
    insta::assert_snapshot!(text(&now, &back).unwrap(), @r"
    *nat
    -I OUTPUT 1 -j KUMA_MESH_X
    -I OUTPUT 2 -j KUMA_MESH_Y
    COMMIT
    ");
}
