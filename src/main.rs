//! The function: settings, clients, and the loop that asks Lambda for work.

use hookwork::app::App;
use hookwork::clients::Aws;
use hookwork::config::Config;
use hookwork::{http, lambda, telemetry};
use lambda_runtime::{Error, LambdaEvent, service_fn};

// One thread: below 1,769 MB a function has less than one processor.
#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let config = match Config::from_lookup(|key| std::env::var(key).ok()) {
        Ok(config) => config,
        Err(error) => {
            eprintln!("{error}");
            std::process::exit(1);
        }
    };
    if std::env::var_os("AWS_LAMBDA_RUNTIME_API").is_none() {
        eprintln!("hookwork runs inside Lambda or its emulator; on this machine use `make run`");
        std::process::exit(1);
    }
    telemetry::init(config.log_level);
    let app = App::new(config, Aws::from_environment().await);
    let router = http::router(app.clone());
    lambda_runtime::run(service_fn(move |event: LambdaEvent<_>| {
        lambda::dispatch(app.clone(), router.clone(), event)
    }))
    .await
}
