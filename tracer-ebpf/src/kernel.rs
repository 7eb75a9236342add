#![expect(unsafe_code, reason = "the only place that reads kernel memory and the constants set before load")]
//! Reading the kernel's memory: every read may fail, none may fault.

use core::{mem::MaybeUninit, ptr};

use aya_ebpf::{
    Global,
    helpers::{bpf_get_current_task, bpf_probe_read_kernel, generated},
};
use tracer_common::{COMM_LEN, Offsets};

#[unsafe(no_mangle)]
// SAFETY: `Offsets` is made of integers.
static OFFSETS: Global<Offsets> = Global::new(unsafe { core::mem::zeroed() });

/// One member of the [`Offsets`]: a constant for the verifier, since the map behind it is frozen.
#[inline(always)]
pub(crate) fn offset<T: Plain + 'static>(of: impl FnOnce(&'static Offsets) -> &'static T) -> T {
    // Loading the whole structure would put it on the 512-byte stack at every use, so load the one member.
    // SAFETY: `Global` is transparent over `MaybeUninit<Offsets>` and always initialised.
    let offsets: &'static Offsets = unsafe { &*(&raw const OFFSETS).cast() };
    // SAFETY: a valid reference; volatile because user space replaces the value behind the compiler's back.
    unsafe { ptr::read_volatile(of(offsets)) }
}

/// Value of one member of the [`Offsets`].
macro_rules! at {
    ($member:ident) => {
        $crate::kernel::offset(|offsets| &offsets.$member)
    };
}
pub(crate) use at;

/// Whether a bit of [`tracer_common::features`] is set. Constant for the verifier.
#[inline(always)]
pub(crate) fn enabled(feature: u64) -> bool {
    at!(features) & feature != 0
}

/// Types of which every bit pattern is a value.
///
/// # Safety
/// Only for integers and arrays and `repr(C)` structures of them.
pub(crate) unsafe trait Plain: Copy {}
// SAFETY: integers, and arrays of them.
unsafe impl Plain for u8 {}
// SAFETY: as above.
unsafe impl Plain for i32 {}
// SAFETY: as above.
unsafe impl Plain for u32 {}
// SAFETY: as above.
unsafe impl Plain for u64 {}
// SAFETY: as above.
unsafe impl<T: Plain, const N: usize> Plain for [T; N] {}

/// What one load reads.
pub(crate) trait Number: Plain {}
impl Number for i32 {}
impl Number for u32 {}
impl Number for u64 {}

/// Adds one to a counter in a map, whoever else does so at the same moment.
///
/// # Safety
/// `counter` points at a counter that other programs reach in the same way only, aligned to 8.
#[inline(always)]
pub(crate) unsafe fn count_one(counter: *mut u64) {
    // SAFETY: by contract; the instruction is BPF_XADD, in every kernel with BPF.
    unsafe { core::arch::asm!("lock *(u64 *)({counter} + 0) += {one}", counter = in(reg) counter, one = in(reg) 1_u64) }
}

/// 1 for anything but 0, and 0 for that, without a branch: where two ways come together again the verifier walks on once for
/// each, all the way to the end.
#[inline(always)]
pub(crate) fn is_nonzero(value: impl Into<u64>) -> u64 {
    let value = value.into();
    let mut either = value | value.wrapping_neg();
    // SAFETY: a shift. The compiler does not see that it is one, and so makes no branch of it.
    unsafe { core::arch::asm!("{either} >>= 63", either = inout(reg) either, options(pure, nomem, nostack)) };
    either
}

/// The other way round.
#[inline(always)]
pub(crate) fn is_zero(value: impl Into<u64>) -> u64 {
    is_nonzero(value) ^ 1
}

/// Where a structure of the kernel is. What reads it is written once, and compiled for either way to read.
pub(crate) trait Pointer: Copy {
    /// The value of a member, zero if it cannot be read.
    fn load<T: Number>(self, offset: u32) -> T;

    /// Where a member points; null if it cannot be read, and what is read there is zero.
    fn follow(self, offset: u32) -> Self;

    /// Copies a name; all zero if it cannot be read.
    fn copy_name(self, offset: u32, to: &mut [u8; COMM_LEN]);

    /// The address, for what is at a place that is found while the program runs.
    fn address(self) -> Addr;

    /// The first thread of a task's process, whose `signal_struct` is given.
    fn leader(self, signal: Self) -> Self;
}

/// A pointer of which the verifier knows what it points at: a tracepoint's argument where programs are typed, and what is
/// reached from there. It is read by plain loads instead of a helper for each. Members only, whose offsets are constants for
/// the verifier.
///
/// Behind null such a load reads zero. But what the verifier trusts (arguments, the current task, and their `cgroups`,
/// `group_leader` and `real_parent`) newer kernels load without a net. And for each pointer that a program takes from there
/// verifiers since 6.2 look all names of the kernel's BTF through, milliseconds each time they come by (before 6.19 one by one).
/// So what is wanted of a task is taken by way of its `signal`, which is not trusted any more, and that is taken once.
#[derive(Clone, Copy)]
pub(crate) struct Typed(u64);

impl Typed {
    /// A typed tracepoint's pointer argument: the verifier refuses anything else.
    pub(crate) const fn new(pointer: u64) -> Self {
        Self(pointer)
    }

    /// The `task_struct` that runs now.
    #[inline(always)]
    pub(crate) fn current() -> Self {
        // SAFETY: takes nothing and returns a pointer that is never null.
        Self(unsafe { generated::bpf_get_current_task_btf() } as u64)
    }
}

impl Pointer for Typed {
    #[inline(always)]
    fn load<T: Number>(self, offset: u32) -> T {
        // SAFETY: the verifier refuses the program unless there is such a member, and any bytes are a `T`.
        unsafe { ptr::read_volatile(self.0.wrapping_add(u64::from(offset)) as *const T) }
    }

    #[inline(always)]
    fn follow(self, offset: u32) -> Self {
        Self(self.load(offset))
    }

    #[inline(always)]
    fn copy_name(self, offset: u32, to: &mut [u8; COMM_LEN]) {
        // two loads: the verifier takes any that stay within the array
        let halves: [u64; 2] = [self.load(offset), self.load(offset + 8)];
        // SAFETY: both are 16 bytes, and `to` may hold any; it need not be aligned.
        unsafe { ptr::from_mut(to).cast::<[u64; 2]>().write_unaligned(halves) };
    }

    #[inline(always)]
    fn address(self) -> Addr {
        Addr(self.0)
    }

    /// Any thread knows the first one; `curr_target` is one, and stays one as long as there is any. Only the idle task of
    /// processor 0, which nothing has forked, has none.
    #[inline(always)]
    fn leader(self, signal: Self) -> Self {
        signal.follow(at!(signal_curr_target)).follow(at!(task_group_leader))
    }
}

/// An address in the kernel, from wherever: null and garbage make reads fail and nothing worse.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Addr(u64);

impl Addr {
    /// A tracepoint's pointer argument.
    pub(crate) const fn new(address: u64) -> Self {
        Self(address)
    }

    /// The `task_struct` that runs now.
    #[inline(always)]
    pub(crate) fn current() -> Self {
        // SAFETY: takes nothing and returns the pointer as a number.
        Self(unsafe { bpf_get_current_task() })
    }

    /// The address as a number, for values that are no addresses (`SEND_SIG_PRIV`).
    pub(crate) const fn number(self) -> u64 {
        self.0
    }

    /// The address of a member.
    #[inline(always)]
    pub(crate) const fn plus(self, offset: u32) -> Self {
        Self(self.0.wrapping_add(offset as u64))
    }

    /// The value of a member.
    #[inline(always)]
    pub(crate) fn get<T: Plain>(self, offset: u32) -> Option<T> {
        // SAFETY: the helper checks the address, and any bytes are a `T`.
        unsafe { bpf_probe_read_kernel(self.plus(offset).0 as *const T) }.ok()
    }

    /// Copies a member to where it is to stay; all zero and false if that fails.
    #[inline(always)]
    pub(crate) fn copy<T: Plain>(self, offset: u32, to: &mut T) -> bool {
        let from = self.plus(offset).0 as *const _;
        // SAFETY: `to` is writable and may hold any bytes; the helper checks the source and zeroes `to` if it fails.
        #[expect(clippy::cast_possible_truncation, reason = "at most a few KiB")]
        let failed = unsafe { generated::bpf_probe_read_kernel(ptr::from_mut(to).cast(), size_of::<T>() as u32, from) };
        failed == 0
    }

    /// Copies a string; its length with the NUL, always within 1..=N.
    #[inline(always)]
    pub(crate) fn copy_string<const N: usize>(self, to: &mut [u8; N]) -> Option<u32> {
        let from = self.0 as *const _;
        // SAFETY: as in `copy`.
        #[expect(clippy::cast_possible_truncation, reason = "arrays here are at most a few KiB")]
        let len = unsafe { generated::bpf_probe_read_kernel_str(to.as_mut_ptr().cast(), N as u32, from) };
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "at most N where it is positive")]
        if len > 0 { Some(len as u32) } else { None }
    }
}

impl Pointer for Addr {
    /// Where zero says it all, this spares the verifier a branch: a branch for each of a dozen reads is what makes it look
    /// at a hundred thousand instructions.
    #[inline(always)]
    fn load<T: Number>(self, offset: u32) -> T {
        let mut value = MaybeUninit::<T>::uninit();
        #[expect(clippy::cast_possible_truncation, reason = "at most 8")]
        let size = size_of::<T>() as u32;
        // SAFETY: the helper writes all of `value`, zeroes if it fails, and any bytes are a `T`.
        unsafe {
            generated::bpf_probe_read_kernel(value.as_mut_ptr().cast(), size, self.plus(offset).0 as *const _);
            value.assume_init()
        }
    }

    #[inline(always)]
    fn follow(self, offset: u32) -> Self {
        Self(self.load(offset))
    }

    #[inline(always)]
    fn copy_name(self, offset: u32, to: &mut [u8; COMM_LEN]) {
        self.copy(offset, to);
    }

    #[inline(always)]
    fn address(self) -> Addr {
        self
    }

    #[inline(always)]
    fn leader(self, _signal: Self) -> Self {
        self.follow(at!(task_group_leader))
    }
}
