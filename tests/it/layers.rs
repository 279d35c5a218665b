//! The rules of the house, read off the source: which folder may name what, and how long a file may be.

use std::path::{Path, PathBuf};

fn files(folder: &str) -> Vec<(PathBuf, String)> {
    fn walk(folder: &Path, found: &mut Vec<(PathBuf, String)>) {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                walk(&path, found);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                found.push((path.clone(), std::fs::read_to_string(&path).unwrap()));
            }
        }
    }
    let mut found = Vec::new();
    walk(
        &Path::new(env!("CARGO_MANIFEST_DIR")).join(folder),
        &mut found,
    );
    assert!(!found.is_empty(), "{folder}");
    found
}

/// Lines of code that name one of these, comments apart.
fn naming(folder: &str, names: &[&str], except: &[&str]) -> Vec<String> {
    let mut hits = Vec::new();
    for (path, text) in files(folder) {
        let shown = path
            .strip_prefix(env!("CARGO_MANIFEST_DIR"))
            .unwrap()
            .display()
            .to_string();
        if except.iter().any(|folder| shown.starts_with(folder)) {
            continue;
        }
        let code = text
            .lines()
            .take_while(|line| !line.starts_with("#[cfg(test)]"));
        for line in code.filter(|line| !line.trim_start().starts_with("//")) {
            if names.iter().any(|name| line.contains(name)) {
                hits.push(format!("{shown}: {line}"));
            }
        }
    }
    hits
}

const CLIENT_TYPES: [&str; 6] = [
    "aws_sdk_",
    "aws_config",
    "aws_smithy_",
    "reqwest",
    "hyper",
    "aws_runtime",
];

#[test]
fn the_domain_is_pure() {
    let impure = [
        "tokio",
        "std::env",
        "std::fs",
        "std::net",
        "Instant::now",
        "SystemTime",
        "crate::clients",
        "crate::app",
        "crate::config",
        "async ",
    ];
    assert_eq!(naming("src/domain", &CLIENT_TYPES, &[]), [""; 0]);
    assert_eq!(naming("src/domain", &impure, &[]), [""; 0]);
}

#[test]
fn only_the_clients_name_client_types() {
    let elsewhere = ["src/clients", "src/twin", "src/bin"];
    assert_eq!(naming("src", &CLIENT_TYPES, &elsewhere), [""; 0]);
}

/// From the bottom to the top: a module names only those before it.
const ORDER: [&str; 15] = [
    "domain",
    "config",
    "clients",
    "error",
    "metrics",
    "brake",
    "resume",
    "transfer",
    "mirror",
    "summarise",
    "receipt",
    "app",
    "http",
    "lambda",
    "telemetry",
];

#[test]
fn dependencies_run_one_way() {
    for (index, module) in ORDER.iter().enumerate() {
        let above: Vec<_> = ORDER[index + 1..]
            .iter()
            .map(|above| format!("crate::{above}"))
            .collect();
        let above: Vec<_> = above.iter().map(String::as_str).collect();
        let here = format!("src/{module}");
        let found = naming("src", &above, &[])
            .into_iter()
            .filter(|hit| hit.starts_with(&here));
        assert_eq!(found.collect::<Vec<_>>(), [""; 0], "{module}");
    }
}

#[test]
fn every_module_has_its_place() {
    let source =
        std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("src/lib.rs")).unwrap();
    let mut modules: Vec<_> = source
        .lines()
        .filter_map(|line| line.strip_prefix("pub mod ")?.strip_suffix(';'))
        .collect();
    modules.retain(|module| *module != "twin");
    let mut placed = ORDER.to_vec();
    placed.sort_unstable();
    assert_eq!(modules, placed);
}

#[test]
fn the_function_cannot_name_the_twin() {
    assert_eq!(
        naming("src", &["twin"], &["src/twin", "src/bin", "src/lib.rs"]),
        [""; 0]
    );
}

#[test]
fn status_codes_live_at_the_edge() {
    assert_eq!(
        naming("src", &["StatusCode"], &["src/http", "src/twin", "src/bin"]),
        [""; 0]
    );
}

#[test]
fn no_file_is_longer_than_400_lines_and_each_says_what_it_is_for() {
    for folder in ["src", "tests"] {
        for (path, text) in files(folder) {
            assert!(
                text.lines().count() <= 400,
                "{}: {} lines",
                path.display(),
                text.lines().count()
            );
            assert!(
                text.starts_with("//!"),
                "{} begins with //!",
                path.display()
            );
        }
    }
}

/// The kinds of AWS profiles that people have are for `hookctl` alone: the function gets its credentials from Lambda.
#[test]
fn the_function_is_built_without_the_profiles_of_people() {
    let features = |of: &[&str]| {
        let mut cargo = std::process::Command::new(env!("CARGO"));
        cargo.args(["tree", "--quiet", "--offline", "--edges", "normal"]);
        cargo.args(["--prefix", "none", "--format", "{p} {f}"]);
        let ran = cargo.args(of).current_dir(env!("CARGO_MANIFEST_DIR"));
        let tree = String::from_utf8(ran.output().unwrap().stdout).unwrap();
        let line = tree.lines().find(|line| line.starts_with("aws-config "));
        line.unwrap().to_owned()
    };
    let (function, hookctl) = (features(&[]), features(&["--features", "dev"]));
    for of_people in ["sso", "credentials-process", "credentials-login"] {
        assert!(!function.contains(of_people), "{function}");
        assert!(hookctl.contains(of_people), "{hookctl}");
    }
}
