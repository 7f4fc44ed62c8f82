//! `countersign demo`: a gateway at work, with everything around it that shows what it does.

use std::collections::HashMap;
use std::net::{Ipv4Addr, TcpListener};

use clap::Args;
use countersign_config::compiled::Compiled;
use countersign_config::load;
use countersign_config::source::Text;

use crate::demo::{Application, CONFIG, Issuer, Tour};
use crate::exit::{Exit, Failure};
use crate::gateway::{Gateway, Plan, Signals, on_control_runtime};
use crate::load::invalid;
use crate::logging::LogArgs;
use crate::output::{Format, Palette, print, report};

/// See the gateway at work: with an application behind it and an issuer of tokens beside it
///
/// Everything listens on this machine alone. One line for each request goes to standard output. Ctrl-C ends it.
#[derive(Args)]
pub(crate) struct Demo {
    /// The port that the gateway listens on; 0 takes any that is free
    #[arg(long, value_name = "PORT", default_value_t = 8080)]
    port: u16,
    /// Print the configuration instead
    #[arg(long)]
    print_config: bool,
    #[command(flatten)]
    log: LogArgs,
}

impl Demo {
    pub(crate) fn run(self) -> Result<Exit, Failure> {
        if self.print_config {
            print(CONFIG)?;
            return Ok(Exit::Success);
        }
        let port = free(self.port)?;
        on_control_runtime(serve(port, self.log))
    }
}

async fn serve(port: u16, log: LogArgs) -> Result<Exit, Failure> {
    let mut signals = Signals::listen()?;
    let unbound = |error| Failure::new(Exit::Failure, format!("the demo cannot start: {error}"));
    let application = Application::start(port.wrapping_add(1))
        .await
        .map_err(unbound)?;
    let issuer = Issuer::start(port.wrapping_add(2)).await.map_err(unbound)?;
    let tour = Tour {
        gateway: port,
        application: application.port,
        issuer: issuer.port,
    };
    let gateway = Gateway::start(Plan {
        compiled: compile(&tour)?,
        workers: None,
        admin: None,
        log: log.start(),
        traces: None,
        reloads: None,
    })?;
    print(&tour.text(Palette::stdout(Format::Human)))?;
    Ok(gateway.until_signal(&mut signals).await)
}

/// The configuration that `--print-config` shows, with the ports of this run.
fn compile(tour: &Tour) -> Result<Compiled, Failure> {
    let ports = HashMap::from([
        ("GATEWAY_PORT", tour.gateway),
        ("APPLICATION_PORT", tour.application),
        ("ISSUER_PORT", tour.issuer),
    ]);
    let text = Text {
        name: "demo.yaml".to_owned(),
        content: CONFIG.to_owned(),
    };
    let loaded = load(vec![text], &|name| ports.get(name).map(u16::to_string));
    report(
        &loaded
            .diagnostics
            .render(&loaded.files, Palette::stderr().style()),
    );
    loaded.compiled.ok_or_else(|| invalid(&loaded.diagnostics))
}

/// The port, if nobody has it.
fn free(port: u16) -> Result<u16, Failure> {
    let bind = |port| TcpListener::bind((Ipv4Addr::LOCALHOST, port)).and_then(|it| it.local_addr());
    bind(port).map(|address| address.port()).map_err(|error| {
        let failure = Failure::new(
            Exit::Failure,
            format!("port {port} cannot be used: {error}"),
        );
        match bind(0) {
            Ok(other) => failure.help(format!(
                "take one that is free, as in `countersign demo --port {}`",
                other.port()
            )),
            Err(_) => failure,
        }
    })
}
