//! Input that nobody writes by accident: a clear error or correct work, in bounded memory, with messages that are short
//! and harmless to a terminal.

mod files;
mod lists;
mod words;

use std::time::Duration;

use super::pod::Pod;
use netsim::node::{Exit, Finished, Program};

/// Memory that no input may make tproxy exceed, in KiB.
const MEMORY: u64 = 64 << 10;
/// Messages that no input may make tproxy exceed, in bytes: a few screens.
const MESSAGES: usize = 32 << 10;
/// A run that takes longer hangs. No measurement: a second is the aim, on a machine that is not busy.
const HANGS: Duration = Duration::from_secs(60);

/// Runs what follows, and says at the end of standard error how much memory it held at most. What it reads comes as
/// it came to this.
const MEASURED: &str = "import resource, subprocess, sys
code = subprocess.run(sys.argv[1:]).returncode
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss, file=sys.stderr)
sys.exit(code)";

/// What a run of tproxy printed.
struct Outcome {
    finished: Finished,
    /// Without the line about memory.
    messages: String,
}

impl Outcome {
    fn printed(&self) -> String {
        self.finished.stdout_text()
    }

    /// Insists on a refusal with these words.
    fn refused(self, words: &str) {
        let Self { finished, messages } = self;
        assert_eq!(finished.exit, Exit::Code(2), "{finished}");
        assert!(messages.contains(words) && messages.contains("error: "), "{messages}");
        assert!(finished.stdout.is_empty(), "{finished}");
    }

    /// Insists on a refusal with all of these words.
    fn refused_with(self, words: &[&str]) {
        for word in words {
            assert!(self.messages.contains(word), "{word}: {}", self.messages);
        }
        self.refused("error: ");
    }

    /// Insists on success, and returns what was printed.
    fn done(self) -> String {
        assert!(self.finished.success(), "{}", self.messages);
        self.printed()
    }
}

/// Runs tproxy and insists on what holds for every input, whatever comes of it.
fn run<S: Into<String>>(pod: &Pod, arguments: impl IntoIterator<Item = S>) -> Outcome {
    run_program(pod, measured().args(arguments))
}

/// tproxy without arguments, under measurement.
fn measured() -> Program {
    Program::new("python3").args(["-c", MEASURED, "tproxy"]).deadline(HANGS)
}

/// A run of a verb that succeeds or refuses.
fn run_program(pod: &Pod, program: Program) -> Outcome {
    let outcome = measure(pod, program);
    let codes = [Exit::Code(0), Exit::Code(2)];
    assert!(codes.contains(&outcome.finished.exit), "{:?}: {}", outcome.finished.exit, outcome.messages);
    outcome
}

fn measure(pod: &Pod, program: Program) -> Outcome {
    let finished = program.run(pod.node()).unwrap();
    assert!(!finished.timed_out, "hangs");
    let said = finished.stderr_text();
    let (messages, peak) = said.trim_end().rsplit_once('\n').unwrap_or(("", said.trim_end()));
    let peak: u64 = peak.parse().unwrap_or_else(|_| panic!("{finished}"));
    assert!(peak <= MEMORY, "held {peak} KiB; {messages}");
    assert!(messages.len() <= MESSAGES, "{} bytes of messages", messages.len());
    assert!(!messages.contains(obeyed), "{messages:?}");
    let messages = messages.to_owned();
    Outcome { finished, messages }
}

/// What a terminal takes for a command, or what turns the direction of a text.
fn obeyed(c: char) -> bool {
    (c.is_control() && c != '\n') || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// `tproxy config` with a file of this content.
fn config(pod: &Pod, content: impl Into<Vec<u8>>) -> Outcome {
    pod.node().write_file("/run/hostile.yaml", content).unwrap();
    run(pod, ["config", "--config", "/run/hostile.yaml"])
}
