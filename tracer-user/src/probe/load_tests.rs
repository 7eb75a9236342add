//! With the loaded programs themselves at hand. As root.

use std::time::{Duration, Instant};

use aya::programs::{Program, RawTracePoint, loaded_programs};
use aya::{RawTracePointRunOptions, TestRun as _};

use super::*;
use crate::event::{Event, What};
use crate::probe::{CgroupV1, Record};

fn everything_on() -> Settings {
    let cgroup_v1 = Some(CgroupV1 { controller: "pids".to_owned(), hierarchy: u32::MAX });
    Settings { all_signals: true, pids: true, log: true, cgroup_v1, try_new_cgroups: true, ..Settings::default() }
}

/// The same bytes wherever they are built; `cargo xtask dist --verify` builds them twice.
#[test]
#[ignore = "needs root: cargo xtask test runs it"]
fn no_path_of_the_machine_is_in_the_programs() {
    let workspace = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the workspace");
    // with the name of a crate behind it: in a container the workspace may be `/src`, which is in every path
    let workspace = format!("{}/tracer-", workspace.to_str().expect("no strange names"));
    assert!(OBJECT.len() > 10_000, "the programs were not built");
    for path in [workspace.as_str(), ".cargo/registry", ".rustup/"] {
        assert_eq!(memchr::memmem::find(OBJECT, path.as_bytes()), None, "{path} is in the kernel programs");
    }
}

#[test]
#[ignore = "needs root: cargo xtask test runs it"]
fn null_and_garbage_make_records_and_no_more() {
    const GARBAGE: [u64; 8] =
        [0, 1, 8, 0xdead_beef, u64::MAX, 0xffff_8880_0000_0000, 0xffff_ffff_8100_0000, 0x0000_7fff_ffff_f000];
    let mut probe = Probe::load(&everything_on()).unwrap();
    // what cannot be read is in cgroup 0: tracking that leads the programs into everything behind the filter
    probe.track(CgroupId(0)).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let _guard = runtime.enter();
    let mut ring = probe.open_ring(Duration::from_secs(1)).unwrap();
    let names: Vec<&str> = offsets::tracepoints().collect();
    let (mut records, mut unreadable) = (0, 0);
    for &name in &names {
        load_raw(&mut probe, name);
        for &first in &GARBAGE {
            for &second in &GARBAGE {
                let mut options = RawTracePointRunOptions::new();
                options.args[..6].copy_from_slice(&[first, second, first, second, first, second]);
                let program = raw_tracepoint(&mut probe, name);
                program.test_run(options).unwrap_or_else(|error| panic!("{name}({first:#x}, {second:#x}): {error}"));
            }
        }
        // signal numbers out of range are refused at decoding, all else decodes
        ring.drain(usize::MAX, |record| {
            records += 1;
            if let Record::Event(Event(_, What::Signal(sent))) = record {
                unreadable += u32::from(sent.target.has(tracer_common::task_flags::INCOMPLETE));
            }
        })
        .unwrap();
    }
    assert!(records > 0 && unreadable > 0, "{records} records, {unreadable} of signals to nobody");
    assert!(ring.take_undecodable() > 0);
    probe.kernel_log().unwrap().flush();
}

#[test]
#[ignore = "needs root: cargo xtask test runs it"]
fn nothing_is_left_behind() {
    let probe = Probe::load(&Settings::default()).unwrap();
    let ids: Vec<u32> = loaded(&probe).map(|(_, program)| id(program)).collect();
    let left = || loaded_programs().filter_map(Result::ok).filter(|found| ids.contains(&found.id())).count();
    assert_eq!(left(), probe.info().programs.len());
    drop(probe);
    // the kernel frees programs after an RCU grace period
    let end = Instant::now() + Duration::from_secs(10);
    while left() > 0 {
        assert!(Instant::now() < end, "{} programs are still there", left());
        thread::sleep(Duration::from_millis(5));
    }
}

/// What is loaded: the program of the survey is in the same object and is not, nor are those that typed ones stand for.
fn loaded(probe: &Probe) -> impl Iterator<Item = (&str, &Program)> {
    probe.ebpf.programs().filter(|(_, program)| program.fd().is_ok())
}

const TYPED_POINTS: [&str; 2] = ["signal_generate", "signal_deliver"];

fn raw_tracepoint<'a>(probe: &'a mut Probe, name: &str) -> &'a mut RawTracePoint {
    probe.ebpf.program_mut(name).unwrap().try_into().unwrap()
}

/// A raw program that a typed one stands for is there for other kernels.
fn load_raw(probe: &mut Probe, name: &'static str) {
    match raw_tracepoint(probe, name).load() {
        Ok(()) | Err(aya::programs::ProgramError::AlreadyLoaded) => {}
        Err(error) => panic!("{name}: {error}"),
    }
}

fn id(program: &Program) -> u32 {
    program.info().unwrap().id()
}

#[test]
#[ignore = "needs root: cargo xtask test runs it"]
fn every_combination_of_switches_verifies() {
    for bits in 0..16 {
        let mut settings = everything_on();
        settings.pids = bits & 1 != 0;
        settings.log = bits & 2 != 0;
        if bits & 4 != 0 {
            settings.cgroup_v1 = None;
        }
        settings.all_signals = bits & 8 == 0;
        let mut probe = Probe::load(&settings).unwrap();
        // this kernel takes them, and so do all that are tested
        for point in TYPED_POINTS {
            let typed = format!("{point}_typed");
            assert!(loaded(&probe).any(|(name, _)| name == typed), "{typed} was refused");
            load_raw(&mut probe, point);
        }
        for (name, program) in loaded(&probe) {
            let info = program.info().unwrap();
            let count = info.verified_instruction_count().unwrap_or(0);
            // the limit is a million; the older the kernel, the more it looks at
            assert!(count < 1_000_000, "{name}: {count} instructions");
            println!("{bits} {name}: {count} instructions verified, {:?} bytes", info.size_translated());
        }
    }
}

#[test]
#[ignore = "needs root: cargo xtask test runs it"]
fn a_ring_that_cannot_be_is_told() {
    let settings = Settings { ring_bytes: 12345, ..Settings::default() };
    // aya rounds sizes up to what the kernel takes
    assert!(Probe::load(&settings).is_ok());
    let huge = Settings { ring_bytes: 1 << 31, ..Settings::default() };
    if let Err(error) = Probe::load(&huge) {
        assert!(error.to_string().contains("RING"), "{error}");
    }
}
