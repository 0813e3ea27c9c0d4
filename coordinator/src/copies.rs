//! How many copies of a blob the cluster keeps, and in how many zones they must be before a commit counts.

use protocol::limits::REPLICAS_MAX;

/// What is promised now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Copies {
    /// Copies that the cluster keeps of a blob, each in a zone of its own.
    pub replicas: u32,
    /// Zones that must have given receipts; below them, a blob is at risk.
    pub write_zones: u32,
}

impl Copies {
    /// For a cluster of that many zones: three copies where there are three zones, two of them before a commit
    /// counts. `wanted` is the operator's own number of copies; more than there are zones come to be when zones join.
    pub fn for_zones(zones: usize, wanted: Option<u32>) -> Self {
        let zones = u32::try_from(zones.clamp(1, REPLICAS_MAX)).expect("clamped to a small number");
        let replicas = wanted.unwrap_or(zones.min(3)).max(1);
        Self { replicas, write_zones: replicas.min(zones).min(2) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_promise_grows_with_the_zones() {
        let promised = |zones, wanted| {
            let Copies { replicas, write_zones } = Copies::for_zones(zones, wanted);
            (replicas, write_zones)
        };
        assert_eq!(
            [0, 1, 2, 3, 4].map(|zones| promised(zones, None)),
            [(1, 1), (1, 1), (2, 2), (3, 2), (3, 2)]
        );
        assert_eq!(promised(4, Some(1)), (1, 1));
        assert_eq!(promised(4, Some(4)), (4, 2));
        assert_eq!(promised(1, Some(3)), (3, 1));
    }
}
