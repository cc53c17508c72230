//! Addresses and names.

use super::gate::Gate;
use crate::rt;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6};

/// How many names are looked up at a time, each by a thread of the blocking pool. Further ones wait, so that slow name servers
/// hold up names, but never files.
pub const RESOLVER_THREADS: usize = 8;

static RESOLVERS: Gate = Gate::new(RESOLVER_THREADS);

mod sealed {
    use std::net::SocketAddr;

    /// What an address stands for.
    #[derive(Debug)]
    pub enum Target {
        /// An address.
        One(SocketAddr),
        /// Several.
        Many(Vec<SocketAddr>),
        /// A name to be looked up, and a port.
        Name(String, u16),
    }

    /// Keeps the trait to this crate.
    pub trait Sealed {
        #[doc(hidden)]
        fn target(&self) -> std::io::Result<Target>;
    }
}

use sealed::{Sealed, Target};

/// What can be turned into addresses: addresses themselves, pairs of host and port, and text as `"example.org:80"`. Names are
/// looked up without blocking a worker.
///
/// ```
/// use maniac_io::net::{TcpListener, lookup_host};
/// # fn main() -> std::io::Result<()> {
/// # maniac_runtime::runtime::Runtime::new_single_threaded().unwrap().block_on(async {
/// let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
/// let other = TcpListener::bind(&["127.0.0.1:0".parse().unwrap()][..]).await?;
/// # drop((listener, other));
/// # Ok(()) })
/// # }
/// ```
pub trait ToSocketAddrs: Sealed {}

impl<T: Sealed + ?Sized> ToSocketAddrs for T {}

impl<T: Sealed + ?Sized> Sealed for &T {
    fn target(&self) -> io::Result<Target> {
        (**self).target()
    }
}

/// Addresses that are there already.
macro_rules! ready {
    ($($type:ty: $this:ident => $addr:expr;)+) => {
        $(impl Sealed for $type {
            fn target(&self) -> io::Result<Target> {
                let $this = self;
                Ok(Target::One($addr))
            }
        })+
    };
}

ready! {
    SocketAddr: this => *this;
    SocketAddrV4: this => (*this).into();
    SocketAddrV6: this => (*this).into();
    (IpAddr, u16): this => (*this).into();
    (Ipv4Addr, u16): this => (*this).into();
    (Ipv6Addr, u16): this => (*this).into();
}

impl Sealed for [SocketAddr] {
    fn target(&self) -> io::Result<Target> {
        Ok(Target::Many(self.to_vec()))
    }
}

impl<const N: usize> Sealed for [SocketAddr; N] {
    fn target(&self) -> io::Result<Target> {
        self[..].target()
    }
}

impl Sealed for Vec<SocketAddr> {
    fn target(&self) -> io::Result<Target> {
        self[..].target()
    }
}

impl Sealed for (&str, u16) {
    fn target(&self) -> io::Result<Target> {
        let (host, port) = *self;
        Ok(match host.parse::<IpAddr>() {
            Ok(ip) => Target::One((ip, port).into()),
            Err(_) => Target::Name(host.to_owned(), port),
        })
    }
}

impl Sealed for (String, u16) {
    fn target(&self) -> io::Result<Target> {
        (self.0.as_str(), self.1).target()
    }
}

impl Sealed for str {
    fn target(&self) -> io::Result<Target> {
        if let Ok(addr) = self.parse() {
            return Ok(Target::One(addr));
        }
        let invalid = |what| {
            let text = format!("{self:?} has {what}; an address is written as host:port");
            io::Error::new(io::ErrorKind::InvalidInput, text)
        };
        let (host, port) = self.rsplit_once(':').ok_or_else(|| invalid("no port"))?;
        let port = port.parse().map_err(|_| invalid("no number from 0 to 65535 for its port"))?;
        if host.is_empty() {
            return Err(invalid("no host"));
        }
        (host, port).target()
    }
}

impl Sealed for String {
    fn target(&self) -> io::Result<Target> {
        self.as_str().target()
    }
}

/// Looks a name up, by the system's resolver; gives its addresses in the resolver's order. Nothing is looked up for what is
/// an address already. At most [`RESOLVER_THREADS`] names are looked up at a time.
///
/// # Errors
///
/// Those of getaddrinfo(3); `InvalidInput` if the text is no address.
///
/// # Cancel safety
///
/// Nothing is lost; a look-up that has begun ends by itself.
///
/// ```
/// use maniac_io::net::lookup_host;
/// # fn main() -> std::io::Result<()> {
/// # maniac_runtime::runtime::Runtime::new_single_threaded().unwrap().block_on(async {
/// for addr in lookup_host("localhost:80").await? {
///     assert!(addr.ip().is_loopback() && addr.port() == 80);
/// }
/// # Ok(()) })
/// # }
/// ```
pub async fn lookup_host(host: impl ToSocketAddrs) -> io::Result<impl Iterator<Item = SocketAddr>> {
    rt::charge().await;
    let target = host.target()?;
    Ok(resolve(target).await?.into_iter())
}

async fn resolve(target: Target) -> io::Result<Vec<SocketAddr>> {
    let (host, port) = match target {
        Target::One(addr) => return Ok(vec![addr]),
        Target::Many(addrs) => return Ok(addrs),
        Target::Name(host, port) => (host, port),
    };
    let pass = RESOLVERS.enter().await;
    rt::unblock(move || {
        // Held until the resolver is done, whoever waits for it or not.
        let _pass = pass;
        let addrs = std::net::ToSocketAddrs::to_socket_addrs(&(host.as_str(), port))?;
        Ok(addrs.collect())
    })
    .await
}

/// The addresses to try, one after the other.
pub(super) struct Candidates {
    one: Option<SocketAddr>,
    more: std::vec::IntoIter<SocketAddr>,
    failure: Option<io::Error>,
}

pub(super) async fn candidates(addr: impl ToSocketAddrs) -> io::Result<Candidates> {
    let (one, more) = match addr.target()? {
        // No allocation for what is most common.
        Target::One(addr) => (Some(addr), Vec::new()),
        target => (None, resolve(target).await?),
    };
    Ok(Candidates { one, more: more.into_iter(), failure: None })
}

impl Candidates {
    pub(super) fn next(&mut self) -> Option<SocketAddr> {
        self.one.take().or_else(|| self.more.next())
    }

    /// Keeps why an address did not work.
    pub(super) fn failed(&mut self, error: io::Error) {
        self.failure = Some(error);
    }

    /// No address has worked: why the last did not.
    pub(super) fn into_failure<T>(self) -> io::Result<T> {
        let none = || io::Error::new(io::ErrorKind::InvalidInput, "there is no address to try");
        Err(self.failure.unwrap_or_else(none))
    }
}
