//! A look at HCL text before it is parsed: which names stand at the top, and the older spelling of maps.
//!
//! Both see words, strings, comments and braces only, and never fail: what is not HCL at all is for the parser to refuse.

/// A piece of the text that matters here, with its place in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Token<'t> {
    Word(&'t str),
    Text,
    Open,
    Close,
    Equals,
    Other,
}

/// Names at the top level, of arguments and blocks.
pub fn top_level(text: &str) -> Vec<&str> {
    let mut depth = 0usize;
    let mut names = Vec::new();
    // A value may be a word, too: only what begins a line is a name.
    let mut last = None;
    for (at, token) in tokens(text) {
        let begins = last.is_none_or(|last| text.as_bytes()[last..at].contains(&b'\n'));
        match token {
            Token::Open => depth += 1,
            Token::Close => depth = depth.saturating_sub(1),
            Token::Word(word) if depth == 0 && begins => names.push(word),
            _ => {}
        }
        last = Some(at);
    }
    names
}

/// `name { "key" = … }` as `name={ "key" = … }`, which means the same and is what the parser takes; every byte stays in
/// its place. Nomad's agent reads an HCL in which the keys of blocks may be quoted.
pub fn modern(text: &str) -> String {
    let mut out = text.to_owned().into_bytes();
    let tokens: Vec<_> = tokens(text).collect();
    for window in tokens.windows(4) {
        if let [(name, Token::Word(word)), (open, Token::Open), (_, Token::Text), (_, Token::Equals)] = window {
            let gap = name + word.len()..*open;
            if let Some(space) = out.get_mut(gap.start)
                && !gap.is_empty()
                && space.is_ascii_whitespace()
            {
                *space = b'=';
            }
        }
    }
    String::from_utf8(out).unwrap_or_else(|_| text.to_owned())
}

fn tokens(text: &str) -> impl Iterator<Item = (usize, Token<'_>)> {
    let bytes = text.as_bytes();
    let mut at = 0;
    std::iter::from_fn(move || {
        loop {
            let start = at;
            let rest = bytes.get(at..)?;
            let (token, length) = match rest {
                [] => return None,
                [b' ' | b'\t' | b'\r' | b'\n', ..] => (None, 1),
                [b'#', ..] | [b'/', b'/', ..] => (None, line_length(rest)),
                [b'/', b'*', ..] => {
                    (None, rest.windows(2).skip(2).position(|end| end == b"*/").map_or(rest.len(), |end| end + 4))
                }
                [b'<', b'<', ..] => (Some(Token::Text), heredoc_length(rest)),
                [b'"', ..] => (Some(Token::Text), text_length(rest)),
                [b'{' | b'[' | b'(', ..] => (Some(if rest[0] == b'{' { Token::Open } else { Token::Other }), 1),
                [b'}', ..] => (Some(Token::Close), 1),
                [b'=', ..] => (Some(Token::Equals), 1),
                [first, ..] if is_word(*first) => {
                    let length = rest.iter().take_while(|byte| is_word(**byte)).count();
                    (Some(Token::Word(text.get(start..start + length).unwrap_or_default())), length)
                }
                _ => (Some(Token::Other), 1),
            };
            at += length;
            if let Some(token) = token {
                return Some((start, token));
            }
        }
    })
}

fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.') || !byte.is_ascii()
}

fn line_length(rest: &[u8]) -> usize {
    rest.iter().position(|byte| *byte == b'\n').unwrap_or(rest.len())
}

fn text_length(rest: &[u8]) -> usize {
    let mut at = 1;
    while let Some(byte) = rest.get(at) {
        match byte {
            b'\\' => at += 2,
            b'"' => return at + 1,
            b'\n' => return at,
            _ => at += 1,
        }
    }
    rest.len()
}

/// From `<<` to the end of the line that holds the mark alone.
fn heredoc_length(rest: &[u8]) -> usize {
    let first = line_length(rest);
    let mark = rest[2..first].strip_prefix(b"-").unwrap_or(&rest[2..first]).trim_ascii();
    let mut at = first;
    while at < rest.len() {
        let line = line_length(&rest[at + 1..]);
        let end = at + 1 + line;
        if rest[at + 1..end].trim_ascii() == mark {
            return end;
        }
        at = end;
    }
    rest.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_at_the_top_are_found_and_nothing_else() {
        let text = "# job \"x\" {\nname = server\n/* client {\n */\nserver {\n  job = 1 // }\n}\nnote = <<-EOT\n  job {\n  EOT\nclient{\n meta { \"}\" = \"job {\" }\n}";
        assert_eq!(top_level(text), ["name", "server", "note", "client"]);
        for hostile in ["", "\"", "<<", "<<X", "/*", "}}}", "é {", "a \"\\", "\u{0}"] {
            top_level(hostile);
            assert_eq!(modern(hostile), hostile);
        }
    }

    #[test]
    fn quoted_keys_make_a_map_and_nothing_moves() {
        let text = "options {\n  # old\n  \"driver.x\" = \"1\"\n}\nmeta { rack = \"r\" }\nplugin \"raw_exec\" { config { enabled = true } }\n";
        let modern = modern(text);
        assert_eq!(modern, text.replacen("options {", "options={", 1));
    }
}
