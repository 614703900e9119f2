//! Whether a folder can be the data folder, found out without making or changing anything.

use super::file::{DATABASE, LOCK};
use rustix::fs::{Access, access};
use rustix::io::Errno;
use std::fs::{self, File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};
use thiserror::Error;

/// Why a folder cannot be the data folder.
#[derive(Debug, Error)]
pub enum FolderError {
    /// Something else is in its place, or where it would be made.
    #[error("store.data_dir = {dir:?}: must be a folder that is there or can be made, but `{}` is no folder", there.display())]
    NoFolder {
        /// `store.data_dir`
        dir: PathBuf,
        /// What is no folder.
        there: PathBuf,
    },
    /// The system does not let this process use it.
    #[error("store.data_dir = {dir:?}: must be a folder that this user may read and write, but of `{}` the system says: {source}", there.display())]
    Refused {
        /// `store.data_dir`
        dir: PathBuf,
        /// The folder, the one that it would be made in, or a file in it.
        there: PathBuf,
        /// What the system says.
        source: io::Error,
    },
}

/// Whether a folder that can be the data folder is that of a process now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FolderUse {
    /// It is free.
    Free,
    /// A process runs on it.
    InUse,
}

/// Looks whether `dir` can be the data folder.
pub fn look_at(dir: &Path) -> Result<FolderUse, FolderError> {
    let refused = |there: &Path, source: io::Error| {
        let (dir, there) = (dir.to_owned(), there.to_owned());
        FolderError::Refused { dir, there, source }
    };
    let no_folder = |there: &Path| {
        let (dir, there) = (dir.to_owned(), there.to_owned());
        FolderError::NoFolder { dir, there }
    };
    // What is missing is made, in the nearest folder above it that is there.
    let mut there = dir;
    loop {
        match fs::metadata(there) {
            Ok(it) if it.is_dir() => break,
            Ok(_) => return Err(no_folder(there)),
            Err(error) if error.kind() == io::ErrorKind::NotFound && !there.is_symlink() => {}
            Err(error) if error.kind() == io::ErrorKind::NotADirectory => {}
            Err(error) => return Err(refused(there, error)),
        }
        there = match there.parent() {
            Some(above) if above != Path::new("") => above,
            Some(_) | None => Path::new("."),
        };
    }
    let everything = Access::READ_OK | Access::WRITE_OK | Access::EXEC_OK;
    access(there, everything).map_err(|error| refused(there, error.into()))?;
    for name in [DATABASE, LOCK] {
        let file = dir.join(name);
        match access(&file, Access::READ_OK | Access::WRITE_OK) {
            Ok(()) if file.is_dir() => {
                return Err(refused(&file, io::ErrorKind::IsADirectory.into()));
            }
            Ok(()) | Err(Errno::NOENT | Errno::NOTDIR) => {}
            Err(error) => return Err(refused(&file, error.into())),
        }
    }
    Ok(use_of(&dir.join(LOCK)))
}

/// Whoever starts just now tries again: this holds the lock for an instant.
fn use_of(lock: &Path) -> FolderUse {
    match File::open(lock).map(|it| it.try_lock_shared()) {
        Ok(Err(TryLockError::WouldBlock)) => FolderUse::InUse,
        Ok(_) | Err(_) => FolderUse::Free,
    }
}
