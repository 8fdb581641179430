//! Reports as text. Must never judge: it shows what a run found.

mod features;
mod figures;
mod flows;
mod html;
mod json;
mod junit;
mod page;
mod suite;
mod summary;
mod table;
mod tap;
mod text;

pub use features::features;
pub use figures::{page as bench_page, plot as bench_plot, text as bench};
pub use flows::flows;
pub use html::html;
pub use json::json;
pub use junit::junit;
pub use suite::{Case, CaseResult, Outcome, Setting, count};
pub use summary::summary;
pub use tap::tap;
pub use text::{checks, failed, failure, line, more, plain, rules};

#[cfg(test)]
mod formats_tests;
