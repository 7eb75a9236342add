//! The programs of the object: loaded by two threads, and attached one after another.
//!
//! To load a program is to wait for the kernel's verifier, which works for each thread that asks; the programs on signals
//! take it as long as all others together.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;

use aya::programs::{BtfTracePoint, Iter, Program, RawTracePoint};
use aya::{Btf, Ebpf};

use super::error::ProbeError;
use super::offsets;

/// What the name of a typed program ends with.
const TYPED: &str = "_typed";

/// Loads the program of each tracepoint and an iterator. Returns the names of the tracepoints whose typed program the kernel took.
pub(super) fn load(
    ebpf: &mut Ebpf,
    iterator: &'static str,
    typed: bool,
    btf: &Btf,
) -> Result<Vec<&'static str>, ProbeError> {
    let mut jobs: Vec<_> = offsets::tracepoints().map(|name| Job::new(name, Target::Tracepoint)).collect();
    jobs.push(Job::new(iterator, Target::Tasks));
    for (name, program) in ebpf.programs_mut() {
        let (point, is_typed) = name.strip_suffix(TYPED).map_or((name, false), |point| (point, true));
        if let Some(job) = jobs.iter_mut().find(|job| job.name == point) {
            let place = if is_typed { &mut job.typed } else { &mut job.plain };
            *place = (typed || !is_typed).then_some(program);
        }
    }
    let (open, failed) = (Mutex::new(jobs.iter_mut()), AtomicBool::new(false));
    let work = || {
        while !failed.load(Ordering::Relaxed)
            && let Some(job) = { open.lock().unwrap_or_else(PoisonError::into_inner).next() }
        {
            job.done = job.load(btf);
            failed.fetch_or(job.done.is_err(), Ordering::Relaxed);
        }
    };
    thread::scope(|scope| {
        // where no thread can be started this one does all of it
        let helper = thread::Builder::new().spawn_scoped(scope, work);
        work();
        // a scope waits for what its threads do, not for their ends: and privileges are given up by the only thread there is
        helper.map(|helper| helper.join().unwrap_or_default()).unwrap_or_default();
    });
    let mut taken = Vec::new();
    for job in jobs {
        if job.done? == Taken::Typed {
            taken.push(job.name);
        }
    }
    Ok(taken)
}

/// What a program is run by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Target {
    /// The tracepoint of its name.
    Tracepoint,
    /// Whoever reads the list of tasks.
    Tasks,
}

/// Which of two programs the kernel took.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Taken {
    Plain,
    Typed,
}

/// A program to load.
struct Job<'a> {
    name: &'static str,
    target: Target,
    plain: Option<&'a mut Program>,
    /// Does the same in less time, where the kernel takes it.
    typed: Option<&'a mut Program>,
    done: Result<Taken, ProbeError>,
}

impl Job<'_> {
    const fn new(name: &'static str, target: Target) -> Self {
        Self { name, target, plain: None, typed: None, done: Ok(Taken::Plain) }
    }

    fn load(&mut self, btf: &Btf) -> Result<Taken, ProbeError> {
        let name = self.name;
        if let Some(program) = self.typed.as_deref_mut() {
            match <&mut BtfTracePoint>::try_from(program).and_then(|program| program.load(name, btf)) {
                Ok(()) => return Ok(Taken::Typed),
                // the log of a verifier has megabytes: its last lines say why
                Err(error) => does_without(name, &ProbeError::load(name, error)),
            }
        }
        let program = self.plain.as_deref_mut().ok_or_else(|| missing(name))?;
        let loaded = match self.target {
            Target::Tracepoint => <&mut RawTracePoint>::try_from(program).and_then(RawTracePoint::load),
            Target::Tasks => <&mut Iter>::try_from(program).and_then(|program| program.load("task", btf)),
        };
        loaded.map(|()| Taken::Plain).map_err(|error| ProbeError::load(name, error))
    }
}

/// Attaches the program of a tracepoint: the typed one if that is loaded. Returns whether it is.
pub(super) fn attach(ebpf: &mut Ebpf, name: &'static str, typed: bool) -> Result<bool, ProbeError> {
    if typed {
        let program = ebpf.program_mut(&format!("{name}{TYPED}")).ok_or_else(|| missing(name))?;
        match <&mut BtfTracePoint>::try_from(program).and_then(BtfTracePoint::attach) {
            Ok(_link) => return Ok(true),
            Err(error) => does_without(name, &ProbeError::attach(name, error)),
        }
    }
    let program = ebpf.program_mut(name).ok_or_else(|| missing(name))?;
    let program: &mut RawTracePoint = program.try_into().map_err(|error| ProbeError::load(name, error))?;
    if typed {
        program.load().map_err(|error| ProbeError::load(name, error))?;
    }
    program.attach(name).map_err(|error| ProbeError::attach(name, error))?;
    Ok(false)
}

fn does_without(name: &str, why: &ProbeError) {
    log::info!("{name} does without a typed program: {why}");
}

fn missing(name: &str) -> ProbeError {
    ProbeError::Object { what: format!("no program {name}") }
}
