//! The entry that explain names is the one that decided: with it alone the same line decides, and with another value
//! in its place another line does.

use proptest::prelude::*;
use serde_json::{Value as Json, json};
use tproxy::config::{Config, Layers};
use tproxy::plan::entry::Entry;
use tproxy::plan::explain::Explanation;
use tproxy::plan::flow::Flow;
use tproxy::plan::line::Line;

use crate::arbitrary::{Document, Texts, document, nested};
use crate::pod_host::plan;
use crate::verdicts::{any_way, config};
use crate::write;

/// The document with other values for some keys.
fn changed(document: &Document, changes: &[(&str, Json)]) -> Config {
    let file = Layers::default().file("f", nested(document).to_string());
    let layers = changes
        .iter()
        .fold(file, |layers, (key, value)| layers.file("changed", write::document(key, value).to_string()));
    layers.resolve().unwrap_or_else(|problems| panic!("{changes:?}: {problems}")).config
}

fn explained(config: &Config, flow: &Flow) -> Explanation {
    plan(config).0.explain(flow)
}

/// The option as if nothing else had been written in it.
fn alone(entry: &Entry) -> Json {
    let is_list = ["Ports", "Interfaces", "networks", "ForIPs", "ForUIDs", "GIDs"];
    match is_list.iter().any(|end| entry.key.ends_with(end)) {
        true => json!([entry.value]),
        false => json!(entry.value),
    }
}

/// The option without what decided: lists without it, switches turned, another user.
fn undone(entry: &Entry, line: Line, flow: &Flow) -> Json {
    let key = entry.key.rsplit('.').next().unwrap();
    match (key, entry.value.as_str()) {
        ("includePorts", _)
            if matches!(line, Line::OutboundNotIncludedPort | Line::InboundNotIncludedPort) =>
        {
            json!([])
        }
        ("includePorts", _) => json!([if flow.destination.port() == 1 { 2 } else { 1 }]),
        ("kumaDPUser", uid) => json!(if uid == "4242" { "4343" } else { "4242" }),
        ("ipFamilyMode", "ipv4") => json!("dualstack"),
        ("port", "0") => json!(15006),
        ("tcAttachIface", _) => json!(""),
        (_, "true") => json!(false),
        (_, "false") => json!(true),
        _ => json!([]),
    }
}

/// Ports for whatever is going to be turned on.
fn with_ports(config: &Config) -> Vec<(&'static str, Json)> {
    let ports = [
        ("redirect.inbound.port", config.inbound.port, 15006),
        ("redirect.outbound.port", config.outbound.port, 15001),
        ("redirect.dns.port", config.dns.port, 15053),
    ];
    ports.into_iter().filter(|(_, port, _)| port.is_none()).map(|(key, _, port)| (key, json!(port))).collect()
}

/// The lines behind which several entries may stand: undoing the one shows the next.
fn may_have_another_entry(line: Line) -> bool {
    matches!(
        line,
        Line::OutboundExclusion
            | Line::OutboundDns
            | Line::OutboundDnsOverTcp
            | Line::OutboundNotTcp
            | Line::InboundNotTcp
    )
}

fn check_entry(document: &Document, config: &Config, flow: &Flow) -> Result<(), TestCaseError> {
    let before = explained(config, flow);
    let line = before.decision.line;
    let Some(entry) = &before.entry else {
        let without = matches!(
            line,
            Line::OutboundNotTcp
                | Line::InboundNotTcp
                | Line::OutboundPassthroughSource
                | Line::OutboundAppToSelf
        );
        prop_assert!(without, "no entry: {:?}", before);
        return Ok(());
    };
    let same = explained(&changed(document, &[(entry.key, alone(entry))]), flow);
    prop_assert_eq!((same.decision, &same.entry), (before.decision, &before.entry), "alone: {:?}", flow);
    let mut changes = vec![];
    if entry.value == "false" {
        changes = with_ports(config);
    }
    changes.push((entry.key, undone(entry, line, flow)));
    let after = explained(&changed(document, &changes), flow);
    let another = after.entry.as_ref().is_none_or(|after| after.key != entry.key);
    prop_assert!(
        after.decision.line != line || (may_have_another_entry(line) && another),
        "{:?} with {:?}: {:?}",
        before,
        changes,
        after
    );
    Ok(())
}

proptest! {
    #[test]
    fn the_entry_decides(document in document(Texts::Plain), flows in any_way()) {
        let config = config(&document);
        for flow in flows {
            check_entry(&document, &config, &flow)?;
        }
    }
}
