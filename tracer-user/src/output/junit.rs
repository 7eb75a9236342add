//! JUnit XML, as CI servers read it: one suite with one case a check.

use std::fmt::Write as _;

use super::Clock;
use super::text::{Style, block, glyphs::Glyphs};
use crate::check::Report;

/// Columns of the picture.
const WIDTH: usize = 100;

/// The report as a whole document.
#[must_use]
pub fn junit(report: &Report, clock: Clock) -> String {
    let name = text(&report.name);
    let (begun, over) = report.time;
    let seconds = format!("{}.{:03}", over.ms_since(begun) / 1000, over.ms_since(begun) % 1000);
    let (failures, errors) = match (report.passed(), &report.error) {
        (true, _) => (0, 0),
        (false, Some(_)) => (0, 1),
        (false, None) => (1, 0),
    };
    let at = text(&clock.rfc3339(begun).to_string());
    let mut xml = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites>\n  <testsuite name=\"tracer check\" tests=\"1\" \
         failures=\"{failures}\" errors=\"{errors}\" skipped=\"0\" time=\"{seconds}\" timestamp=\"{at}\">\n    <testcase \
         classname=\"tracer.check\" name=\"{name}\" time=\"{seconds}\">\n"
    );
    if !report.passed() {
        let element = if errors > 0 { "error" } else { "failure" };
        let kind = report.verdict().filter(|_| errors == 0).map_or("not-checked", |verdict| verdict.slug());
        let message = text(&report.to_string());
        let more = text(&why(report));
        element_with(&mut xml, element, &format!(" type=\"{kind}\" message=\"{message}\""), &more);
    }
    let picture = report.termination.as_ref().map(|termination| {
        let mut page = String::new();
        for line in block::termination(termination, clock, WIDTH, Glyphs::of(Style::default())) {
            line.write(&mut page, false);
        }
        page
    });
    let mut said = picture.unwrap_or_default();
    for warning in &report.warnings {
        writeln!(said, "warning: {warning}").unwrap_or_default();
    }
    element_with(&mut xml, "system-out", "", &text(&said));
    element_with(&mut xml, "system-err", "", &text(&report.output.join("\n")));
    xml.push_str("    </testcase>\n  </testsuite>\n</testsuites>\n");
    xml
}

/// What happened and what to change.
fn why(report: &Report) -> String {
    let Some(termination) = report.termination.as_ref().filter(|_| report.error.is_none()) else {
        return String::new();
    };
    let fix = termination.fix.as_ref().map(|fix| format!("\nFix: {fix}")).unwrap_or_default();
    format!("{}{fix}", termination.explanation)
}

/// Nothing when there is nothing in it.
fn element_with(xml: &mut String, name: &str, attributes: &str, content: &str) {
    if !content.is_empty() || !attributes.is_empty() {
        // writing to a String cannot fail
        writeln!(xml, "      <{name}{attributes}>{content}</{name}>").unwrap_or_default();
    }
}

/// Text for an element or an attribute. What XML 1.0 has no way to write (most control characters) becomes U+FFFD, and a
/// line break a reference, so that an attribute keeps it.
fn text(text: &str) -> String {
    let mut xml = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => xml.push_str("&amp;"),
            '<' => xml.push_str("&lt;"),
            '>' => xml.push_str("&gt;"),
            '"' => xml.push_str("&quot;"),
            '\'' => xml.push_str("&apos;"),
            '\n' => xml.push_str("&#10;"),
            '\t' => xml.push_str("&#9;"),
            // https://www.w3.org/TR/xml/#charsets, and the C1 controls, which a terminal may obey
            '\0'..='\u{1f}' | '\u{7f}'..='\u{9f}' | '\u{fffe}' | '\u{ffff}' => xml.push('\u{fffd}'),
            c => xml.push(c),
        }
    }
    xml
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::tests::report;
    use crate::model::Verdict;
    use crate::output::fixtures;

    #[test]
    fn what_xml_forbids_is_not_in_it() {
        assert_eq!(text("a<b & \"c\" 'd'>\n"), "a&lt;b &amp; &quot;c&quot; &apos;d&apos;&gt;&#10;");
        assert_eq!(text("\u{1b}[2J\0\u{ffff}\u{9b}é\r"), "\u{fffd}[2J\u{fffd}\u{fffd}\u{fffd}é\u{fffd}");
    }

    #[test]
    fn a_failure_says_why_and_what_to_change() {
        let dropped = fixtures::dropped();
        let fix = text(dropped.fix.as_deref().expect("there is one"));
        let xml = junit(&report(Some(dropped), &[Verdict::Graceful]), Clock::default());
        assert!(xml.contains("tests=\"1\" failures=\"1\" errors=\"0\""), "{xml}");
        assert!(
            xml.contains("<failure type=\"sigterm-dropped\" message=\"check failed: sigterm-dropped instead"),
            "{xml}"
        );
        assert!(xml.contains(&format!("&#10;Fix: {fix}</failure>")), "{xml}");
        assert!(xml.contains("time=\"4.500\"") && xml.contains("SIGTERM DROPPED"), "{xml}");
        assert!(xml.contains("<system-err>listening</system-err>"), "{xml}");
    }

    #[test]
    fn a_pass_has_a_picture_and_no_failure() {
        let xml = junit(&report(Some(fixtures::graceful()), &[Verdict::Graceful]), Clock::default());
        assert!(xml.contains("failures=\"0\" errors=\"0\"") && xml.contains("<system-out>"), "{xml}");
        assert!(!xml.contains("<failure") && !xml.contains("<error"), "{xml}");
    }

    #[test]
    fn what_could_not_be_checked_is_an_error() {
        let broken = Report { error: Some("cannot run <x>".to_owned()), ..report(None, &[Verdict::Graceful]) };
        let xml = junit(&broken, Clock::default());
        assert!(xml.contains("errors=\"1\""), "{xml}");
        assert!(xml.contains("<error type=\"not-checked\" message=\"check failed: cannot run &lt;x&gt;\">"), "{xml}");
    }
}
