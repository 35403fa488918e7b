//! The null server: the service's HTTP stack with nothing behind it.
//!
//! It collects the body of every request and returns the same bytes each time, as many as the real answer has.
//! What a request costs beyond this is what the service itself costs.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};

use actix_web::http::header::{HeaderName, HeaderValue};
use actix_web::web::{self, Bytes, Data, PayloadConfig};
use actix_web::{App, HttpResponse, HttpServer};
use anyhow::{Context as _, anyhow};

use crate::arguments::Null;
use crate::scenario::Prepared;

/// Serves until told to stop.
pub(crate) fn serve(null: &Null) -> anyhow::Result<()> {
    let answer = Data::new(Answer::new(null)?);
    let workers = match null.workers {
        0 => std::thread::available_parallelism().map_or(1, usize::from),
        workers => workers,
    };
    actix_web::rt::System::new().block_on(async {
        let server = HttpServer::new(move || {
            App::new()
                .app_data(answer.clone())
                .app_data(PayloadConfig::new(LARGEST_BODY))
                .default_service(web::to(constant_answer))
        })
        .workers(workers)
        .tcp_nodelay(true)
        .bind(null.listen)
        .with_context(|| format!("listening on {}", null.listen))?;
        for address in server.addrs() {
            println!("{address}");
        }
        std::io::stdout().flush()?;
        let server = server.run();
        if null.until_stdin_closes {
            let handle = server.handle();
            actix_web::rt::spawn(async move {
                // Either end of the wait, orderly or not, is the end of the run that started this server.
                drop(web::block(|| std::io::stdin().read_to_end(&mut Vec::new())).await);
                handle.stop(false).await;
            });
        }
        server.await.context("serving")
    })
}

#[derive(Debug)]
struct Answer {
    fields: Vec<(HeaderName, HeaderValue)>,
    body: Bytes,
}

impl Answer {
    fn new(null: &Null) -> anyhow::Result<Self> {
        let fields = null.header.iter().map(|line| {
            let (name, value) = line
                .split_once(':')
                .context("--header must be `name: value`")?;
            Ok((name.trim().parse()?, value.trim().parse()?))
        });
        Ok(Self {
            fields: fields.collect::<anyhow::Result<_>>()?,
            body: Bytes::from(vec![b'x'; null.answer_bytes]),
        })
    }
}

async fn constant_answer(body: Bytes, answer: Data<Answer>) -> HttpResponse {
    std::hint::black_box(body.len());
    let mut response = HttpResponse::Ok();
    for (name, value) in &answer.fields {
        response.insert_header((name.clone(), value.clone()));
    }
    response.body(answer.body.clone())
}

/// A null server in a process of its own, which ends with this value.
#[derive(Debug)]
pub(crate) struct NullServer {
    child: Child,
    /// Where it listens.
    pub(crate) address: SocketAddr,
}

impl NullServer {
    /// Starts one whose answers have the length and header fields of the real ones.
    pub(crate) fn start(prepared: &Prepared, workers: usize) -> anyhow::Result<Self> {
        let program = std::env::current_exe().context("finding this program")?;
        let mut command = Command::new(program);
        command
            .args(["null", "--until-stdin-closes", "--answer-bytes"])
            .arg(prepared.answer_bytes.to_string())
            .arg("--workers")
            .arg(workers.to_string());
        for field in &prepared.answer_fields {
            command.arg("--header").arg(field);
        }
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .context("starting the null server")?;
        let output = child
            .stdout
            .take()
            .ok_or_else(|| anyhow!("the null server has no output"))?;
        let mut line = String::new();
        BufReader::new(output).read_line(&mut line)?;
        let address = line
            .trim()
            .parse()
            .context("the null server did not say where it listens");
        let mut server = Self {
            child,
            address: SocketAddr::from(([127, 0, 0, 1], 0)),
        };
        server.address = address?;
        Ok(server)
    }

    /// Its process id.
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }
}

impl Drop for NullServer {
    fn drop(&mut self) {
        // It may be gone already; then there is nothing left to end.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

const LARGEST_BODY: usize = 256 << 20;
