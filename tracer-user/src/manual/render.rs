//! A page of Markdown for a terminal: headings, paragraphs and lists wrapped to its width, code blocks as they are. It
//! knows what our pages use, and no more. Pure.

use std::borrow::Cow;

use crate::output::glyphs::{ASCII, Glyphs, UNICODE};
use crate::output::line::{Line, Paint, safe, width};

/// Lines are not made longer than is comfortable to read.
const PROSE: usize = 90;
/// Columns left free at the left, but for headings.
const MARGIN: usize = 2;

/// The lines of a page.
pub(crate) fn render(page: &str, columns: usize, glyphs: &Glyphs) -> Vec<Line> {
    let mut view = View { lines: Vec::new(), columns: columns.clamp(24, PROSE), glyphs };
    let mut paragraph = String::new();
    // of the fence that began the code block, which is further in below an item of a list
    let mut code: Option<usize> = None;
    for line in page.lines() {
        let indent = line.len() - line.trim_start().len();
        if line[indent..].starts_with("```") {
            view.paragraph(&mut paragraph);
            code = if code.is_some() { None } else { Some(indent) };
            view.gap();
            continue;
        }
        if let Some(fence) = code {
            let mut out = Line::default();
            out.push(Paint::Plain, &" ".repeat(MARGIN + 2 + fence));
            out.push(Paint::Note, &shown(&line[indent.min(fence)..], glyphs));
            view.lines.push(out);
            continue;
        }
        let heading = line.trim_start_matches('#');
        match line.len() - heading.len() {
            level @ 1.. if heading.starts_with(' ') => {
                view.paragraph(&mut paragraph);
                view.heading(level, heading.trim());
            }
            _ if line.starts_with("<!--") => view.paragraph(&mut paragraph),
            _ if line.trim().is_empty() => {
                view.paragraph(&mut paragraph);
                view.gap();
            }
            _ if is_item(line) => {
                view.paragraph(&mut paragraph);
                line.clone_into(&mut paragraph);
            }
            _ => {
                // a line that goes on is one with what it goes on from
                let rest = line.strip_prefix("> ").unwrap_or(line);
                let rest = if paragraph.is_empty() { rest } else { rest.trim_start() };
                if !paragraph.is_empty() {
                    paragraph.push(' ');
                }
                paragraph.push_str(rest);
            }
        }
    }
    view.paragraph(&mut paragraph);
    view.lines
}

/// The text; where only ASCII can be shown, with the marks of a picture as the text view draws them there.
fn shown<'a>(text: &'a str, glyphs: &Glyphs) -> Cow<'a, str> {
    if !glyphs.only_ascii || text.is_ascii() {
        return safe(text, glyphs);
    }
    let lines = |of: &Glyphs| {
        [of.cut, of.arrow, of.rule, of.lane, of.hook, of.axis_start, of.axis_tick, of.axis_end, of.axis_budget]
    };
    let words = |of: &Glyphs| [of.last_branch, of.trunk, of.dot, of.bad, of.good, of.warn];
    let pairs = |of: &Glyphs| lines(of).into_iter().chain(of.marks).chain(words(of)).collect::<Vec<_>>();
    let (from, to) = (pairs(&UNICODE), pairs(&ASCII));
    let plain = |c: char| from.iter().position(|&other| other == c).map_or(c, |at| to[at]);
    Cow::Owned(safe(&text.chars().map(plain).collect::<String>(), glyphs).into_owned())
}

/// `- one`, `1. one`, also indented.
fn is_item(line: &str) -> bool {
    hanging(line) > line.len() - line.trim_start().len()
}

/// Columns before the text of an item; of any other paragraph its indentation.
fn hanging(line: &str) -> usize {
    let text = line.trim_start();
    let indent = line.len() - text.len();
    let digits = text.len() - text.trim_start_matches(|c: char| c.is_ascii_digit()).len();
    match text {
        _ if text.starts_with("- ") => indent + 2,
        _ if digits > 0 && text[digits..].starts_with(". ") => indent + digits + 2,
        _ => indent,
    }
}

struct View<'a> {
    lines: Vec<Line>,
    columns: usize,
    glyphs: &'a Glyphs,
}

impl View<'_> {
    /// One empty line, and never two.
    fn gap(&mut self) {
        if self.lines.last().is_some_and(|line| line.width() > 0) {
            self.lines.push(Line::default());
        }
    }

    fn heading(&mut self, level: usize, title: &str) {
        self.gap();
        let paint = if level == 1 { Paint::GoodHeader } else { Paint::Bold };
        let plain = title.replace('`', "");
        let title = if level == 1 { format!(" {} ", plain.to_uppercase()) } else { plain };
        let mut line = Line::default();
        line.push(paint, &shown(&title, self.glyphs));
        self.lines.push(line);
        self.lines.push(Line::default());
    }

    /// Wraps what was collected.
    fn paragraph(&mut self, text: &mut String) {
        let text = std::mem::take(text);
        if text.trim().is_empty() {
            return;
        }
        let hang = MARGIN + hanging(&text);
        let mut line = Line::default();
        let indent = text.len() - text.trim_start().len();
        line.push(Paint::Plain, &" ".repeat(MARGIN + indent));
        let mut empty = true;
        for word in words(text.trim_start()) {
            let needed: usize = word.iter().map(|(_, piece)| width(&shown(piece, self.glyphs))).sum();
            if !empty && line.width() + 1 + needed > self.columns {
                self.lines.push(std::mem::take(&mut line));
                line.push(Paint::Plain, &" ".repeat(hang));
            } else if !empty {
                line.push(Paint::Plain, " ");
            }
            empty = false;
            for (paint, piece) in &word {
                line.push(*paint, &shown(piece, self.glyphs));
            }
        }
        self.lines.push(line);
    }
}

/// The words of a paragraph, each in pieces of one colour. Code keeps its spaces, and is broken at them.
fn words(text: &str) -> Vec<Vec<(Paint, String)>> {
    let mut words: Vec<Vec<(Paint, String)>> = vec![vec![]];
    let (mut bold, mut code) = (false, false);
    let text = links(text);
    let mut rest = text.as_str();
    while let Some(c) = rest.chars().next() {
        if !code && rest.starts_with("**") {
            bold = !bold;
            rest = &rest[2..];
            continue;
        }
        rest = &rest[c.len_utf8()..];
        match c {
            '`' => code = !code,
            ' ' => words.push(vec![]),
            c => {
                let paint = match (code, bold) {
                    (true, _) => Paint::Note,
                    (false, true) => Paint::Bold,
                    (false, false) => Paint::Plain,
                };
                if let Some(word) = words.last_mut() {
                    match word.last_mut() {
                        Some((last, piece)) if *last == paint => piece.push(c),
                        _ => word.push((paint, c.to_string())),
                    }
                }
            }
        }
    }
    words.retain(|word| !word.is_empty());
    words
}

/// `[text](address)` as `text (address)`; one to another of our pages as the text alone, which says what to look at.
fn links(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('[') {
        let link = rest[at..].find("](").and_then(|middle| {
            let end = rest[at + middle..].find(')')?;
            Some((at + middle, at + middle + end))
        });
        let Some((middle, end)) = link else { break };
        let (label, address) = (&rest[at + 1..middle], &rest[middle + 2..end]);
        out.push_str(&rest[..at]);
        out.push_str(label);
        if address.starts_with("http") {
            out.extend([" (", address, ")"]);
        }
        rest = &rest[end + 1..];
    }
    out + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(page: &str, columns: usize, color: bool) -> String {
        let mut out = String::new();
        for line in render(page, columns, &UNICODE) {
            line.write(&mut out, color);
        }
        out
    }

    const PAGE: &str = "# `too-slow`\n\n> It was told, and was too slow.\n\nSome **words** and `code with spaces`, \
        and a [link](https://example.org/a) and [another page](graceful.md) that goes on.\n\n<!-- unseen -->\n```sh\n\
        docker stop -t 3 web # a line that is as long as it is, whatever the width\n```\n\n- one item that is too long \
        for one line of it\n  and goes on\n- two\n\n1. first\n\n## More\n\nEnd.\n";

    #[test]
    fn a_page_in_forty_columns() {
        insta::assert_snapshot!(text(PAGE, 40, false));
    }

    #[test]
    fn colours_are_for_headings_and_code() {
        let page = text(PAGE, 80, true);
        assert!(page.starts_with("\x1b[1;30;42m TOO-SLOW \x1b[0m\n"), "{page}");
        assert!(page.contains("\x1b[94mcode\x1b[0m \x1b[94mwith\x1b[0m"), "{page}");
        assert!(page.contains("\x1b[1mMore\x1b[0m"), "{page}");
    }

    /// What is below an item stays below it, line by line, with its own indentation and without the language.
    #[test]
    fn a_code_block_below_an_item_is_left_alone() {
        let page = "1. In a script:\n\n   ```sh\n   if a; then\n     # no heading\n     exec b\n   fi\n   ```\n\n   It ends.\n2. Or\n  ```js\n  c()\n  ```\n- d\n";
        assert_eq!(
            text(page, 40, false),
            "  1. In a script:\n\n       if a; then\n         # no heading\n         exec b\n       fi\n\n     It ends.\n  2. Or\n\n      c()\n\n  - d\n"
        );
    }

    /// A fence whose language is shown was taken for a paragraph.
    #[test]
    fn our_pages_show_no_fence() {
        for (file, page) in super::super::PAGES {
            let shown = text(page, 80, false);
            assert!(!shown.contains("```"), "{file}");
            for code in code_lines(page) {
                assert!(shown.lines().any(|line| line.trim() == code), "{file}: {code}");
            }
        }
    }

    /// The lines within fences, without their indentation.
    fn code_lines(page: &str) -> Vec<&str> {
        let mut code = false;
        let lines = page.lines().map(str::trim).filter(|line| {
            let fence = line.starts_with("```");
            code ^= fence;
            code && !fence
        });
        lines.collect()
    }

    #[test]
    fn pictures_in_ascii() {
        let mut out = String::new();
        let page = "```text\n└ sleep ──⊘──✖■\n```\nIt …\n";
        for line in render(page, 40, &ASCII) {
            line.write(&mut out, false);
        }
        assert_eq!(out, "    ` sleep --D--KX\n\n  It ~\n");
    }

    /// Code blocks are left alone; all else fits.
    #[test]
    fn our_pages_fit_a_narrow_terminal() {
        for (file, page) in super::super::PAGES {
            assert!(!page.lines().any(|line| line.starts_with('|')), "{file}: tables are not shown well");
            for columns in [80, 60] {
                for line in render(page, columns, &UNICODE) {
                    let code = line.pieces().first().is_some_and(|(_, piece)| piece.starts_with("    "));
                    let one_word = line.pieces().iter().map(|(_, piece)| piece.trim()).collect::<String>();
                    assert!(
                        code || line.width() <= columns || !one_word.contains(' '),
                        "{file} at {columns}: {:?}",
                        line.pieces()
                    );
                }
            }
        }
    }
}
