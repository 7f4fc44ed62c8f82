//! Starts that fail, and what they say.

use std::net::{Ipv4Addr, TcpListener};
use std::sync::Arc;

use countersign_runtime::{Counter, Handle, Metrics};
use countersign_server::{Server, Sink, StartError};
use countersign_testkit::port;

use crate::site::{NoKeys, compiled, options};

fn start(port: u16, admin: Option<u16>) -> Result<Server, StartError> {
    let backend = (Ipv4Addr::LOCALHOST, 9).into();
    let compiled = Arc::new(compiled(port, backend));
    let handle = Handle::start(compiled, Arc::new(NoKeys), || 0.5, Metrics::new());
    let (sink, _writer) = Sink::start(std::io::sink(), Counter::default()).unwrap();
    let admin = admin.map(|port| (Ipv4Addr::LOCALHOST, port).into());
    Server::start(&handle, sink, options(admin))
}

#[tokio::test]
async fn a_port_in_use_is_told_with_its_gateway_and_help() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port();
    let problems = start(port, None).unwrap_err().problems();
    assert_eq!(problems.len(), 1);
    assert_eq!(
        problems[0].message,
        format!(
            "cannot listen on 127.0.0.1:{port} for Gateway default/web (a.yaml:1): \
             port {port} is in use by another process"
        )
    );
    assert!(
        problems[0].help.contains("`ports: "),
        "{}",
        problems[0].help
    );
}

#[tokio::test]
async fn an_admin_port_in_use_leaves_nothing_running() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let admin = taken.local_addr().unwrap().port();
    let port = port::free();
    let problems = start(port, Some(admin)).unwrap_err().problems();
    assert!(
        problems[0].message.starts_with(&format!(
            "cannot listen on 127.0.0.1:{admin} for the admin listener"
        )),
        "{problems:?}"
    );
    assert!(problems[0].help.contains("--admin"));
    TcpListener::bind((Ipv4Addr::LOCALHOST, port)).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_shut_down_can_be_started_again() {
    let port = port::free();
    for _ in 0..2 {
        let server = start(port, Some(0)).unwrap();
        assert_eq!(server.addresses(), [(Ipv4Addr::LOCALHOST, port).into()]);
        assert!(server.admin().is_some());
        server.shutdown().await;
    }
}
