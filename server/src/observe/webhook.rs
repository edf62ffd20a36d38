//! Posts an event to an address of the web.

use std::fs;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use std::time::Instant;

use rustls::crypto::aws_lc_rs;
use ureq::Agent;
use ureq::http::StatusCode;
use ureq::http::Uri;
use ureq::tls::PemItem;
use ureq::tls::RootCerts;
use ureq::tls::TlsConfig;
use ureq::tls::parse_pem;

#[cfg(test)]
mod tests;

/// How often it is tried to post an event.
const TRIES: u32 = 3;
/// Into how many parts the time for an event falls, of which one passes before the second try and two before the third.
const PAUSE_PARTS: u32 = 10;

/// Where events are posted to.
#[derive(Clone)]
pub(crate) struct Webhook {
    pub(crate) url: String,
    /// Certificates that are trusted, in PEM; read for each event, since events are rare and certificates change.
    pub(crate) roots: PathBuf,
}

/// Why a line was not posted.
enum Unposted {
    /// Another time it may be.
    ForNow(io::Error),
    /// Nobody wants it.
    ForGood(io::Error),
}

impl Webhook {
    /// Posts a line. Blocks, for no longer than `limit`, and between two tries by `wait`. Any status but 2xx is a failure, and
    /// redirections are not followed.
    ///
    /// # Errors
    /// When it was not posted, or refused. The error does not show the address, which may hold a secret.
    pub(crate) fn post(&self, line: &str, limit: Duration, wait: &mut dyn FnMut(Duration)) -> io::Result<()> {
        let ends = Instant::now() + limit;
        let mut pause = limit / PAUSE_PARTS;
        for left in (1..=TRIES).rev() {
            // One try that hangs leaves time for the others.
            let share = ends.saturating_duration_since(Instant::now()) / left;
            match self.post_once(line, share) {
                Ok(()) => return Ok(()),
                Err(Unposted::ForNow(_)) if left > 1 => wait(pause),
                Err(Unposted::ForNow(error) | Unposted::ForGood(error)) => return Err(error),
            }
            pause *= 2;
        }
        Err(io::ErrorKind::TimedOut.into())
    }

    fn post_once(&self, line: &str, limit: Duration) -> Result<(), Unposted> {
        // Events go where the configuration says, whatever the environment says about proxies.
        let mut config = Agent::config_builder().timeout_global(Some(limit)).max_redirects(0).proxy(None);
        let uri = self.url.parse::<Uri>().map_err(|error| Unposted::ForGood(io::Error::other(error)))?;
        if uri.scheme_str() == Some("https") {
            config = config.tls_config(self.tls().map_err(Unposted::ForNow)?);
        }
        let agent = config.http_status_as_error(false).build().new_agent();
        let request = agent.post(uri).header("content-type", "application/json");
        let answer = request.send(line).map_err(|error| Unposted::ForNow(io::Error::other(error)))?;
        let status = answer.status();
        let refused = || io::Error::other(format!("the answer was {status}"));
        match status {
            status if status.is_success() => Ok(()),
            StatusCode::REQUEST_TIMEOUT | StatusCode::TOO_MANY_REQUESTS => Err(Unposted::ForNow(refused())),
            status if status.is_server_error() => Err(Unposted::ForNow(refused())),
            _ => Err(Unposted::ForGood(refused())),
        }
    }

    fn tls(&self) -> io::Result<TlsConfig> {
        let certificates = parse_pem(&fs::read(&self.roots)?)
            .filter_map(|item| match item {
                Ok(PemItem::Certificate(certificate)) => Some(certificate),
                _ => None,
            })
            .collect::<Vec<_>>();
        Ok(TlsConfig::builder()
            .root_certs(RootCerts::Specific(Arc::new(certificates)))
            .unversioned_rustls_crypto_provider(Arc::new(aws_lc_rs::default_provider()))
            .build())
    }
}
