//! Reads Rust source as far as the checks need it: which characters are code, which are comment, which are tests.
//! It is no parser; it knows comments, strings, characters and brackets.

/// A source file twice, in lines of the original: only its code (strings emptied), and only its comments.
#[derive(Debug)]
pub(crate) struct Source {
    code: Vec<u8>,
    comments: Vec<u8>,
}

impl Source {
    pub(crate) fn read(text: &str) -> Self {
        let text = text.as_bytes();
        let mut source = Self { code: blank(text), comments: blank(text) };
        let mut at = 0;
        while at < text.len() {
            let (end, kind) = token(text, at);
            match kind {
                Kind::Code => source.code[at..end].copy_from_slice(&text[at..end]),
                Kind::Comment => source.comments[at..end].copy_from_slice(&text[at..end]),
                Kind::Literal => {
                    source.code[at] = b'"';
                    source.code[end - 1] = b'"';
                }
            }
            at = end;
        }
        source
    }

    /// The file without the items that only tests see.
    pub(crate) fn without_tests(mut self) -> Self {
        while let Some(range) = test_item(&self.code) {
            for at in range {
                if self.code[at] != b'\n' {
                    self.code[at] = b' ';
                    self.comments[at] = b' ';
                }
            }
        }
        self
    }

    pub(crate) fn code(&self) -> Vec<String> {
        lines(&self.code)
    }

    pub(crate) fn comments(&self) -> Vec<String> {
        lines(&self.comments)
    }
}

enum Kind {
    Code,
    Comment,
    Literal,
}

fn blank(text: &[u8]) -> Vec<u8> {
    text.iter().map(|&byte| if byte == b'\n' { byte } else { b' ' }).collect()
}

fn lines(text: &[u8]) -> Vec<String> {
    String::from_utf8_lossy(text).lines().map(str::to_owned).collect()
}

/// The end and the kind of what begins at `at`; code goes one word or one character at a time.
fn token(text: &[u8], at: usize) -> (usize, Kind) {
    let rest = &text[at..];
    if rest.starts_with(b"//") {
        return (at + find(rest, b"\n").unwrap_or(rest.len()), Kind::Comment);
    }
    if rest.starts_with(b"/*") {
        return (at + block_comment(rest), Kind::Comment);
    }
    if let Some(length) = raw_string(rest) {
        return (at + length, Kind::Literal);
    }
    if rest[0] == b'"' {
        return (at + quoted(rest, b'"'), Kind::Literal);
    }
    if rest[0] == b'\'' && is_character(rest) {
        return (at + quoted(rest, b'\''), Kind::Literal);
    }
    let word = rest.iter().take_while(|&&byte| is_word(byte)).count();
    // A string's prefix (b"", c"") is part of the code; the string follows as the next token.
    (at + word.max(1), Kind::Code)
}

pub(crate) fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_' || byte >= 0x80
}

fn find(text: &[u8], needle: &[u8]) -> Option<usize> {
    text.windows(needle.len()).position(|window| window == needle)
}

/// The length of a block comment, which may hold others.
fn block_comment(text: &[u8]) -> usize {
    let (mut depth, mut at) = (0_usize, 0);
    while at < text.len() {
        if text[at..].starts_with(b"/*") {
            depth += 1;
            at += 2;
        } else if text[at..].starts_with(b"*/") {
            depth -= 1;
            at += 2;
            if depth == 0 {
                break;
            }
        } else {
            at += 1;
        }
    }
    at
}

/// The length of a raw string with its prefix, where one begins here.
fn raw_string(text: &[u8]) -> Option<usize> {
    let prefix = [&b"r"[..], b"br", b"cr"].into_iter().find(|prefix| text.starts_with(prefix))?;
    let hashes = text[prefix.len()..].iter().take_while(|&&byte| byte == b'#').count();
    let open = prefix.len() + hashes;
    if text.get(open) != Some(&b'"') {
        return None;
    }
    let mut close = vec![b'"'];
    close.resize(1 + hashes, b'#');
    let body = &text[open + 1..];
    Some(find(body, &close).map_or(text.len(), |end| open + 1 + end + close.len()))
}

/// The length of a string or character with escapes in it.
fn quoted(text: &[u8], quote: u8) -> usize {
    let mut at = 1;
    while at < text.len() {
        match text[at] {
            b'\\' => at += 2,
            byte if byte == quote => return at + 1,
            _ => at += 1,
        }
    }
    text.len()
}

/// Tells `'a'` from the lifetime `'a`.
fn is_character(text: &[u8]) -> bool {
    match text.get(1) {
        Some(b'\\') => true,
        Some(byte) if byte.is_ascii() => text.get(2) == Some(&b'\''),
        Some(_) => text[1..].iter().take(5).any(|&byte| byte == b'\''),
        None => false,
    }
}

/// Where the first item under `#[cfg(test)]` (or `all(test, …)`) stands, attribute included.
fn test_item(code: &[u8]) -> Option<std::ops::Range<usize>> {
    let start = [&b"#[cfg(test)]"[..], b"#[cfg(all(test"]
        .iter()
        .filter_map(|attribute| find(code, attribute))
        .min()?;
    let attribute_end = start + find(&code[start..], b"]")? + 1;
    let mut depth = 0_usize;
    for (at, byte) in code.iter().enumerate().skip(attribute_end) {
        match byte {
            b'{' => depth += 1,
            b'}' if depth <= 1 => return Some(start..at + 1),
            b'}' => depth -= 1,
            b';' if depth == 0 => return Some(start..at + 1),
            _ => {}
        }
    }
    Some(start..code.len())
}

/// Whether `line` holds `needle` as whole words.
pub(crate) fn has_word(line: &str, needle: &str) -> bool {
    let bytes = line.as_bytes();
    line.match_indices(needle).any(|(at, _)| {
        let end = at + needle.len();
        let before = at == 0 || !is_word(bytes[at - 1]) || !is_word(bytes[at]);
        let after = end == bytes.len() || !is_word(bytes[end]) || !is_word(bytes[end - 1]);
        before && after
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn code_and_comments_are_told_apart() {
        let source = Source::read(
            "let a = \"// no\"; // yes\n/* one /* two */ still */ b();\nlet c = r#\"/* \" no */\"#;",
        );
        assert_eq!(source.code()[0].trim_end(), "let a = \"     \";");
        assert_eq!(source.comments()[0].trim(), "// yes");
        assert_eq!(source.code()[1].trim(), "b();");
        assert_eq!(source.comments()[1].trim(), "/* one /* two */ still */");
        assert_eq!(source.comments()[2].trim(), "");
        assert!(source.code()[2].starts_with("let c = \""));
    }

    #[test]
    fn quotes_of_lifetimes_and_characters_are_told_apart() {
        let source = Source::read("fn f<'a>(x: &'a str) { g('\"', '\\'', 'é', b'x'); } // end");
        assert!(source.code()[0].contains("fn f<'a>(x: &'a str) { g("));
        assert_eq!(source.comments()[0].trim(), "// end");
    }

    #[test]
    fn tests_are_left_out() {
        let text = "fn a() {}\n#[cfg(test)]\nmod tests {\n    fn b() { { } }\n}\nfn c() {}\n#[cfg(all(test, not(loom)))]\nmod more;\nfn d() {}";
        let code = Source::read(text).without_tests().code();
        let left: Vec<&str> = code.iter().map(|line| line.trim()).filter(|line| !line.is_empty()).collect();
        assert_eq!(left, ["fn a() {}", "fn c() {}", "fn d() {}"]);
        assert_eq!(code.len(), 9);
    }

    #[test]
    fn words_have_borders() {
        assert!(has_word("unsafe { x }", "unsafe"));
        assert!(!has_word("unsafe_code", "unsafe"));
        assert!(has_word("libc::read(fd)", "libc::read"));
        assert!(!has_word("libc::readlink(fd)", "libc::read"));
        assert!(has_word("core::arch::asm!(x)", "asm!"));
        assert!(!has_word("global_asm!(x)", "asm!"));
    }
}
