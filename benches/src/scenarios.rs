//! How long the whole scenario set takes, as `netsim run` runs it.

use std::path::Path;
use std::process::Command;
use std::time::Instant;

use super::{Binaries, Failure, milliseconds};

const ROUNDS: usize = 3;

pub(super) fn measure(binaries: &Binaries) -> Result<String, Failure> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../scenarios");
    let (mut times, mut last) = (Vec::new(), String::new());
    for _ in 0..ROUNDS {
        let started = Instant::now();
        let ran = Command::new(&binaries.netsim).arg("run").arg(&folder).output()?;
        times.push(started.elapsed());
        let said = String::from_utf8_lossy(&ran.stdout).into_owned();
        said.lines().last().unwrap_or_default().clone_into(&mut last);
        if !ran.status.success() {
            return Err(format!("the scenarios do not pass: {last}").into());
        }
    }
    Ok(format!("all variants, both families, {ROUNDS} rounds: {} ms ({last})\n", milliseconds(times).show(0)))
}
