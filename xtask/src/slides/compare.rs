//! Finds the blocks of a deck and the marked regions of test files, and compares the two.

/// A Rust block of the deck.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Block {
    pub(super) id: String,
    pub(super) code: String,
}

/// What stands between two markers of a test file.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Region {
    pub(super) id: String,
    /// The slide's text: the region with every deviation undone.
    pub(super) slide_text: String,
    /// The records that its deviations name.
    pub(super) records: Vec<String>,
}

pub(super) fn blocks(deck: &str) -> Vec<Block> {
    let mut blocks: Vec<Block> = Vec::new();
    let (mut slide, mut index) = (String::new(), 0);
    let mut lines = deck.lines();
    while let Some(line) = lines.next() {
        if let Some(title) = line.strip_prefix("# Slide ") {
            slide = title.chars().take_while(char::is_ascii_digit).collect();
            index = 0;
        } else if let Some(language) = line.trim_start().strip_prefix("```") {
            let body = lines.by_ref().take_while(|line| line.trim() != "```");
            let code = body.fold(String::new(), |code, line| code + line + "\n");
            if language.trim() == "rust" {
                index += 1;
                blocks.push(Block { id: format!("{slide}.{index}"), code });
            }
        }
    }
    blocks
}

pub(super) fn regions(path: &str, text: &str) -> Result<Vec<Region>, String> {
    let mut regions = Vec::new();
    let mut open: Option<Region> = None;
    let mut deviates = false;
    for (index, line) in text.lines().enumerate() {
        let fault = |message: &str| Err(format!("{path}:{}: {message}", index + 1));
        let words = line.trim();
        if let Some(id) = marker(words, "begin") {
            if open.is_some() {
                return fault("a block begins inside another");
            }
            open = Some(Region { id: id.to_owned(), slide_text: String::new(), records: Vec::new() });
        } else if let Some(id) = marker(words, "end") {
            match open.take() {
                Some(region) if region.id == id && !deviates => regions.push(region),
                _ => return fault("this end has no beginning, or a deviation is still open"),
            }
        } else if let Some(region) = &mut open {
            if let Some(record) = words.strip_prefix("// deviates:") {
                region.records.push(record.trim().to_owned());
                deviates = true;
            } else if words == "// deviates end" {
                deviates = false;
            } else if !deviates {
                region.slide_text += line;
                region.slide_text.push('\n');
            } else if let Some(original) = words.strip_prefix("//-") {
                region.slide_text += original;
                region.slide_text.push('\n');
            }
        }
    }
    match open {
        Some(region) => Err(format!("{path}: block {} has no end", region.id)),
        None => Ok(regions),
    }
}

/// The `22.2` of `// slide 22.2 begin`.
fn marker<'a>(line: &'a str, word: &str) -> Option<&'a str> {
    line.strip_prefix("// slide ")?.strip_suffix(word)?.strip_suffix(' ')
}

/// Where the slide and the test part, or nothing where they agree.
pub(super) fn difference(slide: &str, test: &str) -> Option<String> {
    let (slide, test) = (normal(slide), normal(test));
    if slide == test {
        return None;
    }
    let common = slide.chars().zip(test.chars()).take_while(|(a, b)| a == b).count();
    let shown = |text: &str| -> String { text.chars().skip(common.saturating_sub(20)).take(60).collect() };
    Some(format!("the slide has '…{}…', the test '…{}…'", shown(&slide), shown(&test)))
}

/// Without white space, and without the commas that a formatter adds before a closing bracket.
fn normal(code: &str) -> String {
    let dense: String = code.chars().filter(|character| !character.is_whitespace()).collect();
    dense.replace(",)", ")").replace(",]", "]").replace(",}", "}").replace(",>", ">")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_are_numbered_by_slide() {
        let deck = "# Slide 3: X\n```\nart\n```\n```rust\na();\n```\n## Sub\n```toml\n# Slide 9\n```\n```rust\nb();\n```\n# Slide 4: Y\n```rust\nc();\n```";
        let found: Vec<(String, String)> =
            blocks(deck).into_iter().map(|block| (block.id, block.code)).collect();
        let expected = [("3.1", "a();\n"), ("3.2", "b();\n"), ("4.1", "c();\n")];
        assert_eq!(found, expected.map(|(id, code)| (id.to_owned(), code.to_owned())));
    }

    #[test]
    fn deviations_are_undone() {
        let text = "    // slide 3.1 begin\n    a();\n    // deviates: docs/decisions/1.md\n    //- b();\n    b2();\n    // deviates end\n    c();\n    // slide 3.1 end\n";
        let region = &regions("x.rs", text).unwrap()[0];
        assert_eq!(normal(&region.slide_text), "a();b();c();");
        assert_eq!(region.records, ["docs/decisions/1.md"]);
    }

    #[test]
    fn broken_markers_are_refused() {
        assert!(regions("x.rs", "// slide 3.1 begin\n").is_err());
        assert!(regions("x.rs", "// slide 3.1 end\n").is_err());
        assert!(regions("x.rs", "// slide 3.1 begin\n// slide 3.2 end\n").is_err());
        assert!(regions("x.rs", "// slide 3.1 begin\n// deviates: d\n// slide 3.1 end\n").is_err());
    }

    #[test]
    fn form_does_not_count_but_words_do() {
        assert_eq!(difference("f(a, b)\n", "f(\n    a,\n    b,\n)"), None);
        assert!(difference("f(a)", "f(b)").unwrap().contains("f(b)"));
    }
}
