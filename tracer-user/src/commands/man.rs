//! `tracer man`: the man page, made from the same source as `--help`.

use std::io::Write as _;
use std::process::ExitCode;

use super::options::print;

pub(super) fn run(command: clap::Command) -> anyhow::Result<ExitCode> {
    let mut page = Vec::new();
    let command = command.disable_help_flag(true);
    let man = clap_mangen::Man::new(command.clone());
    man.render(&mut page)?;
    for sub in command.get_subcommands().filter(|sub| !sub.is_hide_set()) {
        render_sub(sub, &mut page)?;
    }
    print(&page)?;
    Ok(ExitCode::SUCCESS)
}

/// The options of a subcommand as a section of the one page: people look for them there.
fn render_sub(command: &clap::Command, page: &mut Vec<u8>) -> std::io::Result<()> {
    let name = command.get_name().to_ascii_uppercase();
    writeln!(page, ".SH \"TRACER {name}\"")?;
    let man = clap_mangen::Man::new(
        command.clone().disable_help_flag(true).bin_name(format!("tracer {}", command.get_name())),
    );
    let mut section = Vec::new();
    man.render_description_section(&mut section)?;
    man.render_options_section(&mut section)?;
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
