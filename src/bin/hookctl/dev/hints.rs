//! What to try by hand, ready to paste: each line fits into a terminal, or goes on after a backslash.

use hookwork::twin::intdash::{Delivery, SAMPLE_MEASUREMENT, SIGNATURE_HEADER, signature};

use super::{
    ACCESS_KEY, BACKUP, GITHUB_SECRET, INTDASH_SECRET, Local, ORIGIN, Options, PROJECT, REGION,
    SECRET_KEY, STRIPE_SECRET,
};
use crate::print::Printer;

/// Prints the commands.
pub(super) fn print(local: &Local, options: &Options, printer: &Printer) {
    let Local {
        url,
        s3_url,
        inbox_token: token,
        ..
    } = local;
    let show = |words: &[&str]| printer.line(&command(words, printer.width()));
    printer.heading("Try it by hand: what is put into or removed from origin follows in backup");
    let (key, secret) = (
        format!("AWS_ACCESS_KEY_ID={ACCESS_KEY}"),
        format!("AWS_SECRET_ACCESS_KEY={SECRET_KEY}"),
    );
    show(&["export", &key, &secret, &format!("AWS_REGION={REGION}")]);
    let aws = format!("aws --endpoint-url {s3_url} s3");
    show(&[&aws, &format!("cp README.md s3://{ORIGIN}/")]);
    show(&[&aws, &format!("ls s3://{BACKUP}/")]);
    show(&[&aws, &format!("rm s3://{ORIGIN}/README.md")]);
    printer.heading("The same with rclone");
    show(&[
        "export RCLONE_CONFIG_LOCAL_TYPE=s3",
        "RCLONE_CONFIG_LOCAL_PROVIDER=Other",
        "RCLONE_CONFIG_LOCAL_ENV_AUTH=true",
        &format!("RCLONE_CONFIG_LOCAL_ENDPOINT={s3_url}"),
    ]);
    show(&[&format!("rclone copy README.md local:{ORIGIN}")]);
    show(&[&format!("rclone lsl local:{BACKUP}")]);
    printer.heading(
        "A signed delivery of intdash, and the mail it becomes (once: the same one again is known)",
    );
    // A field a line: what is between them is signed, too.
    let body = Delivery::new(SAMPLE_MEASUREMENT, "completed").body();
    let body = body.replace(",\"", ",\n\"");
    let signed = signature(INTDASH_SECRET, body.as_bytes());
    show(&[
        &format!("curl -s {url}/hooks/intdash"),
        &format!("-H '{SIGNATURE_HEADER}: {signed}'"),
        &format!("-d '{body}'"),
    ]);
    printer.line("");
    printer.detail("its secret", INTDASH_SECRET);
    printer.heading("Any other sender: GitHub, Stripe, and one that proves nothing");
    let hookctl = options.write.as_ref().map(|file| {
        let program = std::env::args().next();
        let program = program.unwrap_or_else(|| "hookctl".to_owned());
        format!("{program} --settings {}", file.display())
    });
    if let Some(hookctl) = &hookctl {
        for name in ["github", "stripe"] {
            let sign = format!("sign {name} --url {url}/hooks/{name}");
            show(&[hookctl, &sign, "| sh"]);
        }
    }
    show(&[
        &format!("curl -s {url}/hooks/any"),
        r#"-d '{"hello":"world"}'"#,
    ]);
    printer.line("");
    for (name, secret) in [("github", GITHUB_SECRET), ("stripe", STRIPE_SECRET)] {
        printer.detail(name, &format!("{url}/hooks/{name}   secret {secret}"));
    }
    printer.detail("any", &format!("{url}/hooks/any   no secret"));
    printer.heading("The inbox: every delivery and what became of it");
    printer.detail("open", &format!("{url}/inbox"));
    printer.detail("its token", token);
    if let Some(hookctl) = &hookctl {
        printer.heading("The command line, with the settings of this run");
        show(&[hookctl, "tail"]);
        show(&[hookctl, "doctor --write"]);
        show(&[
            hookctl,
            &format!("register vk vk {PROJECT}/{ORIGIN}"),
            &format!("--url {url}/hooks/vk --dry-run"),
        ]);
    }
    printer.heading("A webhook of your own for a day; the answer has its URL and its token");
    show(&[
        &format!("curl -s {url}/inbox/api/endpoints"),
        &format!("-H 'authorization: Bearer {token}'"),
        "-H 'content-type: application/json'",
        r#"-d '{"name": "try it", "days": 1, "forward": false}'"#,
    ]);
    printer.heading("What no event told of: an audit now");
    show(&[&format!("kill -USR1 {}", std::process::id())]);
    printer.heading("Every delivery from now on, and every mail. Ctrl-C stops.");
}

/// A command of these words, in as many lines as it takes. No word is broken.
fn command(words: &[&str], width: usize) -> String {
    const END: &str = " \\";
    let mut lines = vec![String::from("   ")];
    let mut first = true;
    for (number, word) in words.iter().enumerate() {
        let last = number + 1 == words.len();
        let line = lines.last().map_or(0, |line| line.chars().count());
        let more = word.chars().count() + if last { 0 } else { END.len() };
        if !first && line + 1 + more > width {
            if let Some(line) = lines.last_mut() {
                line.push_str(END);
            }
            lines.push(format!("    {word}"));
        } else if let Some(line) = lines.last_mut() {
            if !first {
                line.push(' ');
            }
            line.push_str(word);
        }
        first = false;
    }
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_goes_on_after_a_backslash_and_no_word_is_broken() {
        assert_eq!(command(&["a", "b"], 80), "   a b");
        assert_eq!(
            command(&["aaaa", "bbbb", "cccc"], 12),
            "   aaaa \\\n    bbbb \\\n    cccc"
        );
        assert_eq!(command(&["aaaa", "bbbb"], 12), "   aaaa bbbb");
        assert_eq!(
            command(&["aaaa", "bbbb", "cc"], 12),
            "   aaaa \\\n    bbbb cc"
        );
        let long = "x".repeat(20);
        assert_eq!(command(&[&long], 12), format!("   {long}"));
    }
}
