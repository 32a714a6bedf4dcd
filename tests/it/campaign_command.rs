//! `bluetick campaign` beside a running `serve`: it checks, sends, continues and changes.

use std::sync::Arc;
use std::time::Duration;

use actix_web::rt;
use bluetick::domain::provider::ProviderId;
use bluetick::simulator::{FaultRates, ForcedReply, Settings, Simulator};
use serde_json::json;

use crate::harness::app::SOBOT;
use crate::harness::fleet::Fleet;

const URL: &str = "https://media.example.com/a.jpg";

/// Runs a command without blocking other tasks.
async fn run(fleet: &Arc<Fleet>, arguments: &[&str]) -> (bool, String) {
    let arguments: Vec<String> = arguments.iter().map(|&text| text.to_owned()).collect();
    let fleet = Arc::clone(fleet);
    let run = move || {
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        fleet.run(&arguments)
    };
    rt::task::spawn_blocking(run).await.unwrap()
}

#[actix_web::test]
async fn the_command_sends_a_file_once_however_often_it_runs() {
    let settings = Settings {
        pace: 0.0,
        faults: FaultRates::default(),
        drain: Duration::from_secs(1),
        ..Settings::default()
    };
    let socket = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let simulator = Simulator::start(settings, socket).unwrap();
    let fleet = Arc::new(Fleet::new(1, &simulator.base_url()).await);
    let starting = Arc::clone(&fleet);
    let serve = rt::task::spawn_blocking(move || starting.start(0));
    let serve = serve.await.unwrap();
    let file = fleet.data_dir(0).join("customers.csv");
    let rows = (0..30).map(|number| format!("+4477009{number:05},Ines {number}\n"));
    let text = format!("to,name\n{}nonsense,Asha\n", rows.collect::<String>());
    std::fs::write(&file, &text).unwrap();
    let file = file.to_str().unwrap();
    let send = [
        "campaign",
        "send",
        file,
        "--account",
        SOBOT,
        "--name",
        "Summer sale",
        "--media",
        URL,
        "--caption",
        "Hello {{name}}",
    ];

    let dry_run = [send.as_slice(), &["--dry-run"]].concat();
    let (succeeded, printed) = run(&fleet, &dry_run).await;
    assert!(!succeeded, "{printed}");
    assert!(printed.contains("line 32, to: "), "{printed}");
    assert!(
        printed.contains("30 new recipients, 0 duplicates, 1 rejected line"),
        "{printed}"
    );
    let (_, printed) = run(&fleet, &["campaign", "list"]).await;
    assert!(!printed.contains("summer-sale"), "{printed}");

    let (succeeded, printed) = run(&fleet, &send).await;
    assert!(
        succeeded && printed.contains("summer-sale is done"),
        "{printed}"
    );
    let (succeeded, printed) = run(&fleet, &send).await;
    assert!(succeeded, "{printed}");
    for words in [
        "0 new recipients, 30 duplicates",
        "summer-sale was already done; nothing was sent again",
    ] {
        assert!(printed.contains(words), "{printed}");
    }
    let calls = simulator.received();
    assert_eq!(calls.len(), 30);

    let corrected = text.replace("nonsense", "+447700900999");
    std::fs::write(file, corrected).unwrap();
    for arguments in [&send[..], &dry_run] {
        let (succeeded, printed) = run(&fleet, arguments).await;
        let late = "summer-sale is done, and the file has 1 recipient that it does not have";
        assert!(!succeeded && printed.contains(late), "{printed}");
    }
    assert_eq!(simulator.received().len(), 30);
    std::fs::write(file, text).unwrap();

    let other = [&send[..8], &["https://media.example.com/b.jpg"]].concat();
    let (succeeded, printed) = run(&fleet, &other).await;
    assert!(
        !succeeded && printed.contains("differs in: media, caption; choose another --name"),
        "{printed}"
    );
    let slower = [&send[..], &["--rate", "0.5", "--send-before", "2h"]].concat();
    let (succeeded, printed) = run(&fleet, &slower).await;
    assert!(
        !succeeded && printed.contains("differs in: rate, send_before; choose another --name"),
        "{printed}"
    );

    let mut later = [&send[..6], &["Later"], &send[7..]].concat();
    later.extend(["--send-at", "2099-01-01T00:00:00Z", "--no-wait"]);
    let (succeeded, printed) = run(&fleet, &later).await;
    assert!(succeeded, "{printed}");
    for (action, state) in [
        ("pause", "paused"),
        ("resume", "scheduled"),
        ("cancel", "cancelled"),
    ] {
        let (succeeded, printed) = run(&fleet, &["campaign", action, "later"]).await;
        assert!(
            succeeded && printed.starts_with(&format!("later is {state}")),
            "{printed}"
        );
    }
    let (_, printed) = run(&fleet, &["campaign", "show", "later"]).await;
    assert!(printed.contains("30 cancelled"), "{printed}");
    later[6] = "दीवाली";
    for counts in ["30 new recipients, 0 dup", "0 new recipients, 30 dup"] {
        let (succeeded, printed) = run(&fleet, &later).await;
        assert!(succeeded && printed.contains(counts), "{printed}");
    }
    assert_eq!(simulator.received().len(), 30);

    // A file without recipients leaves no draft that the corrected one would have to match.
    std::fs::write(file, "to,name\n").unwrap();
    let mut autumn = [&send[..6], &["Autumn"], &send[7..9], &["--no-wait"]].concat();
    let (succeeded, printed) = run(&fleet, &autumn).await;
    assert!(
        !succeeded && printed.contains("customers.csv has no valid recipient; nothing was sent"),
        "{printed}"
    );
    std::fs::write(file, "to,name\nnonsense,Asha\n+447700900999,Ines\n").unwrap();
    let reply = json!({ "message": "the key is refused, so are Ines and +447700900999" });
    simulator.set_outage(ProviderId::Sobot, Some(ForcedReply::json(401, &reply)));
    autumn.extend(["--caption", "Hello"]);
    let (succeeded, printed) = run(&fleet, &autumn).await;
    let last = printed.lines().last().unwrap();
    assert!(
        succeeded
            && last.starts_with("warning: 1 line was rejected and not sent; correct the file"),
        "{printed}"
    );

    // The provider pauses the account: the log, the next campaign and doctor say why.
    serve
        .wait_for_log("sending is paused until an operator resumes it")
        .await;
    let log = serve.stderr();
    let mut lines = log.lines();
    let line = lines
        .find(|line| line.contains("sending is paused"))
        .unwrap();
    assert!(
        line.contains("the key is refused")
            && !line.contains("447700900999")
            && !line.contains("Ines"),
        "{line}"
    );
    autumn[6] = "Winter";
    let (succeeded, printed) = run(&fleet, &autumn).await;
    let resume = format!("bluetick account resume {SOBOT}");
    assert!(
        succeeded
            && printed.contains(&format!("account {SOBOT} is paused: "))
            && printed.contains(&resume),
        "{printed}"
    );
    let (_, printed) = run(&fleet, &["doctor"]).await;
    let paused = format!("warning [account_paused] account {SOBOT} sends nothing: paused by ");
    // It may be shown to others, so it does not quote the provider.
    assert!(
        printed.contains(&paused) && !printed.contains("the key is refused"),
        "{printed}"
    );
    assert!(printed.contains(&resume), "{printed}");
    let stopped = rt::task::spawn_blocking(move || serve.terminate());
    assert_eq!(stopped.await.unwrap().0.code(), Some(0));
    simulator.stop().await.unwrap();
}
