//! The samples in `docs/samples`, which people copy from.

use std::fs;
use std::path::Path;

use crate::support::process::portcullis;

#[test]
fn every_sample_is_a_good_file_without_a_warning() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/samples");
    let mut count = 0;
    for entry in fs::read_dir(folder).expect("the folder is there") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            // Files that a sample names.
            continue;
        }
        let name = path.to_str().expect("UTF-8");
        assert!(name.ends_with(".yaml"), "{name} is no sample");
        if let Some(tested) = name.strip_suffix(".test.yaml") {
            let output = portcullis(&["test", &format!("{tested}.yaml")]);
            assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
            continue;
        }
        let output = portcullis(&["check", "--portable", "--strict", name]);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
        count += 1;
    }
    assert!(count > 0, "no samples");
}

#[test]
fn the_sample_at_the_root_is_tested_so_that_no_weakening_goes_unnoticed() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("routes.yaml");
    let output = portcullis(&["test", "--mutate", file.to_str().expect("UTF-8")]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
}
