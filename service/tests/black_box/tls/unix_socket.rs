//! Unix sockets: who may connect, and what happens to their files.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use serde_json::json;

use super::encrypted::configuration;
use crate::app::TestApp;
use crate::client::{Answer, Wire};
use crate::set_up::{Home, refused};

const LOCAL: &str = "
[listener.local]
unix_socket = \"DIR/socket\"
unix_mode = \"0660\"
";

fn ask(app: &TestApp, path: &Path) -> Answer {
    let stream = UnixStream::connect(path).unwrap();
    stream
        .set_read_timeout(Some(Duration::from_mins(1)))
        .unwrap();
    let mut wire = Wire::over(stream);
    let create = app.request("POST", "transit/keys/local").body("{}");
    assert_eq!(create.send_over(&mut wire).unwrap().status, 200);
    let plaintext = json!({"plaintext": "aGVsbG8="});
    let encrypt = app.request("POST", "transit/encrypt/local").body(plaintext);
    encrypt.send_over(&mut wire).unwrap()
}

#[test]
fn a_socket_serves_those_its_mode_lets_in_and_goes_with_the_service() {
    let home = Home::new();
    let config = configuration(&home, LOCAL);
    let token = config.init();
    let socket = home.path().join("socket");
    let start = || TestApp::start_on(2, &mut config.command(&["server"]), &token);
    let app = start();
    let shown = format!("listening on unix:{}\n", socket.display());
    assert!(app.greeting.contains(&shown), "{}", app.greeting);
    let mode = fs::metadata(&socket).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o660);
    ask(&app, &socket).data();

    // Killed, it leaves its file behind, which the next start replaces.
    app.kill();
    assert!(socket.exists());
    let app = start();
    ask(&app, &socket).data();
    app.stop();
    assert!(!socket.exists());
}

#[test]
fn a_socket_that_somebody_listens_on_is_left_alone() {
    let (first, second) = (Home::new(), Home::new());
    let config = configuration(&first, LOCAL);
    let token = config.init();
    let app = TestApp::start_on(2, &mut config.command(&["server"]), &token);
    let shared = LOCAL.replace("DIR", &first.path().display().to_string());
    let other = configuration(&second, &shared);
    other.init();
    let (status, sentence) = refused(&mut other.command(&["server"]));
    assert_eq!(status, 69);
    assert!(sentence.contains("another process does"), "{sentence}");
    ask(&app, &first.path().join("socket")).data();
}
