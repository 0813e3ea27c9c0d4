//! Requests to other nodes. They go where the signed directory says, without proxies and redirects, and to private
//! addresses only from a node that has one itself: a public node must not be led into its operator's network.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::Duration;

use protocol::routes::Route;
use reqwest::Url;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use reqwest::redirect::Policy;
use server::request_id;
use tls::Roots;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);
/// Less than nodes keep an idle connection, so that none is used that the other side is about to close.
const IDLE_TIMEOUT: Duration = Duration::from_secs(5);

/// For requests to other nodes.
#[derive(Debug)]
pub(crate) struct Peers {
    client: reqwest::Client,
    private_allowed: bool,
}

impl Peers {
    /// `own_url` is the one that this node is configured to be reached at.
    pub(crate) fn new(own_url: &str, roots: &Roots) -> reqwest::Result<Self> {
        let private_allowed = Url::parse(own_url).is_ok_and(|url| is_private(&url));
        let mut builder = tls::http(roots)
            .connect_timeout(CONNECT_TIMEOUT)
            .pool_idle_timeout(IDLE_TIMEOUT)
            .redirect(Policy::none())
            .no_proxy();
        if !private_allowed {
            builder = builder.dns_resolver(PublicAddresses);
        }
        Ok(Self { client: builder.build()?, private_allowed })
    }

    /// A request to the node at `url`, under the number of the one that it is made for; none where it must not go.
    pub(crate) fn post(&self, url: &str, route: Route) -> Option<reqwest::RequestBuilder> {
        let url = Url::parse(&format!("{url}{}", route.path)).ok()?;
        let is_allowed = self.private_allowed || !is_private(&url);
        is_allowed.then(|| self.client.post(url).headers(request_id::outgoing()))
    }
}

/// Whether a URL's host is private by its form alone; other names are looked at when they are resolved.
fn is_private(url: &Url) -> bool {
    let Some(host) = url.host_str() else { return true };
    let host = host.trim_start_matches('[').trim_end_matches(']');
    host == "localhost"
        || host.ends_with(".localhost")
        || host.parse().is_ok_and(|address| !is_public(address))
}

/// Resolves names to public addresses only.
struct PublicAddresses;

impl Resolve for PublicAddresses {
    fn resolve(&self, name: Name) -> Resolving {
        Box::pin(async move {
            let found = tokio::net::lookup_host((name.as_str(), 0)).await?;
            let public: Vec<_> = found.filter(|address| is_public(address.ip())).collect();
            if public.is_empty() {
                return Err("the name has no public address".into());
            }
            Ok(Box::new(public.into_iter()) as Addrs)
        })
    }
}

fn is_public(address: IpAddr) -> bool {
    match address.to_canonical() {
        IpAddr::V4(address) => is_public_v4(address),
        IpAddr::V6(address) => is_public_v6(address),
    }
}

fn is_public_v4(address: Ipv4Addr) -> bool {
    let [first, second, ..] = address.octets();
    let shared = first == 100 && (64..128).contains(&second);
    let special = address.is_private() || address.is_loopback() || address.is_link_local();
    !(special || shared || first == 0 || address.is_broadcast() || address.is_multicast())
}

fn is_public_v6(address: Ipv6Addr) -> bool {
    let special = address.is_loopback() || address.is_unspecified() || address.is_multicast();
    !(special || address.is_unique_local() || address.is_unicast_link_local())
}
