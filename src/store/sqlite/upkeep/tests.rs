use std::{
    env, fs, io,
    path::{Path, PathBuf},
    process,
};

use super::place;

/// A folder of its own, which is deleted with this value.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let path = env::temp_dir().join(format!("nameplate-place-{name}-{}", process::id()));
        let _ = fs::remove_dir_all(&path);
        fs::create_dir(&path).unwrap();
        Self(path)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

#[test]
fn a_file_that_was_made_meanwhile_is_not_replaced() {
    let folder = Folder::new("race");
    let (partial, to) = (folder.0.join("copy.partial"), folder.0.join("copy"));
    fs::write(&partial, "whole").unwrap();
    fs::write(&to, "precious").unwrap();
    let refused = place(&partial, &to, |_| Ok(())).unwrap_err();
    assert_eq!(refused.kind(), io::ErrorKind::AlreadyExists);
    assert_eq!(fs::read_to_string(&to).unwrap(), "precious");

    fs::remove_file(&to).unwrap();
    place(&partial, &to, |_| Ok(())).unwrap();
    assert_eq!(fs::read_to_string(&to).unwrap(), "whole");
    assert!(!partial.exists());
}

#[test]
fn a_folder_that_cannot_be_flushed_does_not_make_the_copy_fail() {
    let folder = Folder::new("flush");
    let (partial, to) = (folder.0.join("copy.partial"), folder.0.join("copy"));
    fs::write(&partial, "whole").unwrap();
    let mut asked = false;
    let flush = |_: &Path| {
        asked = true;
        Err(io::ErrorKind::PermissionDenied.into())
    };
    place(&partial, &to, flush).unwrap();
    assert!(asked);
    assert_eq!(fs::read_to_string(&to).unwrap(), "whole");
}
