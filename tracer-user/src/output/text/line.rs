//! One line of text in the making: coloured pieces of known width.

use std::borrow::Cow;

use crate::printable;

use super::glyphs::Glyphs;

/// What a piece of text is, told by its colour.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Paint {
    Plain,
    Dim,
    Bold,
    /// All is well.
    Good,
    /// Look here.
    Warn,
    /// This is why.
    Bad,
    /// Neither good nor bad, but of interest.
    Note,
    /// White on red and the like, for headers.
    BadHeader,
    WarnHeader,
    GoodHeader,
    NoteHeader,
}

impl Paint {
    /// Parameters of the SGR sequence: colours that can be read on a light ground and on a dark one, which yellow and cyan
    /// cannot.
    const fn sgr(self) -> &'static str {
        match self {
            Self::Plain => "",
            Self::Dim => "2",
            Self::Bold => "1",
            Self::Good => "32",
            Self::Warn => "35",
            Self::Bad => "1;31",
            Self::Note => "94",
            Self::BadHeader => "1;97;41",
            Self::WarnHeader => "1;30;43",
            Self::GoodHeader => "1;30;42",
            Self::NoteHeader => "1;30;46",
        }
    }
}

/// Pieces and their width in columns of the terminal.
#[derive(Debug, Default)]
pub(crate) struct Line {
    pieces: Vec<(Paint, String)>,
    width: usize,
}

impl Line {
    pub(crate) fn width(&self) -> usize {
        self.width
    }

    /// What it consists of.
    pub(crate) fn pieces(&self) -> &[(Paint, String)] {
        &self.pieces
    }

    /// Adds text that holds no control characters: our own, or made safe by [`safe`].
    pub(crate) fn push(&mut self, paint: Paint, text: &str) {
        self.width += width(text);
        match self.pieces.last_mut() {
            Some((last, piece)) if *last == paint => piece.push_str(text),
            _ => self.pieces.push((paint, text.to_owned())),
        }
    }

    pub(crate) fn push_char(&mut self, paint: Paint, c: char) {
        self.push(paint, c.encode_utf8(&mut [0; 4]));
    }

    /// Spaces up to `column`; one at least, so that columns never touch.
    pub(crate) fn pad_to(&mut self, column: usize) {
        let spaces = column.saturating_sub(self.width).max(usize::from(self.width > 0));
        self.push(Paint::Plain, &" ".repeat(spaces));
    }

    /// Gives the first character, a mark, a colour of its own.
    pub(super) fn paint_first(&mut self, paint: Paint) {
        let Some((old, piece)) = self.pieces.first_mut() else { return };
        let Some(mark) = piece.chars().next() else { return };
        let rest = (*old, piece[mark.len_utf8()..].to_owned());
        self.pieces.splice(..1, [(paint, mark.to_string()), rest]);
    }

    /// The whole line in the background.
    pub(crate) fn dim(&mut self) {
        let text: String = self.pieces.drain(..).map(|(_, text)| text).collect();
        self.pieces.push((Paint::Dim, text));
    }

    /// Cuts what is beyond `limit` columns.
    pub(crate) fn cut(&mut self, limit: usize, glyphs: &Glyphs) {
        if self.width <= limit {
            return;
        }
        let pieces = std::mem::take(&mut self.pieces);
        self.width = 0;
        for (paint, text) in pieces {
            let room = limit.saturating_sub(self.width);
            let whole = self.width + width(&text) < limit;
            if whole {
                self.push(paint, &text);
            } else {
                // Something follows or this piece is too long: either way the mark of the cut goes here.
                let kept: String = fit(&(text + "  "), room, glyphs).into_owned();
                self.push(paint, &kept);
                return;
            }
        }
    }

    /// Appends the line and a line break to `page`.
    pub(crate) fn write(&self, page: &mut String, color: bool) {
        let start = page.len();
        for (paint, text) in &self.pieces {
            let sgr = paint.sgr();
            if color && !sgr.is_empty() {
                page.push_str("\x1b[");
                page.push_str(sgr);
                page.push('m');
                page.push_str(text);
                page.push_str("\x1b[0m");
            } else {
                page.push_str(text);
            }
        }
        let kept = page[start..].trim_end_matches(' ').len();
        page.truncate(start + kept);
        page.push('\n');
    }
}

/// Text from a stranger or from the model, safe for a terminal; in ASCII where that is asked for.
pub(crate) fn safe<'a>(text: &'a str, glyphs: &Glyphs) -> Cow<'a, str> {
    let text = printable::text(text);
    if glyphs.only_ascii && !text.is_ascii() {
        return Cow::Owned(text.chars().map(|c| if c.is_ascii() { c } else { '?' }).collect());
    }
    text
}

/// `text` in no more than `limit` columns; the middle is cut: the end of a generated name tells it from its like.
pub(super) fn fit_middle<'a>(text: &'a str, limit: usize, glyphs: &Glyphs) -> Cow<'a, str> {
    /// Columns of the random end of a pod's name, `-x2x4k`.
    const END: usize = 6;
    if width(text) <= limit || limit < 2 * END + 1 {
        return fit(text, limit, glyphs);
    }
    let mut end = String::new();
    for c in text.chars().rev() {
        if width(&end) + char_width(c) > END {
            break;
        }
        end.insert(0, c);
    }
    let begin = fit(text, limit - width(&end), glyphs);
    Cow::Owned(format!("{begin}{end}"))
}

/// `text` in no more than `limit` columns; the end is cut and the cut marked.
pub(crate) fn fit<'a>(text: &'a str, limit: usize, glyphs: &Glyphs) -> Cow<'a, str> {
    if width(text) <= limit {
        return Cow::Borrowed(text);
    }
    let mut kept = String::with_capacity(limit + 4);
    let mut used = 0;
    for c in text.chars() {
        used += char_width(c);
        if used + 1 > limit {
            break;
        }
        kept.push(c);
    }
    if limit > 0 {
        kept.push(glyphs.cut);
    }
    Cow::Owned(kept)
}

/// `text` in lines of at most `limit` columns, broken at spaces where possible.
pub(crate) fn wrap(text: &str, limit: usize) -> Vec<String> {
    let limit = limit.max(8);
    let mut lines = Vec::new();
    let mut line = String::new();
    let mut used = 0;
    let mut words = text.split(' ').filter(|word| !word.is_empty()).peekable();
    while let Some(word) = words.next() {
        // a figure is not parted from its unit
        let unit = words.peek().filter(|next| word.ends_with(|c: char| c.is_ascii_digit()) && is_unit(next));
        let needed = width(word) + unit.map_or(0, |unit| 1 + width(unit));
        if used > 0 && used + 1 + needed > limit {
            lines.push(std::mem::take(&mut line));
            used = 0;
        }
        if used > 0 {
            line.push(' ');
            used += 1;
        }
        for c in word.chars() {
            // a word longer than a line is broken where the line ends
            if used + char_width(c) > limit {
                lines.push(std::mem::take(&mut line));
                used = 0;
            }
            line.push(c);
            used += char_width(c);
        }
    }
    if !line.is_empty() {
        lines.push(line);
    }
    lines
}

fn is_unit(word: &str) -> bool {
    matches!(word.trim_end_matches(['.', ',', ';', ':', ')']), "s" | "ms" | "min" | "h" | "%" | "times")
}

/// Columns of a text without control characters.
pub(crate) fn width(text: &str) -> usize {
    if text.is_ascii() { text.len() } else { text.chars().map(char_width).sum() }
}

/// Columns of one character, by block: names of programs and containers need no more than that.
const fn char_width(c: char) -> usize {
    match c {
        '\u{300}'..='\u{36f}' | '\u{1ab0}'..='\u{1aff}' | '\u{20d0}'..='\u{20ff}' | '\u{fe00}'..='\u{fe0f}' => 0,
        '\u{1100}'..='\u{115f}'
        | '\u{2e80}'..='\u{303e}'
        | '\u{3041}'..='\u{a4cf}'
        | '\u{ac00}'..='\u{d7a3}'
        | '\u{f900}'..='\u{faff}'
        | '\u{fe30}'..='\u{fe6f}'
        | '\u{ff00}'..='\u{ff60}'
        | '\u{ffe0}'..='\u{ffe6}'
        | '\u{1f300}'..='\u{1f64f}'
        | '\u{1f680}'..='\u{1f6ff}'
        | '\u{1f900}'..='\u{1f9ff}'
        | '\u{20000}'..='\u{3fffd}' => 2,
        _ => 1,
    }
}

#[cfg(test)]
mod tests {
    use super::super::glyphs::{ASCII, UNICODE};
    use super::*;

    #[test]
    fn cut_to_the_column() {
        for (text, limit, expect) in
            [("abc", 3, "abc"), ("abcd", 3, "ab…"), ("日本語", 5, "日本…"), ("日本語", 4, "日…"), ("ab", 0, "")]
        {
            assert_eq!(fit(text, limit, &UNICODE), expect);
        }
        assert_eq!(fit("abcd", 3, &ASCII), "ab~");
        assert_eq!(fit_middle("web-7d9f8b6c5-x2x4k", 14, &UNICODE), "web-7d9…-x2x4k");
        assert_eq!(fit_middle("web-7d9f8b6c5-x2x4k", 12, &UNICODE), "web-7d9f8b6…");
        assert_eq!(fit_middle("web", 14, &UNICODE), "web");
        let mut line = Line::default();
        line.push(Paint::Bold, "abc");
        line.push(Paint::Plain, "defg");
        line.cut(5, &UNICODE);
        let mut page = String::new();
        line.write(&mut page, false);
        assert_eq!((page.as_str(), line.width()), ("abcd…\n", 5));
    }

    #[test]
    fn wrapped_at_spaces_and_within_endless_words() {
        assert_eq!(wrap("one two  three four", 9), ["one two", "three", "four"]);
        assert_eq!(wrap("aaaaaaaaaaaa b", 8), ["aaaaaaaa", "aaaa b"]);
        assert_eq!(wrap("killed after 30.0 s, then", 17), ["killed after", "30.0 s, then"]);
        assert!(wrap("", 9).is_empty());
    }

    #[test]
    fn no_trailing_spaces_and_every_colour_is_closed() {
        let mut line = Line::default();
        line.push(Paint::Bad, "DROPPED");
        line.pad_to(12);
        let mut page = String::new();
        line.write(&mut page, true);
        assert_eq!(page, "\x1b[1;31mDROPPED\x1b[0m\n");
    }
}
