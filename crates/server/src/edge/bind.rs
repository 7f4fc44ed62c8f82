//! Binding one address, with an error that says what to do about it.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;

use countersign_core::origin::Origin;
use socket2::{Domain, Protocol, Socket, Type};
use thiserror::Error;

use crate::keepalive::keep_alive;

/// An address that cannot be listened on.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("cannot listen on {address} for {origin}: {}", self.why())]
pub struct BindError {
    /// Where to.
    pub address: SocketAddr,
    /// The Gateway that wants it.
    pub origin: Arc<Origin>,
    /// The port that the Gateway names; another one may be bound (decision P10).
    pub port: u16,
    /// What the system said.
    pub kind: io::ErrorKind,
    /// The same in the system's words.
    pub system: Box<str>,
}

impl BindError {
    pub(crate) fn new(
        address: SocketAddr,
        origin: Arc<Origin>,
        port: u16,
        error: &io::Error,
    ) -> BindError {
        BindError {
            address,
            origin,
            port,
            kind: error.kind(),
            system: error.to_string().into(),
        }
    }

    fn why(&self) -> String {
        let port = self.address.port();
        match self.kind {
            io::ErrorKind::AddrInUse => format!("port {port} is in use by another process"),
            io::ErrorKind::PermissionDenied => format!("this user may not listen on port {port}"),
            io::ErrorKind::AddrNotAvailable => "this machine does not have that address".into(),
            _ => self.system.to_string(),
        }
    }

    /// What to write or do instead.
    pub fn help(&self) -> String {
        let port = self.address.port();
        let free = if port < 1024 {
            port + 8000
        } else {
            port.checked_add(1).unwrap_or(8080)
        };
        let map = format!(
            "bind another one with `ports: [{{port: {0}, bind: {free}}}]` in the spec of \
             GatewayParameters; policies still see port {0}",
            self.port
        );
        match self.kind {
            io::ErrorKind::AddrInUse => {
                format!("find who has it with `ss -ltnp 'sport = :{port}'`, or {map}")
            }
            io::ErrorKind::PermissionDenied => {
                format!("ports below 1024 need root or `CAP_NET_BIND_SERVICE`; or {map}")
            }
            io::ErrorKind::AddrNotAvailable => {
                "name an address of this machine in `spec.addresses`, or leave it out to listen \
                 on all"
                    .into()
            }
            _ => map,
        }
    }
}

/// Listens on an address. `[::]` takes IPv4 as well, and becomes `0.0.0.0`
/// where the system has no IPv6.
pub(crate) fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    match open(address) {
        Err(error) if address.ip().is_unspecified() && no_ipv6(&error) => {
            open((std::net::Ipv4Addr::UNSPECIFIED, address.port()).into())
        }
        outcome => outcome,
    }
}

fn open(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = Socket::new(
        Domain::for_address(address),
        Type::STREAM,
        Some(Protocol::TCP),
    )?;
    if address.is_ipv6() {
        socket.set_only_v6(!address.ip().is_unspecified())?;
    }
    // Connections of a process that just ended must not keep the next one
    // from starting; this does not let two listen on one port.
    #[cfg(unix)]
    socket.set_reuse_address(true)?;
    keep_alive(&socket)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    socket.set_nonblocking(true)?;
    Ok(socket.into())
}

/// Connections that the kernel keeps for us until we take them; it cuts this
/// to its own maximum (`net.core.somaxconn`).
const BACKLOG: i32 = 4096;

fn no_ipv6(error: &io::Error) -> bool {
    // The system's words for it differ: no such family, or no such address.
    error.kind() == io::ErrorKind::AddrNotAvailable
        || error.kind() == io::ErrorKind::Unsupported
        || error.raw_os_error() == Some(EAFNOSUPPORT)
}

#[cfg(target_os = "linux")]
const EAFNOSUPPORT: i32 = 97;
#[cfg(not(target_os = "linux"))]
const EAFNOSUPPORT: i32 = 47;

#[cfg(test)]
mod tests {
    use std::net::TcpStream;

    use super::*;

    fn origin() -> Arc<Origin> {
        Arc::new(Origin {
            kind: "Gateway",
            namespace: "default".into(),
            name: "web".into(),
            part: "listeners[0]".into(),
            file: "gateway.yaml".into(),
            line: 7,
        })
    }

    #[test]
    fn unspecified_takes_ipv4() {
        let listener = listen("[::]:0".parse().unwrap()).unwrap();
        let port = listener.local_addr().unwrap().port();
        TcpStream::connect(("127.0.0.1", port)).unwrap();
    }

    /// Accepted connections inherit it.
    #[test]
    fn clients_that_vanish_are_found_out() {
        let listener = listen("127.0.0.1:0".parse().unwrap()).unwrap();
        listener.set_nonblocking(false).unwrap();
        let _client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (accepted, _) = listener.accept().unwrap();
        let socket = socket2::SockRef::from(&accepted);
        assert!(socket.keepalive().unwrap());
        let time = socket.tcp_keepalive_time().unwrap();
        assert_eq!(time, std::time::Duration::from_secs(60));
    }

    #[test]
    fn a_port_in_use_is_told_with_the_listener_and_a_way_out() {
        let taken = listen("127.0.0.1:0".parse().unwrap()).unwrap();
        let address = taken.local_addr().unwrap();
        let error = BindError::new(address, origin(), 8080, &listen(address).unwrap_err());
        let port = address.port();
        assert_eq!(
            error.to_string(),
            format!(
                "cannot listen on 127.0.0.1:{port} for Gateway default/web listeners[0] \
                 (gateway.yaml:7): port {port} is in use by another process"
            )
        );
        assert!(error.help().contains("ports:"), "{}", error.help());
    }

    #[test]
    fn a_forbidden_port_and_a_foreign_address() {
        let denied = io::Error::from(io::ErrorKind::PermissionDenied);
        let error = BindError::new("[::]:443".parse().unwrap(), origin(), 443, &denied);
        assert!(
            error
                .to_string()
                .ends_with("this user may not listen on port 443")
        );
        assert!(
            error.help().contains("`ports: [{port: 443, bind: 8443}]`"),
            "{}",
            error.help()
        );

        let address = "192.0.2.1:0".parse().unwrap();
        let error = BindError::new(address, origin(), 8080, &listen(address).unwrap_err());
        assert!(
            error
                .to_string()
                .ends_with("this machine does not have that address")
        );
    }
}
