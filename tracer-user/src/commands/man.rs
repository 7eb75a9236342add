//! `tracer man`: the man page, made from the same source as `--help`.

use std::io::Write as _;
use std::process::ExitCode;

use clap::{Arg, Command};
use clap_mangen::Man;
use clap_mangen::roff::{Inline, Roff, bold, italic, roman};

use super::options::print;

pub(super) fn run(command: Command) -> anyhow::Result<ExitCode> {
    print(&page(command)?)?;
    Ok(ExitCode::SUCCESS)
}

fn page(command: Command) -> std::io::Result<Vec<u8>> {
    let mut page = Vec::new();
    let command = command.disable_help_flag(true);
    let man = Man::new(command.clone());
    man.render_title(&mut page)?;
    man.render_name_section(&mut page)?;
    synopsis(&command).to_writer(&mut page)?;
    man.render_description_section(&mut page)?;
    man.render_options_section(&mut page)?;
    commands(&command).to_writer(&mut page)?;
    for sub in command.get_subcommands().filter(|sub| !sub.is_hide_set()) {
        render_sub(sub, &mut page)?;
    }
    verbatim(&command, "SH").to_writer(&mut page)?;
    man.render_version_section(&mut page)?;
    Ok(page)
}

/// One line for each way to call it, with the options' values.
fn synopsis(command: &Command) -> Roff {
    let name = command.get_name();
    let mut live = vec![bold(name)];
    for option in command.get_arguments().filter(|option| !option.is_hide_set() && !option.is_positional()) {
        live.push(roman(" ["));
        live.extend(named(option));
        live.push(roman("]"));
    }
    let mut roff = Roff::new();
    roff.control("SH", ["SYNOPSIS"]).text(live).control("br", []);
    roff.text([bold(name), roman(" "), italic("COMMAND"), roman(" [OPTIONS]")]);
    roff
}

/// `-s|--signal SIGNAL`.
fn named(option: &Arg) -> Vec<Inline> {
    let short = option.get_short().map(|short| format!("-{short}"));
    let long = option.get_long().map(|long| format!("--{long}"));
    let names: Vec<_> = short.into_iter().chain(long).collect();
    let mut told = vec![bold(names.join("|"))];
    if option.get_action().takes_values()
        && let Some(values) = option.get_value_names()
    {
        told.extend([roman(" "), italic(values.join(" "))]);
    }
    told
}

/// What the commands do; their options are in sections of this page, for there is no other.
fn commands(command: &Command) -> Roff {
    let mut roff = Roff::new();
    roff.control("SH", ["COMMANDS"]);
    for sub in command.get_subcommands().filter(|sub| !sub.is_hide_set()) {
        let about = sub.get_about().map(ToString::to_string).unwrap_or_default();
        roff.control("TP", []).text([bold(format!("{} {}", command.get_name(), sub.get_name()))]).text([roman(about)]);
    }
    roff
}

/// What stands below the help, such as examples, as sections that are not filled: each of its paragraphs begins with a
/// heading and a colon.
fn verbatim(command: &Command, macro_name: &str) -> Roff {
    let mut roff = Roff::new();
    let text = command.get_after_long_help().or_else(|| command.get_after_help()).map(ToString::to_string);
    for section in text.as_deref().unwrap_or_default().split("\n\n") {
        let Some((heading, lines)) = section.split_once(":\n") else { continue };
        roff.control(macro_name, [heading.to_uppercase().as_str()]).control("nf", []);
        for line in lines.lines() {
            roff.text([roman(line)]);
        }
        roff.control("fi", []);
    }
    roff
}

/// The options of a subcommand as a section of the one page: people look for them there.
fn render_sub(command: &Command, page: &mut Vec<u8>) -> std::io::Result<()> {
    let name = command.get_name().to_ascii_uppercase();
    writeln!(page, ".SH \"TRACER {name}\"")?;
    let man = Man::new(command.clone().disable_help_flag(true).bin_name(format!("tracer {}", command.get_name())));
    let mut section = Vec::new();
    man.render_description_section(&mut section)?;
    man.render_options_section(&mut section)?;
    verbatim(command, "SS").to_writer(&mut section)?;
    let text = String::from_utf8_lossy(&section);
    for line in text.lines() {
        match line.strip_prefix(".SH ") {
            Some("DESCRIPTION") => {}
            Some(heading) => writeln!(page, ".SS {heading}")?,
            None => writeln!(page, "{line}")?,
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::super::{Cli, EXAMPLES, EXIT_CODES};
    use super::*;

    fn plain() -> String {
        let page = String::from_utf8(page(Cli::command()).expect("memory")).expect("UTF-8");
        page.replace("\\-", "-").replace("\\*(Aq", "'").replace("\\fB", "").replace("\\fI", "").replace("\\fR", "")
    }

    #[test]
    fn examples_and_exit_codes_are_sections_that_are_not_filled() {
        let page = plain();
        for (heading, text) in [("EXAMPLES", EXAMPLES), ("EXIT CODES", EXIT_CODES)] {
            let section = page.lines().skip_while(|line| !line.starts_with(".SH") || !line.contains(heading));
            let lines: Vec<_> = section.skip(1).take_while(|line| *line != ".fi").collect();
            assert_eq!(lines[0], ".nf", "{heading}");
            assert_eq!(lines[1..], text.lines().skip(1).collect::<Vec<_>>(), "{heading}");
        }
        assert!(!page.contains("EXTRA"));
    }

    #[test]
    fn it_names_no_page_that_is_not_there() {
        let page = plain();
        assert!(!page.contains("(1)"), "{page}");
        assert!(page.contains("tracer audit"));
    }

    #[test]
    fn the_synopsis_tells_which_options_have_values() {
        let page = plain();
        for option in ["[-c|--container ID|NAME]", "[--until-exit]", "[--duration TIME]", "[-v|--verbose]"] {
            assert!(page.contains(option), "{option} is not in {page}");
        }
    }
}
