//! A whole application: one command, held to its budget.

use cnv::prelude::*;

/// Counts what every call allocates.
#[global_allocator]
static ALLOCATOR: MeteredAllocator = MeteredAllocator::system();

#[budget(memory = "600KB", cpu = "5ms", io = 3)]
fn read(path: &std::path::Path) -> std::io::Result<String> {
    let mut text = String::new();
    std::io::Read::read_to_string(&mut cnv::quota::File::open(path)?, &mut text)?;
    Ok(text)
}

/// Counts the words of a file.
#[verb(noun = "file", effect = "read")]
#[requires_attestation(read_only)]
#[budget(memory = "500KB", cpu = "10ms", io = 10)]
fn words(cx: Context, path: std::path::PathBuf) -> Result<usize, Failure> {
    let text = spend!(read(&path))?;
    Ok(text.split_whitespace().count())
}

fn main() -> std::process::ExitCode {
    let app = App::new("quickstart").verbs(verbs![words]);
    app.development().main()
}
