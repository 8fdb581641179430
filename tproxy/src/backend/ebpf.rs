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

    /// Refuses what of a plan this kernel cannot do. Without root it cannot be asked.
    ///
    /// # Errors
    /// The setting, and which kernel can.
    pub fn is_able(&self, plan: &Plan) -> Result<(), EbpfError> {
        let asked = unsupported::by_interface(plan).filter(|_| nix::unistd::geteuid().is_root());
        asked.map_or(Ok(()), |key| kernel::try_to_tell_interfaces(self.place.object.as_deref(), key))
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

    fn back(&self, before: &Before, _: &Record, installed: &Installed) -> Vec<Change> {
        let (returned, ended) = render::back(&before.captured, installed);
        [returned, ended].concat()
    }
}
