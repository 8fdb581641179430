//! The texts that a scenario is read from: its file, and those that it includes, with `${variables}` filled in.
//!
//! Must never read a file outside the folder above the scenario's own.

use std::cell::RefCell;
use std::collections::{BTreeMap, HashMap};
use std::path::Path;
use std::rc::Rc;
use std::sync::Arc;

use serde::Deserialize;
use serde_saphyr::{InputSource, Location, Options, SafeFileReadMode, SafeFileResolver};
use tproxy::diagnostic::{Place, Source};

use super::schema::{Document, FlagValue};

/// A scenario's file, and the files that it includes, in the order in which they were read.
pub(super) struct Sources {
    own: Arc<Source>,
    included: Rc<RefCell<Vec<Arc<Source>>>>,
}

/// Of a document, what the rest of it is read with.
#[derive(Deserialize)]
struct Head {
    #[serde(default)]
    variables: BTreeMap<String, FlagValue>,
}

impl Sources {
    pub(super) fn new(own: &Arc<Source>) -> Self {
        Self { own: Arc::clone(own), included: Rc::default() }
    }

    /// The document that they hold together.
    pub(super) fn document(&self) -> Result<Document, serde_saphyr::Error> {
        let head: Head = serde_saphyr::from_str_with_options(&self.own.text, self.with_includes())?;
        let variables: HashMap<String, String> =
            head.variables.into_iter().map(|(name, value)| (name, value.to_string())).collect();
        self.included.borrow_mut().clear();
        let options = self.with_includes();
        // Without any, `${…}` stays what it is: it may be meant for a shell.
        let options = if variables.is_empty() { options } else { options.with_properties(variables) };
        serde_saphyr::from_str_with_options(&self.own.text, options)
    }

    /// The place that a location means, whichever file it is in.
    pub(super) fn place(&self, location: Option<Location>) -> Place {
        let included = self.included.borrow();
        let number = location.map_or(0, |location| location.source_id());
        // The parser numbers its sources from 1, which is the scenario itself.
        let file = usize::try_from(number).ok().and_then(|number| included.get(number.checked_sub(2)?));
        Place::of(file.unwrap_or(&self.own), location)
    }

    fn with_includes(&self) -> Options {
        let path = Path::new(&self.own.name);
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let above = folder.canonicalize().ok().and_then(|folder| folder.parent().map(Path::to_owned));
        // A text that is no file includes nothing: the parser says so.
        let Some(above) = above else { return Options::default() };
        let resolver = SafeFileResolver::new(above).and_then(|resolver| resolver.with_root_base_dir(folder));
        let Ok(resolver) = resolver else { return Options::default() };
        let resolver = resolver.with_read_mode(SafeFileReadMode::Text);
        let included = Rc::clone(&self.included);
        Options::default().with_include_resolver(move |request| {
            let found = resolver.resolve(request)?;
            if let InputSource::Text(text) = &found.source {
                let (name, text) = (found.name.clone(), text.clone());
                included.borrow_mut().push(Arc::new(Source { name, text }));
            }
            Ok(found)
        })
    }
}
