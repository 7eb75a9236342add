//! The terminal, taken and given back: in order, on a panic, without memory, and when the shell stops and continues us.
//!
//! What goes to the terminal goes through the [`Buffer`] of the output's thread, so that a slow terminal holds nobody up;
//! only what ends at once writes past it. Modes are set directly: they need nobody to read.

use std::io::{self, Write as _};
use std::sync::Once;
use std::sync::atomic::{AtomicBool, Ordering};

use crossterm::terminal::{disable_raw_mode, enable_raw_mode};
use rustix::termios::{QueueSelector, tcflush};

use crate::live::sink::Buffer;

/// Alternate screen, no cursor, no line wrap.
const ENTER: &[u8] = b"\x1b[?1049h\x1b[?25l\x1b[?7l\x1b[2J";
/// Attributes off, line wrap, cursor, the screen that was there before.
const LEAVE: &[u8] = b"\x1b[0m\x1b[?7h\x1b[?25h\x1b[?1049l";
/// Presses, releases and the wheel, in the form without limits (SGR 1006). Movements are not asked for: over ssh they
/// would be a flood.
const MOUSE_ON: &[u8] = b"\x1b[?1000h\x1b[?1006h";
const MOUSE_OFF: &[u8] = b"\x1b[?1006l\x1b[?1000l";

/// The terminal is ours: whatever ends us has to give it back.
static TAKEN: AtomicBool = AtomicBool::new(false);

/// The terminal as long as it is ours.
#[derive(Debug)]
pub struct Terminal {
    out: Buffer,
    /// The mouse is to be ours.
    mouse: bool,
}

impl Terminal {
    /// Takes it: raw mode, alternate screen, mouse. What is written to `out` must reach the terminal.
    ///
    /// # Errors
    /// When standard input is no terminal.
    pub fn take(out: Buffer) -> io::Result<Self> {
        static HOOK: Once = Once::new();
        HOOK.call_once(|| {
            let before = std::panic::take_hook();
            std::panic::set_hook(Box::new(move |panic| {
                give_back_at_once();
                before(panic);
            }));
        });
        let mut terminal = Self { out, mouse: true };
        terminal.enter()?;
        Ok(terminal)
    }

    /// Takes it again, after [`Self::leave`] or after somebody else may have changed it.
    ///
    /// # Errors
    /// When the terminal's modes cannot be set.
    pub fn enter(&mut self) -> io::Result<()> {
        TAKEN.store(true, Ordering::SeqCst);
        // a shell that stopped us without our doing has set its own modes since, and crossterm believes in ours
        disable_raw_mode()?;
        enable_raw_mode()?;
        self.out.write_all(ENTER)?;
        self.out.write_all(if self.mouse { MOUSE_ON } else { MOUSE_OFF })
    }

    /// Lets go of the mouse, or takes it.
    ///
    /// # Errors
    /// Never: it is memory that is written to.
    pub fn set_mouse(&mut self, ours: bool) -> io::Result<()> {
        self.mouse = ours;
        self.out.write_all(if ours { MOUSE_ON } else { MOUSE_OFF })
    }

    /// Writes what gives the screen back. [`Self::release`] follows when that has reached the terminal.
    ///
    /// # Errors
    /// Never: it is memory that is written to.
    pub fn leave(&mut self) -> io::Result<()> {
        self.out.write_all(MOUSE_OFF)?;
        self.out.write_all(LEAVE)
    }

    /// Gives the modes back. What was typed and not read is thrown away: reports of the mouse are nothing for a shell.
    ///
    /// # Errors
    /// When the terminal's modes cannot be set.
    pub fn release(&self) -> io::Result<()> {
        TAKEN.store(false, Ordering::SeqCst);
        tcflush(io::stdin(), QueueSelector::IFlush).unwrap_or_default();
        disable_raw_mode()
    }
}

impl Drop for Terminal {
    /// An error on the way: nobody reads the buffer any more.
    fn drop(&mut self) {
        give_back_at_once();
    }
}

/// Gives the terminal back if it is ours, past the thread that writes the output and past the lock of standard output,
/// which that thread may hold. Asks for no memory.
pub(crate) fn give_back_at_once() {
    if !TAKEN.swap(false, Ordering::SeqCst) {
        return;
    }
    for bytes in [MOUSE_OFF, LEAVE] {
        rustix::io::write(rustix::stdio::stdout(), bytes).unwrap_or_default();
    }
    disable_raw_mode().unwrap_or_default();
}
