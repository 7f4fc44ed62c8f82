//! The runner against a stand-in with the gateway's command line.

use super::*;

fn setup() -> Setup {
    Setup::new(concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/src/gateway/stand_in.py"
    ))
    .file("a.yaml", "first")
}

#[test]
fn starts_waits_until_ready_and_stops_when_dropped() {
    let gateway = setup()
        .file("b.yaml", "+second")
        .arg("--workers")
        .arg("1")
        .start()
        .unwrap();
    assert_eq!(gateway.admin("/config").text(), "first+second");
    assert_eq!(gateway.logs("ready to serve"), "ready to serve --workers 1");
    let (admin, folder) = (gateway.admin_address(), gateway.folder());
    drop(gateway);
    assert!(Client::connect(admin).is_err() && !folder.exists());
}

#[test]
fn files_are_replaced_and_removed() {
    let gateway = setup().file("b.yaml", "+second").start().unwrap();
    gateway.write("a.yaml", "changed");
    gateway.remove("b.yaml");
    assert_eq!(gateway.admin("/config").text(), "changed");
}

#[test]
fn a_series_is_found_by_its_whole_name() {
    let gateway = setup().start().unwrap();
    assert_eq!(gateway.metric(r#"requests{outcome="deny"}"#), Some(3.0));
    assert_eq!(gateway.metric("requests"), None);
}

#[test]
fn a_refused_start_tells_code_and_output() {
    let failure = setup().arg("--broken").start().map(|_| ()).unwrap_err();
    assert_eq!(
        (failure.code, failure.stderr.as_str()),
        (Some(4), "gateway.yaml:1: unknown kind\n")
    );
}

#[test]
fn a_signal_ends_it_and_its_output_is_kept() {
    let gateway = setup().start().unwrap();
    gateway.signal("TERM");
    let ended = gateway.wait();
    assert_eq!((ended.code, ended.stdout.as_str()), (Some(0), "bye\n"));
}
