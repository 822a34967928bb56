//! `cidcast token new`.

use std::process::ExitCode;

use serde_json::json;
use sha2::{Digest as _, Sha256};

use super::Context;
use super::args::TokenArgs;
use super::failure::Failure;
use crate::config::Scope;
use crate::serve::new_token;

/// Prints a token once; only its hash goes into the configuration.
pub(crate) fn new(context: &Context, options: &TokenArgs) -> Result<ExitCode, Failure> {
    let token = new_token().map_err(|error| Failure::local(&error))?;
    let sha256 = data_encoding::HEXLOWER.encode(&Sha256::digest(token.as_bytes()));
    let scopes: Vec<String> = options.scopes.iter().map(spelling).collect();
    let value = json!({ "token": token, "name": options.name, "sha256": sha256, "scopes": scopes });
    context.output.result(&value, || {
        format!(
            "{token}\n\nKeep it: it is shown only now. Add its hash to the configuration and \
             restart the node:\n\napi:\n  tokens:\n    - name: {}\n      sha256: {sha256}\n      \
             scopes: [{}]\n",
            json!(options.name),
            scopes.join(", ")
        )
    });
    Ok(ExitCode::SUCCESS)
}

fn spelling(scope: &Scope) -> String {
    match scope {
        Scope::Read => "read",
        Scope::Write => "write",
        Scope::Admin => "admin",
    }
    .to_owned()
}
