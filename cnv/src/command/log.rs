//! The audit log that an application's calls are recorded in: its own, or the one that its operator names.

use std::env;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::app::App;
use super::evidence::with_causes;
use super::failure::Failure;
use crate::attestation::key_file;
use crate::audit::{AuditLog, AuditOptions, OpenError};

/// Names the folder of the audit logs: each application has one of its name there.
pub(super) const AUDIT: &str = "CNV_AUDIT";
/// Names the file of the private key that signs the audit log.
pub(super) const AUDIT_KEY: &str = "CNV_AUDIT_KEY";

/// How long a call waits for a log that another process has open: some calls' time.
const PATIENCE: Duration = Duration::from_secs(2);
/// How often it tries.
const POLL: Duration = Duration::from_millis(20);

/// The audit log of the application, or the one that the environment names. A call that cannot be recorded does not run.
pub(super) async fn audit_log(app: &App) -> Result<Option<Arc<AuditLog>>, Failure> {
    if let Some(log) = &app.audit {
        return Ok(Some(Arc::clone(log)));
    }
    open_log(app.name).await
}

/// The log that the environment names for an application.
pub(super) async fn open_log(application: &str) -> Result<Option<Arc<AuditLog>>, Failure> {
    let Some(folder) = env::var_os(AUDIT) else {
        return Ok(None);
    };
    let Some(path) = env::var_os(AUDIT_KEY) else {
        return Err(Failure::failed(not_run(&format!(
            "{AUDIT} names an audit log, and {AUDIT_KEY} no private key that signs it; make one with `cnv key new`"
        ))));
    };
    let folder = Path::new(&folder).join(application);
    let key =
        || key_file::load(&path).map_err(|error| Failure::failed(not_run(&with_causes(&error))));
    // Read before the wait as well, so that a key which is none is reported at once.
    key()?;
    let open = || {
        let key = key()?;
        Ok(AuditLog::open(&folder, key, AuditOptions::new(application)))
    };
    in_turn(open, PATIENCE).await.map(Arc::new).map(Some)
}

fn not_run(why: &str) -> String {
    format!("the call was not run, because it cannot be recorded: {why}")
}

/// Opens a log, and waits where another process has it open.
async fn in_turn<T>(
    mut open: impl FnMut() -> Result<Result<T, OpenError>, Failure>,
    patience: Duration,
) -> Result<T, Failure> {
    let since = Instant::now();
    loop {
        let error = match open()? {
            Ok(log) => return Ok(log),
            Err(error) => error,
        };
        let is_locked = matches!(error, OpenError::Locked { .. });
        if is_locked && since.elapsed() < patience {
            tokio::time::sleep(POLL).await;
            continue;
        }
        let message = not_run(&with_causes(&error));
        let failure = Failure::from(error).with_whole_message(message);
        return Err(if is_locked {
            failure.with_retry_after(patience)
        } else {
            failure
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::command::FailureCode;

    fn locked() -> OpenError {
        OpenError::Locked {
            path: "logs/ops".into(),
        }
    }

    fn run<T>(future: impl Future<Output = T>) -> T {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .build();
        runtime.unwrap().block_on(future)
    }

    #[test]
    fn a_log_that_another_process_has_open_is_waited_for() {
        let mut tries = 0;
        let open = || {
            tries += 1;
            Ok(if tries < 3 {
                Err(locked())
            } else {
                Ok("the log")
            })
        };
        assert_eq!(
            run(in_turn(open, Duration::from_secs(3600))).unwrap(),
            "the log"
        );
        assert_eq!(tries, 3);
    }

    #[test]
    fn it_is_not_waited_for_for_ever() {
        let failure = run(in_turn(|| Ok(Err::<(), _>(locked())), Duration::ZERO)).unwrap_err();
        assert_eq!(failure.code(), FailureCode::Failed);
        assert_eq!(failure.retry_after(), Some(Duration::ZERO));
        let error = failure.error().unwrap().downcast_ref::<OpenError>();
        assert!(matches!(error, Some(OpenError::Locked { .. })));
        let told = failure.to_string();
        assert!(told.starts_with("the call was not run, because "), "{told}");
    }

    #[test]
    fn other_errors_are_not_waited_for() {
        let mut tries = 0;
        let open = || {
            tries += 1;
            Ok(Err::<(), _>(OpenError::Io {
                path: "logs/ops".into(),
                source: std::io::ErrorKind::PermissionDenied.into(),
            }))
        };
        assert!(run(in_turn(open, Duration::from_secs(3600))).is_err());
        assert_eq!(tries, 1);
    }
}
