//! Templates that try to hang, to fill the memory or to crash.

use baton_template::{Delimiters, FunctionSet, Template, functions, parse_env_file};
use proptest::prelude::*;

use crate::world::World;

#[test]
fn limits_hold() {
    let world = World::default();
    let nested = format!("{}{}", "{{if true}}".repeat(200), "{{end}}".repeat(200));
    let chain = format!("{{{{if false}}}}{}{{{{end}}}}", "{{else if false}}".repeat(5000));
    let parens = format!("{{{{{}1{}}}}}", "(".repeat(5000), ")".repeat(5000));
    for (text, wanted) in [
        ("{{range loop 1 1000000000}}{{end}}", "loop: 999999999 rounds: at most 1000000"),
        ("{{range 1000000000}}{{end}}", "range over 1000000000: at most 1000000 rounds"),
        ("{{range loop 100000}}{{range loop 100000}}x{{end}}{{end}}", "too much work"),
        ("{{sprig_repeat 1000000000 \"x\"}}", "longer than"),
        ("{{printf \"%999999999d\" 1}}", "width or precision"),
        ("{{printf \"%*d\" 999999999 1}}", "width or precision"),
        ("{{\"a\" | indent 1000000000}}", "longer than"),
        ("{{$x := \"ab\"}}{{range loop 60}}{{$x = print $x $x}}{{end}}", "larger than"),
        ("{{$x := sprig_list 1}}{{range loop 60}}{{$x = sprig_list $x $x}}{{end}}", "larger than"),
        ("{{$x := sprig_list 1}}{{range loop 2000}}{{$x = sprig_list $x}}{{end}}{{$x}}", "nested deeper"),
        ("{{range loop 1000}}{{range loop 1000}}0123456789012345678901234567{{end}}{{end}}", "longer than"),
        ("{{define \"a\"}}{{template \"a\"}}{{end}}{{template \"a\"}}", "nested deeper"),
        ("{{range loop 1000000}}{{scratch.Set (print .) (sprig_repeat 100000 \"x\")}}{{end}}", "too much work"),
        ("{{regexMatch \"(a{1000}){1000}\" \"a\"}}", "bad regular expression"),
        ("{{range loop 100000}}{{regexMatch (print \"a\" .) \"x\"}}{{end}}", "too much work"),
        ("{{$x := sprig_repeat 1000000 \"a\"}}{{range loop 100}}{{$x | regexMatch \"b\"}}{{end}}", "too much work"),
        ("{{add 9223372036854775807 1}}", "does not fit"),
        ("{{divide -1 -9223372036854775808}}", ""),
        ("{{sprig_div -9223372036854775808 -1}}", ""),
        (&nested, "nested deeper"),
        (&chain, "nested deeper"),
        (&parens, "nest"),
    ] {
        match world.try_render(text) {
            Err(error) => assert!(error.to_string().contains(wanted), "{error}"),
            Ok(rendered) => assert!(wanted.is_empty(), "{rendered:?}"),
        }
    }
}

#[test]
fn deep_but_allowed_blocks_fit_the_stack() {
    let text = format!("{}x{}", "{{if true}}".repeat(98), "{{end}}".repeat(98));
    assert_eq!(World::default().render(&text), "x");
}

/// Every function with every odd argument: errors are fine, panics are not.
#[test]
fn odd_arguments_never_panic() {
    let world = World::default();
    let odd = [
        "nil",
        "\"\"",
        "\"é\"",
        "\"a\"",
        "0",
        "1",
        "-1",
        "2.5",
        "9223372036854775807",
        "-9223372036854775808",
        "true",
        "(sprig_list)",
        "(sprig_list 1 \"a\")",
        "(sprig_dict)",
        "(sprig_dict \"a\" (sprig_list))",
        "scratch",
        "(parseJSON \"null\")",
    ];
    for name in functions::names(FunctionSet::ConsulTemplate) {
        for a in odd {
            let _ = world.try_render(&format!("{{{{{name} {a}}}}}"));
            for b in odd {
                let _ = world.try_render(&format!("{{{{{name} {a} {b}}}}}"));
                let _ = world.try_render(&format!("{{{{{name} {b} {a} \"ab\"}}}}"));
            }
        }
    }
}

fn fragment() -> impl Strategy<Value = String> {
    let words = [
        "{{",
        "}}",
        "{{-",
        "-}}",
        " ",
        "if ",
        "range ",
        "with ",
        "end",
        "else",
        "define ",
        "template ",
        "block ",
        "\"a\"",
        "`",
        "'",
        "\"",
        "$x",
        ":=",
        "=",
        "|",
        "(",
        ")",
        ".",
        ".a",
        "1",
        "-1",
        "0x",
        "key ",
        "service ",
        "scratch.Set ",
        "printf ",
        "loop ",
        "/*",
        "*/",
        "\n",
        "é",
        "nil",
        "break",
        "continue",
        ",",
        "\\",
    ];
    proptest::collection::vec(proptest::sample::select(words.to_vec()), 0..40).prop_map(|words| words.concat())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_text_panics(text in fragment()) {
        let _ = World::default().try_render(&text);
    }

    #[test]
    fn no_delimiters_panic(text in fragment(), left in "[<{é$]{0,2}", right in "[>}é-]{0,2}") {
        let _ = Template::parse("t", &text, &Delimiters { left, right });
    }

    #[test]
    fn no_env_file_panics(text in "[A-Z=:\"'\\\\#\n\r\t é$]{0,60}") {
        let _ = parse_env_file(&text);
    }

    #[test]
    fn text_without_actions_is_itself(text in "[^{}]*") {
        prop_assert_eq!(World::default().render(&text), text);
    }
}
