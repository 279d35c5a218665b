//! What to do where there are no AWS credentials, by what the profile says of them.

use std::path::PathBuf;

/// So many profiles may name one another.
const CHAIN: usize = 8;

/// A sentence, with the SDK's own words where they tell more.
pub(crate) fn advice(said: &str) -> String {
    let of = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
    let home = || Some(PathBuf::from(of("HOME")?));
    let file = |name, otherwise: &str| {
        let named = of(name).map(PathBuf::from);
        let path = named.or_else(|| Some(home()?.join(".aws").join(otherwise)))?;
        std::fs::read_to_string(path).ok()
    };
    let config = file("AWS_CONFIG_FILE", "config").unwrap_or_default();
    let keys = file("AWS_SHARED_CREDENTIALS_FILE", "credentials").unwrap_or_default();
    let profile = of("AWS_PROFILE");
    in_words(&config, &keys, profile.as_deref(), said)
}

fn in_words(config: &str, keys: &str, profile: Option<&str>, said: &str) -> String {
    let name = profile.unwrap_or("default");
    let of = profile.map_or_else(String::new, |name| format!(" --profile {name}"));
    let is_there = !section(config, name).is_empty() || !section(keys, name).is_empty();
    if profile.is_some() && !is_there {
        return format!(
            "there is no AWS profile {name}: `aws configure list-profiles` shows those that there are"
        );
    }
    match means(config, name) {
        Some(Means::Sso) => format!(
            "the SSO session of AWS profile {name} has expired, or was never begun: run `aws sso login{of}` ({})",
            last(said)
        ),
        Some(Means::Login) => format!(
            "the login session of AWS profile {name} has expired, or was never begun: run `aws login{of}` ({})",
            last(said)
        ),
        Some(Means::Process) => {
            format!("the credential_process of AWS profile {name} gave no credentials: {}", last(said))
        }
        Some(Means::Other) => format!("AWS profile {name} gave no credentials: {}", last(said)),
        None => "there are no AWS credentials: run `aws configure` or `aws sso login`, or set AWS_PROFILE, or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"
            .to_owned(),
    }
}

/// How a profile comes by its credentials.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Means {
    Sso,
    Login,
    Process,
    Other,
}

/// The means of a profile, or of the one that it borrows its credentials from.
fn means(config: &str, name: &str) -> Option<Means> {
    let mut name = name.to_owned();
    for _ in 0..CHAIN {
        let settings = section(config, &name);
        let has = |wanted: &str| settings.iter().any(|(key, _)| key == wanted);
        if has("sso_session") || has("sso_start_url") {
            return Some(Means::Sso);
        }
        if has("login_session") {
            return Some(Means::Login);
        }
        if has("credential_process") {
            return Some(Means::Process);
        }
        let source = settings.iter().find(|(key, _)| key == "source_profile");
        match source {
            Some((_, source)) if *source != name => name.clone_from(source),
            _ if has("role_arn") || has("web_identity_token_file") => return Some(Means::Other),
            _ => return None,
        }
    }
    None
}

/// The settings of a profile in the AWS CLI's file of either kind.
fn section(text: &str, name: &str) -> Vec<(String, String)> {
    let mut inside = false;
    let mut found = Vec::new();
    for line in text.lines() {
        // What is indented belongs to the setting before.
        let nested = line.starts_with([' ', '\t']);
        let line = line.trim();
        if line.starts_with(['#', ';']) {
            continue;
        }
        if let Some(head) = line.strip_prefix('[') {
            let head = head.split(']').next().unwrap_or(head).trim();
            let head = head.strip_prefix("profile").map_or(head, |rest| {
                if rest.starts_with([' ', '\t']) {
                    rest.trim()
                } else {
                    head
                }
            });
            inside = head.trim_matches(['"', '\'']) == name;
        } else if let (true, false, Some((key, value))) = (inside, nested, line.split_once('=')) {
            found.push((key.trim().to_ascii_lowercase(), value.trim().to_owned()));
        }
    }
    found
}

/// The innermost of the SDK's causes: those around it only say which provider it was.
fn last(said: &str) -> &str {
    const ROOM: usize = 300;
    let causes = said.rsplit(": ").find(|cause| !cause.trim().is_empty());
    let cause = causes.unwrap_or(said).trim();
    &cause[..cause.floor_char_boundary(ROOM)]
}

#[cfg(test)]
mod tests {
    use super::*;

    const CONFIG: &str = "[default]\nregion = eu-west-1\n[profile work]\n sso_session=main\nsso_session = main\n\
        [sso-session main]\nsso_start_url = https://x\n[profile \"old sso\"]\nsso_start_url=https://x\n\
        [profile login]\nlogin_session = arn:aws:iam::1:user/a\n[profile tool]\ncredential_process = /bin/tool\n\
        [profile role]\nrole_arn = arn:aws:iam::1:role/r\nsource_profile = work\n\
        [profile lost]\nsource_profile = lost\n# [profile none]\n";

    #[test]
    fn each_kind_of_profile_has_a_way_out_of_its_own() {
        for (profile, expected) in [
            (Some("work"), "run `aws sso login --profile work`"),
            (Some("old sso"), "run `aws sso login --profile old sso`"),
            (Some("role"), "run `aws sso login --profile role`"),
            (Some("login"), "run `aws login --profile login`"),
            (
                Some("tool"),
                "credential_process of AWS profile tool gave no credentials: exit code 3",
            ),
            (Some("none"), "there is no AWS profile none"),
            (Some("main"), "there is no AWS profile main"),
            (Some("lost"), "there are no AWS credentials"),
            (None, "there are no AWS credentials: run `aws configure`"),
        ] {
            let told = in_words(CONFIG, "", profile, "provider: failed: exit code 3");
            assert!(told.contains(expected), "{profile:?}: {told}");
        }
        let default = CONFIG.replace("[default]", "[default]\nsso_session = main");
        let told = in_words(&default, "", None, "x");
        assert!(told.contains("run `aws sso login` ("), "{told}");
    }
}
