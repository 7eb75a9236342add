#![expect(unsafe_code, reason = "bpf(2) has no safe wrapper, and a whole loader would be more than two instructions")]
//! The floor: the emptiest program there can be, on the same tracepoints. Nothing that traces can be cheaper.

use std::ffi::CString;
use std::io::{self, Write as _};
use std::os::fd::{AsRawFd as _, FromRawFd as _, OwnedFd};

use anyhow::{Context as _, Result};

/// Which tracepoints.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Names, as the kernel has them
    #[arg(required = true)]
    tracepoints: Vec<String>,
}

/// `BPF_PROG_LOAD` and `BPF_RAW_TRACEPOINT_OPEN` of `enum bpf_cmd`.
const PROG_LOAD: libc::c_long = 5;
const RAW_TRACEPOINT_OPEN: libc::c_long = 17;
/// `BPF_PROG_TYPE_RAW_TRACEPOINT`
const RAW_TRACEPOINT: u32 = 17;
/// `r0 = 0; exit`
const NOTHING: [u64; 2] = [0x00b7, 0x0095];

/// The beginning of `union bpf_attr` for `BPF_PROG_LOAD`: the kernel takes what is left out as zero.
#[repr(C)]
struct ProgLoad {
    prog_type: u32,
    insn_cnt: u32,
    insns: u64,
    license: u64,
}

/// The same for `BPF_RAW_TRACEPOINT_OPEN`.
#[repr(C)]
struct RawTracepointOpen {
    name: u64,
    prog_fd: u32,
    pad: u32,
}

/// Attaches, says `ready`, and stays.
pub(crate) fn run(args: &Args) -> Result<()> {
    // one for each, so that the kernel's statistics tell them apart
    let attach = |name: &String| {
        let program = load().context("cannot load an empty program: is this root?")?;
        let link = attach(&program, name).with_context(|| format!("cannot attach to {name}"))?;
        anyhow::Ok((program, link))
    };
    let links = args.tracepoints.iter().map(attach).collect::<Result<Vec<_>>>()?;
    io::stderr().write_all(b"ready\n")?;
    loop {
        std::thread::park();
        // a thread may wake up without a reason
        debug_assert!(!links.is_empty());
    }
}

fn load() -> io::Result<OwnedFd> {
    let license = CString::from(c"GPL");
    let attr = ProgLoad {
        prog_type: RAW_TRACEPOINT,
        insn_cnt: 2,
        insns: NOTHING.as_ptr() as u64,
        license: license.as_ptr() as u64,
    };
    // SAFETY: the attribute is of this command, and what it points to lives until the call returns.
    unsafe { bpf(PROG_LOAD, &attr) }
}

fn attach(program: &OwnedFd, name: &str) -> io::Result<OwnedFd> {
    let name = CString::new(name)?;
    let prog_fd = program.as_raw_fd().cast_unsigned();
    let attr = RawTracepointOpen { name: name.as_ptr() as u64, prog_fd, pad: 0 };
    // SAFETY: as above.
    unsafe { bpf(RAW_TRACEPOINT_OPEN, &attr) }
}

/// # Safety
/// `attr` must be what the command wants, and valid; the command must be one that returns a descriptor.
unsafe fn bpf<T>(command: libc::c_long, attr: &T) -> io::Result<OwnedFd> {
    // SAFETY: the caller's; the size is that of the attribute.
    let fd = unsafe { libc::syscall(libc::SYS_bpf, command, std::ptr::from_ref(attr), size_of::<T>()) };
    match i32::try_from(fd) {
        // SAFETY: the kernel has just made it for us.
        Ok(fd) if fd >= 0 => Ok(unsafe { OwnedFd::from_raw_fd(fd) }),
        _ => Err(io::Error::last_os_error()),
    }
}
