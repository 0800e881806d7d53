//! Functions that need nothing from outside.

use crate::world::{World, all};

#[test]
fn consul_template_texts() {
    all(&[
        ("{{\"A b\" | toLower}} {{\"a b\" | toUpper}} {{\"a bc\" | toTitle}}", "a b A B A Bc"),
        ("{{\"don't a_b e\u{301}t\u{e9} x-y\" | toTitle}}", "Don'T A_b E\u{301}t\u{e9} X-Y"),
        ("{{\"!!hi!\" | trim \"!\"}} {{\" x \" | trimSpace}}", "hi x"),
        ("{{\"v1.2\" | trimPrefix \"v\"}} {{\"a.conf\" | trimSuffix \".conf\"}}", "1.2 a"),
        ("{{\"hello hello\" | replaceAll \"ello\" \"i\"}}", "hi hi"),
        ("{{\"foo.bar\" | regexReplaceAll \"foo([.a-z]+)\" \"$1\"}}", ".bar"),
        ("{{if \"foo.bar\" | regexMatch \"foo([.a-z]+)\"}}yes{{end}}", "yes"),
        ("{{\"a,b\" | split \",\" | join \"-\"}}", "a-b"),
        ("{{\"a\\n\\nb\" | indent 2}}", "  a\n\n  b"),
        ("{{\"a:1,b:2\" | splitToMap \",\" \":\"}}", "map[a:1 b:2]"),
        ("{{sprig_list \"a\" \"b\" | contains \"b\"}} {{in \"abc\" \"z\"}}", "true false"),
        (
            "{{sprig_list 1 2 3 | containsAll (sprig_list 1 2)}} {{sprig_list 1 | containsNone (sprig_list 1)}}",
            "true false",
        ),
        (
            "{{sprig_list 1 2 3 | containsAny (sprig_list 9 2)}} {{sprig_list 1 | containsNotAll (sprig_list 1 2)}}",
            "true true",
        ),
        ("{{loop 1 4}} {{range loop 2}}x{{end}}", "[1 2 3] xx"),
        ("{{(sprig_list \"a\").Contains \"a\"}}", "true"),
    ]);
}

#[test]
fn consul_template_numbers_and_hashes() {
    all(&[
        ("{{add 1 2}} {{5 | subtract 2}} {{multiply 2 3}} {{10 | divide 3}} {{10 | modulo 4}}", "3 3 6 3 2"),
        ("{{add 1 0.5}} {{minimum 2 3}} {{maximum 2 3}}", "1.5 2 3"),
        (
            "{{\"5\" | parseInt | add 1}} {{\"true\" | parseBool}} {{\"1.5\" | parseFloat}} {{\"\" | parseInt}}",
            "6 true 1.5 0",
        ),
        ("{{\"abc\" | sha256Hex}}", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"),
        ("{{\"abc\" | md5sum}}", "900150983cd24fb0d6963f7d28e17f72"),
        (
            "{{hmacSHA256Hex \"what do ya want for nothing?\" \"Jefe\"}}",
            "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843",
        ),
        ("{{\"abc\" | sprig_sha1sum}}", "a9993e364706816aba3e25717850c26c9cd0d89d"),
        (
            "{{base64Encode \"a?>\"}} {{base64Decode \"YT8+\"}} {{base64URLEncode \"a?>\"}} {{base64URLDecode \"YT8-\"}}",
            "YT8+ a?> YT8- a?>",
        ),
    ]);
}

#[test]
fn structured_texts() {
    all(&[
        ("{{sprig_dict \"a\" (sprig_list 1 \"<b>\") | toJSON}}", "{\"a\":[1,\"\\u003cb\\u003e\"]}"),
        ("{{sprig_dict \"a\" \"<\" | toUnescapedJSON}}", "{\"a\":\"<\"}"),
        ("{{sprig_dict \"a\" 1 | toJSONPretty}}", "{\n  \"a\": 1\n}"),
        ("{{sprig_dict \"a\" (sprig_dict \"b\" 1) \"c\" \"x\" | toYAML}}", "a:\n  b: 1\nc: x"),
        ("{{sprig_dict \"a\" 1 \"t\" (sprig_dict \"b\" \"x\") | toTOML}}", "a = 1\n\n[t]\nb = \"x\""),
        ("{{with parseYAML \"a: [1, two]\\nb: {c: true}\"}}{{index .a 1}} {{.b.c}}{{end}}", "two true"),
        ("{{(parseJSON \"\") | len}} {{parseJSON \"[1000000, 0.5, null]\"}}", "0 [1000000 0.5 <nil>]"),
        ("{{explodeMap (sprig_dict \"a/b\" 1 \"a/c\" 2) | toJSON}}", "{\"a\":{\"b\":1,\"c\":2}}"),
        ("{{mergeMap (sprig_dict \"a\" 1) (sprig_dict \"a\" 2 \"b\" 3)}}", "map[a:1 b:3]"),
        ("{{mergeMapWithOverride (sprig_dict \"a\" 1) (sprig_dict \"a\" 2 \"b\" 3)}}", "map[a:2 b:3]"),
    ]);
}

#[test]
fn scratch() {
    all(&[
        (
            "{{scratch.Set \"a\" 1}}{{scratch.SetX \"a\" 2}}{{scratch.Get \"a\"}} {{scratch.Key \"a\"}} {{scratch.Key \"b\"}}",
            "1 true false",
        ),
        (
            "{{scratch.MapSet \"m\" \"y\" 1}}{{scratch.MapSetX \"m\" \"y\" 9}}{{scratch.MapSet \"m\" \"b\" 2}}{{scratch.MapValues \"m\"}} {{scratch.Get \"m\"}}",
            "[2 1] map[b:2 y:1]",
        ),
        ("{{define \"d\"}}{{scratch.Set \"x\" .}}{{end}}{{template \"d\" \"kept\"}}{{scratch.Get \"x\"}}", "kept"),
        (
            "{{range loop 3}}{{scratch.MapSet \"m\" (print .) .}}{{end}}{{range $k, $v := scratch.Get \"m\"}}{{$k}}={{$v}};{{end}}",
            "0=0;1=1;2=2;",
        ),
        ("{{$s := scratch}}{{$s.Set \"a\" 5}}{{$s.Get \"a\"}}", "5"),
    ]);
    assert!(World::default().error("{{scratch.Put 1}}").contains("scratch has no Put"));
}

#[test]
fn sprig_texts() {
    all(&[
        (
            "{{sprig_default \"d\" \"\"}} {{\"v\" | sprig_default \"d\"}} {{sprig_empty 0}} {{sprig_coalesce 0 \"\" 3}}",
            "d v true 3",
        ),
        ("{{sprig_trunc 3 \"abcdef\"}} {{sprig_trunc -2 \"abcdef\"}} {{sprig_abbrev 5 \"abcdefgh\"}}", "abc ef ab..."),
        (
            "{{sprig_ternary \"y\" \"n\" true}} {{sprig_quote \"a\\\"b\" 1}} {{sprig_squote \"a\"}}",
            "y \"a\\\"b\" \"1\" 'a'",
        ),
        ("x:{{sprig_nindent 2 \"a\\nb\"}}", "x:\n  a\n  b"),
        (
            "{{sprig_b64enc \"hi\"}} {{sprig_b64dec \"aGk=\"}} {{sprig_upper \"a\"}} {{sprig_repeat 3 \"ab\"}}",
            "aGk= hi A ababab",
        ),
        (
            "{{sprig_snakecase \"FirstName\"}} {{sprig_kebabcase \"FirstName\"}} {{sprig_camelcase \"http_server\"}}",
            "first_name first-name HttpServer",
        ),
        (
            "{{sprig_splitList \",\" \"a,b\"}} {{(sprig_split \".\" \"x.y\")._1}} {{sprig_join \"-\" (sprig_list 1 2)}}",
            "[a b] y 1-2",
        ),
        (
            "{{sprig_regexFind \"[a-z]+\" \"12ab3\"}} {{sprig_regexReplaceAll \"a(x*)b\" \"-ab-axxb-\" \"${1}W\"}}",
            "ab -W-xxW-",
        ),
        (
            "{{sprig_cat \"a\" 1 \"b\"}} {{sprig_substr 1 3 \"abcd\"}} {{sprig_plural \"one\" \"many\" 2}}",
            "a 1 b bc many",
        ),
        (
            "{{sprig_base \"/a/b.txt\"}} {{sprig_dir \"/a/b.txt\"}} {{sprig_ext \"b.txt\"}} {{sprig_clean \"a/../b//c\"}} {{sprig_isAbs \"/\"}}",
            "b.txt /a .txt b/c true",
        ),
    ]);
}

#[test]
fn sprig_lists_dicts_numbers() {
    all(&[
        (
            "{{sprig_mustFirst (sprig_list 1 2)}} {{sprig_mustRegexMatch \"a\" \"a\"}} {{sprig_mustToRawJson \"<\"}}",
            "1 true \"<\"",
        ),
        (
            "{{$l := sprig_list 3 1 2}}{{sprig_first $l}} {{sprig_last $l}} {{sprig_rest $l}} {{sprig_initial $l}} {{sprig_sortAlpha $l}}",
            "3 2 [1 2] [3 1] [1 2 3]",
        ),
        (
            "{{sprig_append (sprig_list 1) 2}} {{sprig_prepend (sprig_list 1) 2}} {{sprig_concat (sprig_list 1) (sprig_list 2)}}",
            "[1 2] [2 1] [1 2]",
        ),
        (
            "{{sprig_uniq (sprig_list 1 1 2)}} {{sprig_without (sprig_list 1 2) 1}} {{sprig_has 2 (sprig_list 1 2)}} {{sprig_compact (sprig_list 0 1)}}",
            "[1 2] [2] true [1]",
        ),
        (
            "{{sprig_until 3}} {{sprig_untilStep 0 5 2}} {{sprig_seq 1 3}} {{sprig_chunk 2 (sprig_list 1 2 3)}}",
            "[0 1 2] [0 2 4] 1 2 3 [[1 2] [3]]",
        ),
        (
            "{{$d := sprig_dict \"a\" 1}}{{$_ := sprig_set $d \"b\" 2}}{{$d}} {{sprig_hasKey $d \"b\"}} {{sprig_keys $d}} {{sprig_get $d \"z\"}}.",
            "map[a:1 b:2] true [a b] .",
        ),
        (
            "{{sprig_pick (sprig_dict \"a\" 1 \"b\" 2) \"a\"}} {{sprig_omit (sprig_dict \"a\" 1 \"b\" 2) \"a\"}} {{sprig_dig \"a\" \"b\" 9 (sprig_dict \"a\" (sprig_dict \"b\" 1))}}",
            "map[a:1] map[b:2] 1",
        ),
        (
            "{{sprig_sub 5 2}} {{sprig_div 7 2}} {{sprig_mod 7 2}} {{sprig_max 1 5 3}} {{sprig_add1 1}} {{sprig_int \"12\"}} {{sprig_round 1.256 2}}",
            "3 3 1 5 2 12 1.26",
        ),
        (
            "{{sprig_kindOf (sprig_list)}} {{sprig_kindIs \"string\" \"a\"}} {{sprig_toJson (sprig_list 1)}} {{(sprig_fromJson `{\"a\":1}`).a}}",
            "slice true [1] 1",
        ),
    ]);
}
