//! Whole configuration files: those that must load, and those that must be refused with these words.

use std::fs;
use std::path::PathBuf;
use userline::config::{Config, ConfigErrors, Sources};

#[test]
fn valid_files_load() {
    for path in files("valid") {
        if let Err(errors) = load(&path) {
            panic!("{}:\n{errors}", path.display());
        }
    }
}

#[test]
fn invalid_files_are_refused_with_all_their_errors() {
    for path in files("invalid") {
        let text = fs::read_to_string(&path).unwrap();
        let expected: Vec<&str> =
            text.lines().map_while(|line| line.strip_prefix("# error: ")).collect();
        let errors = load(&path).expect_err(&path.display().to_string());

        assert!(!expected.is_empty(), "{}: begins with `# error: …`", path.display());
        assert_eq!(errors.list().len(), expected.len(), "{}:\n{errors}", path.display());
        for part in expected {
            let is_said = errors.list().iter().any(|error| error.to_string().contains(part));
            assert!(is_said, "{}: nobody says {part:?} in\n{errors}", path.display());
        }
    }
}

fn load(path: &PathBuf) -> Result<Config, ConfigErrors> {
    Config::load(&Sources::new().with_file(path))
}

fn files(folder: &str) -> Vec<PathBuf> {
    let folder = PathBuf::from("tests/it/config").join(folder);
    let mut files: Vec<PathBuf> =
        fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    assert!(3 < files.len(), "an empty folder proves nothing: {files:?}");
    files
}
