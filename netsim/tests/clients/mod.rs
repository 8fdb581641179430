//! Programs of other languages and libraries, built here for the scenarios beside them: each scenario has the programs that
//! begin with its name.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Mutex, PoisonError};

use netsim::require::{self, Requirement};

/// A program, and how it comes to be.
struct Client {
    name: &'static str,
    source: &'static str,
    compiler: &'static str,
    arguments: &'static [&'static str],
}

const CLIENTS: [Client; 4] = [
    Client { name: "go-client", source: "go.go", compiler: "go", arguments: &["build"] },
    Client {
        name: "musl-client",
        source: "musl.c",
        compiler: "musl-gcc",
        arguments: &["-static", "-O1", "-Wall", "-Werror"],
    },
    Client { name: "ring-connect", source: "ring-connect.c", compiler: "cc", arguments: &["-O1", "-Wall"] },
    Client { name: "ring-query", source: "ring-query.c", compiler: "cc", arguments: &["-O1", "-Wall"] },
];

/// With which exit code a client says that there is no `io_uring` for it (`ring.h`).
const NO_RING: i32 = 77;

fn of(scenario: &str) -> impl Iterator<Item = &'static Client> {
    CLIENTS.iter().filter(move |client| client.name.split('-').next() == Some(scenario))
}

/// What the programs of a scenario need.
pub(crate) fn requirement(scenario: &str) -> Requirement {
    let compilers = of(scenario).map(|client| require::compiler(client.compiler));
    let missing = compilers.into_iter().find(|one| *one != Requirement::Met);
    match missing {
        Some(missing) => missing,
        None if scenario == "ring" => require::io_uring(try_ring()),
        None => Requirement::Met,
    }
}

/// The programs of a scenario, by name.
pub(crate) fn built(scenario: &str) -> Result<Vec<(String, PathBuf)>, String> {
    of(scenario).map(|client| Ok((client.name.to_owned(), build(client)?))).collect()
}

/// Calls a port of this machine at which nobody listens: what the call gives does not matter.
fn try_ring() -> Result<(), String> {
    let client = of("ring").next().ok_or("there is no client")?;
    let tried = Command::new(build(client)?).args(["at-once", "127.0.0.1", "1"]).output();
    let tried = tried.map_err(|error| error.to_string())?;
    let said = String::from_utf8_lossy(&tried.stderr);
    if tried.status.code() == Some(NO_RING) { Err(said.trim().to_owned()) } else { Ok(()) }
}

/// Compilers see for themselves what has changed, or are done at once.
fn build(client: &Client) -> Result<PathBuf, String> {
    static ONE_AT_A_TIME: Mutex<Vec<&'static str>> = Mutex::new(Vec::new());
    let mut built = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
    // This program is target/PROFILE/deps/NAME-…
    let me = std::env::current_exe().map_err(|error| error.to_string())?;
    let folder = me.ancestors().nth(3).ok_or("there is no target folder")?.join("clients");
    let program = folder.join(client.name);
    if built.contains(&client.name) {
        return Ok(program);
    }
    std::fs::create_dir_all(&folder).map_err(|error| format!("{}: {error}", folder.display()))?;
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/clients").join(client.source);
    let mut compiler = Command::new(client.compiler);
    compiler
        .args(client.arguments)
        .arg("-o")
        .args([&program, &source])
        .env("CGO_ENABLED", "0")
        .env("GO111MODULE", "off")
        .env("GOCACHE", folder.join("go-cache"));
    let output = netsim::node::output_of(&mut compiler)
        .map_err(|error| format!("{} cannot be started: {error}", client.compiler))?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        return Err(format!("{} cannot build {}: {said}", client.compiler, source.display()));
    }
    built.push(client.name);
    Ok(program)
}
