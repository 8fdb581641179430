//! Files as a whole: their size, nesting, encoding and kind.

use std::fmt::Write;

use super::super::pod::{APP, Pod};
use super::{config, measured, run, run_program};
use netsim::node::Program;

const MIB: usize = 1 << 20;

/// Noise that looks like nothing in particular, the same in every run (Marsaglia's xorshift64).
fn noise(length: usize) -> Vec<u8> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state
    };
    (0..length.div_ceil(8)).flat_map(|_| next().to_le_bytes()).take(length).collect()
}

#[test]
fn files_that_are_too_large_are_refused_for_that() {
    let Some(pod) = Pod::start() else { return };
    for content in [
        vec![b'a'; 10 * MIB],
        "- 1\n".repeat(10 * MIB / 4).into_bytes(),
        format!("redirect: {{}}\n{}", "# x\n".repeat(10 * MIB / 4)).into_bytes(),
        noise(10 * MIB),
    ] {
        config(&pod, content).refused("is larger than 4 MiB");
    }
    let half = format!("wait: 1\n#{}\n", "x".repeat(3 * MIB));
    pod.node().write_file("/run/half.yaml", half).unwrap();
    run(&pod, ["config", "--config", "/run/half.yaml,/run/half.yaml"]).refused("larger than 4 MiB together");
}

#[test]
fn a_pipe_is_read_and_one_that_is_silent_is_refused() {
    let Some(pod) = Pod::start() else { return };
    let through_a_pipe =
        "mkfifo /run/pipe; { echo wait: 9 >/run/pipe & } ; tproxy config --config /run/pipe; wait";
    assert!(pod.sh(through_a_pipe).contains("wait: 9"));
    run(&pod, ["config", "--config", "/run/pipe"])
        .refused("`/run/pipe` cannot be read: nothing came out of it for 5 s");
}

#[test]
fn comments_and_blank_lines_of_megabytes_are_read() {
    let Some(pod) = Pod::start() else { return };
    let long_line = format!("wait: 9\n#{}", "x".repeat(4 * MIB - 100));
    let many_lines = format!("wait: 9\n{}", "# x\n".repeat(MIB - 100));
    for content in [long_line, many_lines, format!("{}wait: 9", "\n".repeat(4 * MIB - 100))] {
        assert!(config(&pod, content).done().contains("wait: 9"));
    }
}

#[test]
fn megabytes_of_signs_are_refused_at_their_place() {
    let Some(pod) = Pod::start() else { return };
    for (sign, words) in [
        ("a", "a configuration is a mapping"),
        ("-\n", "it has too many values"),
        ("?\n", "cannot be read as YAML"),
        (":\n", "cannot be read as YAML"),
        ("[],", "cannot be read as YAML"),
        ("&a ", "cannot be read as YAML"),
        ("!!str ", "cannot be read as YAML"),
        ("wait: 1\n", "duplicate mapping key"),
        ("---\n", "multiple YAML documents"),
    ] {
        config(&pod, sign.repeat(4 * MIB / sign.len())).refused(words);
    }
    for (open, close) in [("[", "1,"), ("\"", "\n"), ("\"", "\\u0041"), ("a: |\n", " x\n"), ("{", "a: 1,")] {
        config(&pod, format!("{open}{}", close.repeat(3 * MIB / close.len()))).refused("error: ");
    }
}

#[test]
fn deep_nesting_is_refused_at_its_place() {
    let Some(pod) = Pod::start() else { return };
    let blocks: String = (0..2000).fold(String::new(), |mut text, depth| {
        writeln!(text, "{}a:", " ".repeat(depth)).unwrap();
        text
    });
    for content in ["[".repeat(100_000), "{a: ".repeat(100_000), "- ".repeat(100_000), blocks] {
        config(&pod, content).refused("/run/hostile.yaml:");
    }
    config(&pod, format!("x: {}{}", "[".repeat(200), "]".repeat(200))).refused("it is nested too deeply");
}

#[test]
fn aliases_and_merges_cannot_make_much_of_little() {
    let Some(pod) = Pod::start() else { return };
    let laughs: String =
        ('b'..='t').zip('a'..='s').fold("a: &a [x,x,x,x,x,x,x,x,x]\n".to_owned(), |text, (next, before)| {
            format!("{text}{next}: &{next} [{}]\n", format!("*{before},").repeat(9))
        });
    config(&pod, laughs).refused("it has too many anchors (&) and aliases (*)");
    let long = format!("a: &a \"{}\"\nb: [{}]\n", "x".repeat(100_000), "*a,".repeat(900));
    config(&pod, long).refused("it has too many");
    config(&pod, format!("a: &a [x]\nb: [{}]\n", "*a,".repeat(100_000))).refused("it has too many anchors");
    config(&pod, format!("a: &a {{x: 1}}\nb: {{{}}}\n", "<<: *a, ".repeat(10_000)))
        .refused("it merges (<<) too often");
    let chain = (0..1000).fold("a0: &a0 {x: 1}\n".to_owned(), |text, n| {
        let next = n + 1;
        format!("{text}a{next}: &a{next} {{<<: [*a{n}, *a{n}], y{n}: 1}}\n")
    });
    config(&pod, chain).refused("it merges (<<) too often");
    let shared =
        "redirect: {outbound: {excludePortsForIPs: &ips [10.0.0.1]}, inbound: {excludePortsForIPs: *ips}}";
    assert_eq!(config(&pod, shared).done().matches("10.0.0.1/32").count(), 2);
}

#[test]
fn a_key_that_comes_twice_is_refused() {
    let Some(pod) = Pod::start() else { return };
    config(&pod, "wait: 1\nwait: 2\n").refused("duplicate mapping key: wait");
    config(&pod, "redirect: {dns: {port: 1, port: 2}}").refused("duplicate mapping key: port");
}

#[test]
fn encodings_are_read_or_refused() {
    let Some(pod) = Pod::start() else { return };
    for content in
        ["\u{feff}wait: 9\n", "wait: 9\r\nverbose: true\r\n", "wait: 9\rverbose: true\r", "{\"wait\": 9}"]
    {
        assert!(config(&pod, content).done().contains("wait: 9"), "{content:?}");
    }
    for content in ["", "\n\n", "# nothing", "---\n", "~", "{}"] {
        assert!(config(&pod, content).done().contains("wait: 5"), "{content:?}");
    }
    config(&pod, "wait: 9\0").refused("a NUL byte stands here, which no text has; save the file as UTF-8 text\n --> /run/hostile.yaml:1:8\n");
    config(&pod, b"wait: 9\xff\xfe\n")
        .refused("byte 0xff is not UTF-8 text; save the file as UTF-8\n --> /run/hostile.yaml:1:8\n");
    let wide: Vec<u8> = "wait: 9".encode_utf16().flat_map(u16::to_le_bytes).collect();
    config(&pod, wide).refused("a NUL byte stands here");
}

#[test]
fn only_files_that_can_be_read_to_an_end_are_read() {
    let Some(pod) = Pod::start() else { return };
    pod.node().write_file("/run/plain.yaml", "wait: 9\n").unwrap();
    pod.sh("ln -s plain.yaml /run/link.yaml; ln -s nowhere /run/dangling; ln -s loop /run/loop; \
            touch /run/secret.yaml; chmod 600 /run/secret.yaml; mkdir /run/folder");
    assert!(run(&pod, ["config", "--config", "/run/link.yaml"]).done().contains("wait: 9"));
    for (path, words) in [
        ("/run/dangling", "No such file"),
        ("/run/loop", "symbolic links"),
        ("/run/folder", "Is a directory"),
        ("/run/plain.yaml/x", "Not a directory"),
        ("/dev/zero", "is larger than 4 MiB"),
        ("/dev/full", "is larger than 4 MiB"),
        ("/dev/urandom", "error: "),
        ("/proc/self/mem", "cannot be read"),
    ] {
        run(&pod, ["config", "--config", path]).refused(words);
    }
    assert!(run(&pod, ["config", "--config", "/dev/null"]).done().contains("wait: 5"));
    let stranger = measured().args(["config", "--config", "/run/secret.yaml"]).identity(APP);
    run_program(&pod, stranger).refused("Permission denied");
}

#[test]
fn endless_standard_input_is_refused_and_left_alone() {
    let Some(pod) = Pod::start() else { return };
    let script = "yes 'wait: 1' | tproxy config --config -";
    let finished = Program::new("sh").args(["-c", script]).run(pod.node()).unwrap();
    assert_eq!(finished.exit, netsim::node::Exit::Code(2), "{finished}");
    assert!(finished.stderr_text().contains("standard input:1:1"), "{finished}");
    let one = measured().args(["config", "--config", "-"]).stdin("wait: 9\n");
    assert!(run_program(&pod, one).done().contains("wait: 9"));
}
