//! Compiles the eBPF programs, where the feature `ebpf` asks for them. A machine that only checks documentation or has no
//! clang builds without the feature.

use std::path::{Path, PathBuf};
use std::process::Command;

/// The objects: all programs of an installation, and the one that asks for a number.
const OBJECTS: [&str; 2] = ["tproxy.bpf", "cookie.bpf"];
const HOW: &str = "install it (Debian, Ubuntu: apt-get install clang linux-libc-dev; another compiler by the variable CLANG), \
                   or build without these programs: cargo build --workspace --no-default-features";

fn main() {
    println!("cargo::rerun-if-changed=bpf");
    println!("cargo::rerun-if-env-changed=CLANG");
    if std::env::var_os("CARGO_FEATURE_EBPF").is_none() {
        return;
    }
    if let Err(what) = OBJECTS.into_iter().try_for_each(compile) {
        // A panic would show a trace that says nothing.
        println!("cargo::error={what}");
    }
}

fn compile(name: &str) -> Result<(), String> {
    let clang = std::env::var("CLANG").unwrap_or_else(|_| "clang".to_owned());
    let out = std::env::var("OUT_DIR").map_err(|error| format!("OUT_DIR: {error}"))?;
    let (source, object) = (format!("bpf/{name}.c"), Path::new(&out).join(format!("{name}.o")));
    let mut command = Command::new(&clang);
    command
        .args(["-O2", "-g", "-Wall", "-Wextra", "-Werror", "-target", "bpf", "-c", &source, "-o"])
        .arg(&object);
    if let Some(headers) = headers() {
        command.arg("-I").arg(headers);
    }
    // No path of this machine belongs into the object: equal sources are equal bytes.
    command.arg("-ffile-prefix-map=/=/").arg("-fdebug-compilation-dir=.");
    let done = command.output();
    let done = done
        .map_err(|error| format!("the eBPF programs need {clang}, which does not start ({error}): {HOW}"))?;
    if done.status.success() {
        return Ok(());
    }
    let words = String::from_utf8_lossy(&done.stderr);
    let first = words.lines().find(|line| line.contains("error")).unwrap_or("it says no more");
    Err(format!("{clang} does not compile {source}: {first}; it needs to know the target bpf: {HOW}"))
}

/// Debian and Ubuntu keep asm/types.h below the name of the machine, which clang does not look into for this target.
fn headers() -> Option<PathBuf> {
    let machine = std::env::var("HOST").ok()?;
    let machine = machine.split('-').next()?.to_owned();
    let path = Path::new("/usr/include").join(format!("{machine}-linux-gnu"));
    path.is_dir().then_some(path)
}
