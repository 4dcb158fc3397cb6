//! The corpus of the fuzz targets, replayed: what was found once is not lost again.

#![expect(clippy::unwrap_used, reason = "a helper that fails must panic")]

use std::{fs, panic, path::Path};

#[path = "../fuzz/src/lib.rs"]
#[allow(unreachable_pub, reason = "it is a crate of its own too")]
mod properties;

/// Runs a property over every file of a target's corpus, and says which files it fails for.
fn replay(target: &str, property: fn(&[u8])) {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus").join(target);
    let mut files: Vec<_> =
        fs::read_dir(&corpus).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    assert!(!files.is_empty(), "{} is empty", corpus.display());
    let fails = |file: &&std::path::PathBuf| {
        let input = fs::read(file).unwrap();
        panic::catch_unwind(|| property(&input)).is_err()
    };
    let failed: Vec<_> = files.iter().filter(fails).collect();
    assert!(failed.is_empty(), "{failed:?}");
}

/// Makes one test of every target.
macro_rules! targets {
    ($($target:ident)*) => {
        $(
            #[test]
            fn $target() {
                replay(stringify!($target), properties::$target);
            }
        )*

        #[test]
        fn every_corpus_is_replayed() {
            let corpora = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus");
            let entries = fs::read_dir(corpora).unwrap();
            let mut found: Vec<_> =
                entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
            found.sort();
            assert_eq!(found, [$(stringify!($target)),*]);
        }
    };
}

targets! { names record_fields record_text record_wire suffixes zone_changes zone_file }
