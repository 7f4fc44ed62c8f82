//! Which listener a request belongs to, by its handshake and by its host.

use countersign_core::host::HostPattern;
use countersign_core::id::{ListenerId, SocketId};
use countersign_core::{Arrival, Connection};
use countersign_core::{Reason, prepare};

use crate::world::*;

const ANY: ListenerId = ListenerId(0);
const SHOP: ListenerId = ListenerId(1);

/// A TLS socket with a listener for `shop.test` and one for everything else.
fn world() -> World {
    let mut world = World::new(Vec::new(), None, None, &[Route("/", None, None)]);
    let mut shop = World::new(Vec::new(), None, None, &[Route("/", None, None)]);
    let mut narrow = std::mem::take(&mut shop.snap.listeners)
        .into_iter()
        .next()
        .expect("one listener");
    narrow.host = HostPattern::new("shop.test");
    let listeners = std::mem::take(&mut world.snap.listeners);
    world.snap.listeners = listeners.into_iter().chain([narrow]).collect();
    world.snap.sockets[0].tls = true;
    world.snap.sockets[0].listeners = [SHOP, ANY].into();
    world
}

/// The listener of a request, or why it has none.
fn listener(handshake: ListenerId, sni: Option<&str>, host: &str) -> Result<ListenerId, Reason> {
    let arrival = Arrival {
        socket: SocketId(0),
        tls: Some(handshake),
        connection: Connection { sni, ..CLEAR },
    };
    let request = http::Request::get("/").header("host", host).body(());
    let mut parts = request.expect("a request").into_parts().0;
    let prepared = prepare(&world().snap, &arrival, &mut parts);
    prepared
        .map(|it| it.listener)
        .map_err(|denial| denial.reason)
}

#[test]
fn a_host_of_another_listener_than_the_handshakes_is_misdirected() {
    let misdirected = || Err(Reason::Misdirected);
    for (handshake, sni, host, wanted) in [
        (SHOP, Some("shop.test"), "shop.test", Ok(SHOP)),
        (SHOP, Some("shop.test"), "shop.test:443", Ok(SHOP)),
        (SHOP, Some("shop.test"), "other.test", misdirected()),
        (ANY, Some("other.test"), "other.test", Ok(ANY)),
        (ANY, Some("other.test"), "third.test", Ok(ANY)),
        (ANY, Some("other.test"), "shop.test", misdirected()),
        // Nobody was named, so nobody else was meant.
        (ANY, None, "shop.test", Ok(SHOP)),
        (ANY, None, "other.test", Ok(ANY)),
    ] {
        let got = listener(handshake, sni, host);
        assert_eq!(got, wanted, "{sni:?} and {host}");
    }
}
