//! The `portcullis` command: allocator, crypto provider, and from the command line to an exit code.

use std::process::ExitCode;

// Boxed futures and header maps are many small allocations a request, and glibc's allocator keeps
// what it once had: under TLS load its resident memory only grows.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    // Before anything can ask for TLS: otherwise Pingora would install another provider.
    if rustls::crypto::aws_lc_rs::default_provider().install_default().is_err() {
        eprintln!("portcullis: a TLS provider was installed twice; this is a defect");
        return ExitCode::FAILURE;
    }
    portcullis::cli::main()
}
