//! Nomad's single-dash long options (`-self`, `-stderr`, `-var=x=1`) as `--long` ones.
//!
//! An argument of one dash and at least two characters, the first a letter, gets a second dash. Nothing after `--` or
//! after a verb that passes its arguments on (`proxy`, `supervise`) is touched. Baton's own short options are single
//! letters and are never combined.

use std::ffi::{OsStr, OsString};

/// Verbs whose arguments belong to somebody else.
const PASS_THROUGH: [&str; 2] = ["proxy", "supervise"];

/// Rewrites the arguments; the program's name comes first, as in `std::env::args_os`.
pub fn normalise(args: impl IntoIterator<Item = OsString>) -> Vec<OsString> {
    let mut raw = false;
    let mut seen_verb = false;
    args.into_iter()
        .enumerate()
        .map(|(position, arg)| {
            if position == 0 || raw {
                return arg;
            }
            let is_option = arg.as_encoded_bytes().starts_with(b"-");
            if arg == "--" || (!seen_verb && !is_option && PASS_THROUGH.iter().any(|verb| arg == *verb)) {
                raw = true;
                return arg;
            }
            seen_verb |= !is_option;
            if is_single_dash_long(&arg) {
                let mut long = OsString::from("-");
                long.push(&arg);
                return long;
            }
            arg
        })
        .collect()
}

/// The exit code of a command line that cannot be understood: `plan` says with 1 that something would change.
pub fn usage_code(args: &[OsString]) -> u8 {
    let mut words = args.iter().skip(1).filter(|arg| !arg.as_encoded_bytes().starts_with(b"-"));
    let first = words.next();
    let verb = if first.is_some_and(|word| word == "job") { words.next() } else { first };
    if verb.is_some_and(|word| word == "plan") { 255 } else { 1 }
}

fn is_single_dash_long(arg: &OsStr) -> bool {
    matches!(arg.as_encoded_bytes(), [b'-', first, _, ..] if first.is_ascii_alphabetic())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(line: &str, expected: &str) {
        let args = line.split(' ').map(OsString::from);
        let out: Vec<_> = normalise(args).into_iter().map(|arg| arg.into_string().unwrap()).collect();
        assert_eq!(out.join(" "), expected);
    }

    #[test]
    fn a_wrong_plan_is_no_change() {
        let code = |line: &str| usage_code(&line.split(' ').map(OsString::from).collect::<Vec<_>>());
        assert_eq!([code("baton job plan"), code("baton plan --nope x"), code("baton --x job plan a b")], [255; 3]);
        assert_eq!([code("baton job run plan"), code("baton"), code("baton run plan")], [1; 3]);
    }

    #[test]
    fn nomads_options_become_long_ones() {
        check("baton node drain -self -yes -enable", "baton node drain --self --yes --enable");
        check("baton alloc logs -f -stderr abcd", "baton alloc logs -f --stderr abcd");
        check("baton run -var=a=-1 x.nomad", "baton run --var=a=-1 x.nomad");
        check("baton node drain --deadline -1s", "baton node drain --deadline -1s");
        check("baton run -", "baton run -");
    }

    #[test]
    fn arguments_of_others_stay() {
        check("baton proxy -configfile x", "baton proxy -configfile x");
        check("baton supervise -- traefik -configfile x", "baton supervise -- traefik -configfile x");
        check("baton job status -- -odd", "baton job status -- -odd");
        check("baton job status -json proxy -verbose", "baton job status --json proxy --verbose");
    }
}
