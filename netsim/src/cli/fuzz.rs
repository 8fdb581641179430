//! `netsim fuzz`.

use std::path::PathBuf;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use clap::Args;
use tproxy::backend::BackendId;

use super::selection::tproxy;
use super::{End, say};
use crate::fuzz::{self, Found, Options};
use crate::run;

/// How often a long run says how far it is.
const EVERY: Duration = Duration::from_secs(10);

#[derive(Debug, Args)]
pub(super) struct Fuzz {
    /// What the cases are drawn from; the same number draws the same [default: from the clock, and printed]
    #[arg(long, value_name = "NUMBER")]
    seed: Option<u64>,
    /// How many installations
    #[arg(long, value_name = "NUMBER", default_value_t = 100)]
    cases: u64,
    /// The first case to run, to see one again
    #[arg(long, value_name = "NUMBER", default_value_t = 0)]
    first: u64,
    /// How many flows a random installation gets
    #[arg(long, value_name = "NUMBER", default_value_t = 300)]
    flows: usize,
    /// Backends, repeatable; each is compared with the policy, and with the first
    #[arg(long, value_name = "ID", default_values = ["iptables-nft", "iptables-legacy"])]
    backend: Vec<String>,
    /// The tproxy binary to prove [default: the one beside netsim]
    #[arg(long, value_name = "PATH")]
    tproxy: Option<PathBuf>,
}

impl Fuzz {
    pub(super) fn run(&self) -> End {
        let options = match self.options() {
            Ok(options) => options,
            Err(reason) => return End::Refused(reason),
        };
        say(&format!("seed {}\n", options.seed));
        let mut said = Instant::now();
        let outcome = fuzz::run(&options, |found| {
            if said.elapsed() >= EVERY {
                said = Instant::now();
                say(&format!(
                    "{} of {} cases, {} flows\n",
                    found.cases + found.refused,
                    options.cases,
                    found.flows
                ));
            }
        });
        match outcome {
            Ok(found) => conclude(&found),
            Err(error) => {
                say(&format!("FAILED  could not be carried out: {error}\n"));
                End::Failed
            }
        }
    }

    fn options(&self) -> Result<Options, String> {
        let backends = self.backend.iter().map(|name| {
            [BackendId::IptablesNft, BackendId::IptablesLegacy, BackendId::Ebpf]
                .into_iter()
                .find(|known| known.to_string() == *name)
                .ok_or_else(|| {
                    format!("`{name}` is no backend; there are: iptables-nft, iptables-legacy, ebpf")
                })
        });
        let backends = backends.collect::<Result<Vec<_>, _>>()?;
        for backend in &backends {
            run::supports(*backend).map_err(|missing| missing.to_string())?;
        }
        let clock = || SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
        Ok(Options {
            tproxy: tproxy(self.tproxy.as_deref())?,
            programs: Vec::new(),
            seed: self.seed.unwrap_or_else(clock),
            cases: self.cases,
            first: self.first,
            flows: self.flows,
            backends,
        })
    }
}

fn conclude(found: &Found) -> End {
    for failure in &found.failures {
        say(&format!("\n# MISMATCH  {failure}"));
    }
    let rate = |time: Duration| {
        let seconds = time.as_secs_f64();
        if seconds > 0.0 { found.flows as f64 / seconds } else { 0.0 }
    };
    say(&format!(
        "\n{} cases ({} more refused), {} flows, of {} of which the generator itself said what must become; \
         {} mismatches; {:.0} flows a second, {:.0} without the installations\n",
        found.cases,
        found.refused,
        found.flows,
        found.claimed,
        found.failures.len(),
        rate(found.elapsed),
        rate(found.sending)
    ));
    if found.failures.is_empty() && found.flows > 0 { End::Passed } else { End::Failed }
}
