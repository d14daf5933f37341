//! `portcullis schema`: the JSON Schema of `routes.yaml`.

use std::io::{self, Write};

/// Writes the schema.
///
/// # Errors
///
/// When `out` cannot be written.
pub fn run(out: &mut impl Write) -> io::Result<i32> {
    out.write_all(crate::config::schema::render().as_bytes())?;
    Ok(0)
}
