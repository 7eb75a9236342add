//! Every parser of strangers' bytes over the corpus in `fuzz/corpus`, and over what a few changes make of that: the short
//! and certain part of fuzzing, on stable Rust. `cargo xtask fuzz` is the long one; what it finds goes into the corpus.
//!
//! `TRACER_CASES=100000` tries as many changed inputs of each parser.

#![expect(clippy::print_stderr, reason = "which input fails is said before the panic")]

use std::fs;
use std::path::Path;

use tracer_user::fuzzing::{TARGETS, Target};

/// Changed inputs for each parser, where nobody asks for more.
const CASES: u64 = 2_000;
/// Longer ones are cut: most parsers take time in proportion.
const LONGEST: usize = 4_096;
/// What numbers and separators have at their edges.
const EDGES: [&[u8]; 12] = [
    b"\0",
    b"\xff",
    b"\n",
    b"\"",
    b"}",
    b"\x1b[2J",
    b"\xe2\x80\xae",
    b"-1",
    b"18446744073709551616",
    b"\xff\xff\xff\xff",
    b"\\",
    b"/",
];

/// xorshift64*: the same numbers everywhere.
struct Dice(u64);

impl Dice {
    fn below(&mut self, n: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        let rolled = self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 33;
        usize::try_from(rolled).expect("31 bits") % n.max(1)
    }
}

/// One change: bytes go, come, come twice, turn, or are those of another input.
fn change(input: &mut Vec<u8>, other: &[u8], dice: &mut Dice) {
    let (from, at) = (dice.below(input.len() + 1), dice.below(input.len() + 1));
    let (from, to) = (from.min(at), from.max(at).min(from.min(at) + 64));
    match dice.below(6) {
        0 => drop(input.drain(from..to)),
        1 => drop(input.splice(from..from, EDGES[dice.below(EDGES.len())].iter().copied())),
        2 => drop(input.splice(from..from, input[from..to].to_vec())),
        3 if from < input.len() => input[from] ^= 1 << dice.below(8),
        4 => input.truncate(to),
        _ => {
            let theirs = dice.below(other.len() + 1);
            let end = other.len().min(theirs + 64);
            drop(input.splice(from..to, other[theirs..end].iter().copied()));
        }
    }
}

fn corpus(target: &Target) -> Vec<Vec<u8>> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/corpus").join(target.name);
    let files = fs::read_dir(&directory).unwrap_or_else(|error| panic!("{}: {error}", directory.display()));
    let mut files: Vec<_> = files.map(|file| file.expect("it can be listed").path()).collect();
    files.sort();
    files.iter().map(|file| fs::read(file).expect("it can be read")).collect()
}

/// Says which input it was, before the panic goes on.
fn run(target: &Target, input: &[u8]) {
    if let Err(panic) = std::panic::catch_unwind(|| (target.run)(input)) {
        eprintln!("{} panics on {}", target.name, input.escape_ascii());
        std::panic::resume_unwind(panic);
    }
}

fn all(name: &str) {
    let target = TARGETS.iter().find(|target| target.name == name).expect("there is such a target");
    let corpus = corpus(target);
    assert!(!corpus.is_empty(), "fuzz/corpus/{name} is empty");
    for input in &corpus {
        run(target, input);
    }
    let asked = std::env::var("TRACER_CASES").ok().map(|cases| cases.parse().expect("TRACER_CASES is a number"));
    let mut dice = Dice(0x7472_6163_6572);
    for _ in 0..asked.unwrap_or(CASES) {
        let mut input = corpus[dice.below(corpus.len())].clone();
        input.truncate(LONGEST);
        for _ in 0..=dice.below(6) {
            let other = &corpus[dice.below(corpus.len())];
            change(&mut input, other, &mut dice);
        }
        run(target, &input);
    }
}

/// One test a target, so that they run side by side; and that there is one for each.
macro_rules! targets {
    ($($name:ident),+) => {
        $(#[test] fn $name() { all(stringify!($name)); })+

        #[test]
        fn every_target_is_run() {
            assert_eq!(TARGETS.map(|target| target.name), [$(stringify!($name)),+]);
        }
    };
}

targets!(records, recordings, cgroup_paths, docker, cri, btf, proc, attach);

/// A target of the fuzzer for each, and no other.
#[test]
fn the_fuzzer_has_the_same_targets() {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/fuzz_targets");
    let mut found: Vec<_> = fs::read_dir(&directory)
        .expect("fuzz/fuzz_targets is there")
        .map(|file| file.expect("it can be listed").path().file_stem().expect("a name").to_string_lossy().into_owned())
        .collect();
    found.sort();
    let mut expected = TARGETS.map(|target| target.name.to_owned());
    expected.sort();
    assert_eq!(found, expected);
}
