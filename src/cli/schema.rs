//! `portcullis schema`: the JSON Schema of `routes.yaml`.

use std::io::{self, Write};

/// Which schema.
#[derive(Debug, Clone, Copy, clap::Args)]
pub struct SchemaArgs {
    /// That of routes.test.yaml instead
    #[arg(long)]
    pub tests: bool,
}

/// Writes the schema.
///
/// # Errors
///
/// When `out` cannot be written.
pub fn run(args: &SchemaArgs, out: &mut impl Write) -> io::Result<i32> {
    let text = if args.tests {
        crate::config::route_tests::schema()
    } else {
        crate::config::schema::render()
    };
    out.write_all(text.as_bytes())?;
    Ok(0)
}
