//! What fuzzing found, each as it was reduced: it stays mended.

use rstest::rstest;

use super::entries;

#[rstest]
#[case::a_chain_that_is_declared_twice(
    "*nat\n:KUMA_MESH_OUTBOUND - [0:0]\n:KUMA_MESH_OUTBOUND - [0:0]\n-A KUMA_MESH_OUTBOUND -j RETURN\nCOMMIT\n"
)]
#[case::a_chain_name_that_ends_in_a_backslash("*nat\n:KUMA_MESH_X\\ - [0:0]\nCOMMIT\n")]
fn saved_rules(#[case] text: &str) {
    entries::saved_rules(text);
}
