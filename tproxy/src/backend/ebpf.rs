//! The eBPF backend: joins the half that asks and changes the kernel (`ebpf::kernel`) to the pure half (`ebpf`).
//!
//! Must never decide what is captured.

use super::{Backend, BackendId, Capabilities};
use crate::apply::change::Change;
use crate::apply::record::{Before, Record};
use crate::config::Config;
use crate::ebpf::kernel::{self, EbpfError};
use crate::ebpf::render::{self, Installed, Place};
use crate::ebpf::{Ids, Unsupported, unsupported};
use crate::host;
use crate::plan::Plan;

/// eBPF programs at one place.
#[derive(Debug, Clone)]
pub struct Ebpf {
    place: Place,
    loopback: String,
    ids: Ids,
}

impl Ebpf {
    /// A backend that installs where `config` says, with `ids` for what configurations mean.
    ///
    /// # Errors
    /// There is no such place.
    pub fn new(config: &Config, loopback: &str, ids: Ids) -> Result<Self, EbpfError> {
        Ok(Self { place: kernel::choose(config)?, loopback: loopback.to_owned(), ids })
    }

    /// Refuses what of a configuration cannot be honoured, before anything is looked at.
    ///
    /// # Errors
    /// The first such option.
    pub fn supports(config: &Config, plan: &Plan) -> Result<(), Unsupported> {
        unsupported::check(config, plan)
    }
}

impl Backend for Ebpf {
    type Installed = Installed;
    type Error = EbpfError;
    type Unsupported = Unsupported;

    fn id(&self) -> BackendId {
        BackendId::Ebpf
    }

    fn probe(&self) -> Capabilities {
        let facts = host::facts(&Config::default());
        Capabilities { without_ipv6: facts.ok().and_then(|facts| facts.without_ipv6) }
    }

    fn observe(&self, record: Option<Record>) -> Result<Installed, EbpfError> {
        kernel::look(&self.loopback, record)
    }

    fn render(&self, plan: &Plan, installed: &Installed) -> Result<Vec<Change>, Unsupported> {
        render::install(plan, &self.place, &self.ids, installed)
    }

    fn remove(&self, installed: &Installed) -> Vec<Change> {
        render::remove(installed, &self.loopback)
    }

    fn back(&self, _: &Before, _: &Record, installed: &Installed) -> Vec<Change> {
        // An installation of this backend is never one that has to be confirmed: `install` refuses that.
        self.remove(installed)
    }
}
