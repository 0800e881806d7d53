//! The language itself.

use baton_template::{Delimiters, RenderOptions, Template, render};

use crate::world::{World, all};

#[test]
fn actions() {
    all(&[
        (
            "{{1.5}} {{1e6}} {{123456.0}} {{0.00001}} {{sprig_list 2.0 1e7}} {{1e21}}",
            "1.5 1e+06 123456 1e-05 [2 1e+07] 1e+21",
        ),
        ("{{printf \"%v|%5v|%s|%d%%|%v\" 1e6 1.5 \"a\" 3 (sprig_dict \"a\" 1e6)}}", "1e+06|  1.5|a|3%|map[a:1e+06]"),
        ("plain", "plain"),
        ("a {{- /* gone */ -}} b", "ab"),
        ("{{/* has }} inside */}}x", "x"),
        ("{{\"quoted\"}} {{`raw \\n`}} {{'a'}} {{0x10}} {{1.5}} {{true}}", "quoted raw \\n 97 16 1.5 true"),
        ("{{\"}}\"}}", "}}"),
        ("a  {{- \"b\" -}}  \n c", "abc"),
        ("{{$x := 1}}{{$x = 2}}{{$x}}", "2"),
        ("{{$x := 1}}{{if true}}{{$x = 2}}{{$x := 3}}{{end}}{{$x}}", "2"),
        ("{{if eq 1 2 1}}yes{{else}}no{{end}}", "yes"),
        ("{{if false}}a{{else if true}}b{{else}}c{{end}}", "b"),
        ("{{with \"x\"}}{{.}}{{end}}{{with \"\"}}a{{else}}b{{end}}", "xb"),
        ("{{with \"\"}}a{{else with \"c\"}}{{.}}{{end}}", "c"),
        ("{{range $i, $e := split \",\" \"a,b\"}}{{$i}}{{$e}} {{end}}", "0a 1b "),
        ("{{range loop 5}}{{if eq . 3}}{{break}}{{end}}{{if eq . 1}}{{continue}}{{end}}{{.}}{{end}}", "02"),
        ("{{range split \",\" \"\"}}x{{else}}none{{end}}", "none"),
        ("{{range 3}}{{.}}{{end}}", "012"),
        ("{{define \"a\"}}[{{.}}]{{end}}{{template \"a\" \"x\"}}{{template \"a\" 2}}", "[x][2]"),
        ("{{block \"b\" 1}}<{{.}}>{{end}}", "<1>"),
        ("{{define \"a\"}}{{$.x}}{{end}}{{template \"a\" (sprig_dict \"x\" 1)}}", "1"),
        ("{{and 1 0 2}} {{or 0 \"\" \"z\"}} {{not true}}", "0 z false"),
        ("{{and false (sprig_fail \"never\")}}", "false"),
        ("{{len \"abc\"}} {{index (sprig_list 1 2) 1}} {{slice \"abcd\" 1 3}}", "3 2 bc"),
        ("{{index (parseJSON `{\"a\":{\"b\":[1,2]}}`) \"a\" \"b\" 1}}", "2"),
        ("{{(parseJSON `{\"a\":{\"b\":8080}}`).a.b}}", "8080"),
        ("{{$m := parseJSON `{\"a\":1}`}}{{$m.a}} {{$m.z}}", "1 <no value>"),
        ("{{lt 1 2}} {{ge 1.5 1}} {{eq 1 1.0}} {{ne \"a\" \"b\"}}", "true true true true"),
        ("{{print 1 2 \"a\" 3}} {{println \"x\" 1}}", "1 2a3 x 1\n"),
        ("{{printf \"%s-%03d|%5.2f|%q|%v|%x\" \"a\" 7 1.5 \"q\" (sprig_list 1 2) 255}}", "a-007| 1.50|\"q\"|[1 2]|ff"),
        ("{{html \"<a>\"}} {{js \"it's\"}} {{urlquery \"a b&c\"}}", "&lt;a&gt; it\\'s a+b%26c"),
        ("{{sprig_dict \"a\" 1 \"b\" 2}}", "map[a:1 b:2]"),
        ("{{\"a\" | printf \"%s%s\" \"b\" | toUpper}}", "BA"),
    ]);
}

#[test]
fn mistakes_of_the_text_have_a_place() {
    let world = World::default();
    for (text, wanted) in [
        ("a\n{{if true}}b", "template t:2:1: if without its end"),
        ("a{{end}}b", "template t:1:2: unexpected end: no block is open here"),
        ("{{else}}", "template t:1:1: unexpected else"),
        ("{{if 1}}{{else}}{{else}}{{end}}", "template t:1:17: unexpected else"),
        ("x\n  {{nope 1}}", "template t:2:5: function \"nope\" not defined"),
        (
            "{{key_or_default \"a\" \"b\"}}",
            "template t:1:3: function \"key_or_default\" not defined; did you mean \"keyOrDefault\"?",
        ),
        ("{{ternary 1 2 true}}", "template t:1:3: function \"ternary\" not defined; did you mean \"sprig_ternary\"?"),
        ("{{$x}}", "template t:1:3: undefined variable \"$x\""),
        ("{{if true}}{{$x := 1}}{{end}}{{$x}}", "template t:1:32: undefined variable \"$x\""),
        ("{{break}}", "template t:1:3: break or continue outside range"),
        ("{{define \"a\"}}1{{end}}{{define \"a\"}}2{{end}}", "template t:1:1: template \"a\" is defined twice"),
    ] {
        assert_eq!(world.error(text), wanted, "{text}");
    }
    for text in
        ["{{", "{{\"a}}", "{{.a", "{{range}}{{end}}", "{{template}}", "{{1 | }}", "{{(1}}", "{{define}}x{{end}}"]
    {
        assert!(world.error(text).starts_with("template t:1:"), "{text}");
    }
}

#[test]
fn mistakes_while_rendering_have_a_place() {
    let world = World::default();
    for (text, wanted) in [
        ("\n {{index (sprig_list 1) 3}}", "template t:2:4: index: index 3 is out of range: the length is 1"),
        ("{{template \"x\"}}", "template t:1:3: template \"x\" is not defined"),
        ("{{\"a\" | parseInt}}", "template t:1:9: parseInt: \"a\" is not a valid int"),
        ("{{toLower}}", "template t:1:3: toLower: wants 1 argument(s), got 0"),
        ("{{1 | divide 0}}", "template t:1:7: divide: division by zero"),
        ("{{(1).x}}", "template t:1:3: can't evaluate field x in type int"),
        ("{{sprig_fail \"no\"}}", "template t:1:3: sprig_fail: no"),
    ] {
        assert_eq!(world.error(text), wanted, "{text}");
    }
}

#[test]
fn delimiters_and_missing_keys() {
    let delimiters = Delimiters { left: "[[".to_owned(), right: "]]".to_owned() };
    let text = "{{ kept }} [[ $m := sprig_dict ]][[ $m.a ]]";
    let template = Template::parse("t", text, &delimiters).unwrap();
    let rendered = |error_on_missing_key| {
        let options = RenderOptions { error_on_missing_key, ..RenderOptions::default() };
        render(&template, &World::default(), &options)
    };
    assert_eq!(rendered(false).unwrap().text.unwrap(), "{{ kept }} <no value>");
    let error = rendered(true).unwrap_err();
    assert_eq!(error.to_string(), "template t:1:37: the map has no entry for key \"a\"");
    assert_eq!(error.line(), 1);
}
