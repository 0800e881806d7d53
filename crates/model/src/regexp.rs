//! Go's regular expressions in the words of the `regex` crate.
//!
//! What administrators write in job files, rules and middlewares follows Go's `regexp` (RE2 with Perl's extensions). The two
//! languages match alike once the spellings below are exchanged; what Go refuses is refused here, in its words.

use std::iter::Peekable;
use std::str::Chars;

/// Most repetitions that `{n,m}` may ask for.
const MAX_REPEAT: u32 = 1000;

/// The same expression for the `regex` crate.
///
/// # Errors
/// What Go says about an expression it does not take. Some mistakes (an open parenthesis, an unknown name of a class of
/// letters) pass and are found when the result is compiled.
pub fn from_go(pattern: &str) -> Result<String, String> {
    let mut writer = Writer { rest: pattern.chars().peekable(), out: String::with_capacity(pattern.len()) };
    writer.expression()?;
    Ok(writer.out)
}

struct Writer<'p> {
    rest: Peekable<Chars<'p>>,
    out: String,
}

impl Writer<'_> {
    fn expression(&mut self) -> Result<(), String> {
        // A repetition must not be repeated.
        let mut repeated = false;
        while let Some(next) = self.rest.next() {
            let operator = match next {
                '*' | '+' | '?' => Some(next.to_string()),
                '{' => self.repetition()?,
                _ => None,
            };
            if let Some(operator) = operator {
                if repeated {
                    return Err(format!("invalid nested repetition operator: `{operator}`"));
                }
                self.out.push_str(&operator);
                self.out.extend(self.rest.next_if_eq(&'?'));
                repeated = true;
                continue;
            }
            repeated = false;
            match next {
                '\\' => self.escape()?,
                '[' => self.class()?,
                '(' => self.group()?,
                '{' | '}' => self.literal(next),
                other => self.out.push(other),
            }
        }
        Ok(())
    }

    /// What stands behind `{`, if it is a repetition.
    fn repetition(&mut self) -> Result<Option<String>, String> {
        let inside: String = self.rest.clone().take_while(|c| c.is_ascii_digit() || *c == ',').collect();
        let closed = self.rest.clone().nth(inside.chars().count()) == Some('}');
        let (least, most) = match inside.split_once(',') {
            Some((least, "")) => (least, None),
            Some((least, most)) => (least, Some(most)),
            None => (inside.as_str(), None),
        };
        let is_number = |text: &str| {
            !text.is_empty()
                && text.bytes().all(|byte| byte.is_ascii_digit())
                && (text.len() == 1 || !text.starts_with('0'))
        };
        if !closed || !is_number(least) || !most.is_none_or(is_number) {
            return Ok(None);
        }
        let bounded = |text: &str| text.parse().ok().filter(|number: &u32| *number <= MAX_REPEAT);
        let fits = match (bounded(least), most.map(bounded)) {
            (Some(least), Some(Some(most))) => least <= most,
            (Some(_), None) => true,
            _ => false,
        };
        if !fits {
            return Err(format!("invalid repeat count: `{{{inside}}}`"));
        }
        self.rest.nth(inside.chars().count());
        Ok(Some(format!("{{{inside}}}")))
    }

    fn group(&mut self) -> Result<(), String> {
        self.out.push('(');
        if self.rest.next_if_eq(&'?').is_none() {
            return Ok(());
        }
        self.out.push('?');
        let unsupported = |seen: &str| format!("invalid or unsupported Perl syntax: `(?{seen}`");
        match self.rest.peek() {
            Some('<') => {
                let behind = self.rest.clone().nth(1);
                if matches!(behind, Some('=' | '!')) {
                    return Err(unsupported("<"));
                }
            }
            Some('P') => {
                if self.rest.clone().nth(1) != Some('<') {
                    return Err(unsupported("P"));
                }
            }
            _ => {
                for flag in self.rest.by_ref() {
                    self.out.push(flag);
                    match flag {
                        ':' | ')' => break,
                        'i' | 'm' | 's' | 'U' | '-' => {}
                        other => return Err(unsupported(&other.to_string())),
                    }
                }
            }
        }
        Ok(())
    }

    /// Behind a backslash, outside of brackets.
    fn escape(&mut self) -> Result<(), String> {
        let Some(letter) = self.rest.next() else {
            return Err("trailing backslash at end of expression: ``".to_owned());
        };
        match letter {
            'A' | 'z' => self.out.extend(['\\', letter]),
            'b' | 'B' => self.out.extend(["(?-u:\\", &letter.to_string(), ")"]),
            'Q' => self.quoted(),
            _ => match perl_class(letter) {
                Some((class, negated)) => self.out.extend(["[", if negated { "^" } else { "" }, class, "]"]),
                None if matches!(letter, 'p' | 'P') => self.property(letter),
                None => {
                    let character = self.character(letter)?;
                    self.literal(character);
                }
            },
        }
        Ok(())
    }

    /// `\Q…\E`: as it stands, to the end of the expression if need be.
    fn quoted(&mut self) {
        while let Some(next) = self.rest.next() {
            if next == '\\' && self.rest.next_if_eq(&'E').is_some() {
                return;
            }
            self.literal(next);
        }
    }

    /// `\pN`, `\p{Greek}`, `\p{^Greek}`.
    fn property(&mut self, letter: char) {
        let mut positive = letter == 'p';
        let name: String = match self.rest.next_if_eq(&'{') {
            Some(_) => {
                if self.rest.next_if_eq(&'^').is_some() {
                    positive = !positive;
                }
                self.rest.by_ref().take_while(|c| *c != '}').collect()
            }
            None => self.rest.next().into_iter().collect(),
        };
        self.out.extend([if positive { "\\p{" } else { "\\P{" }, &name, "}"]);
    }

    /// The character that `\` and `letter` stand for.
    fn character(&mut self, letter: char) -> Result<char, String> {
        let invalid = |seen: String| format!("invalid escape sequence: `\\{seen}`");
        Ok(match letter {
            'a' => '\u{7}',
            'f' => '\u{c}',
            't' => '\t',
            'n' => '\n',
            'r' => '\r',
            'v' => '\u{b}',
            'x' => {
                let digits: String = match self.rest.next_if_eq(&'{') {
                    Some(_) => self.rest.by_ref().take_while(|c| *c != '}').collect(),
                    None => self.rest.by_ref().take(2).collect(),
                };
                let value = u32::from_str_radix(&digits, 16).ok().filter(|_| !digits.starts_with('+'));
                value.and_then(char::from_u32).ok_or_else(|| invalid(format!("x{digits}")))?
            }
            // One digit other than 0 would be a reference to a group.
            '0'..='7' => {
                let mut digits = letter.to_string();
                while digits.len() < 3
                    && let Some(digit) = self.rest.next_if(|c| ('0'..='7').contains(c))
                {
                    digits.push(digit);
                }
                let value = u32::from_str_radix(&digits, 8).ok().filter(|_| letter == '0' || digits.len() > 1);
                value.and_then(char::from_u32).ok_or_else(|| invalid(digits))?
            }
            other if other.is_ascii() && !other.is_ascii_alphanumeric() => other,
            other => return Err(invalid(other.to_string())),
        })
    }

    /// `[…]`: no operators on sets, no brackets inside.
    fn class(&mut self) -> Result<(), String> {
        self.out.push('[');
        self.out.extend(self.rest.next_if_eq(&'^'));
        let mut first = true;
        loop {
            let missing = || "missing closing ]".to_owned();
            let next = self.rest.next().ok_or_else(missing)?;
            match next {
                ']' if !first => break,
                '[' if self.named_class()? => {}
                '\\' if self.rest.peek().is_some_and(|letter| perl_class(*letter).is_some()) => {
                    if let Some((class, negated)) = self.rest.next().and_then(perl_class) {
                        self.out.extend(["[", if negated { "^" } else { "" }, class, "]"]);
                    }
                }
                '\\' if matches!(self.rest.peek(), Some('p' | 'P')) => {
                    let letter = self.rest.next().unwrap_or('p');
                    self.property(letter);
                }
                low => {
                    let low = self.member(low)?;
                    self.literal(low);
                    let mut ahead = self.rest.clone();
                    if ahead.next() == Some('-') && ahead.next().is_some_and(|c| c != ']') {
                        self.rest.next();
                        let high = self.rest.next().ok_or_else(missing)?;
                        let high = self.member(high)?;
                        if high < low {
                            return Err(format!("invalid character class range: `{low}-{high}`"));
                        }
                        self.out.push('-');
                        self.literal(high);
                    }
                }
            }
            first = false;
        }
        self.out.push(']');
        Ok(())
    }

    fn member(&mut self, next: char) -> Result<char, String> {
        match next {
            '\\' => match self.rest.next() {
                Some(letter) => self.character(letter),
                None => Err("trailing backslash at end of expression: ``".to_owned()),
            },
            other => Ok(other),
        }
    }

    /// `[:word:]` behind its `[`; false where none stands there.
    fn named_class(&mut self) -> Result<bool, String> {
        const NAMES: [&str; 14] = [
            "alnum", "alpha", "ascii", "blank", "cntrl", "digit", "graph", "lower", "print", "punct", "space", "upper",
            "word", "xdigit",
        ];
        // Longer than any name, so that a pattern of brackets is read once.
        let ahead: String = self.rest.clone().take(16).collect();
        let Some((name, _)) = ahead.strip_prefix(':').and_then(|ahead| ahead.split_once(":]")) else {
            return Ok(false);
        };
        if !NAMES.contains(&name.strip_prefix('^').unwrap_or(name)) {
            return Err(format!("invalid character class range: `[:{name}:]`"));
        }
        self.rest.nth(name.chars().count() + 2);
        self.out.extend(["[:", name, ":]"]);
        Ok(true)
    }

    fn literal(&mut self, character: char) {
        if character.is_ascii_punctuation() && !matches!(character, '<' | '>') {
            self.out.push('\\');
        }
        self.out.push(character);
    }
}

/// `\d` and the like: Go's hold ASCII only.
fn perl_class(letter: char) -> Option<(&'static str, bool)> {
    let class = match letter.to_ascii_lowercase() {
        'd' => "0-9",
        's' => "\\t\\n\\f\\r ",
        'w' => "0-9A-Za-z_",
        _ => return None,
    };
    Some((class, letter.is_ascii_uppercase()))
}

#[cfg(test)]
mod tests {
    use regex::Regex;

    use super::*;

    fn compiled(pattern: &str) -> Result<Regex, String> {
        Regex::new(&from_go(pattern)?).map_err(|why| why.to_string())
    }

    #[test]
    fn expressions_match_as_in_go() {
        for (pattern, yes, no) in [
            (r"^\Qa.b\E$", "a.b", "axb"),
            (r"^\Qa+", "a+", "aa"),
            (r"^\Qab\E+$", "abbb", "abab"),
            (r"^\141\x62\x{63}$", "abc", "abd"),
            (r"^\0$", "\0", "0"),
            (r"^a{2,3}$", "aa", "a"),
            (r"^a{$", "a{", "a"),
            (r"^a{,2}$", "a{,2}", "aa"),
            (r"^a{b}$", "a{b}", "ab"),
            (r"^a{01}$", "a{01}", "a"),
            (r"^}$", "}", "{"),
            (r"^\d+$", "12", "٣"),
            (r"^\w+$", "a_1", "é"),
            (r"^\W$", "é", "e"),
            (r"^[\w-]+$", "a-b", "é"),
            (r"^[\W]$", "é", "e"),
            (r"^\s$", "\t", "\u{b}"),
            (r"^[]a]$", "]", "b"),
            (r"^[^]a]$", "b", "]"),
            (r"^[a-c-e]+$", "b-e", "d"),
            (r"^[[a]+$", "[a", "]"),
            (r"^[a&&b]+$", "&", "c"),
            (r"^[+--]+$", ",", "b"),
            (r"^[[:word:]]+$", "a_1", "é"),
            (r"^[[:^digit:]]$", "x", "1"),
            (r"^[\pL\d]+$", "é1", "-"),
            (r"^\pN$", "٣", "x"),
            (r"^\p{^Greek}$", "a", "α"),
            (r"^\P{^Greek}$", "α", "a"),
            (r"^\<a\>$", "<a>", "a"),
            (r"^\_\-\/$", "_-/", "_"),
            (r"(?i)^ABC$", "abc", "abd"),
            (r"(?P<x>a)(?<y>b)(?:c)", "abc", "ab"),
            (r"(?m)^b$", "a\nb", "ab"),
            (r"(?s)a.b", "a\nb", "ab"),
            (r"a\z", "ba", "ab"),
            (r"a\b", "a é", "ab"),
            (r"é\B", "é", "éa"),
            (r"^(?U)a+?$", "aa", "b"),
        ] {
            let regex = compiled(pattern).unwrap_or_else(|why| panic!("{pattern}: {why}"));
            assert!(regex.is_match(yes), "{pattern} on {yes:?}: {regex}");
            assert!(!regex.is_match(no), "{pattern} on {no:?}: {regex}");
        }
    }

    /// Each character is looked at a few times at most, or this takes minutes.
    #[test]
    fn patterns_of_braces_and_brackets_are_read_once() {
        for piece in ["{", "{1", "[[", "[[:", "{1,"] {
            let _ = from_go(&piece.repeat(200_000));
            let _ = from_go(&format!("[{}", piece.repeat(200_000)));
        }
    }

    #[test]
    fn what_go_refuses_is_refused() {
        for (pattern, why) in [
            (r"a**", "invalid nested repetition operator"),
            (r"a{2}{3}", "invalid nested repetition operator"),
            (r"a+?+", "invalid nested repetition operator"),
            (r"a{1001}", "invalid repeat count: `{1001}`"),
            (r"a{1,99999999999}", "invalid repeat count"),
            (r"a{3,2}", "invalid repeat count"),
            (r"\1", "invalid escape sequence: `\\1`"),
            (r"(a)\8", "invalid escape sequence"),
            (r"\Z", "invalid escape sequence"),
            (r"\C", "invalid escape sequence"),
            (r"\u{41}", "invalid escape sequence"),
            (r"\é", "invalid escape sequence"),
            (r"a\", "trailing backslash"),
            (r"[a\", "trailing backslash"),
            (r"[a", "missing closing ]"),
            (r"[]", "missing closing ]"),
            (r"[z-a]", "invalid character class range"),
            (r"[[:foo:]]", "invalid character class range"),
            (r"(?=a)", "unsupported Perl syntax"),
            (r"(?!a)", "unsupported Perl syntax"),
            (r"(?<=a)", "unsupported Perl syntax"),
            (r"(?<!a)", "unsupported Perl syntax"),
            (r"(?P=a)", "unsupported Perl syntax"),
            (r"(?x) a", "unsupported Perl syntax"),
            (r"(a", "unclosed group"),
            (r"a)", "unopened group"),
            (r"*a", "missing expression"),
            (r"\p{Nobody}", "Unicode property not found"),
        ] {
            let found = compiled(pattern).expect_err(pattern);
            assert!(found.contains(why), "{pattern}: {found}");
        }
    }

    proptest::proptest! {
        #[test]
        fn nothing_makes_it_panic(pattern in "[\\\\QEpPxd{}0-9,\\[\\]:^a-c()?*+é-]{0,24}") {
            let _ = compiled(&pattern);
        }
    }
}
