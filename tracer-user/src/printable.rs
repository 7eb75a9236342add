//! Names from strangers, made safe for a terminal.

use std::borrow::Cow;
use std::fmt::Write as _;

/// `text` with control characters, line breaks and characters that reorder text escaped as `\x1b`, `\u{202e}`.
#[must_use]
pub fn text(text: &str) -> Cow<'_, str> {
    if !text.chars().any(is_unsafe) {
        return Cow::Borrowed(text);
    }
    let mut safe = String::with_capacity(text.len() + 8);
    for c in text.chars() {
        if !is_unsafe(c) {
            safe.push(c);
        } else if u32::from(c) < 0x100 {
            // writing to a String cannot fail
            write!(safe, "\\x{:02x}", u32::from(c)).unwrap_or_default();
        } else {
            write!(safe, "\\u{{{:x}}}", u32::from(c)).unwrap_or_default();
        }
    }
    Cow::Owned(safe)
}

/// The same for bytes that may not be UTF-8; each broken sequence becomes U+FFFD.
#[must_use]
pub fn bytes(bytes: &[u8]) -> Cow<'_, str> {
    match String::from_utf8_lossy(bytes) {
        Cow::Borrowed(valid) => text(valid),
        Cow::Owned(lossy) => Cow::Owned(text(&lossy).into_owned()),
    }
}

/// Control characters, and format characters that change how what follows is read (`Bidi_Control`, line separators,
/// zero-width ones, soft hyphens, annotations, tags).
fn is_unsafe(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_raw_reaches_a_terminal() {
        assert_eq!(text("nginx: worker"), "nginx: worker");
        assert_eq!(text("a\x1b[2Jb\n\u{202e}c\u{9b}"), "a\\x1b[2Jb\\x0a\\u{202e}c\\x9b");
        assert_eq!(text("a\u{61c}b\u{ad}c\u{fffa}"), "a\\u{61c}b\\xadc\\u{fffa}");
        assert_eq!(bytes(b"\xff\x07"), "\u{fffd}\\x07");
    }
}
