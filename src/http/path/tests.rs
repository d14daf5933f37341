use proptest::prelude::*;

use super::*;

const DEFAULT: PathPolicy =
    PathPolicy { keep_encoded_slash: false, merge_slashes: true, keep_parameters: false };

fn path(raw: &str) -> Result<String, Malformed> {
    canonical(raw, DEFAULT).map(|tidied| tidied.path.into_owned())
}

/// Attacks C1, C2, C3 and C5: what is changed, into what.
#[test]
fn every_spelling_of_a_path_becomes_one() {
    for (raw, expected) in [
        ("/", "/"),
        ("//", "/"),
        ("///admin", "/admin"),
        ("/admin//users", "/admin/users"),
        ("/admin/", "/admin/"),
        ("/admin//", "/admin/"),
        ("/./admin", "/admin"),
        ("/admin/.", "/admin/"),
        ("/admin/..", "/"),
        ("/public/../admin", "/admin"),
        ("/public/x/../../admin", "/admin"),
        ("/public/x/y/../../../admin/./a", "/admin/a"),
        ("/public//../admin", "/admin"),
        ("/public/%2e%2e/admin", "/admin"),
        ("/public/.%2E/admin", "/admin"),
        ("/%2e/admin", "/admin"),
        ("/%61dmin", "/admin"),
        ("/%41%7E%5f%2D", "/A~_-"),
        ("/a%3ab", "/a%3Ab"),
        ("/caf%c3%a9", "/caf%C3%A9"),
        ("/a%20b", "/a%20b"),
        ("/100%25", "/100%25"),
        ("/%2561dmin", "/%2561dmin"),
        ("/ADMIN", "/ADMIN"),
        ("/admin.", "/admin."),
        ("/admin.json", "/admin.json"),
        ("/.well-known/x", "/.well-known/x"),
        ("/...", "/..."),
        ("/.../a", "/.../a"),
        ("/..a/.b", "/..a/.b"),
        ("/a:b@c&d=e+f$g,h!i'j(k)l*", "/a:b@c&d=e+f$g,h!i'j(k)l*"),
        ("/{id}|^\"", "/{id}|^\""),
        ("/%EF%BC%8F%EF%BC%8E", "/%EF%BC%8F%EF%BC%8E"),
    ] {
        assert_eq!(path(raw).as_deref(), Ok(expected), "{raw}");
    }
}

/// Attacks C1, C2, C3, C6 and C8: what is refused, and why.
#[test]
fn what_two_readers_could_read_differently_is_refused() {
    use Malformed::*;
    for (raw, reason) in [
        ("/..", AboveRoot),
        ("/../admin", AboveRoot),
        ("/a/../../admin", AboveRoot),
        ("/%2e%2e/admin", AboveRoot),
        ("//../admin", AboveRoot),
        ("/public%2fadmin", EscapedSlash),
        ("/public%2Fadmin", EscapedSlash),
        ("/..%2fadmin", EscapedSlash),
        ("/a%5cb", EscapedBackslash),
        ("/a%5Cb", EscapedBackslash),
        ("/a\\b", Backslash),
        ("/a#b", Fragment),
        ("/%252e%252e/admin", DoubleEscape),
        ("/%252E", DoubleEscape),
        ("/a%252fb", DoubleEscape),
        ("/a%255cb", DoubleEscape),
        ("/a%25252e", DoubleEscape),
        ("/a%25%32%65", DoubleEscape),
        ("/a%25%32e", DoubleEscape),
        ("/a%25%35c", DoubleEscape),
        ("/%00", EscapedControl),
        ("/%0d%0a", EscapedControl),
        ("/%1f", EscapedControl),
        ("/%7f", EscapedControl),
        ("/%", BadEscape),
        ("/%4", BadEscape),
        ("/%zz", BadEscape),
        ("/%u002e", BadEscape),
        ("/%2", BadEscape),
        ("/%%32%65", BadEscape),
        ("/%+1", BadEscape),
        ("/%c0%ae%c0%ae/admin", NotUtf8),
        ("/%c0%af", NotUtf8),
        ("/%ff", NotUtf8),
        ("/%c3", NotUtf8),
        ("/%ed%a0%80", NotUtf8),
        ("/a b", TargetByte),
        ("/a\tb", TargetByte),
        ("/a\0", TargetByte),
        ("/a\x7f", TargetByte),
        ("/é", TargetByte),
        ("/<a>", TargetByte),
        ("", TargetForm),
        ("admin", TargetForm),
        ("/a?b", TargetForm),
    ] {
        assert_eq!(path(raw), Err(reason), "{raw:?}");
    }
}

/// Attack C4.
#[test]
fn parameters_are_cut_for_the_second_look() {
    for (raw, kept, cut) in [
        ("/a;v=1/b", "/a;v=1/b", "/a/b"),
        ("/a;v=1", "/a;v=1", "/a"),
        ("/admin;/users", "/admin;/users", "/admin/users"),
        ("/;x/admin", "/;x/admin", "/admin"),
        ("/a/;x", "/a/;x", "/a/"),
        ("/;", "/;", "/"),
        ("/a;b;c/d;e", "/a;b;c/d;e", "/a/d"),
        ("/a;/%61;", "/a;/a;", "/a/a"),
        ("/a;%2e", "/a;.", "/a"),
        ("/a%3bb/c", "/a%3Bb/c", "/a/c"),
        ("/a%3Bb;c/d", "/a%3Bb;c/d", "/a/d"),
    ] {
        let tidied = canonical(raw, DEFAULT).unwrap();
        assert_eq!(tidied.path, kept, "{raw}");
        assert_eq!(tidied.without_parameters.as_deref(), Some(cut), "{raw}");
    }
    assert_eq!(canonical("/a%20b", DEFAULT).unwrap().without_parameters, None);
    assert_eq!(canonical("/a;x/../b", DEFAULT).unwrap().without_parameters, None);
    for raw in ["/public/..;/admin", "/.;/a", "/a/..;x=y", "/%2e%2e;/a", "/.%2e;a;b/c", "/..%3b/a"]
    {
        assert_eq!(path(raw), Err(Malformed::DotSegmentParameters), "{raw}");
    }
}

#[test]
fn a_listener_may_keep_escaped_slashes_runs_and_parameters() {
    let keep = PathPolicy { keep_encoded_slash: true, merge_slashes: false, keep_parameters: true };
    for (raw, expected) in [
        ("/a%2fb", "/a%2Fb"),
        ("/a//b", "/a//b"),
        ("//a", "//a"),
        ("/a//../b", "/a/b"),
        ("/a;x/..;/b", "/a;x/..;/b"),
        ("/./a", "/a"),
    ] {
        let tidied = canonical(raw, keep).unwrap();
        assert_eq!(tidied.path, expected, "{raw}");
        assert_eq!(tidied.without_parameters, None);
    }
    assert_eq!(canonical("/a%5cb", keep), Err(Malformed::EscapedBackslash));
    assert_eq!(canonical("/a%252fb", keep), Err(Malformed::DoubleEscape));
}

#[test]
fn a_clean_path_is_borrowed_also_with_canonical_escapes() {
    for raw in ["/", "/orders/17", "/.well-known/x", "/a%20b", "/caf%C3%A9", "/a;x"] {
        assert!(matches!(canonical(raw, DEFAULT).unwrap().path, Cow::Borrowed(_)), "{raw}");
    }
}

/// What a target that unescapes once, cuts parameters, and resolves segments makes of a path.
fn as_a_lenient_target_reads(path: &str) -> Vec<u8> {
    let mut bytes = path.bytes();
    let mut out = Vec::new();
    while let Some(byte) = bytes.next() {
        if byte == b'%' {
            out.push(unescape(bytes.next(), bytes.next()).unwrap());
        } else {
            out.push(byte);
        }
    }
    out
}

fn policies() -> impl Strategy<Value = PathPolicy> {
    any::<[bool; 3]>().prop_map(|[slash, merge, parameters]| PathPolicy {
        keep_encoded_slash: slash,
        merge_slashes: merge,
        keep_parameters: parameters,
    })
}

/// Paths of the pieces that matter.
fn paths() -> impl Strategy<Value = String> {
    let piece = prop::sample::select(vec![
        "/", "/", "/", ".", "..", "%2e", "%2E", "%2f", "%5c", "%25", "25", "2e", "2f", "5c", "%32",
        "%65", "a", "b", "A", "%61", ";", ";x", "%3b", "%c3%a9", "%20", "%3a", "%3A", "~",
    ]);
    prop::collection::vec(piece, 0..12).prop_map(|pieces| format!("/{}", pieces.concat()))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4096))]

    #[test]
    fn canonical_of_canonical_changes_nothing(raw in paths(), policy in policies()) {
        if let Ok(tidied) = canonical(&raw, policy) {
            let again = canonical(&tidied.path, policy);
            prop_assert_eq!(again.as_ref(), Ok(&tidied));
            prop_assert!(matches!(again.unwrap().path, Cow::Borrowed(_)));
        }
    }

    #[test]
    fn the_path_without_parameters_is_canonical_too(raw in paths()) {
        if let Ok(TidyPath { without_parameters: Some(cut), .. }) = canonical(&raw, DEFAULT) {
            prop_assert!(!cut.contains(';') && !cut.contains("%3B"));
            let again = canonical(&cut, DEFAULT);
            prop_assert_eq!(again.map(|tidied| tidied.path.into_owned()), Ok(cut));
        }
    }

    #[test]
    fn no_target_finds_another_segment_in_what_is_sent(raw in paths()) {
        if let Ok(tidied) = canonical(&raw, DEFAULT) {
            let seen = as_a_lenient_target_reads(&tidied.path);
            let twice = String::from_utf8(seen.clone()).unwrap();
            let slashes = |bytes: &[u8]| bytes.iter().filter(|&&byte| byte == b'/').count();
            prop_assert_eq!(slashes(&seen), slashes(tidied.path.as_bytes()));
            prop_assert!(!seen.contains(&b'\\'));
            for segment in twice.split('/') {
                prop_assert!(!matches!(segment.split(';').next(), Some("." | "..")), "{}", twice);
            }
            prop_assert!(!twice.contains("//"));
        }
    }

    #[test]
    fn any_text_is_judged_without_panic(raw in "/\\PC{0,20}", policy in policies()) {
        let _ = canonical(&raw, policy);
    }
}
