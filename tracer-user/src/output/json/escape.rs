//! JSON whose strings are safe to look at.

use std::borrow::Cow;
use std::io::{self, Write};

use serde_json::ser::Formatter;

use crate::printable;

/// Compact JSON that also escapes what JSON itself lets pass: DEL, the C1 controls (U+009B starts an escape sequence
/// on some terminals) and characters that reorder text. A parser reads the same string either way.
pub(super) struct Printable;

impl Formatter for Printable {
    fn write_string_fragment<W: ?Sized + Write>(&mut self, writer: &mut W, fragment: &str) -> io::Result<()> {
        if is_safe(fragment) {
            return writer.write_all(fragment.as_bytes());
        }
        let mut utf8 = [0; 4];
        let mut utf16 = [0; 2];
        for c in fragment.chars() {
            let char_text: &str = c.encode_utf8(&mut utf8);
            if is_safe(char_text) {
                writer.write_all(char_text.as_bytes())?;
            } else {
                for unit in c.encode_utf16(&mut utf16) {
                    write!(writer, "\\u{unit:04x}")?;
                }
            }
        }
        Ok(())
    }
}

fn is_safe(text: &str) -> bool {
    matches!(printable::text(text), Cow::Borrowed(_))
}

#[cfg(test)]
mod tests {
    use serde::Serialize as _;

    use super::*;

    #[test]
    fn what_is_escaped_reads_back() {
        let text = "a\x1b[2J\"\\\n\x7f\u{9b}31m\u{202e}\u{e0041}é\u{1f600}";
        let mut out = Vec::new();
        text.serialize(&mut serde_json::Serializer::with_formatter(&mut out, Printable)).expect("a string");
        let line = String::from_utf8(out).expect("UTF-8");
        assert_eq!(line, "\"a\\u001b[2J\\\"\\\\\\n\\u007f\\u009b31m\\u202e\\udb40\\udc41é\u{1f600}\"");
        assert_eq!(serde_json::from_str::<String>(&line).expect("JSON"), text);
    }
}
