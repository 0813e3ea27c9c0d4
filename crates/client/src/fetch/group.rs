//! Reading a group of blobs: from the best replica, from a second one too where it is late, and blob by blob from the
//! next where one fails.

use std::rc::Rc;
use std::time::Duration;

use bytes::Bytes;
use crypto::blob::BlobKind;
use futures_util::future::{Either, select};
use protocol::id::{BlobId, NodeId};
use protocol::uploads::NodeGrant;

use super::locations::Group;
use super::{Fetcher, Opened};

/// A node that failed, or was slower than one that was asked later, is asked last for this long.
const AVOID_MS: u64 = 30_000;

/// What is to be read: some of a group's blobs, and what they may be.
struct Wanted<'a> {
    group: &'a Group,
    indices: Vec<usize>,
    expected: &'a [BlobKind],
}

/// What came, by its place in the group.
type Came = Vec<(usize, Rc<Opened>)>;

impl Fetcher {
    /// Reads some of a group's blobs from its replicas, best first, until all came and opened or none is left.
    pub(super) async fn read_group(
        &self,
        group: &Group,
        indices: Vec<usize>,
        expected: &[BlobKind],
    ) -> Vec<(BlobId, Rc<Opened>)> {
        let mut wanted = Wanted { group, indices, expected };
        let mut opened = Vec::with_capacity(wanted.indices.len());
        let replicas = self.in_order(&group.replicas);
        let mut next = 0;
        while next < replicas.len() && !wanted.indices.is_empty() {
            let (came, asked) = self.read_next(&replicas[next..], &wanted).await;
            next += asked;
            wanted.indices.retain(|index| came.iter().all(|(it, _)| it != index));
            opened.extend(came.into_iter().map(|(index, blob)| (group.blobs[index].id, blob)));
        }
        opened
    }

    /// Asks the first replica, and the second too if it is late: the first that gives everything wins, and the other's
    /// transfer ends. Returns how many were asked.
    async fn read_next(&self, replicas: &[&NodeGrant], wanted: &Wanted<'_>) -> (Came, usize) {
        let platform = &self.client.platform;
        let began_ms = platform.now_ms();
        let mut first = std::pin::pin!(self.read_from(replicas[0], wanted));
        let (came, asked) = if let Some(second) = replicas.get(1) {
            if let Some(came) = self.until_late(first.as_mut()).await {
                (came, 1)
            } else {
                let second = self.read_from(second, wanted);
                let (came, is_second) = first_of(first, second, wanted.indices.len()).await;
                if is_second {
                    self.avoid(replicas[0].node);
                }
                (came, 2)
            }
        } else {
            (first.await, 1)
        };
        let took_ms = platform.now_ms().saturating_sub(began_ms);
        self.inner.hedging.borrow_mut().note(Duration::from_millis(took_ms));
        (came, asked)
    }

    /// What a read gives, unless it is late and another node may be asked.
    async fn until_late(&self, mut read: impl Future<Output = Came> + Unpin) -> Option<Came> {
        let (client, hedging) = (&self.client, &self.inner.hedging);
        loop {
            let late_after = hedging.borrow().late_after();
            match select(read, client.platform.sleep(late_after)).await {
                Either::Left((came, _)) => return Some(came),
                Either::Right(_) if hedging.borrow_mut().take() => return None,
                Either::Right(((), waiting)) => read = waiting,
            }
        }
    }

    /// What one replica gives of what is wanted, verified and opened.
    async fn read_from(&self, replica: &NodeGrant, wanted: &Wanted<'_>) -> Came {
        let Wanted { group, indices, expected } = wanted;
        let contents = match self.client.read_blobs(replica, &group.blobs, indices).await {
            Ok(contents) => contents.into_iter().map(Some).collect(),
            Err(error) => {
                tracing::warn!(%error, "reading from the next replica");
                self.avoid(replica.node);
                // A batch fails as a whole where one blob is missing; the others may still be there.
                self.read_singly(replica, wanted).await
            }
        };
        let mut opened = Came::new();
        for (index, content) in indices.iter().zip(contents) {
            let Some(content) = content else { continue };
            if let Some(blob) = self.open(group.blobs[*index].id, content, expected).await {
                opened.push((*index, Rc::new(blob)));
            }
        }
        opened
    }

    /// After a failed batch of several: each blob by itself, unless the node does not answer at all.
    async fn read_singly(&self, replica: &NodeGrant, wanted: &Wanted<'_>) -> Vec<Option<Bytes>> {
        let mut contents = vec![None; wanted.indices.len()];
        if wanted.indices.len() < 2 {
            return contents;
        }
        let mut failures = 0;
        for (content, index) in contents.iter_mut().zip(&wanted.indices) {
            match self.client.read_blobs(replica, &wanted.group.blobs, &[*index]).await {
                Ok(mut one) => *content = one.pop(),
                Err(_) => failures += 1,
            }
            if failures > 2 {
                break;
            }
        }
        contents
    }

    fn avoid(&self, node: NodeId) {
        let until = self.client.platform.now_ms() + AVOID_MS;
        self.inner.avoid_until_ms.borrow_mut().insert(node, until);
    }

    fn in_order<'a>(&self, replicas: &'a [NodeGrant]) -> Vec<&'a NodeGrant> {
        let now = self.client.platform.now_ms();
        let avoided = self.inner.avoid_until_ms.borrow();
        let mut ordered: Vec<&NodeGrant> = replicas.iter().collect();
        ordered.sort_by_key(|replica| avoided.get(&replica.node).is_some_and(|until| *until > now));
        ordered
    }
}

/// What the first of two reads gives that gives all `count`, or else what both give; and whether the second came first.
/// The loser's transfer ends with it.
async fn first_of(
    first: impl Future<Output = Came> + Unpin,
    second: impl Future<Output = Came>,
    count: usize,
) -> (Came, bool) {
    let second = std::pin::pin!(second);
    let (mut came, other, is_second) = match select(first, second).await {
        Either::Left((came, second)) => (came, Either::Left(second), false),
        Either::Right((came, first)) => (came, Either::Right(first), true),
    };
    if came.len() < count {
        let others = other.await;
        let is_new = |(index, _): &(usize, _)| came.iter().all(|(it, _)| it != index);
        let new: Came = others.into_iter().filter(is_new).collect();
        came.extend(new);
    }
    (came, is_second)
}
