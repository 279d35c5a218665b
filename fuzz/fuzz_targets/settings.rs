//! What operators and VK write: a source's definition (a), SECRETS (b), a bucket's notifications as XML (c), a URL in its spellings (d).

#![no_main]

use hookwork_fuzz::choice;
use hookwork_fuzz::domain::handshake::spellings;
use hookwork_fuzz::domain::notification::{Hook, merged};
use hookwork_fuzz::domain::secrets::Secrets;
use hookwork_fuzz::domain::source::Source;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let Some((what, rest)) = choice(data, 4) else {
        return;
    };
    let Ok(text) = std::str::from_utf8(rest) else {
        return;
    };
    match what {
        0 => {
            if let Ok(source) = serde_json::from_str::<Source>(text) {
                let _ = (source.problems(), source.path());
            }
        }
        1 => {
            let parsed = Secrets::parse(text);
            let names = parsed.secrets.of("hookwork").into_iter().count();
            assert!(
                names <= 1
                    && parsed
                        .problems
                        .iter()
                        .all(|problem| problem.len() < text.len() + 300)
            );
        }
        2 => {
            let hook = Hook {
                id: "hookwork".to_owned(),
                url: "https://hooks.test/hooks/vk".to_owned(),
                prefix: Some("a&b/".to_owned()),
            };
            if let Ok(first) = merged(text, &hook) {
                let again = merged(&first.xml, &hook).expect("what was written can be read");
                assert!(again.replaced);
                assert_eq!((again.kept, &again.xml), (first.kept, &first.xml));
            }
        }
        _ => {
            let found = spellings(text);
            assert_eq!(found[0], text);
            assert!(found.len() <= 40);
        }
    }
});
