//! Posts an event to an address of the web.

use std::fs;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use rustls::crypto::aws_lc_rs;
use ureq::Agent;
use ureq::tls::PemItem;
use ureq::tls::RootCerts;
use ureq::tls::TlsConfig;
use ureq::tls::parse_pem;

#[cfg(test)]
mod tests;

/// Where events are posted to.
#[derive(Clone)]
pub(crate) struct Webhook {
    pub(crate) url: String,
    /// Certificates that are trusted, in PEM; read for each event, since events are rare and certificates change.
    pub(crate) roots: PathBuf,
}

impl Webhook {
    /// Posts a line. Blocks, for no longer than `limit`. Any status but 2xx is a failure, and redirections are not followed.
    ///
    /// # Errors
    /// When it was not posted, or refused. The error does not show the address, which may hold a secret.
    pub(crate) fn post(&self, line: &str, limit: Duration) -> io::Result<()> {
        let mut config = Agent::config_builder().timeout_global(Some(limit)).max_redirects(0);
        if self.url.starts_with("https:") {
            config = config.tls_config(self.tls()?);
        }
        let agent = config.build().new_agent();
        let request = agent.post(&self.url).header("content-type", "application/json");
        let answer = request.send(line).map_err(io::Error::other)?;
        let status = answer.status();
        status.is_success().then_some(()).ok_or_else(|| io::Error::other(format!("the answer was {status}")))
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
