//! `portcullis completions SHELL` and `portcullis man`: made of the command line itself, so that
//! they cannot differ from it.

use std::io::{self, Write};

use clap::Command;
use clap_complete::Shell;

/// Which shell.
#[derive(Debug, Clone, Copy, clap::Args)]
pub struct CompletionsArgs {
    /// The shell that is to complete
    pub shell: Shell,
}

/// Writes what `shell` is to read.
///
/// # Errors
///
/// When `out` cannot be written.
pub fn completions(
    mut command: Command,
    args: CompletionsArgs,
    out: &mut impl Write,
) -> io::Result<i32> {
    // Made whole first: the generator would panic when nobody reads on.
    let mut text = Vec::new();
    clap_complete::generate(args.shell, &mut command, "portcullis", &mut text);
    out.write_all(&text)?;
    Ok(0)
}

/// Writes one page for `man`: the command, then each of its commands.
///
/// # Errors
///
/// When `out` cannot be written.
pub fn man(mut command: Command, out: &mut impl Write) -> io::Result<i32> {
    // Gives sub-commands their full names.
    command.build();
    let page = clap_mangen::Man::new(command.clone());
    page.render_title(out)?;
    page.render_name_section(out)?;
    page.render_synopsis_section(out)?;
    page.render_description_section(out)?;
    page.render_options_section(out)?;
    sections(&command, out)
}

/// One for each command, those of `import` too.
fn sections(command: &Command, out: &mut impl Write) -> io::Result<i32> {
    for sub in command.get_subcommands().filter(|sub| sub.get_name() != "help") {
        let name = sub.get_bin_name().unwrap_or_else(|| sub.get_name()).to_uppercase();
        writeln!(out, ".SH \"{name}\"")?;
        let page = clap_mangen::Man::new(sub.clone());
        let mut text = Vec::new();
        page.render_synopsis_section(&mut text)?;
        page.render_description_section(&mut text)?;
        page.render_options_section(&mut text)?;
        page.render_extra_section(&mut text)?;
        // Its sections are parts of the command's; examples say themselves what they are.
        let text = String::from_utf8_lossy(&text).replace("\n.SH EXTRA\n", "\n.PP\n");
        out.write_all(text.replace(".SH ", ".SS ").as_bytes())?;
        sections(sub, out)?;
    }
    Ok(0)
}
