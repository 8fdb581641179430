//! The texts that a scenario is read from: its file, and those that it includes, with `${variables}` filled in.
//!
//! Must never read a file outside the folder above the scenario's own.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::path::Path;
use std::rc::Rc;
use std::sync::Arc;

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_saphyr::{IncludeResolveError, InputSource, Location, Options, SafeFileReadMode, SafeFileResolver};
use tproxy::diagnostic::{Colours, Place, Source, yaml_message};

use super::schema::{Document, FlagValue};
use super::variables::{self, Unknown};

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

/// A text, as it is to be read.
type Reading = dyn Fn(&str) -> Result<String, Unknown>;

impl Sources {
    /// The document that `file` and what it includes hold together.
    ///
    /// # Errors
    /// It is no document; the message says where.
    pub(super) fn read(file: &Arc<Source>) -> Result<(Document, Self), String> {
        // Which variables there are stands in the file itself: it is read a first time without their values.
        let (head, _): (Head, _) = Self::parse(file, Rc::new(|text| Ok(variables::blank(text))))?;
        let values: BTreeMap<String, String> =
            head.variables.into_iter().map(|(name, value)| (name, value.to_string())).collect();
        Self::parse(file, Rc::new(move |text| variables::fill(text, &values)))
    }

    fn parse<T: DeserializeOwned>(file: &Arc<Source>, reading: Rc<Reading>) -> Result<(T, Self), String> {
        let text = reading(&file.text).map_err(|unknown| {
            Place::of_byte(file, unknown.offset).annotate(&unknown.to_string(), Colours::Never)
        })?;
        let own = Arc::new(Source { name: file.name.clone(), text });
        let sources = Self { own, included: Rc::default() };
        let options = sources.with_includes(reading);
        match serde_saphyr::from_str_with_options(&sources.own.text, options) {
            Ok(read) => Ok((read, sources)),
            Err(error) => {
                Err(sources.place(error.location()).annotate(&yaml_message(&error), Colours::Never))
            }
        }
    }

    /// The place that a location means, whichever file it is in.
    pub(super) fn place(&self, location: Option<Location>) -> Place {
        let included = self.included.borrow();
        let number = location.map_or(0, |location| location.source_id());
        // The parser numbers its sources from 1, which is the scenario itself.
        let file = usize::try_from(number).ok().and_then(|number| included.get(number.checked_sub(2)?));
        Place::of(file.unwrap_or(&self.own), location)
    }

    fn with_includes(&self, reading: Rc<Reading>) -> Options {
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
            let mut found = resolver.resolve(request)?;
            if let InputSource::Text(text) = &mut found.source {
                *text = reading(text).map_err(|unknown| {
                    let file = Arc::new(Source { name: found.name.clone(), text: text.clone() });
                    let place = Place::of_byte(&file, unknown.offset);
                    IncludeResolveError::Message(format!("{}: {unknown}", place.exact()))
                })?;
                let (name, text) = (found.name.clone(), text.clone());
                included.borrow_mut().push(Arc::new(Source { name, text }));
            }
            Ok(found)
        })
    }
}
