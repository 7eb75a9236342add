//! The pages that explain verdicts, causes, conditions and hints: their pictures are what a recording replays to, what
//! they link to is there, the commands they name can be typed; and `tracer explain`.

#![expect(clippy::unwrap_used, reason = "a test")]

use std::fs::File;
use std::io::BufReader;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use tracer_user::commands;
use tracer_user::manual::{PAGES, topics};
use tracer_user::model::{Change, News, Node};
use tracer_user::output::{Clock, Style, Text, View as _};
use tracer_user::stream::Reader;

/// Columns of the pictures: what a code block shows without scrolling, and the narrowest terminal that is usual.
const COLUMNS: usize = 80;

fn here() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn docs() -> PathBuf {
    here().parent().unwrap().join("docs")
}

/// Every page below docs/, with its text.
fn pages() -> Vec<(PathBuf, String)> {
    let mut found = Vec::new();
    let mut directories = vec![docs()];
    while let Some(directory) = directories.pop() {
        for entry in std::fs::read_dir(directory).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                directories.push(path);
            } else if path.extension().is_some_and(|extension| extension == "md") {
                found.push((path.clone(), std::fs::read_to_string(&path).unwrap()));
            }
        }
    }
    found.sort();
    assert!(found.len() > PAGES.len(), "{found:?}");
    found
}

/// Those, and the README: whatever has pictures of recordings.
fn pictured() -> Vec<(PathBuf, String)> {
    let readme = here().parent().unwrap().join("README.md");
    let text = std::fs::read_to_string(&readme).unwrap();
    assert!(text.contains("<!-- picture: "), "the README has none");
    [pages(), vec![(readme, text)]].concat()
}

/// The block that the text view writes for the first termination of a recording, or for its first condition.
fn block(recording: &str, condition: bool) -> String {
    let path = here().join("tests/scenarios").join(format!("{recording}.rec"));
    let file = File::open(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let reader = Reader::new(BufReader::new(file)).unwrap();
    let clock = Clock { boot_to_wall_ns: reader.start().boot_to_wall_ns };
    let mut node = Node::new();
    let mut changes = Vec::new();
    for event in reader {
        node.apply(&event.unwrap());
        changes.extend(node.take_changes());
    }
    node.conclude();
    changes.extend(node.take_changes());
    let wanted = |change: &&Change| match change.news {
        News::Termination(_) => !condition,
        News::Condition(_) => condition,
        _ => false,
    };
    let change = changes.iter().find(wanted).unwrap_or_else(|| panic!("{recording} tells none"));
    let mut view = Text::new(Vec::new(), clock, Style::default(), COLUMNS);
    view.show(change).unwrap();
    let text = String::from_utf8(view.into_inner()).unwrap();
    // the date is before it
    let block = text.trim_end().lines().skip_while(|line| !line.starts_with(['━', '─']));
    block.flat_map(|line| [line, "\n"]).collect()
}

/// A page with its pictures as the recordings have it: `<!-- picture: RECORDING -->`, or `RECORDING condition`.
fn drawn(page: &str) -> String {
    let mut out = String::new();
    let mut rest = page;
    while let Some(at) = rest.find("<!-- picture: ") {
        let (before, from) = rest.split_at(at);
        let (mark, after) = from.split_once("-->\n").expect("the mark ends with its line");
        let mut words = mark.trim_start_matches("<!-- picture: ").split_whitespace();
        let recording = words.next().expect("which recording");
        let body = after.strip_prefix("```text\n").expect("a block of text follows");
        let end = if body.starts_with("```") { 0 } else { body.find("\n```").expect("the block ends") + 1 };
        out.extend([before, mark, "-->\n```text\n", &block(recording, words.next() == Some("condition"))]);
        rest = &body[end..];
    }
    out + rest
}

/// `TRACER_UPDATE_DOCS=1 cargo test -p tracer-user --test explain` draws them anew.
#[test]
fn pictures_are_what_the_recordings_replay_to() {
    let mut stale = Vec::new();
    for (path, page) in pictured() {
        let now = drawn(&page);
        if now == page {
            continue;
        }
        if std::env::var_os("TRACER_UPDATE_DOCS").is_some() {
            std::fs::write(&path, now).unwrap();
        } else {
            stale.push(path);
        }
    }
    assert!(stale.is_empty(), "not current: {stale:?}; TRACER_UPDATE_DOCS=1 cargo test --test explain draws them anew");
}

#[test]
fn pictures_fit_eighty_columns() {
    for (path, page) in pictured() {
        for (_, after) in page.match_indices("<!-- picture: ").map(|(at, _)| page.split_at(at)) {
            let picture = after.split("```").nth(1).unwrap();
            let wide = picture.lines().find(|line| line.chars().count() > COLUMNS);
            assert_eq!(wide, None, "{}", path.display());
        }
    }
}

/// Links to files of ours, in every page, the README and their like.
#[test]
fn what_is_linked_to_is_there() {
    let root = here().parent().unwrap();
    let mut all = pages();
    for name in ["README.md", "ARCHITECTURE.md", "CONTRIBUTING.md", "LIMITATIONS.md", "CHANGELOG.md"] {
        all.push((root.join(name), std::fs::read_to_string(root.join(name)).unwrap()));
    }
    let mut links = 0;
    for (path, page) in all {
        for (at, _) in page.match_indices("](") {
            let target = page[at + 2..].split(')').next().unwrap();
            let file = target.split('#').next().unwrap();
            if file.is_empty() || file.contains("://") || file.contains(' ') {
                continue;
            }
            links += 1;
            let linked = path.parent().unwrap().join(file);
            assert!(linked.exists(), "{}: {target} is not there", path.display());
        }
    }
    assert!(links > 40, "{links}");
}

/// The commands of ours that a page tells to type.
fn told_commands(page: &str) -> Vec<String> {
    let spans = page.split('`').filter(|span| !span.contains('\n')).map(str::trim);
    let lines = page.lines().map(str::trim);
    let ours = |text: &&str| text.starts_with("tracer ") || text.starts_with("sudo tracer ");
    let mut commands: Vec<_> = spans.chain(lines).filter(ours).map(str::to_owned).collect();
    commands.sort();
    commands.dedup();
    commands
}

/// The words of a command, up to a pipe or a remark.
fn words(command: &str) -> Vec<String> {
    let (mut words, mut word, mut quote) = (Vec::new(), String::new(), None);
    for c in command.chars() {
        match (quote, c) {
            (None, '|' | '#' | ';' | '>') => break,
            (None, '\'' | '"') => quote = Some(c),
            (Some(open), c) if c == open => quote = None,
            (None, ' ') => words.extend((!word.is_empty()).then(|| std::mem::take(&mut word))),
            (_, c) => word.push(c),
        }
    }
    words.extend((!word.is_empty()).then_some(word));
    words.into_iter().skip_while(|word| word == "sudo").collect()
}

#[test]
fn the_commands_that_pages_tell_can_be_typed() {
    let mut checked = 0;
    for (path, page) in pages() {
        for command in told_commands(&page) {
            // what is no command line but a part of a sentence, and what stands for a word
            let sentence = command.contains(['…', ',', '[', '<']) && !command.contains("--");
            let words = words(&command);
            if sentence || words.iter().any(|word| word == "WORD" || word == "VERDICT" || word == "SHELL") {
                continue;
            }
            // a command that is only named: what it cannot do without is no part of its name
            let named =
                || words.len() == 2 && commands::understands(&[&words[..], &["--help".to_owned()]].concat()).is_ok();
            if let Err(error) = commands::understands(&words).or_else(|error| named().then_some(()).ok_or(error)) {
                // the beginning of a line of text, as "tracer says so"
                let prose = page.lines().any(|line| line.trim() == command) && !page.contains(&format!("`{command}"));
                assert!(prose && !is_in_a_block(&page, &command), "{}: {command:?}: {error}", path.display());
                continue;
            }
            checked += 1;
        }
    }
    assert!(checked > 20, "{checked}");
}

/// Whether a line stands in a code block.
fn is_in_a_block(page: &str, wanted: &str) -> bool {
    page.split("```").skip(1).step_by(2).any(|block| block.lines().any(|line| line.trim() == wanted))
}

fn tracer(args: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tracer"));
    command.args(args).env("COLUMNS", "80").stdin(Stdio::null()).output().expect("the binary starts")
}

#[test]
fn each_word_is_explained() {
    for topic in topics() {
        let output = tracer(&["explain", topic.slug]);
        let text = String::from_utf8(output.stdout).unwrap();
        assert!(output.status.success(), "{}", topic.slug);
        assert!(text.starts_with(&format!(" {}", topic.slug.to_uppercase())) || text.starts_with(topic.slug), "{text}");
        assert!(text.lines().count() > 8 && !text.contains("<!--") && !text.contains("```"), "{text}");
    }
    let two = String::from_utf8(tracer(&["explain", "graceful", "TOO-EARLY"]).stdout).unwrap();
    assert!(two.starts_with(" GRACEFUL\n") && two.contains("\ntoo-early\n"), "{two}");
}

#[test]
fn without_a_word_all_are_listed() {
    let output = tracer(&["explain"]);
    let text = String::from_utf8(output.stdout).unwrap();
    let flat = text.split_whitespace().collect::<Vec<_>>().join(" ");
    for topic in topics() {
        assert!(flat.contains(&format!("{} {}", topic.slug, topic.summary)), "{}: {text}", topic.slug);
    }
    assert!(text.lines().all(|line| line.chars().count() <= 80), "{text}");
}

#[test]
fn another_word_is_a_usage_error_that_names_the_nearest() {
    let output = tracer(&["explain", "sigterm-droped"]);
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2), "{said}");
    assert!(said.contains("a similar value exists: 'sigterm-dropped'"), "{said}");
    assert!(output.stdout.is_empty());
}

/// The questions are numbered in order, and one or several of them are followed by what to type.
#[test]
fn each_question_says_what_to_type() {
    let page = std::fs::read_to_string(docs().join("questions.md")).unwrap();
    let asked = |line: &str| line.strip_prefix("**")?.split_once(". ")?.0.parse::<usize>().ok();
    let numbers: Vec<_> = page.lines().filter_map(asked).collect();
    assert_eq!(numbers, (1..=30).collect::<Vec<_>>());
    let mut open = Vec::new();
    for line in page.lines() {
        if line.contains("`tracer ") || line.contains("`sudo tracer ") {
            open.clear();
        } else if let Some(number) = asked(line) {
            open.push(number);
        } else if line.starts_with("<!--") || line.is_empty() {
            assert!(open.is_empty(), "nothing to type for {open:?}");
        }
    }
    assert!(open.is_empty(), "nothing to type for {open:?}");
}

#[test]
fn completions_offer_the_words() {
    let script = String::from_utf8(tracer(&["completions", "bash"]).stdout).unwrap();
    for topic in topics() {
        assert!(script.contains(topic.slug), "{}", topic.slug);
    }
}
