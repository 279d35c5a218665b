//! What is read as secrets, and what is said of what is not.

use super::*;

#[test]
fn reads_both_spellings_of_the_access_keys() {
    let both = Secrets::parse(
        r#"{"vk":{"access_key_id":"A","secret_access_key":"a\n","url_key":"u"},
            "old":{"keys":[{"access_key_id":"B","secret_access_key":"b"},{"access_key_id":"C","secret_access_key":"c"}]},
            "inbox":{"token":"t"}}"#,
    )
    .secrets;
    assert_eq!(
        both.of("vk").unwrap().access_keys[0].secret,
        Secret::new("a")
    );
    assert_eq!(both.of("old").unwrap().access_keys.len(), 2);
    assert!(both.of("nobody").is_none());
}

#[test]
fn a_trimmed_line_break_is_told() {
    let parsed = Secrets::parse(r#"{"a":{"secrets":["x\n"]},"b":{"secrets":["y"]}}"#);
    assert_eq!(parsed.trimmed, ["a"]);
}

#[test]
fn an_error_never_quotes_a_secret() {
    for json in [
        r#"{"vk":{"secrets":"hunter2"}}"#,
        r#"{"vk":"hunter2"}"#,
        r#"["hunter2"]"#,
        r#"{"vk":{"hunter2":1}}"#,
        "hunter2",
    ] {
        let problems = Secrets::parse(json).problems;
        assert!(
            !problems.is_empty() && !problems.concat().contains("hunter2"),
            "{problems:?}"
        );
    }
}

#[test]
fn the_inbox_has_a_token_and_is_no_source() {
    let parsed = Secrets::parse(r#"{"inbox":{"token":"t\n"},"vk":{"secrets":["s"]}}"#);
    let secrets = &parsed.secrets;
    assert_eq!(secrets.inbox_token(), Some(&Secret::new("t")));
    assert_eq!(parsed.trimmed, ["inbox"]);
    assert_eq!(secrets.names().collect::<Vec<_>>(), ["vk"]);
    let merged = Secrets::not_read().merged(secrets.clone());
    assert_eq!(merged.inbox_token(), Some(&Secret::new("t")));
    for (wrong, told) in [
        (r#"{"inbox":{"token":""}}"#, "empty"),
        (
            r#"{"inbox":{"token":"t","url_key":"hunter2"}}"#,
            "nothing else",
        ),
        (r#"{"inbox":{"secrets":["hunter2"]}}"#, "nothing else"),
        (r#"{"vk":{"token":"hunter2"}}"#, "nothing else"),
    ] {
        let parsed = Secrets::parse(wrong);
        assert!(parsed.secrets.inbox_token().is_none());
        assert_eq!(parsed.problems.len(), 1, "{wrong}");
        assert!(parsed.problems[0].contains(told), "{:?}", parsed.problems);
        assert!(!parsed.problems[0].contains("hunter2"));
    }
}

#[test]
fn an_empty_secret_is_an_error() {
    let parsed = Secrets::parse(r#"{"intdash":{"secrets":["\n"]}, "other":{"secrets":["x"]}}"#);
    assert_eq!(parsed.problems.len(), 1);
    assert!(parsed.secrets.of("other").is_some(), "the others go on");
}

#[test]
fn what_guards_a_source_survives_a_merge() {
    let parse = |json: &str| Secrets::parse(json).secrets;
    let merged = parse(r#"{"vk":{"url_key":"k","secrets":["a"]}}"#).merged(parse(
        r#"{"vk":{"access_key_id":" A\n","secret_access_key":"a","secrets":["b"]},"x":{}}"#,
    ));
    let vk = merged.of("vk").unwrap();
    assert_eq!(vk.url_key, Some(Secret::new("k")));
    assert_eq!((vk.secrets.len(), vk.access_keys[0].id.as_str()), (2, "A"));
    assert!(merged.of("x").is_some());
}

#[test]
fn a_url_key_that_no_url_can_carry_is_a_problem() {
    assert_eq!(
        Secrets::parse(r#"{"vk":{"url_key":"a/b"}}"#).problems.len(),
        1
    );
}

#[test]
fn what_was_pasted_with_a_key_is_no_part_of_it() {
    let parsed = Secrets::parse(
        "\u{feff}{\"vk\":{\"access_key_id\":\" A\",\"secret_access_key\":\"'a/b+c= '\",\"url_key\":\"\\\"u\\\"\"},
          \"intdash\":{\"api_token\":\" t \",\"secrets\":[\" s \"]}}",
    );
    assert_eq!(parsed.problems, [""; 0]);
    let vk = parsed.secrets.of("vk").unwrap();
    assert_eq!(
        (
            vk.access_keys[0].id.as_str(),
            vk.access_keys[0].secret.expose()
        ),
        ("A", "a/b+c=")
    );
    assert_eq!(vk.url_key, Some(Secret::new("u")));
    let intdash = parsed.secrets.of("intdash").unwrap();
    assert_eq!(intdash.api_token, Some(Secret::new("t")));
    assert_eq!(
        intdash.secrets,
        [Secret::new(" s ")],
        "who verifies tries both"
    );
    let empty = Secrets::parse(r#"{"vk":{"access_key_id":"A","secret_access_key":"\"\""}}"#);
    assert_eq!(empty.problems, ["vk: a secret is empty"]);
}

#[test]
fn an_entry_of_the_consoles_table_is_a_text_with_an_object_in_it() {
    let parsed =
        Secrets::parse(r#"{"github":"{\"secrets\":[\"s\"]}","inbox":"{\"token\":\"t\"}"}"#);
    assert_eq!(parsed.problems, [""; 0]);
    assert_eq!(
        parsed.secrets.of("github").unwrap().secrets,
        [Secret::new("s")]
    );
    assert!(parsed.secrets.inbox_token().is_some());
    for text in ["hunter2", "[\\\"hunter2\\\"]", "{\\\"hunter2\\\":1}"] {
        let parsed = Secrets::parse(&format!("{{\"x\":\"{text}\"}}"));
        assert_eq!(parsed.problems.len(), 1, "{text}");
        assert!(!parsed.problems[0].contains("hunter2"), "{text}");
    }
}
