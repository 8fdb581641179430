//! SIGTERM and SIGINT at every step leave the state before or after, and say which; the run ends by the signal.

use netsim::node::{Exit, Finished, Program};
use rstest::rstest;

use super::faults::{EARLIER, FLAGS, TABLES};
use super::interruptions::rules;
use super::pod::Pod;

const SIGNALS: [(&str, i32); 2] = [("TERM", 15), ("INT", 2)];

/// Puts a program in the place of every restore: the one that /run/at names sends tproxy a signal when it has loaded
/// so many tables, and loads the others then.
const WATCH: &str = r#"
readlink /proc/self/ns/net >/run/here
mkdir /run/real /run/sbin
mount --bind /usr/sbin /run/real
for program in /run/real/*; do ln -s $program /run/sbin; done
cat >/run/watch <<'END'
#!/bin/sh
name=${0##*/}
real=/run/real/$name
[ "$1" = --version ] && exec $real --version
# Tries in other namespaces change nothing.
[ $(readlink /proc/self/ns/net) = $(cat /run/here) ] || exec $real "$@"
read named tables kill </run/at 2>/dev/null
[ "$named" = $name ] || exec $real "$@"
rm /run/at
awk -v tables=$tables 'BEGIN { part = tables > 0 ? "/run/first" : "/run/then" }
  { print >part } /^COMMIT/ && ++n == tables { part = "/run/then" }'
if [ -e /run/first ]; then $real "$@" </run/first || exit; fi
eval "$kill"
if [ -e /run/then ]; then $real "$@" </run/then || exit; fi
rm -f /run/first /run/then
END
chmod +x /run/watch
for flavour in nft legacy; do for family in iptables ip6tables; do
  rm /run/sbin/$family-$flavour-restore; cp /run/watch /run/sbin/$family-$flavour-restore
done; done
mount --bind /run/sbin /usr/sbin"#;

/// A way from one state to another.
struct Way {
    /// What leads to the state before, from nothing.
    prepare: String,
    /// What is interrupted.
    run: String,
    /// The steps of it that have a name.
    words: Vec<&'static str>,
    /// The flavours whose rules it loads.
    flavours: Vec<&'static str>,
}

/// Where a run is interrupted.
enum Step {
    /// A step with a name.
    Word(&'static str),
    /// When a restore program has loaded so many tables.
    Loaded(String, u32),
}

impl Way {
    fn steps(&self) -> Vec<Step> {
        let programs = self.flavours.iter().flat_map(|flavour| {
            ["iptables", "ip6tables"].map(|family| format!("{family}-{flavour}-restore"))
        });
        let loads =
            programs.flat_map(|name| (0..=TABLES).map(move |tables| Step::Loaded(name.clone(), tables)));
        self.words.iter().map(|word| Step::Word(word)).chain(loads).collect()
    }
}

impl Step {
    /// The signals to try. After so many tables of one family it is the one, after as many of the other the other: each is
    /// tried after each number of tables.
    fn signals(&self) -> &'static [(&'static str, i32)] {
        match self {
            Self::Word(_) => &SIGNALS,
            Self::Loaded(name, tables) => {
                let one = (tables + u32::from(name.starts_with("ip6"))) % 2;
                if one == 0 { &SIGNALS[..1] } else { &SIGNALS[1..] }
            }
        }
    }
}

/// Runs tproxy and sends it a signal at this step.
fn interrupted(pod: &Pod, arguments: &str, step: &Step, signal: &str) -> Finished {
    let program = pod.tproxy_program(arguments);
    match step {
        Step::Word(word) => {
            let signal = format!("SIG{signal}");
            program
                .env("TPROXY_FAULT_POINT", *word)
                .env("TPROXY_FAULT_SIGNAL", signal)
                .run(pod.node())
                .unwrap()
        }
        Step::Loaded(name, tables) => {
            pod.node().write_file("/run/at", format!("{name} {tables} kill -{signal} $PPID\n")).unwrap();
            let finished = program.run(pod.node()).unwrap();
            assert_eq!(
                pod.sh("ls /run/at 2>/dev/null; true"),
                "",
                "{name} {tables} was not reached: {finished}"
            );
            finished
        }
    }
}

/// Interrupts it at each step by each signal, and carries it out then.
fn ends_before_or_after(way: &Way) {
    let Some(pod) = Pod::start() else { return };
    pod.sh(WATCH);
    // From nothing, or from what the step before ended with, which it replaces.
    let begin = || pod.done(if way.prepare.is_empty() { "uninstall" } else { &way.prepare });
    begin();
    let before = rules(&pod);
    pod.done(&way.run);
    let after = rules(&pod);
    assert_ne!(before, after);
    for step in way.steps() {
        for &(signal, number) in step.signals() {
            begin();
            let ended = interrupted(&pod, &way.run, &step, signal);
            let what = match &step {
                Step::Word(word) => format!("{}: {signal} at {word}: {ended}", way.run),
                Step::Loaded(name, tables) => format!("{}: {signal} at {name} {tables}: {ended}", way.run),
            };
            assert_eq!(ended.exit, Exit::Signal(number), "{what}");
            let now = rules(&pod);
            assert!(now == before || now == after, "{what}\n{now}");
            let taken_back = ended.stderr_text().contains("everything was taken back");
            if matches!(step, Step::Word("journal-begun")) {
                // Nothing is changed yet, so that signals do what they always do.
                assert_eq!(now, before, "{what}");
            } else {
                assert_eq!(taken_back, now == before, "{what}");
                let is_there = if now == before { !way.prepare.is_empty() } else { way.run != "uninstall" };
                let status = pod.tproxy("status");
                assert_eq!(status.exit, Exit::Code(if is_there { 0 } else { 3 }), "{what}\n{status}");
            }
            pod.done(&way.run);
            assert_eq!(rules(&pod), after, "healed after {what}");
        }
    }
}

const END: [&str; 3] = ["loaded", "settled", "journal-ended"];

#[rstest]
fn a_first_install_that_is_asked_to_end_does_so_before_or_after(
    #[values("nft", "legacy")] flavour: &'static str,
) {
    ends_before_or_after(&Way {
        prepare: String::new(),
        run: format!("install {FLAGS} --backend iptables-{flavour}"),
        words: [&["journal-begun", "address"], &END[..]].concat(),
        flavours: vec![flavour],
    });
}

#[rstest]
fn a_changed_install_that_is_asked_to_end_does_so_before_or_after(
    #[values("nft", "legacy")] flavour: &'static str,
) {
    ends_before_or_after(&Way {
        prepare: format!("install {EARLIER} --backend iptables-{flavour}"),
        run: format!("install {FLAGS} --backend iptables-{flavour}"),
        words: [&["journal-begun"], &END[..]].concat(),
        flavours: vec![flavour],
    });
}

#[rstest]
fn an_uninstall_that_is_asked_to_end_does_so_before_or_after(
    #[values("nft", "legacy")] flavour: &'static str,
) {
    ends_before_or_after(&Way {
        prepare: format!("install {FLAGS} --backend iptables-{flavour}"),
        run: "uninstall".to_owned(),
        words: vec!["loaded", "address", "settled", "journal-ended"],
        flavours: vec![flavour],
    });
}

#[rstest]
fn a_change_of_flavour_that_is_asked_to_end_does_so_before_or_after(
    #[values("nft", "legacy")] newer: &'static str,
) {
    let older = if newer == "nft" { "legacy" } else { "nft" };
    ends_before_or_after(&Way {
        prepare: format!("install {EARLIER} --backend iptables-{older}"),
        run: format!("install {FLAGS} --backend iptables-{newer}"),
        words: [&["journal-begun"], &END[..]].concat(),
        flavours: vec![newer, older],
    });
}

/// A terminal sends its signals to the programs that tproxy has started, too.
#[test]
fn an_interrupt_key_does_not_end_a_restore_between_two_tables() {
    for flavour in ["nft", "legacy"] {
        let Some(pod) = Pod::start() else { return };
        pod.sh(WATCH);
        let before = rules(&pod);
        pod.node().write_file("/run/at", format!("ip6tables-{flavour}-restore 1 kill -INT 0\n")).unwrap();
        let arguments = format!("install {FLAGS} --backend iptables-{flavour}");
        let session = format!(
            "import subprocess, sys; sys.exit(-subprocess.run('tproxy {arguments}'.split(), start_new_session=True).returncode)"
        );
        let ended = Program::new("python3").args(["-c", &session]).run(pod.node()).unwrap();
        assert_eq!(ended.exit, Exit::Code(2), "{ended}");
        assert!(ended.stderr_text().contains("ended by SIGINT; everything was taken back"), "{ended}");
        assert_eq!(rules(&pod), before, "{flavour}");
        pod.done(&arguments);
        pod.done("status");
    }
}
