//! Answers of remote services, as far as they are read without an SDK: the XML of a store, made readable (a), a time in any spelling (b), the secrets
//! of Secrets Manager (c). Answers through the SDK are read by `tests/it/answers.rs`.

#![no_main]

use hookwork_fuzz::choice;
use hookwork_fuzz::domain::date;
use hookwork_fuzz::domain::secrets::Secrets;
use hookwork_fuzz::domain::xml;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let Some((what, rest)) = choice(data, 3) else {
        return;
    };
    match what {
        0 => {
            if let Ok(once) = xml::readable(rest.to_vec()) {
                let text = std::str::from_utf8(&once).expect("it is UTF-8 afterwards");
                let control = |c: char| c.is_ascii_control() && !"\t\n\r\u{7f}".contains(c);
                assert!(!text.contains(control));
                assert_eq!(xml::readable(once.clone()), Ok(once));
            }
        }
        1 => {
            if let Some(at) = std::str::from_utf8(rest).ok().and_then(date::read) {
                // Years of four digits, and Unix times of at most fourteen.
                assert!((-62_167_305_600..=253_402_387_200).contains(&at));
            }
        }
        _ => {
            if let Ok(text) = std::str::from_utf8(rest) {
                let _ = Secrets::parse(text);
            }
        }
    }
});
