#![expect(
    unsafe_code,
    reason = "an allocator is unsafe to implement, and _exit(2) is the only end that asks for no memory"
)]
//! What happens when the system has no memory left for us (`RLIMIT_AS`, overcommit switched off): the terminal is given back,
//! one error is told, and it ends. The standard library would abort in the middle of the screen, and leave a core.
//!
//! A limit of a cgroup is none of this: the kernel's OOM killer ends who exceeds it, as any SIGKILL would.

use std::alloc::{GlobalAlloc, Layout, System};
use std::io::Write as _;
use std::sync::atomic::{AtomicI32, Ordering};

/// How long the last words may take, s.
const PATIENCE_S: u32 = 2;

/// The system's allocator, for the `tracer` binary. Whoever could go on without the memory that is refused ends as well: there
/// is nobody here who could go on for long.
#[derive(Debug)]
pub struct Allocator;

// SAFETY: the system's allocator does it all; what is added only looks at whether a pointer is null.
unsafe impl GlobalAlloc for Allocator {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller's promises are those that are asked for.
        granted(unsafe { System.alloc(layout) }, layout.size())
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        // SAFETY: as above.
        granted(unsafe { System.alloc_zeroed(layout) }, layout.size())
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // SAFETY: as above.
        granted(unsafe { System.realloc(pointer, layout, size) }, size)
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: as above.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[inline]
fn granted(pointer: *mut u8, size: usize) -> *mut u8 {
    if pointer.is_null() {
        end(size);
    }
    pointer
}

/// Without asking for memory. One thread does it; others, to which some is refused meanwhile, wait for the end.
#[cold]
fn end(size: usize) -> ! {
    static ENDS: AtomicI32 = AtomicI32::new(0);
    let own = rustix::thread::gettid().as_raw_pid();
    match ENDS.compare_exchange(0, own, Ordering::SeqCst, Ordering::SeqCst) {
        Ok(_) => tell(size),
        Err(other) if other != own => loop {
            std::thread::sleep(std::time::Duration::MAX);
        },
        // what gives the terminal back asked for memory after all
        Err(_) => {}
    }
    // SAFETY: ends the process; takes a number. Handlers of exit(3) could ask for memory.
    unsafe { libc::_exit(1) }
}

fn tell(size: usize) {
    // whoever reads the terminal or the pipe may have stopped doing so: then SIGALRM ends it
    // SAFETY: takes a number.
    unsafe { libc::alarm(PATIENCE_S) };
    crate::tui::terminal::give_back_at_once();
    let mut text = [0_u8; 160];
    let mut rest = text.as_mut_slice();
    writeln!(rest, "tracer: error: out of memory: the system refused {size} bytes; is there a limit (ulimit -v)?")
        .unwrap_or_default();
    let left = rest.len();
    rustix::io::write(rustix::stdio::stderr(), &text[..text.len() - left]).unwrap_or_default();
}
