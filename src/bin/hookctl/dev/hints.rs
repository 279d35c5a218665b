//! What to try by hand, ready to paste.

use hookwork::twin::intdash::{Delivery, SAMPLE_MEASUREMENT, SIGNATURE_HEADER, signature};

use super::{ACCESS_KEY, BACKUP, INTDASH_SECRET, Local, ORIGIN, Options, REGION, SECRET_KEY};
use crate::print::Printer;

/// Prints the commands.
pub(super) fn print(local: &Local, options: &Options, printer: &Printer) {
    let Local {
        url,
        s3_url,
        inbox_token: token,
        ..
    } = local;
    let show = |lines: &[String]| {
        for line in lines {
            printer.line(&format!("   {line}"));
        }
    };
    printer.heading("Try it by hand: what is put into or removed from origin follows in backup");
    show(&[
        format!(
            "export AWS_ACCESS_KEY_ID={ACCESS_KEY} AWS_SECRET_ACCESS_KEY={SECRET_KEY} AWS_REGION={REGION}"
        ),
        format!("aws --endpoint-url {s3_url} s3 cp README.md s3://{ORIGIN}/"),
        format!("aws --endpoint-url {s3_url} s3 ls s3://{BACKUP}/"),
        format!("aws --endpoint-url {s3_url} s3 rm s3://{ORIGIN}/README.md"),
    ]);
    printer.heading("The same with rclone");
    let remote =
        format!(":s3,provider=Other,env_auth=true,endpoint=\"{s3_url}\",force_path_style=true:");
    show(&[
        format!("rclone copy README.md '{remote}{ORIGIN}'"),
        format!("rclone lsl '{remote}{BACKUP}'"),
    ]);
    printer.heading(
        "A signed delivery of intdash, and the mail it becomes (once: the same one again is known)",
    );
    let body = Delivery::new(SAMPLE_MEASUREMENT, "completed").body();
    let signed = signature(INTDASH_SECRET, body.as_bytes());
    show(&[
        format!("curl -s {url}/hooks/intdash -H '{SIGNATURE_HEADER}: {signed}' \\"),
        format!("  -d '{body}'"),
    ]);
    printer.line("");
    printer.detail("its secret", INTDASH_SECRET);
    printer.heading("The inbox: every delivery and what became of it");
    printer.detail("open", &format!("{url}/inbox"));
    printer.detail("its token", token);
    if let Some(file) = &options.write {
        let program = std::env::args().next();
        let program = program.unwrap_or_else(|| "hookctl".to_owned());
        show(&[format!("{program} --settings {} tail", file.display())]);
    }
    printer.heading("A webhook of your own for a day; the answer has its URL and its token");
    show(&[
        format!("curl -s {url}/inbox/api/endpoints -H 'authorization: Bearer {token}' \\"),
        r#"  -H 'content-type: application/json' -d '{"name": "try it", "days": 1, "forward": false}'"#
            .to_owned(),
    ]);
    printer.heading("What no event told of: an audit now");
    show(&[format!("kill -USR1 {}", std::process::id())]);
    printer.heading("Every delivery from now on, and every mail. Ctrl-C stops.");
}
