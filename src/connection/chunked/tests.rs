use super::*;

/// Walks `body` in pieces of every size; says how many bytes it had, `None` if it has no end.
fn length_of(body: &[u8]) -> Result<Option<usize>, ChunkError> {
    let whole = walk_by(body, body.len().max(1));
    for size in 1..body.len().min(8) {
        assert_eq!(walk_by(body, size), whole, "by {size}");
    }
    whole
}

fn walk_by(body: &[u8], size: usize) -> Result<Option<usize>, ChunkError> {
    let mut chunks = Chunks::default();
    let mut length = 0;
    for piece in body.chunks(size) {
        length += chunks.walk(piece)?;
        if chunks.is_done() {
            return Ok(Some(length));
        }
    }
    Ok(None)
}

#[test]
fn the_end_is_found_to_the_byte() {
    for (body, rest) in [
        ("0\r\n\r\n", ""),
        ("0\r\n\r\n", "GET / HTTP/1.1\r\n"),
        ("3\r\nabc\r\n0\r\n\r\n", "x"),
        ("A\r\n0123456789\r\n00\r\n\r\n", "0\r\n\r\n"),
        ("3;ext=1\r\nabc\r\n0;last\r\n\r\n", ""),
        ("1\r\n\r\r\n1\r\n\n\r\n0\r\n\r\n", ""),
        ("0\r\nX-Checksum: abc\r\nY: \r\n\r\n", "next"),
    ] {
        let all = format!("{body}{rest}");
        assert_eq!(length_of(all.as_bytes()), Ok(Some(body.len())), "{all:?}");
    }
}

#[test]
fn an_unfinished_body_has_no_end() {
    let body = "3\r\nabc\r\n0\r\nX: y\r\n\r\n";
    for length in 0..body.len() {
        assert_eq!(length_of(&body.as_bytes()[..length]), Ok(None), "{length}");
    }
}

#[test]
fn loose_spellings_are_refused() {
    for (body, expected) in [
        ("0x3\r\nabc", ChunkError::Size),
        ("+3\r\nabc", ChunkError::Size),
        ("-3\r\nabc", ChunkError::Size),
        (" 3\r\nabc", ChunkError::Size),
        ("3 \r\nabc", ChunkError::Size),
        ("3\t\r\nabc", ChunkError::Size),
        ("\r\nabc", ChunkError::Size),
        (";ext\r\n", ChunkError::Size),
        ("g\r\n", ChunkError::Size),
        ("3_0\r\n", ChunkError::Size),
        ("10000000000000000\r\n", ChunkError::Size),
        ("0000000000000003\r\nabc", ChunkError::Size),
        ("3\nabc\r\n", ChunkError::Size),
        ("3\rabc\r\n", ChunkError::LineBreak),
        ("3\r\nabcd\r\n", ChunkError::LineBreak),
        ("3\r\nab\r\n0\r\n\r\n", ChunkError::LineBreak),
        ("3\r\nabc\n0\r\n\r\n", ChunkError::LineBreak),
        ("3\r\nabc0\r\n\r\n", ChunkError::LineBreak),
        ("3;a\nb\r\nabc", ChunkError::Extension),
        ("3;a\0\r\nabc", ChunkError::Extension),
        ("0\r\n\n", ChunkError::Trailer),
        ("0\r\nX: y\n\r\n", ChunkError::Trailer),
        ("0\r\n folded\r\n\r\n", ChunkError::Trailer),
        ("0\r\nno colon\r\n\r\n", ChunkError::Trailer),
        ("0\r\n: y\r\n\r\n", ChunkError::Trailer),
        ("0\r\nTransfer-Encoding: chunked\r\n\r\n", ChunkError::Trailer),
        ("0\r\ncontent-length: 3\r\n\r\n", ChunkError::Trailer),
        ("0\r\nAuthorization: Bearer x\r\n\r\n", ChunkError::Trailer),
        ("0\r\n\rx", ChunkError::LineBreak),
    ] {
        assert_eq!(length_of(body.as_bytes()), Err(expected), "{body:?}");
    }
}

#[test]
fn extensions_and_trailers_are_bounded() {
    let long = format!("1;{}\r\na\r\n", "e".repeat(MAX_SIZE_LINE));
    assert_eq!(walk_by(long.as_bytes(), 4096), Err(ChunkError::Extension));
    let many = format!("1;{}\r\na\r\n", "e".repeat(200)).repeat(100);
    assert_eq!(walk_by(many.as_bytes(), 4096), Err(ChunkError::Extension));
    let trailers = format!("0\r\n{}", "X: y\r\n".repeat(2000));
    assert_eq!(walk_by(trailers.as_bytes(), 4096), Err(ChunkError::Trailer));
}
