//! The pages of `docs/` that explain verdicts, causes, conditions and hints, as `tracer explain` prints them. They are in
//! the binary: whoever has it on a node has them there.
//!
//! A page is Markdown. What explains a word of a closed set begins with a heading that is this word in backticks, and
//! with its summary as a quotation; it goes on to the next heading of the same level or a higher one.

mod render;

pub(crate) use render::render;

use crate::model::{Cause, ConditionKind, HintKind, Verdict};

/// What kind of word is explained.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// Why a container ended the way it did.
    Verdict,
    /// More about why.
    Cause,
    /// Something wrong that is not the end of a container.
    Condition,
    /// A remark beside a verdict.
    Hint,
}

impl Kind {
    /// All of them, in the order in which they are listed.
    pub const ALL: [Self; 4] = [Self::Verdict, Self::Cause, Self::Condition, Self::Hint];

    /// As a heading.
    #[must_use]
    pub const fn title(self) -> &'static str {
        match self {
            Self::Verdict => "Verdicts",
            Self::Cause => "Causes",
            Self::Condition => "Conditions",
            Self::Hint => "Hints",
        }
    }
}

/// The pages, each with its file in `docs/`.
pub const PAGES: [(&str, &str); 13] = [
    ("verdicts/graceful.md", include_str!("../../../docs/verdicts/graceful.md")),
    ("verdicts/sigterm-dropped.md", include_str!("../../../docs/verdicts/sigterm-dropped.md")),
    ("verdicts/sigterm-ignored.md", include_str!("../../../docs/verdicts/sigterm-ignored.md")),
    ("verdicts/sigterm-blocked.md", include_str!("../../../docs/verdicts/sigterm-blocked.md")),
    ("verdicts/not-forwarded.md", include_str!("../../../docs/verdicts/not-forwarded.md")),
    ("verdicts/too-slow.md", include_str!("../../../docs/verdicts/too-slow.md")),
    ("verdicts/default-action.md", include_str!("../../../docs/verdicts/default-action.md")),
    ("verdicts/oom-killed.md", include_str!("../../../docs/verdicts/oom-killed.md")),
    ("verdicts/killed.md", include_str!("../../../docs/verdicts/killed.md")),
    ("verdicts/crashed.md", include_str!("../../../docs/verdicts/crashed.md")),
    ("verdicts/exited.md", include_str!("../../../docs/verdicts/exited.md")),
    ("conditions.md", include_str!("../../../docs/conditions.md")),
    ("hints.md", include_str!("../../../docs/hints.md")),
];

/// A word that is explained.
#[derive(Clone, Copy, Debug)]
pub struct Topic {
    /// The word.
    pub slug: &'static str,
    /// What it is.
    pub kind: Kind,
    /// The file in `docs/` that explains it.
    pub file: &'static str,
    /// What it means, in a line.
    pub summary: &'static str,
    /// Markdown: the whole of what explains it.
    pub text: &'static str,
}

/// Every word of the closed sets: a page that lacks one fails a test.
#[must_use]
pub fn topics() -> Vec<Topic> {
    let words = Verdict::ALL.iter().map(|verdict| (Kind::Verdict, verdict.slug()));
    let words = words.chain(Cause::ALL.iter().map(|cause| (Kind::Cause, cause.slug())));
    let words = words.chain(ConditionKind::ALL.iter().map(|condition| (Kind::Condition, condition.slug())));
    let words = words.chain(HintKind::ALL.iter().map(|hint| (Kind::Hint, hint.slug())));
    words.filter_map(|(kind, slug)| topic(kind, slug)).collect()
}

/// What explains a word, if one of the pages does.
fn topic(kind: Kind, slug: &'static str) -> Option<Topic> {
    PAGES.iter().find_map(|&(file, page)| {
        let text = section(page, slug)?;
        let summary = text.lines().find_map(|line| line.strip_prefix("> "))?;
        Some(Topic { slug, kind, file, summary, text })
    })
}

/// From the heading that is the word to the next one that is not below it.
fn section(page: &'static str, slug: &str) -> Option<&'static str> {
    let (start, level) = headings(page).find_map(|(at, level, title)| {
        let named = title.strip_prefix('`').and_then(|rest| rest.strip_suffix('`')) == Some(slug);
        named.then_some((at, level))
    })?;
    let end = headings(page).find(|&(at, other, _)| at > start && other <= level).map_or(page.len(), |(at, ..)| at);
    Some(page[start..end].trim_end())
}

/// Where each heading is, its level, and what it says. What looks like one in a code block is none.
fn headings(page: &'static str) -> impl Iterator<Item = (usize, usize, &'static str)> {
    let (mut at, mut code) = (0, false);
    page.split_inclusive('\n').filter_map(move |line| {
        let here = at;
        at += line.len();
        code ^= line.trim_start().starts_with("```");
        let title = line.trim_start_matches('#');
        let level = line.len() - title.len();
        (!code && level > 0 && title.starts_with(' ')).then(|| (here, level, title.trim()))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_word_of_the_closed_sets_has_its_page() {
        let known = Verdict::ALL.len() + Cause::ALL.len() + ConditionKind::ALL.len() + HintKind::ALL.len();
        let topics = topics();
        assert_eq!(topics.len(), known, "{:?}", topics.iter().map(|topic| topic.slug).collect::<Vec<_>>());
        let slugs: std::collections::BTreeSet<_> = topics.iter().map(|topic| topic.slug).collect();
        assert_eq!(slugs.len(), known, "a word means one thing");
        for topic in &topics {
            let Topic { slug, summary, text, .. } = topic;
            assert!(summary.ends_with('.') && summary.chars().count() <= 100, "{slug}: {summary}");
            assert!(text.lines().count() >= 8, "{slug} is explained in {} lines", text.lines().count());
        }
    }

    #[test]
    fn a_verdict_has_a_page_of_its_own() {
        for verdict in Verdict::ALL {
            let topic = topic(Kind::Verdict, verdict.slug()).expect("a page");
            assert_eq!(topic.file, format!("verdicts/{verdict}.md"));
            for part in [
                "## Why the kernel does this",
                "## How to recognise it",
                "## What to change",
                "## Easily confused with",
            ] {
                assert!(topic.text.contains(&format!("\n{part}\n")), "{verdict} has no part {part:?}");
            }
            assert!(topic.text.contains("<!-- picture: "), "{verdict} has no picture");
        }
    }

    #[test]
    fn what_looks_like_a_heading_in_a_code_block_is_none() {
        let page = "# `one`\n\n> It.\n\n```sh\n# no\n```\n\n## More\n\n# `two`\n";
        assert_eq!(section(page, "one"), Some("# `one`\n\n> It.\n\n```sh\n# no\n```\n\n## More"));
        assert_eq!(section(page, "no"), None);
    }
}
