//! Commands and code in a sentence: what Markdown shows in backticks. Pure.
//!
//! The sentences of the model are plain text, as terminals and other programs want them. What is code in them is told by
//! its looks, so a word may be missed; none is lost or changed.

use crate::printable;

use super::escaped;

/// A sentence from the model as Markdown, with what is code in backticks and all the rest escaped.
pub(super) fn marked(text: &str) -> String {
    let text = printable::text(text);
    let mut page = String::with_capacity(text.len() + 16);
    match recipe(&text) {
        Some((from, to)) => {
            sentence(&mut page, &text[..from]);
            span(&mut page, &text[from..to]);
            sentence(&mut page, &text[to..]);
        }
        None => sentence(&mut page, &text),
    }
    page
}

/// Where lines of a shell are: `PROGRAM … & pid=$!; trap '…' TERM; wait $pid`, after a colon.
fn recipe(text: &str) -> Option<(usize, usize)> {
    let background = text.find(" & ")?;
    let from = text[..background].rfind(": ")? + 2;
    let to = ["wait $pid", "wait $a $b"].iter().filter_map(|end| Some(text.rfind(end)? + end.len())).max()?;
    (background < to).then_some((from, to))
}

fn sentence(page: &mut String, text: &str) {
    let words: Vec<&str> = text.split(' ').collect();
    let mut at = 0;
    while at < words.len() {
        if at > 0 {
            page.push(' ');
        }
        let count = code(&words[at..]);
        if count == 0 {
            page.push_str(&escaped(words[at]));
            at += 1;
            continue;
        }
        let all = words[at..at + count].join(" ");
        let (before, inner, after) = trimmed(&all);
        page.push_str(&escaped(before));
        span(page, inner);
        page.push_str(&escaped(after));
        at += count;
    }
}

fn span(page: &mut String, code: &str) {
    if code.is_empty() || code.contains(['`', '|']) {
        page.push_str(&escaped(code));
    } else {
        page.push('`');
        page.push_str(code);
        page.push('`');
    }
}

/// Without the punctuation of the sentence around it: a bracket belongs to it where the other one is in it, too.
fn trimmed(text: &str) -> (&str, &str, &str) {
    let start = usize::from(text.starts_with('('));
    let mut end = text.len();
    while let Some(last) = text[start..end].chars().last() {
        let loose = match last {
            ',' | ';' | ':' | '.' => true,
            ')' => depth(&text[start..end]) < 0,
            _ => false,
        };
        if !loose {
            break;
        }
        end -= last.len_utf8();
    }
    (&text[..start], &text[start..end], &text[end..])
}

/// Brackets that are open at the end of a text; less than none where too many are closed.
fn depth(text: &str) -> i32 {
    text.chars().fold(0, |depth, c| match c {
        '(' | '[' | '{' => depth + 1,
        ')' | ']' | '}' => depth - 1,
        _ => depth,
    })
}

/// How many words from the first one on are code.
fn code(words: &[&str]) -> usize {
    let first = words[0].trim_start_matches('(');
    let next = words.get(1).copied().unwrap_or_default();
    let (own, ends) = (trimmed(words[0]).1, trimmed(words[0]).2);
    let begin = match first {
        "docker" | "crictl" | "STOPSIGNAL" | "CMD" | "ENTRYPOINT" if !next.is_empty() => 2,
        "kubectl" if !next.is_empty() => 2 + usize::from(words.get(2).is_some_and(|word| trimmed(word).1 == "pod")),
        "npm" if trimmed(next).1 == "start" => 2,
        "exec" if words.get(2).is_some_and(|word| word.starts_with('…')) || trimmed(next).1 == "PROGRAM" => 2,
        "trap" if next.starts_with('\'') => 2 + usize::from(next.len() > 1 && words.len() > 2),
        program if takes_flags(program) && next.starts_with('-') => 1,
        _ if next == "=" && words.len() > 2 => 3,
        _ if ends == ":" && is_key(own) && words.len() > 1 => 2,
        _ if looks_like_code(own) => 1,
        _ => return 0,
    };
    let mut count = begin;
    // its brackets and quotes are closed, and what belongs to the command follows
    while count < words.len() {
        let so_far = words[..count].join(" ");
        let so_far = so_far.trim_start_matches('(');
        let last = words[count - 1];
        let open = depth(so_far) > 0 || so_far.matches('\'').count() % 2 == 1;
        let ended = last.ends_with([',', ';', '.', ':', ')']) && !last.ends_with("…)") && depth(so_far) <= 0;
        let more = words[count].starts_with('…')
            || (words[count].starts_with('-') && words[count].len() > 1)
            || words[count].starts_with('{')
            || (last == "--stop-signal")
            || (first == "nginx" && words[count].starts_with('\''));
        let command = begin > 1 || last.starts_with('-') || takes_flags(first);
        if !(open || (more && command && !ended)) {
            break;
        }
        count += 1;
    }
    count
}

/// Programs that are told with an option of theirs.
fn takes_flags(word: &str) -> bool {
    matches!(word, "tini" | "catatonit" | "dumb-init" | "umount" | "uwsgi" | "nginx")
}

/// `shareProcessNamespace`, `spec.os.name`: what a value may follow.
fn is_key(word: &str) -> bool {
    is_camel(word) || is_dotted(word)
}

fn is_camel(word: &str) -> bool {
    let small = word.chars().take_while(char::is_ascii_lowercase).count();
    small >= 2 && word.chars().all(|c| c.is_ascii_alphanumeric()) && word.chars().any(|c| c.is_ascii_uppercase())
}

fn is_dotted(word: &str) -> bool {
    let mut parts = word.split('.');
    word.contains('.')
        && parts.all(|part| {
            part.starts_with(|c: char| c.is_ascii_alphabetic())
                && part.chars().all(|c| c.is_ascii_alphanumeric() || c == '-')
        })
}

fn looks_like_code(word: &str) -> bool {
    let is_flag = word.len() > 2 && word.starts_with('-');
    let is_call = word.split_once('(').is_some_and(|(name, _)| {
        !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '_'))
    });
    let is_path = word.len() > 1 && word.starts_with('/');
    let has_signs = word.contains(['_', '=', '$']) && !word.starts_with("SIG_");
    is_flag || is_call || is_path || has_signs || is_key(word)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_code_is_in_backticks() {
        for (text, expect) in [
            (
                "Let gunicorn replace the shell: exec gunicorn … as the last line, or the exec form (CMD [\"gunicorn\", …], not CMD gunicorn …). Or pass it on: gunicorn … & pid=$!; trap 'kill -TERM $pid; wait $pid' TERM; wait $pid. docker run --init alone is not enough.",
                "Let gunicorn replace the shell: `exec gunicorn …` as the last line, or the exec form (`CMD [\"gunicorn\", …]`, not `CMD gunicorn …`). Or pass it on: `gunicorn … & pid=$!; trap 'kill -TERM $pid; wait $pid' TERM; wait $pid`. `docker run --init` alone is not enough.",
            ),
            (
                "Handle SIGTERM in the program: signal.signal(signal.SIGTERM, lambda *_: sys.exit(0)), and clean up. Or put an init before it (docker run --init; or ENTRYPOINT [\"tini\", \"--\", …]): it then dies.",
                "Handle SIGTERM in the program: `signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))`, and clean up. Or put an init before it (`docker run --init`; or `ENTRYPOINT [\"tini\", \"--\", …]`): it then dies.",
            ),
            (
                "Handle SIGTERM: $SIG{TERM} = sub { exit 0 }. Go: signal.Notify(c, syscall.SIGTERM); Node: process.on('SIGTERM', …).",
                "Handle SIGTERM: `$SIG{TERM} = sub { exit 0 }`. Go: `signal.Notify(c, syscall.SIGTERM)`; Node: `process.on('SIGTERM', …)`.",
            ),
            (
                "STOPSIGNAL SIGINT in the Dockerfile (docker run --stop-signal SIGINT; or lifecycle.stopSignal: SIGINT in the pod, and spec.os.name: linux).",
                "`STOPSIGNAL SIGINT` in the Dockerfile (`docker run --stop-signal SIGINT`; or `lifecycle.stopSignal: SIGINT` in the pod, and `spec.os.name: linux`).",
            ),
            (
                "in a pod, shareProcessNamespace: true lets the pause process reap. Set die-on-term = true (uwsgi --die-on-term).",
                "in a pod, `shareProcessNamespace: true` lets the pause process reap. Set `die-on-term = true` (`uwsgi --die-on-term`).",
            ),
            (
                "Or let tini signal the whole group (tini -g -- …), if its own child ends last: tini ends with that.",
                "Or let tini signal the whole group (`tini -g -- …`), if its own child ends last: tini ends with that.",
            ),
            (
                "Use docker stop, which asks first, instead of docker rm -f; kubectl delete pod, too.",
                "Use `docker stop`, which asks first, instead of `docker rm -f`; `kubectl delete pod`, too.",
            ),
            (
                "look for signal(SIGTERM, SIG_IGN) in the program, trap '' TERM in a script, or nohup",
                "look for `signal(SIGTERM, SIG_IGN)` in the program, `trap '' TERM` in a script, or nohup",
            ),
            (
                "Look at /proc/4670/stack (as root). It is a program's own log, 10 s (PID 1): no.",
                "Look at `/proc/4670/stack` (as root). It is a program's own log, 10 s (PID 1): no.",
            ),
        ] {
            assert_eq!(marked(text), expect);
        }
    }

    #[test]
    fn what_strangers_wrote_stays_text() {
        for hostile in
            ["exec `id` … now", "a_b`c", "exec a|b … now", "CMD [\"`\", …] x", "& : wait $pid", "", " ", "(("]
        {
            let page = marked(hostile);
            let fences = page.replace("\\`", "").matches('`').count();
            assert_eq!(fences % 2, 0, "{page}");
        }
        assert_eq!(marked("exec `id` … now"), r"exec \`id\` … now");
    }

    /// Nothing is lost: without the marks it is what the model said.
    #[test]
    fn all_of_it_is_there() {
        use crate::model::{Cause, Fault, Verdict, fix_for};
        use crate::signal::Signal;
        for &verdict in Verdict::ALL {
            for &cause in Cause::ALL {
                for program in ["sh", "node", "python3", "java", "tini", "nginx", "php-fpm", "redis", "perl"] {
                    let kind = crate::model::Program::of(program, None);
                    let fault = Fault::new(verdict, Some(cause), kind, Some(Signal::TERM), "app (PID 1)");
                    let Some(fix) = fix_for(&fault.with_below(Some("app"))) else { continue };
                    let page = marked(&fix);
                    assert_eq!(plain(&page), fix.replace('\\', ""), "{page}");
                }
            }
        }
    }

    fn plain(page: &str) -> String {
        page.replace(['\\', '`'], "").replace("&amp;", "&").replace("&#64;", "@")
    }
}
