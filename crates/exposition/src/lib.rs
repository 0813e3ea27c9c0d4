//! What a program tells Prometheus: families of metrics that say what they are, and their text.
//!
//! Nothing is global: each server has a registry of its own, also where tests run several in one process. What a scrape
//! looks up anew, like the nodes of a cluster, goes into a fresh registry each time, so that what is gone is not told any
//! more.

use metrics::{Key, Label, Level, Metadata, Recorder as _};
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle, PrometheusRecorder};

pub use metrics::{Counter, Gauge, Histogram};

/// The content type of [`Registry::render`].
pub const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// The upper ends of a histogram's buckets, in seconds: from a fast disk's sync to the longest request.
const BUCKETS: [f64; 14] =
    [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0, 60.0];

/// What a family's numbers do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Only ever grow; the name ends in `_total`.
    Counter,
    /// Come and go.
    Gauge,
    /// How long something took, in seconds.
    Histogram,
}

/// Metrics of one name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Family {
    /// The name, with its unit.
    pub name: &'static str,
    /// What its numbers do.
    pub kind: Kind,
    /// What they say.
    pub help: &'static str,
}

/// Families as constants, and a list of all of them.
#[macro_export]
macro_rules! families {
    ($all:ident: $($id:ident = $kind:ident $name:literal $help:literal;)*) => {
        $(const $id: $crate::Family =
            $crate::Family { name: $name, kind: $crate::Kind::$kind, help: $help };)*
        /// All families of this module.
        pub(crate) const $all: &[$crate::Family] = &[$($id),*];
    };
}

/// A label's name and value.
pub type LabelOf<'a> = (&'static str, &'a str);

/// Metrics with their present values.
pub struct Registry {
    recorder: PrometheusRecorder,
    handle: PrometheusHandle,
}

families! { OF_PROGRAM:
    BUILD = Gauge "triplicate_build_info" "1, with the program's version.";
    START = Gauge "triplicate_start_timestamp_seconds" "When the program started.";
}

impl Registry {
    /// With the families of a program, and with what every program tells. `started_ms` in Unix milliseconds.
    pub fn of_program(families: &[Family], version: &str, started_ms: u64) -> Self {
        let registry = Self::new(&[families, OF_PROGRAM].concat());
        registry.gauge(BUILD, &[("version", version)]).set(1.0);
        registry.gauge(START, &[]).set(timestamp(started_ms));
        registry
    }

    /// With nothing in it yet but what the families mean.
    pub fn new(families: &[Family]) -> Self {
        let builder = PrometheusBuilder::new().set_buckets(&BUCKETS).expect("there are buckets");
        let recorder = builder.build_recorder();
        for Family { name, kind, help } in families {
            match kind {
                Kind::Counter => recorder.describe_counter((*name).into(), None, (*help).into()),
                Kind::Gauge => recorder.describe_gauge((*name).into(), None, (*help).into()),
                Kind::Histogram => recorder.describe_histogram((*name).into(), None, (*help).into()),
            }
        }
        let handle = recorder.handle();
        Self { recorder, handle }
    }

    /// The family's counter with these labels, 0 if it is new.
    pub fn counter(&self, family: Family, labels: &[LabelOf<'_>]) -> Counter {
        debug_assert_eq!(family.kind, Kind::Counter, "{}", family.name);
        self.recorder.register_counter(&key(family, labels), &METADATA)
    }

    /// The family's gauge with these labels, 0 if it is new.
    pub fn gauge(&self, family: Family, labels: &[LabelOf<'_>]) -> Gauge {
        debug_assert_eq!(family.kind, Kind::Gauge, "{}", family.name);
        self.recorder.register_gauge(&key(family, labels), &METADATA)
    }

    /// The family's histogram with these labels, empty if it is new.
    pub fn histogram(&self, family: Family, labels: &[LabelOf<'_>]) -> Histogram {
        debug_assert_eq!(family.kind, Kind::Histogram, "{}", family.name);
        self.recorder.register_histogram(&key(family, labels), &METADATA)
    }

    /// Everything in Prometheus' text form.
    pub fn render(&self) -> String {
        self.handle.render()
    }

    /// Puts what histograms collected into their buckets. To be called every few seconds where nobody may scrape: until
    /// then, each observation takes memory.
    pub fn tidy(&self) {
        self.handle.run_upkeep();
    }
}

/// Unix milliseconds as the seconds that a `_timestamp_seconds` tells.
#[expect(clippy::cast_precision_loss, reason = "exact for 285,000 years")]
pub fn timestamp(unix_ms: u64) -> f64 {
    unix_ms as f64 / 1000.0
}

/// A number of bytes or things.
#[expect(clippy::cast_precision_loss, reason = "Prometheus knows no other numbers")]
pub fn count(value: u64) -> f64 {
    value as f64
}

/// 1 for what is so.
pub fn flag(is_so: bool) -> f64 {
    f64::from(u8::from(is_so))
}

static METADATA: Metadata<'static> = Metadata::new("triplicate", Level::INFO, None);

fn key(family: Family, labels: &[LabelOf<'_>]) -> Key {
    let labels: Vec<Label> =
        labels.iter().map(|(name, value)| Label::new(*name, (*value).to_owned())).collect();
    Key::from_parts(family.name, labels)
}

#[cfg(test)]
mod tests {
    use super::*;

    families! { ALL:
        READ = Counter "triplicate_test_reads_total" "Reads.";
        ROOM = Gauge "triplicate_test_room_bytes" "Room.";
        TIME = Histogram "triplicate_test_duration_seconds" "How long it took.";
    }

    #[test]
    fn numbers_are_told_with_what_they_mean() {
        let registry = Registry::new(ALL);
        registry.counter(READ, &[("of", "blobs")]).increment(2);
        registry.counter(READ, &[("of", "blobs")]).increment(1);
        registry.gauge(ROOM, &[]).set(count(5));
        registry.histogram(TIME, &[]).record(0.02);
        let text = registry.render();
        for line in [
            "# HELP triplicate_test_reads_total Reads.",
            "# TYPE triplicate_test_reads_total counter",
            "triplicate_test_reads_total{of=\"blobs\"} 3",
            "triplicate_test_room_bytes 5",
            "triplicate_test_duration_seconds_bucket{le=\"0.01\"} 0",
            "triplicate_test_duration_seconds_bucket{le=\"0.025\"} 1",
            "triplicate_test_duration_seconds_count 1",
        ] {
            assert!(text.lines().any(|found| found == line), "{line} is not in:\n{text}");
        }
    }

    #[test]
    fn a_label_cannot_end_its_line() {
        let registry = Registry::new(ALL);
        registry.gauge(ROOM, &[("zone", "a\"\nb\\")]).set(1.0);
        assert!(registry.render().contains(r#"triplicate_test_room_bytes{zone="a\"\nb\\"} 1"#));
    }
}
