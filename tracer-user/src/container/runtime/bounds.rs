//! What strangers write is kept up to a size, and ids are ids.

use std::collections::BTreeMap;

/// Bounds, in bytes: of a label's value, of any other text, of all labels together; and how many of a kind are kept.
pub(super) const MAX_LABEL: usize = 64 << 10;
pub(super) const MAX_TEXT: usize = 4 << 10;
pub(super) const MAX_ALL_LABELS: usize = 256 << 10;
pub(super) const MAX_LABELS: usize = 512;
pub(super) const MAX_ARGUMENTS: usize = 256;

/// Labels by their names.
pub(super) type Labels = BTreeMap<String, String>;

/// Whether `id` may be asked for: it becomes part of a request's path. Runtimes make hexadecimal ones.
pub(super) fn is_id(id: &str) -> bool {
    (12..=128).contains(&id.len()) && id.bytes().all(|b| b.is_ascii_hexdigit())
}

/// Whether an answer about `told` is one to the question about `asked`, which may be the beginning of an id.
pub(super) fn answers(told: &str, asked: &str) -> bool {
    is_id(told) && told.starts_with(asked)
}

/// A text that says something, cut.
pub(super) fn text(text: &str) -> Option<String> {
    (!text.is_empty()).then(|| cut(text, MAX_TEXT))
}

/// A command and its arguments, cut.
pub(super) fn command<'a>(words: impl IntoIterator<Item = &'a str>) -> Vec<String> {
    words.into_iter().take(MAX_ARGUMENTS).map(|word| cut(word, MAX_TEXT)).collect()
}

/// As many labels as there is room for, in the order of their names, so that it is always the same ones. Of two with
/// the same name the first one counts.
pub(super) fn labels(all: impl IntoIterator<Item = (String, String)>) -> Labels {
    let mut sorted = Labels::new();
    for (name, value) in all.into_iter().filter(|(name, _)| name.len() <= MAX_TEXT) {
        sorted.entry(name).or_insert(value);
    }
    let mut room = MAX_ALL_LABELS;
    let fitting = sorted.into_iter().take(MAX_LABELS).map_while(|(name, value)| {
        let value = cut(&value, MAX_LABEL);
        room = room.checked_sub(name.len() + value.len())?;
        Some((name, value))
    });
    fitting.collect()
}

fn cut(text: &str, bytes: usize) -> String {
    text[..text.floor_char_boundary(bytes)].to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_that_are_none() {
        for id in ["", "../../version", "abc", "6ea1b4602822?x=y", "6ea1b4602822/../x"] {
            assert!(!is_id(id), "{id}");
        }
        assert!(answers("6ea1b4602822bd02", "6ea1b4602822") && !answers("6ea1b4602822", "6ea1b4602822bd02"));
        assert!(!answers("6ea1b4602822/../x", "6ea1b4602822"));
    }

    #[test]
    fn labels_are_bounded_and_the_first_of_a_name_counts() {
        let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        assert_eq!(
            labels([pair("a", "own"), pair("a", "pod's"), pair("b", "")]),
            [pair("a", "own"), pair("b", "")].into()
        );
        let many = labels((0..2000).map(|n| (format!("label-{n:04}"), "x".to_owned())));
        assert_eq!((many.len(), many.contains_key("label-0511")), (MAX_LABELS, true));
        let long = "é".repeat(100_000);
        let big = labels((0..2000).map(|n| (format!("label-{n:04}"), long.clone())));
        assert_eq!(big.len(), 3, "three of 64 KiB and their names");
        assert!(big.contains_key("label-0002") && big.values().all(|value| value.len() == MAX_LABEL));
        assert_eq!(labels([("x".repeat(MAX_TEXT + 1), String::new())]), Labels::new());
    }

    #[test]
    fn texts_are_bounded() {
        assert_eq!(text(&"é".repeat(5000)).map(|text| text.len()), Some(MAX_TEXT));
        assert_eq!(text(""), None);
        let words = command(vec!["x"; 1000]);
        assert_eq!(words.len(), MAX_ARGUMENTS);
    }
}
