//! The folder with the evidence of all variants.

use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

/// Where evidence goes.
#[derive(Debug, Clone)]
pub enum EvidencePlace {
    /// A folder, made when it is not there.
    Folder(PathBuf),
    /// A new folder among the machine's temporary files, made when the first variant fails. Copies share it.
    Temporary(Arc<OnceLock<Result<PathBuf, String>>>),
}

impl EvidencePlace {
    /// A new folder among the machine's temporary files, if it is needed.
    #[must_use]
    pub fn temporary() -> Self {
        Self::Temporary(Arc::default())
    }

    /// The folder, where there is one already.
    pub(super) fn known(&self) -> Option<&Path> {
        match self {
            Self::Folder(folder) => Some(folder),
            Self::Temporary(folder) => folder.get()?.as_deref().ok(),
        }
    }

    /// The folder, or why there is none.
    pub(super) fn root(&self) -> Result<PathBuf, String> {
        let make = || {
            let template = std::env::temp_dir().join("netsim-evidence-XXXXXX");
            nix::unistd::mkdtemp(&template)
                .map_err(|error| format!("cannot make a folder like {}: {error}", template.display()))
        };
        match self {
            Self::Folder(folder) => Ok(folder.clone()),
            Self::Temporary(folder) => folder.get_or_init(make).clone(),
        }
    }
}
