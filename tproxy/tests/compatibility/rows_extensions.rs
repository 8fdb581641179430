//! What this program has beside Kuma's settings.

use serde_json::json;

use crate::row::{INTERFACES, Kind, ROW, Row, rows, texts};

rows! {
    backend: Row {
        key: "backend", flag: Some("backend"), variable: Some("BACKEND"), default: "\"auto\"",
        values: ["\"iptables-nft\"", "\"iptables-legacy\"", "\"auto\"", "\"ebpf\""],
        bad: ("nft", "`nft` is not `auto`, `iptables-nft`, `iptables-legacy` or `ebpf`"),
        field: |config| json!(config.backend.to_string()), ..ROW
    };
    exclude_outbound_gids: Row {
        key: "redirect.outbound.excludeGIDs", kind: Kind::Array, flag: Some("exclude-outbound-gids"),
        variable: Some("REDIRECT_OUTBOUND_EXCLUDE_GIDS"), default: "[]",
        values: ["[\"1000\"]", "[\"2000-2999\", \"7\"]", "[\"3000\"]", "[\"1000650000\", \"8\"]"],
        bad: ("wheel", "`wheel` is not an id from 0 to 4294967294, or a range of them like 1000-1999"),
        field: |config| texts(&config.outbound.exclude_gids), ..ROW
    };
    exclude_inbound_interfaces: Row {
        key: "redirect.inbound.excludeInterfaces", flag: Some("exclude-inbound-interfaces"),
        variable: Some("REDIRECT_INBOUND_EXCLUDE_INTERFACES"),
        field: |config| texts(&config.inbound.exclude_interfaces), ..INTERFACES
    };
    exclude_outbound_interfaces: Row {
        key: "redirect.outbound.excludeInterfaces", flag: Some("exclude-outbound-interfaces"),
        variable: Some("REDIRECT_OUTBOUND_EXCLUDE_INTERFACES"),
        field: |config| texts(&config.outbound.exclude_interfaces), ..INTERFACES
    };
}
