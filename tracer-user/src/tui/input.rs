//! What comes from the person at the terminal, and what that leads to.

use std::path::PathBuf;

/// Something the person did, or that happened to the terminal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Input {
    /// A key.
    Key(crossterm::event::KeyEvent),
    /// The mouse.
    Mouse(crossterm::event::MouseEvent),
    /// The terminal has another size: columns, lines.
    Resize(u16, u16),
}

/// What a page or the whole of it wants to happen. Only the loop makes it happen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Effect {
    /// The input meant nothing here: whoever is next may have it.
    Pass,
    /// The state changed, or may have: draw again.
    Draw,
    /// Show another page, of this container where one is named.
    Show(super::page::PageKind, Option<String>),
    /// Put this text into the clipboard (OSC 52).
    Copy(String),
    /// Write this file, and say so; it must not be there already.
    Save(PathBuf, String),
    /// Write a recording of what concerns this container (an id), or of everything, into this file, and say so.
    Record(PathBuf, Option<String>),
    /// Say something in the last line for a while.
    Say(String),
    /// Move in the recording. Means nothing live.
    Seek(Seek),
    /// Let the terminal have the mouse (false), for selecting text, or take it back.
    Mouse(bool),
    /// Stop (Ctrl-Z), until the shell continues us.
    Suspend,
    /// End.
    Quit,
}

/// Where to in a recording.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Seek {
    /// Play, or stand still.
    Play,
    /// By this time, ms; negative is back.
    By(i64),
    /// By this share of the whole, percent; negative is back.
    Percent(i64),
    /// To the next thing that became known, or (false) to the one before.
    Step(bool),
    /// To the beginning.
    Start,
    /// To the end.
    End,
}
