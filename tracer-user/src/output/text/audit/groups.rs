//! Containers with the same fault told together: a hundred pods of one image are one block.

use std::collections::HashMap;

use crate::audit::{Audited, Foreseen, Note, NoteKind};
use crate::model::Cause;
use crate::signal::Signal;

use super::super::block::prose;
use super::super::glyphs::Glyphs;
use super::super::line::{Line, Paint, safe};
use super::super::words;
use super::{caution, headline, mark};

/// What makes the block of one container that of another, too.
#[derive(PartialEq, Eq, Hash)]
struct Key<'a> {
    foreseen: Foreseen,
    cause: Option<Cause>,
    signal: Signal,
    fix: &'a str,
    certain: bool,
}

/// `None` for one that is told alone: there is nothing to be mended, or zombies of its own beside it.
fn key(audited: &Audited) -> Option<Key<'_>> {
    let finding = &audited.finding;
    let fix = finding.fix.as_deref().filter(|_| audited.subject.zombies.count == 0)?;
    Some(Key {
        foreseen: finding.foreseen,
        cause: finding.cause,
        signal: audited.subject.stop.signal,
        fix,
        certain: finding.certain,
    })
}

/// Those that have the same fault, at the place of the first of them.
pub(super) fn groups<'a>(containers: impl Iterator<Item = &'a Audited>) -> Vec<Vec<&'a Audited>> {
    let mut groups: Vec<Vec<&Audited>> = Vec::new();
    let mut known: HashMap<Key<'_>, usize> = HashMap::new();
    for audited in containers {
        let at = key(audited).map_or(groups.len(), |key| *known.entry(key).or_insert(groups.len()));
        match groups.get_mut(at) {
            Some(group) => group.push(audited),
            None => groups.push(vec![audited]),
        }
    }
    groups
}

/// The block of several containers with the same fault, of which `first` is one.
pub(super) fn block(first: &Audited, group: &[&Audited], limit: usize, glyphs: &Glyphs) -> Vec<Line> {
    let (mark, paint) = mark(first, glyphs);
    let mut title = Line::default();
    title.push(paint, &format!("{mark} "));
    title.push(Paint::Bold, &format!("{} containers", group.len()));
    title.push(Paint::Plain, &format!(": {}", headline(first)));
    title.cut(limit, glyphs);
    let mut lines = vec![title];
    let why = &first.finding.explanation;
    let names = group.iter().map(|one| words::full_container(&one.subject.container, usize::MAX, glyphs));
    if group.iter().all(|one| one.finding.explanation == *why) {
        prose(&mut lines, ("Which", Paint::Bold), Paint::Plain, &names.collect::<Vec<_>>().join(", "), limit, glyphs);
        prose(&mut lines, ("Why", Paint::Bold), Paint::Plain, why, limit, glyphs);
    } else {
        lines.extend(group.iter().zip(names).map(|(one, name)| {
            let mut line = Line::default();
            line.push(Paint::Bold, &format!("  {name}"));
            line.push(Paint::Plain, &format!(": {}", safe(&one.finding.explanation, glyphs)));
            line.cut(limit, glyphs);
            line
        }));
    }
    if let Some(fix) = &first.finding.fix {
        prose(&mut lines, ("Fix", Paint::Good), Paint::Plain, fix, limit, glyphs);
    }
    for text in notes(group) {
        prose(&mut lines, ("Note", Paint::Warn), Paint::Plain, &text, limit, glyphs);
    }
    caution(&mut lines, first, limit, glyphs);
    lines
}

/// Of each kind of note the first, with how many have it.
fn notes(group: &[&Audited]) -> Vec<String> {
    let mut kinds: Vec<(NoteKind, &Note, usize)> = Vec::new();
    for note in group.iter().flat_map(|one| &one.finding.notes) {
        match kinds.iter_mut().find(|(kind, ..)| *kind == note.note) {
            Some((.., count)) => *count += 1,
            None => kinds.push((note.note, note, 1)),
        }
    }
    let told = kinds.into_iter().map(|(_, note, count)| match count {
        1 => format!("{} So in one of them.", note.text),
        count if count == group.len() => format!("{} So, or alike, in all of them.", note.text),
        count => format!("{} So, or alike, in {count} of them.", note.text),
    });
    told.collect()
}
